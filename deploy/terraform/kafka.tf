# Three brokers in three zones: two of them acknowledge every write, so one may be away.
resource "aws_msk_configuration" "this" {
  name           = var.name
  kafka_versions = ["4.1.x.kraft"]

  # What may be set: https://docs.aws.amazon.com/msk/latest/developerguide/msk-configuration-properties.html
  # Not among it is transaction.abort.timed.out.transaction.cleanup.interval.ms (10 s by default; 500 ms in the embedded
  # run): a worker that freezes inside a transaction holds up readers of its partitions for up to 12 s here, not 2.5 s.
  # transaction.max.timeout.ms is what a replay of dead letters asks for.
  server_properties = <<-PROPERTIES
    auto.create.topics.enable=false
    default.replication.factor=3
    min.insync.replicas=2
    offsets.topic.replication.factor=3
    transaction.state.log.replication.factor=3
    transaction.state.log.min.isr=2
    unclean.leader.election.enable=false
    message.max.bytes=2097152
    replica.fetch.max.bytes=2097152
    group.min.session.timeout.ms=1000
    group.initial.rebalance.delay.ms=0
    transaction.max.timeout.ms=60000
  PROPERTIES

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.name
  kafka_version          = "4.1.x.kraft"
  number_of_broker_nodes = 3
  enhanced_monitoring    = "PER_BROKER"

  broker_node_group_info {
    instance_type   = var.kafka_instance_type
    client_subnets  = local.private_subnet_ids
    security_groups = [aws_security_group.kafka.id]

    storage_info {
      ebs_storage_info {
        volume_size = var.kafka_volume_gib
      }
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }

  client_authentication {
    sasl {
      scram = true
    }
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = aws_kms_key.this.arn

    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.this["kafka"].name
      }
    }
  }

  tags = local.tags
}

resource "aws_msk_scram_secret_association" "this" {
  cluster_arn     = aws_msk_cluster.this.arn
  secret_arn_list = [aws_secretsmanager_secret.generated["kafka"].arn]

  depends_on = [aws_secretsmanager_secret_version.generated, aws_secretsmanager_secret_policy.kafka]
}

data "aws_iam_policy_document" "kafka_secret" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.generated["kafka"].arn]

    principals {
      type        = "Service"
      identifiers = ["kafka.amazonaws.com"]
    }
  }
}

resource "aws_secretsmanager_secret_policy" "kafka" {
  secret_arn = aws_secretsmanager_secret.generated["kafka"].arn
  policy     = data.aws_iam_policy_document.kafka_secret.json
}
