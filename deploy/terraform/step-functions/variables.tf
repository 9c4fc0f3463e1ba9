variable "region" {
  description = "Region of everything here."
  type        = string
}

variable "name" {
  description = "What every name begins with; several installations in one account differ in it."
  type        = string
  default     = "poc"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "Lower-case letters, digits and hyphens, 2 to 31 characters, a letter first."
  }
}

variable "tags" {
  description = "More tags for everything."
  type        = map(string)
  default     = {}
}

variable "timeout_seconds" {
  description = "How long a workflow waits for its job at most; the poller's own deadline should be shorter."
  type        = number
  default     = 86400

  validation {
    condition     = var.timeout_seconds >= 60 && var.timeout_seconds <= 31536000
    error_message = "From a minute to a year, the longest an execution may last."
  }
}

variable "heartbeat_seconds" {
  description = "How long a workflow waits without a heartbeat of the poller; longer than a few polls."
  type        = number
  default     = 3600

  validation {
    condition     = var.heartbeat_seconds >= 60 && var.heartbeat_seconds < var.timeout_seconds
    error_message = "At least a minute, and shorter than timeout_seconds."
  }
}

variable "poll_schedule" {
  description = "How often the poller looks for polls that are due; once a minute is the most EventBridge Scheduler does."
  type        = string
  default     = "rate(1 minute)"

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.poll_schedule))
    error_message = "rate(…) or cron(…)."
  }
}

variable "complete_after_polls" {
  description = "How often a simulated job is asked about before it ends."
  type        = number
  default     = 3

  validation {
    condition     = var.complete_after_polls >= 1
    error_message = "At least 1."
  }
}

variable "log_retention_days" {
  description = "Days until log lines are removed."
  type        = number
  default     = 14

  validation {
    condition     = contains([7, 14], var.log_retention_days)
    error_message = "7 or 14; CloudWatch knows no days between."
  }
}

variable "alarm_emails" {
  description = "Who is mailed by alarms; each address confirms once."
  type        = list(string)
  default     = []
}
