terraform {
  # variables that are checked against each other
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region
  # The environment (AWS_PROFILE, AWS_ACCESS_KEY_ID …) counts where there is no such file.
  shared_credentials_files = try(fileexists(var.credentials_file), false) ? [var.credentials_file] : null

  default_tags {
    tags = { Project = var.name }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  # Queues and registries alone are made until there are images to run.
  running = var.image_tag != null
  stage   = local.running ? 1 : 0
  account = data.aws_caller_identity.current.account_id
  aws     = "arn:${data.aws_partition.current.partition}"
}
