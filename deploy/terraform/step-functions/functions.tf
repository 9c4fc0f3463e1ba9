locals {
  source = "${path.module}/../../../examples/step-functions"

  functions = {
    simulated-api = {
      handler = "lambdas.simulated_api.handle"
      timeout = 10
      environment = {
        JOBS_TABLE           = aws_dynamodb_table.jobs.name
        COMPLETE_AFTER_POLLS = tostring(var.complete_after_polls)
      }
    }
    create-job = {
      handler = "lambdas.create_job.handle"
      timeout = 30
      environment = {
        TOKENS_TABLE           = aws_dynamodb_table.tokens.name
        SIMULATED_API_FUNCTION = "${var.name}-simulated-api"
      }
    }
    # 200 rows a run, eight at once: shorter than the schedule's minute
    poller = {
      handler = "lambdas.poller.handle"
      timeout = 55
      environment = {
        TOKENS_TABLE           = aws_dynamodb_table.tokens.name
        SIMULATED_API_FUNCTION = "${var.name}-simulated-api"
      }
    }
  }
}

data "archive_file" "functions" {
  type        = "zip"
  output_path = "${path.module}/.terraform/functions.zip"

  dynamic "source" {
    for_each = fileset("${local.source}/lambdas", "*.py")

    content {
      content  = file("${local.source}/lambdas/${source.value}")
      filename = "lambdas/${source.value}"
    }
  }
}

resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name    = "${var.name}-${each.key}"
  role             = aws_iam_role.function[each.key].arn
  runtime          = "python3.13"
  architectures    = ["arm64"]
  handler          = each.value.handler
  filename         = data.archive_file.functions.output_path
  source_code_hash = data.archive_file.functions.output_base64sha256
  memory_size      = 256
  timeout          = each.value.timeout
  tags             = local.tags

  environment {
    variables = each.value.environment
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  depends_on = [aws_iam_role_policy.function]
}
