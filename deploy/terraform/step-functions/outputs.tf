output "state_machine_arn" {
  description = "What to start; also for state_machine_arns of deploy/terraform, where tocsin is to settle its tokens."
  value       = aws_sfn_state_machine.wait_for_job.arn
}

output "tokens_table" {
  description = "Where waiting workflows are seen."
  value       = aws_dynamodb_table.tokens.name
}

output "poller_function" {
  description = "What to invoke for a poll at once."
  value       = aws_lambda_function.this["poller"].function_name
}
