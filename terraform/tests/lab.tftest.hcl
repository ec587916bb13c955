# An AWS Academy Learner Lab, where roles can't be created.

mock_provider "aws" {
  source = "./tests/mocks"
}

override_resource {
  target = aws_sqs_queue.dead_letters
  values = {
    arn = "arn:aws:sqs:us-east-1:123456789012:taskoverflow-ical-dead-letters"
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/taskoverflow-ical-dead-letters"
  }
}

override_resource {
  target = aws_sqs_queue.jobs
  values = {
    arn = "arn:aws:sqs:us-east-1:123456789012:taskoverflow-ical"
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/taskoverflow-ical"
  }
}

override_data {
  target = data.aws_caller_identity.current
  values = {
    account_id = "123456789012"
    arn        = "arn:aws:sts::123456789012:assumed-role/voclabs/user1=me"
  }
}

variables {
  allowed_cidrs  = ["203.0.113.0/24"]
  database_class = "db.t3.micro"
}

run "a_lab_is_found_by_its_credentials" {
  command = apply

  assert {
    condition     = length(aws_iam_role.task) == 0 && length(aws_iam_role_policy.task) == 0
    error_message = "No role must be created."
  }

  assert {
    condition     = alltrue([for task in aws_ecs_task_definition.task : task.task_role_arn == "arn:aws:iam::123456789012:role/LabRole" && task.execution_role_arn == task.task_role_arn])
    error_message = "Every task must use the lab's role."
  }

  assert {
    condition     = aws_db_instance.main[0].storage_type == "gp2" && aws_db_instance.main[0].max_allocated_storage == 100
    error_message = "The database must use storage that a lab allows."
  }

  assert {
    condition     = length(aws_appautoscaling_target.task) == 0 && length(aws_appautoscaling_policy.worker) == 0
    error_message = "Autoscaling must be off by default in a lab."
  }
}

run "an_empty_name_gives_each_service_a_role_of_its_own" {
  command = apply

  variables {
    lab_role_name = ""
  }

  assert {
    condition     = keys(aws_iam_role.task) == ["api", "execution", "worker"] && aws_db_instance.main[0].storage_type == "gp3"
    error_message = "lab_role_name = \"\" must switch the search for a lab off."
  }
}

run "another_role_can_be_named" {
  command = apply

  variables {
    lab_role_name = "Tasks"
  }

  assert {
    condition     = alltrue([for task in aws_ecs_task_definition.task : task.task_role_arn == "arn:aws:iam::123456789012:role/Tasks"])
    error_message = "Every task must use the role that was named."
  }
}

run "lab_with_scaling" {
  command = apply

  variables {
    autoscaling = true
  }

  assert {
    condition     = length(aws_appautoscaling_target.task) == 2
    error_message = "autoscaling = true must turn it on in a lab."
  }
}

run "a_lab_allows_100_gib" {
  command = plan

  variables {
    database_gib = 21
  }

  expect_failures = [terraform_data.settings[0]]
}
