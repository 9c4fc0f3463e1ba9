# Functions and the state machine are named here by what they will be called, not by reference: they are made after the
# rights they need, so that the first invocation has them.
locals {
  lambda_arns = {
    for name in keys(local.functions) :
    name => "arn:aws:lambda:${var.region}:${data.aws_caller_identity.current.account_id}:function:${var.name}-${name}"
  }
  state_machine_arn = "arn:aws:states:${var.region}:${data.aws_caller_identity.current.account_id}:stateMachine:${var.name}-wait-for-job"

  # what each function may do besides writing its own log
  rights = {
    simulated-api = {
      Jobs = { actions = ["dynamodb:PutItem", "dynamodb:UpdateItem"], resources = [aws_dynamodb_table.jobs.arn] }
    }
    create-job = {
      Tokens = { actions = ["dynamodb:PutItem", "dynamodb:UpdateItem"], resources = [aws_dynamodb_table.tokens.arn] }
      Job    = { actions = ["lambda:InvokeFunction"], resources = [local.lambda_arns["simulated-api"]] }
      Tell   = { actions = ["states:SendTaskFailure"], resources = [local.state_machine_arn] }
    }
    poller = {
      Due    = { actions = ["dynamodb:Query"], resources = ["${aws_dynamodb_table.tokens.arn}/index/waiting-next_poll"] }
      Tokens = { actions = ["dynamodb:GetItem", "dynamodb:UpdateItem"], resources = [aws_dynamodb_table.tokens.arn] }
      Job    = { actions = ["lambda:InvokeFunction"], resources = [local.lambda_arns["simulated-api"]] }
      Tell = {
        actions   = ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"]
        resources = [local.state_machine_arn]
      }
    }
  }
}

# --- who may take which role: only the service, and only on behalf of this account ---------------------------------------

data "aws_iam_policy_document" "taken_by" {
  for_each = toset(["lambda", "scheduler", "states"])

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }

    # Lambda sends no source account when it takes a role
    dynamic "condition" {
      for_each = each.key == "lambda" ? [] : [data.aws_caller_identity.current.account_id]

      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }
}

# --- the functions ------------------------------------------------------------------------------------------------------

resource "aws_iam_role" "function" {
  for_each = local.functions

  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.taken_by["lambda"].json
  tags               = local.tags
}

data "aws_iam_policy_document" "function" {
  for_each = local.functions

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function[each.key].arn}:*"]
  }

  dynamic "statement" {
    for_each = local.rights[each.key]

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions

  name   = "run"
  role   = aws_iam_role.function[each.key].id
  policy = data.aws_iam_policy_document.function[each.key].json
}

# --- the state machine --------------------------------------------------------------------------------------------------

resource "aws_iam_role" "state_machine" {
  name               = "${var.name}-wait-for-job"
  assume_role_policy = data.aws_iam_policy_document.taken_by["states"].json
  tags               = local.tags
}

data "aws_iam_policy_document" "state_machine" {
  statement {
    sid       = "CreateJob"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.lambda_arns["create-job"]]
  }

  statement {
    sid = "Log"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"] # these calls know no resource
  }
}

resource "aws_iam_role_policy" "state_machine" {
  name   = "run"
  role   = aws_iam_role.state_machine.id
  policy = data.aws_iam_policy_document.state_machine.json
}

# --- the schedule -------------------------------------------------------------------------------------------------------

resource "aws_iam_role" "schedule" {
  name               = "${var.name}-poller-schedule"
  assume_role_policy = data.aws_iam_policy_document.taken_by["scheduler"].json
  tags               = local.tags
}

data "aws_iam_policy_document" "schedule" {
  statement {
    sid       = "Poll"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.lambda_arns["poller"]]
  }
}

resource "aws_iam_role_policy" "schedule" {
  name   = "run"
  role   = aws_iam_role.schedule.id
  policy = data.aws_iam_policy_document.schedule.json
}
