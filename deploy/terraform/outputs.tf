output "address" {
  description = "Where the load balancer answers; point the name of the certificate there."
  value       = aws_lb.this.dns_name
}

output "setup_command" {
  description = "Makes schema and topics. Ends with the task's ARN; its log is in the group setup."
  value = join(" ", [
    "aws ecs run-task --region ${var.region} --cluster ${aws_ecs_cluster.this.name} --launch-type FARGATE",
    "--task-definition ${aws_ecs_task_definition.setup.family}",
    "--network-configuration 'awsvpcConfiguration={subnets=[${join(",", local.private_subnet_ids)}],securityGroups=[${aws_security_group.tasks.id}],assignPublicIp=DISABLED}'",
    "--query 'tasks[0].taskArn' --output text",
  ])
}

output "kafka_bootstrap_servers" {
  description = "Brokers, with SCRAM over TLS."
  value       = aws_msk_cluster.this.bootstrap_brokers_sasl_scram
}

output "database_endpoint" {
  description = "host:port of PostgreSQL."
  value       = aws_db_instance.this.endpoint
}

output "secret_arns" {
  description = "The generated secrets, by what they are."
  value       = { for name, secret in aws_secretsmanager_secret.generated : name => secret.arn }
}

output "log_groups" {
  description = "Where each role logs."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}

output "alarm_topic_arn" {
  description = "SNS topic of all alarms."
  value       = aws_sns_topic.alarms.arn
}
