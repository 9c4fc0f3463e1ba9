variable "region" {
  description = "AWS region of everything here."
  type        = string
}

variable "name" {
  description = "Name of this installation: in the names of all resources, and TOCSIN_INSTALLATION."
  type        = string
  default     = "tocsin"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name))
    error_message = "1 to 20 of a-z, 0-9 and -, a letter first."
  }
}

variable "tags" {
  description = "More tags for all resources."
  type        = map(string)
  default     = {}
}

variable "image" {
  description = "The image of deploy/terraform/image in a registry, with a tag or digest that never changes."
  type        = string

  validation {
    condition     = can(regex("(:|@sha256:)[^/]+$", var.image)) && !endswith(var.image, ":latest")
    error_message = "A fixed tag or a digest: a rollback must mean another image."
  }
}

variable "repository_arn" {
  description = "ARN of the ECR repository of the image; empty: the image needs no credentials."
  type        = string
  default     = ""
}

# --- running -----------------------------------------------------------------------------------------------------------

variable "running" {
  description = "false: no role runs. For the first apply, until the setup task has made schema and topics."
  type        = bool
  default     = true
}

variable "partitions" {
  description = "Partitions of every topic, fixed when the installation is made. With 12, as docker compose has, kafka.m7g.large is enough."
  type        = number
  default     = 48
}

variable "domains" {
  description = "Domains of the stream role; deliveries have a role of their own."
  type        = list(string)
  default     = ["tickets", "alerts", "incidents", "jobs", "tasks"]
}

variable "counts" {
  description = "Tasks of each role."
  type = object({
    http    = optional(number, 2)
    stream  = optional(number, 3)
    project = optional(number, 2)
    deliver = optional(number, 2)
  })
  default = {}
}

variable "settings" {
  description = "More settings of tocsin (env.local) that are no secrets."
  type        = map(string)
  default     = {}
}

variable "secret_arns" {
  description = "Settings that are secrets, by the ARN of a secret whose whole text is the value: SLACK_WEBHOOK_URL, SENTRY_CLIENT_SECRET…"
  type        = map(string)
  default     = {}
}

variable "state_machine_arns" {
  description = "State machines whose task tokens tocsin may settle."
  type        = list(string)
  default     = []
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps logs."
  type        = number
  default     = 14

  validation {
    # CloudWatch knows 7 and 14, and nothing between them
    condition     = contains([7, 14], var.log_retention_days)
    error_message = "7 or 14: logs are kept 7 to 14 days, and CloudWatch has no number between."
  }
}

# --- network -----------------------------------------------------------------------------------------------------------

variable "vpc_id" {
  description = "An existing VPC; empty: one is made. With it, three private and at least two public subnets."
  type        = string
  default     = ""

  validation {
    condition     = var.vpc_id == "" || (length(var.private_subnet_ids) == 3 && length(var.public_subnet_ids) >= 2)
    error_message = "An existing VPC needs three private_subnet_ids (three zones, one broker each) and two public_subnet_ids."
  }
}

variable "private_subnet_ids" {
  description = "Of the existing VPC, in three zones, with a way out to the internet (webhooks, the image)."
  type        = list(string)
  default     = []
}

variable "public_subnet_ids" {
  description = "Of the existing VPC: where the load balancer is."
  type        = list(string)
  default     = []
}

variable "vpc_cidr" {
  description = "Of the VPC: the one that is made, or the existing one."
  type        = string
  default     = "10.42.0.0/16"
}

variable "allowed_cidr_blocks" {
  description = "Who may reach the load balancer. Nobody unless set."
  type        = list(string)
  default     = []
}

variable "certificate_arn" {
  description = "ACM certificate of the load balancer."
  type        = string
}

variable "access_log_bucket" {
  description = "S3 bucket for the load balancer's access logs; empty: none. Give it a lifecycle rule of 7 to 14 days."
  type        = string
  default     = ""
}

variable "deletion_protection" {
  description = "Of the database and the load balancer."
  type        = bool
  default     = true
}

# --- sizes -------------------------------------------------------------------------------------------------------------

variable "kafka_instance_type" {
  # replicas a broker should have at most: 1,000 on large and xlarge, 2,000 on 2xlarge, 4,000 above
  # https://docs.aws.amazon.com/msk/latest/developerguide/bestpractices.html#partitions-per-broker
  description = "Of the three brokers. Each has a replica of every partition of every topic: fewer partitions, smaller brokers."
  type        = string
  default     = "kafka.m7g.2xlarge"
}

variable "kafka_volume_gib" {
  description = "Of each broker. Facts are kept for ever."
  type        = number
  default     = 500
}

variable "database_instance_class" {
  description = "Of the database and its standby."
  type        = string
  default     = "db.m7g.large"
}

variable "database_storage_gib" {
  description = "At the start; it grows by itself to ten times that."
  type        = number
  default     = 100
}

variable "database_backup_days" {
  description = "Days that backups of the database are kept."
  type        = number
  default     = 14

  validation {
    condition     = var.database_backup_days >= 7 && var.database_backup_days <= 35
    error_message = "7 to 35."
  }
}

# --- alarms ------------------------------------------------------------------------------------------------------------

variable "alarm_emails" {
  description = "Who is told of alarms. Each address confirms the subscription once."
  type        = list(string)
  default     = []
}
