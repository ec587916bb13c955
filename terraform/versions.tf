terraform {
  # The first version with write-only arguments, which keep passwords out of the state.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

provider "aws" {
  region = var.region
  # Without this file, the provider uses the environment (AWS_PROFILE, AWS_ACCESS_KEY_ID, …).
  shared_credentials_files = try(fileexists(var.credentials_file), false) ? [var.credentials_file] : null

  default_tags {
    tags = { Project = var.name }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  # Until there are images to run, only the queues and the registries are created.
  running = var.image_tag != null
  stage   = local.running ? 1 : 0
  account = data.aws_caller_identity.current.account_id
  aws     = "arn:${data.aws_partition.current.partition}"
}
