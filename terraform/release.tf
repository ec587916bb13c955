# The images to run. docker/push records them in Parameter Store, so that Terraform plans the same in every clone and in CI.
# If the record is lost, a plan fails; it does not remove the service.

data "aws_ssm_parameters_by_path" "release" {
  count = var.service_enabled && var.image_tag == null ? 1 : 0

  path = local.release_path
}

locals {
  release_path = "/${var.name}/release"

  # The provider marks all parameters as sensitive, but these are not secret.
  release_parameters = merge([
    for parameters in data.aws_ssm_parameters_by_path.release : zipmap(nonsensitive(parameters.names), nonsensitive(parameters.values))
  ]...)
  recorded         = lookup(local.release_parameters, "${local.release_path}/current", "{}")
  tag              = var.image_tag != null ? var.image_tag : try(tostring(jsondecode(local.recorded).tag), null)
  cpu_architecture = var.image_tag != null ? var.cpu_architecture : try(tostring(jsondecode(local.recorded).architecture), null)
  release_is_valid = can(regex("^[0-9a-f]{12} (X86_64|ARM64)$", "${local.tag} ${local.cpu_architecture}"))

  # Without the service there are only the queues and the registries.
  running = var.service_enabled && local.release_is_valid
  stage   = local.running ? 1 : 0
}

resource "terraform_data" "settings" {
  count = var.service_enabled ? 1 : 0

  lifecycle {
    precondition {
      condition     = local.recorded != "{}" || var.image_tag != null
      error_message = "There is no release in ${local.release_path}/current, so there are no images to run. Run docker/push, and then this command again. To have only the queues and the registries, set service_enabled=false; if the service is running, that removes it."
    }

    precondition {
      condition     = local.recorded == "{}" || local.release_is_valid
      error_message = "The release in ${local.release_path}/current is not valid: ${local.recorded}. Run docker/push again, and then this command."
    }

    precondition {
      condition     = var.allowed_cidrs != null
      error_message = "Say who may call the API: allowed_cidrs = [\"203.0.113.7/32\"], or [\"0.0.0.0/0\"] for everyone. Clients need a token in any case."
    }

    precondition {
      # Twice as many tasks run during a deployment. Eight connections are reserved for people and for RDS.
      condition     = var.database_connections >= 8 + 2 * (local.api_connections * local.api_count.max + local.worker_connections * local.worker_count.max)
      error_message = "database_connections is too small for the maximum number of tasks. Each API task needs 2 x ${local.api_connections} and each worker 2 x ${local.worker_connections}, plus 8 in total."
    }

    precondition {
      condition     = local.has_load_balancer || !local.https
      error_message = "A domain or a certificate requires a load balancer: set load_balancer = true."
    }

    precondition {
      condition     = local.has_load_balancer || local.api_count.max == 1
      error_message = "Without a load balancer there can be only one API task: set api_count = { min = 1, max = 1 } or load_balancer = true."
    }

    precondition {
      condition     = local.lab_role == null || 5 * var.database_gib <= 100
      error_message = "A Learner Lab allows a database of at most 100 GiB, so database_gib must be 20, which can grow to five times that."
    }
  }
}
