terraform {
  # write-only arguments and ephemeral values: no secret is in the state
  required_version = ">= 1.11.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}

locals {
  tags = merge({ Application = "tocsin", Installation = var.name, ManagedBy = "terraform" }, var.tags)
}
