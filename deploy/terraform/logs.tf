# Every group that anything here writes to, made before it is written to: what AWS makes by itself is kept for ever.
locals {
  log_groups = merge(
    { for role in keys(local.roles) : role => "/${var.name}/${role}" },
    {
      setup             = "/${var.name}/setup"
      collector         = "/${var.name}/collector"
      metrics           = "/${var.name}/metrics"
      kafka             = "/${var.name}/kafka"
      database          = "/aws/rds/instance/${var.name}/postgresql"
      database_upgrades = "/aws/rds/instance/${var.name}/upgrade"
    },
  )
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.log_groups

  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
  tags              = local.tags
}

# one JSON object a line: {"level": "error", …}
resource "aws_cloudwatch_log_metric_filter" "errors" {
  for_each = toset(keys(local.roles))

  name           = "${var.name}-${each.key}-errors"
  log_group_name = aws_cloudwatch_log_group.this[each.key].name
  pattern        = "{ ($.level = \"error\") || ($.level = \"critical\") }"

  metric_transformation {
    name          = "Errors-${each.key}"
    namespace     = local.metric_namespace
    value         = "1"
    default_value = "0"
  }
}
