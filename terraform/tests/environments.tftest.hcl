# `.ci/deployment terraform` runs this with each file in environments/.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  allowed_cidrs    = ["203.0.113.0/24"]
  image_tag        = "0123456789ab"
  cpu_architecture = "ARM64"
}

run "the_environment_can_be_planned" {
  command = plan

  assert {
    condition     = keys(aws_ecs_service.task) == ["api", "worker"]
    error_message = "An environment must run the API and the worker."
  }

  assert {
    condition     = aws_ecs_service.task["api"].desired_count == local.sizes[var.size].api_count.min && aws_db_instance.main[0].identifier == var.name
    error_message = "The environment's settings must be used."
  }
}
