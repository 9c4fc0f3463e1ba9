# What runs: one image, a command for each role. Sizes in CPU units (1024 = one vCPU) and MiB.
locals {
  roles = {
    http = {
      command  = ["tocsin", "http"]
      count    = var.counts.http
      cpu      = 1024
      memory   = 2048
      balanced = true
      # the new ones answer before the old ones go
      minimum_healthy = 100
      maximum         = 200
    }
    stream = {
      command  = ["tocsin", "stream", "--domains", join(",", var.domains)]
      count    = var.counts.stream
      cpu      = 1024
      memory   = 2048
      balanced = false
      # one goes, one comes: more members at once would move partitions about twice as often
      minimum_healthy = 50
      maximum         = 100
    }
    deliver = {
      command         = ["tocsin", "deliver"]
      count           = var.counts.deliver
      cpu             = 512
      memory          = 1024
      balanced        = false
      minimum_healthy = 50
      maximum         = 100
    }
    project = {
      command         = ["tocsin", "project"]
      count           = var.counts.project
      cpu             = 1024
      memory          = 2048
      balanced        = false
      minimum_healthy = 50
      maximum         = 100
    }
  }

  # what the values mean: env.local
  environment = merge(
    {
      DATABASE_URL            = "postgresql://${aws_db_instance.this.username}@${aws_db_instance.this.endpoint}/${aws_db_instance.this.db_name}"
      PGSSLMODE               = "verify-full"
      PGSSLROOTCERT           = "/etc/tocsin/rds.pem"
      KAFKA_BOOTSTRAP_SERVERS = aws_msk_cluster.this.bootstrap_brokers_sasl_scram
      KAFKA_SECURITY_PROTOCOL = "SASL_SSL"
      KAFKA_SASL_MECHANISM    = "SCRAM-SHA-512"
      KAFKA_SASL_USERNAME     = var.name
      TOCSIN_INSTALLATION     = var.name
      TOCSIN_PARTITIONS       = tostring(var.partitions)
      API_HOST                = "0.0.0.0"
      API_PORT                = "8000"
      METRICS_PORT            = "9464"
      FORWARDED_ALLOW_IPS     = var.vpc_cidr
      TOCSIN_OPEN_UNVERSIONED = "false"
      LOG_RETENTION_DAYS      = tostring(var.log_retention_days)
      TICKETS_CONFIG_PATH     = "/etc/tocsin/tickets.yaml"
      GROUPING_CONFIG_PATH    = "/etc/tocsin/grouping.yaml"
      SLA_CONFIG_PATH         = "/etc/tocsin/sla.yaml"
      MAPPERS_CONFIG_PATH     = "/etc/tocsin/mappers.yaml"
    },
    var.settings,
  )

  # what containers of tocsin have in common
  container = {
    image                  = var.image
    environment            = [for name, value in local.environment : { name = name, value = value }]
    secrets                = [for name, arn in local.secrets : { name = name, valueFrom = arn }]
    readonlyRootFilesystem = true
    user                   = "10001"
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
  }

  logs = {
    for name in keys(local.log_groups) : name => {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this[name].name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = "tocsin"
      }
    }
  }
}
