# Made at the first apply, written straight to Secrets Manager: neither plan nor state ever holds them.
# A version is fixed, so that no later apply replaces one; README.md says how each is rotated.
locals {
  generated = {
    kafka           = "AmazonMSK_${var.name}" # MSK wants this beginning
    database        = "${var.name}/database-password"
    key_pepper      = "${var.name}/key-pepper"
    encryption_keys = "${var.name}/encryption-keys"
  }
}

ephemeral "random_password" "generated" {
  for_each = local.generated

  length  = 32
  special = false
}

resource "aws_secretsmanager_secret" "generated" {
  for_each = local.generated

  name                    = each.value
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30
  tags                    = local.tags
}

resource "aws_secretsmanager_secret_version" "generated" {
  for_each = local.generated

  secret_id = aws_secretsmanager_secret.generated[each.key].id
  secret_string_wo = {
    kafka      = jsonencode({ username = var.name, password = ephemeral.random_password.generated["kafka"].result })
    database   = ephemeral.random_password.generated["database"].result
    key_pepper = ephemeral.random_password.generated["key_pepper"].result
    # a Fernet key is 32 bytes in URL-safe base64; letters and digits give no other kind
    encryption_keys = base64encode(ephemeral.random_password.generated["encryption_keys"].result)
  }[each.key]
  secret_string_wo_version = 1
}

# read back, so that what the database is given is what was written, also after an apply that stopped half way
ephemeral "aws_secretsmanager_secret_version" "database" {
  secret_id = aws_secretsmanager_secret_version.generated["database"].secret_id
}

locals {
  # by the name of the setting; ECS puts them into the environment when a task starts
  secrets = merge(
    {
      KAFKA_SASL_PASSWORD    = "${aws_secretsmanager_secret.generated["kafka"].arn}:password::"
      PGPASSWORD             = aws_secretsmanager_secret.generated["database"].arn
      TOCSIN_KEY_PEPPER      = aws_secretsmanager_secret.generated["key_pepper"].arn
      TOCSIN_ENCRYPTION_KEYS = aws_secretsmanager_secret.generated["encryption_keys"].arn
    },
    var.secret_arns,
  )
}
