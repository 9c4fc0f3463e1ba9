# Prometheus metrics of each task become CloudWatch metrics: a collector beside the role scrapes it and writes what alarms
# ask for, in CloudWatch's embedded metric format, to a log group.
# https://aws-otel.github.io/docs/getting-started/cloudwatch-metrics
locals {
  metric_namespace = "tocsin/${var.name}"

  collector_configuration = {
    receivers = {
      prometheus = {
        config = {
          scrape_configs = [{
            job_name        = "tocsin"
            scrape_interval = "15s"
            static_configs  = [{ targets = ["127.0.0.1:9464"], labels = { installation = var.name } }]
          }]
        }
      }
    }
    # the id of the task, for the name of its log stream
    processors = { resourcedetection = { detectors = ["env", "ecs"] } }
    exporters = {
      awsemf = {
        region                  = var.region
        namespace               = local.metric_namespace
        log_group_name          = aws_cloudwatch_log_group.this["metrics"].name
        log_stream_name         = "{TaskId}"
        dimension_rollup_option = "NoDimensionRollup"
        metric_declarations = [
          {
            dimensions            = [["installation", "stage"]]
            metric_name_selectors = ["^tocsin_lag_seconds$"]
          },
          {
            dimensions = [["installation"]]
            metric_name_selectors = [
              "^tocsin_dead_letters_total$",
              "^tocsin_projection_errors_total$",
              "^tocsin_policy_errors_total$",
              "^tocsin_delivery_breakers_open$",
            ]
          },
        ]
      }
    }
    service = {
      pipelines = {
        metrics = { receivers = ["prometheus"], processors = ["resourcedetection"], exporters = ["awsemf"] }
      }
    }
  }

  collector = {
    name                   = "collector"
    image                  = "public.ecr.aws/aws-observability/aws-otel-collector:v0.45.1"
    essential              = false
    environment            = [{ name = "AOT_CONFIG_CONTENT", value = yamlencode(local.collector_configuration) }]
    readonlyRootFilesystem = true
    restartPolicy          = { enabled = true }
    logConfiguration       = local.logs["collector"]
  }
}
