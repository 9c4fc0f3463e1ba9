resource "aws_scheduler_schedule" "poller" {
  name                = "${var.name}-poller"
  description         = "Polls that are due."
  schedule_expression = var.poll_schedule

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.this["poller"].arn
    role_arn = aws_iam_role.schedule.arn
    input    = jsonencode({})

    # the next minute brings the next try
    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 0
    }
  }
}
