# Rows that still need something carry "waiting", the key of the sparse index: settled ones cost the poller nothing.
resource "aws_dynamodb_table" "tokens" {
  name                        = "${var.name}-task-tokens"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "token_id"
  deletion_protection_enabled = true
  tags                        = local.tags

  attribute {
    name = "token_id"
    type = "S"
  }

  attribute {
    name = "waiting"
    type = "S"
  }

  attribute {
    name = "next_poll"
    type = "N"
  }

  global_secondary_index {
    name            = "waiting-next_poll"
    hash_key        = "waiting"
    range_key       = "next_poll"
    projection_type = "ALL"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  # whoever has a token can end its workflow
  server_side_encryption {
    enabled = true
  }

  point_in_time_recovery {
    enabled = true
  }
}

resource "aws_dynamodb_table" "jobs" {
  name         = "${var.name}-jobs"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "job_id"
  tags         = local.tags

  attribute {
    name = "job_id"
    type = "S"
  }

  server_side_encryption {
    enabled = true
  }

  point_in_time_recovery {
    enabled = true
  }
}
