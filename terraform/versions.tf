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
  account = data.aws_caller_identity.current.account_id
  aws     = "arn:${data.aws_partition.current.partition}"

  # The credentials of an AWS Academy Learner Lab belong to a role of this name, and its tasks can only have LabRole.
  in_lab   = strcontains(data.aws_caller_identity.current.arn, ":assumed-role/voclabs/")
  lab_role = var.lab_role_name == null ? (local.in_lab ? "LabRole" : null) : (var.lab_role_name == "" ? null : var.lab_role_name)
}
