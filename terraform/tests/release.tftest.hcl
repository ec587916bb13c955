# Which images run, and what happens without them.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  allowed_cidrs = ["203.0.113.0/24"]
}

run "the_recorded_release_runs" {
  command = apply

  assert {
    condition = alltrue([
      for task in aws_ecs_task_definition.task :
      endswith(jsondecode(task.container_definitions)[0].image, ":0123456789ab") && task.runtime_platform[0].cpu_architecture == "ARM64"
    ])
    error_message = "The tasks must run the images that docker/push recorded, on their architecture."
  }

  assert {
    condition     = output.release_path == "/taskoverflow/release" && data.aws_ssm_parameters_by_path.release[0].path == output.release_path
    error_message = "docker/push and Terraform must use the same parameters."
  }
}

run "a_lost_release_fails_and_does_not_remove_the_service" {
  command = plan

  override_data {
    target = data.aws_ssm_parameters_by_path.release
    values = { names = [], values = [] }
  }

  expect_failures = [terraform_data.settings[0]]
}

run "other_parameters_are_no_release" {
  command = plan

  override_data {
    target = data.aws_ssm_parameters_by_path.release
    values = { names = ["/taskoverflow/release/other"], values = ["{\"tag\":\"0123456789ab\",\"architecture\":\"ARM64\"}"] }
  }

  expect_failures = [terraform_data.settings[0]]
}

run "a_release_that_is_not_json_fails" {
  command = plan

  override_data {
    target = data.aws_ssm_parameters_by_path.release
    values = { names = ["/taskoverflow/release/current"], values = ["0123456789ab"] }
  }

  expect_failures = [terraform_data.settings[0]]
}

run "a_release_without_an_architecture_fails" {
  command = plan

  override_data {
    target = data.aws_ssm_parameters_by_path.release
    values = { names = ["/taskoverflow/release/current"], values = ["{\"tag\":\"0123456789ab\"}"] }
  }

  expect_failures = [terraform_data.settings[0]]
}

run "a_release_with_a_tag_that_moves_fails" {
  command = plan

  override_data {
    target = data.aws_ssm_parameters_by_path.release
    values = { names = ["/taskoverflow/release/current"], values = ["{\"tag\":\"latest\",\"architecture\":\"ARM64\"}"] }
  }

  expect_failures = [terraform_data.settings[0]]
}

run "without_callers_the_service_is_refused" {
  command = plan

  variables {
    allowed_cidrs = null
  }

  expect_failures = [terraform_data.settings[0]]
}

run "a_plan_with_the_same_release_creates_nothing" {
  command = plan

  # A resource that is yet to be created has no known ID in a plan.
  assert {
    condition     = aws_vpc.main[0].id != "" && aws_ecs_service.task["api"].id != "" && aws_db_instance.main[0].id != ""
    error_message = "Another clone with the same state must find the whole service."
  }
}

run "image_tag_replaces_the_record" {
  command = apply

  variables {
    image_tag        = "ba9876543210"
    cpu_architecture = "X86_64"
  }

  assert {
    condition = alltrue([
      for task in aws_ecs_task_definition.task :
      endswith(jsondecode(task.container_definitions)[0].image, ":ba9876543210") && task.runtime_platform[0].cpu_architecture == "X86_64"
    ])
    error_message = "The tasks must run the images that were asked for."
  }

  assert {
    condition     = length(data.aws_ssm_parameters_by_path.release) == 0
    error_message = "With image_tag, Parameter Store must not be needed."
  }
}

run "only_service_enabled_removes_the_service" {
  command = apply

  variables {
    service_enabled = false
    allowed_cidrs   = null
  }

  assert {
    condition     = length(aws_ecs_service.task) == 0 && length(aws_vpc.main) == 0 && length(aws_ecr_repository.image) == 2
    error_message = "Without the service there must be the queues and the registries."
  }

  assert {
    condition     = length(data.aws_ssm_parameters_by_path.release) == 0
    error_message = "Without the service, Parameter Store must not be needed."
  }
}

run "without_a_release_there_may_be_queues_and_registries" {
  command = plan

  variables {
    service_enabled = false
  }

  override_data {
    target = data.aws_ssm_parameters_by_path.release
    values = { names = [], values = [] }
  }

  assert {
    condition     = length(terraform_data.settings) == 0
    error_message = "The first apply must not need images."
  }
}
