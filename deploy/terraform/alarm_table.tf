# What a person has to look at. The same as deploy/prometheus/rules.yaml where there is no Prometheus; the runbook says what
# to do about each: docs/runbook.md.
locals {
  installation = { installation = var.name }
  balancer     = { LoadBalancer = aws_lb.this.arn_suffix }
  targets      = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.http.arn_suffix }

  # missing: what no data means: "breaching" where something always reports, else "notBreaching"
  alarms = merge(
    {
      unhealthy-targets = {
        text       = "http tasks do not answer /health/ready"
        namespace  = "AWS/ApplicationELB"
        metric     = "UnHealthyHostCount"
        dimensions = local.targets
        statistic  = "Maximum"
        threshold  = 0
        period     = 60
        periods    = 3
        missing    = "breaching"
      }
      no-healthy-target = {
        text       = "Nobody answers at all"
        namespace  = "AWS/ApplicationELB"
        metric     = "HealthyHostCount"
        dimensions = local.targets
        statistic  = "Minimum"
        threshold  = 1
        period     = 60
        periods    = 2
        missing    = "breaching"
        comparison = "LessThanThreshold"
      }
      slow-answers = {
        text       = "A hundredth of the requests takes more than a second"
        namespace  = "AWS/ApplicationELB"
        metric     = "TargetResponseTime"
        dimensions = local.balancer
        statistic  = "p99"
        threshold  = 1
        period     = 60
        periods    = 5
        missing    = "notBreaching"
      }
      dead-letters = {
        text       = "Records went to the dead-letter queue: tocsin dlq list"
        namespace  = local.metric_namespace
        metric     = "tocsin_dead_letters_total"
        dimensions = local.installation
        statistic  = "Sum"
        threshold  = 0
        period     = 60
        periods    = 1
        missing    = "notBreaching"
      }
      projection-errors = {
        text       = "Facts could not be projected"
        namespace  = local.metric_namespace
        metric     = "tocsin_projection_errors_total"
        dimensions = local.installation
        statistic  = "Sum"
        threshold  = 0
        period     = 60
        periods    = 1
        missing    = "notBreaching"
      }
      policy-errors = {
        text       = "A policy file is not usable; the one before still governs"
        namespace  = local.metric_namespace
        metric     = "tocsin_policy_errors_total"
        dimensions = local.installation
        statistic  = "Sum"
        threshold  = 0
        period     = 60
        periods    = 1
        missing    = "notBreaching"
      }
      kafka-partitions = {
        text       = "Partitions have no leader"
        namespace  = "AWS/Kafka"
        metric     = "OfflinePartitionsCount"
        dimensions = { "Cluster Name" = var.name }
        statistic  = "Maximum"
        threshold  = 0
        period     = 60
        periods    = 2
        missing    = "breaching"
      }
      database-cpu = {
        text       = "PostgreSQL is busy for most of its time"
        namespace  = "AWS/RDS"
        metric     = "CPUUtilization"
        dimensions = { DBInstanceIdentifier = var.name }
        statistic  = "Average"
        threshold  = 80
        period     = 300
        periods    = 3
        missing    = "breaching"
      }
      database-storage = {
        text       = "PostgreSQL has less than 10 GiB left and has not grown"
        namespace  = "AWS/RDS"
        metric     = "FreeStorageSpace"
        dimensions = { DBInstanceIdentifier = var.name }
        statistic  = "Minimum"
        threshold  = 10737418240
        period     = 300
        periods    = 2
        missing    = "breaching"
        comparison = "LessThanThreshold"
      }
    },
    {
      for stage in ["decide", "project"] : "lag-${stage}" => {
        text       = "The oldest record not worked off yet is older than 30 s (${stage})"
        namespace  = local.metric_namespace
        metric     = "tocsin_lag_seconds"
        dimensions = { installation = var.name, stage = stage }
        statistic  = "Maximum"
        threshold  = 30
        period     = 60
        periods    = 2
        missing    = "notBreaching"
      }
    },
    {
      for broker in ["1", "2", "3"] : "kafka-disk-${broker}" => {
        text       = "The disk of broker ${broker} is 80 % full"
        namespace  = "AWS/Kafka"
        metric     = "KafkaDataLogsDiskUsed"
        dimensions = { "Cluster Name" = var.name, "Broker ID" = broker }
        statistic  = "Maximum"
        threshold  = 80
        period     = 300
        periods    = 2
        missing    = "breaching"
      }
    },
    {
      for broker in ["1", "2", "3"] : "kafka-cpu-${broker}" => {
        text       = "Broker ${broker} is busy for most of its time"
        namespace  = "AWS/Kafka"
        metric     = "CpuUser"
        dimensions = { "Cluster Name" = var.name, "Broker ID" = broker }
        statistic  = "Average"
        threshold  = 60
        period     = 300
        periods    = 3
        missing    = "breaching"
      }
    },
    {
      # the dead man: a stage that reports nothing is not running, or nobody would hear of its troubles
      for stage in ["decide", "project"] : "silent-${stage}" => {
        text       = "No task of stage ${stage} has reported for 3 minutes"
        namespace  = local.metric_namespace
        metric     = "tocsin_lag_seconds"
        dimensions = { installation = var.name, stage = stage }
        statistic  = "SampleCount"
        threshold  = 1
        period     = 60
        periods    = 3
        missing    = "breaching"
        comparison = "LessThanThreshold"
      }
    },
    {
      for role in keys(local.roles) : "errors-${role}" => {
        text       = "More than 10 errors in 5 minutes in the log of ${role}"
        namespace  = local.metric_namespace
        metric     = "Errors-${role}"
        dimensions = {}
        statistic  = "Sum"
        threshold  = 10
        period     = 300
        periods    = 1
        missing    = "notBreaching"
      }
    },
  )
}
