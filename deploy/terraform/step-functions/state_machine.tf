resource "aws_sfn_state_machine" "wait_for_job" {
  name     = "${var.name}-wait-for-job"
  role_arn = aws_iam_role.state_machine.arn
  type     = "STANDARD"
  tags     = local.tags

  definition = templatefile("${local.source}/state-machines/wait-for-job.asl.json", {
    create_job_function = aws_lambda_function.this["create-job"].arn
    timeout_seconds     = var.timeout_seconds
    heartbeat_seconds   = var.heartbeat_seconds
  })

  # without the data: what workflows carry, tokens included, stays out of the log
  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.state_machine.arn}:*"
    include_execution_data = false
    level                  = "ERROR"
  }

  depends_on = [aws_iam_role_policy.state_machine]
}
