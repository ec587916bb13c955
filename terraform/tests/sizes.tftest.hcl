# What a size chooses, and what it costs depends on.

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

variables {
  allowed_cidrs = ["203.0.113.0/24"]
}

run "lab" {
  command = apply

  variables {
    size = "lab"
  }

  assert {
    condition     = length(aws_lb.main) == 0 && length(aws_cloudfront_distribution.api) == 0 && length(aws_appautoscaling_target.task) == 0
    error_message = "A lab must have neither a load balancer nor autoscaling."
  }

  assert {
    condition     = aws_db_instance.main[0].instance_class == "db.t3.micro" && !aws_db_instance.main[0].deletion_protection && aws_db_instance.main[0].backup_retention_period == 1
    error_message = "A lab must have a small database that destroy can remove."
  }

  assert {
    condition = {
      for name, service in aws_ecs_service.task : name => [for part in service.capacity_provider_strategy : "${part.base} ${part.weight} ${part.capacity_provider}"]
      } == {
      api    = ["0 1 FARGATE_SPOT"]
      worker = ["0 1 FARGATE_SPOT"]
    }
    error_message = "A lab must run on spot capacity."
  }

  assert {
    condition = toset(flatten([
      for widget in jsondecode(aws_cloudwatch_dashboard.main[0].dashboard_body).widgets : [
        for line in widget.properties.metrics : line[1] if line[0] == "taskoverflow"
      ]
      ])) == toset([
      "outbox_oldest_age_seconds", "jobs_pending", "jobs_started", "jobs_retry", "jobs_failed", "worker_slots_in_use",
      "worker_deliveries_failed",
    ])
    error_message = "The dashboard must show only metrics that are stored."
  }

  assert {
    condition     = !contains(jsondecode(aws_ecs_task_definition.task["api"].container_definitions)[0].environment[*].name, "SHUTDOWN_DELAY")
    error_message = "Without a load balancer, nobody sends requests to a task that stops."
  }

  # README.md says what they cost.
  assert {
    condition = sum([
      for alarm in concat(
        [aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.oldest_message],
        aws_cloudwatch_metric_alarm.server_errors, aws_cloudwatch_metric_alarm.no_worker, aws_cloudwatch_metric_alarm.outbox,
        aws_cloudwatch_metric_alarm.failed_jobs, values(aws_cloudwatch_metric_alarm.database), aws_cloudwatch_metric_alarm.database_credit,
      ) : max(1, length(flatten(alarm.metric_query[*].metric)))
    ]) == 12
    error_message = "The alarms of the size lab must look at 12 metrics."
  }
}

run "small" {
  command = apply

  assert {
    condition = (
      { for name, service in aws_ecs_service.task : name => service.desired_count } == { api = 1, worker = 1 }
      && length(aws_appautoscaling_target.task) == 0 && one(aws_ecs_cluster.main[0].setting).value == "disabled"
      && aws_db_instance.main[0].instance_class == "db.t4g.micro" && !aws_db_instance.main[0].multi_az
    )
    error_message = "The size small must be the default, with one task of each, one small database and no Container Insights."
  }

  assert {
    condition = {
      for name, service in aws_ecs_service.task : name => [for part in service.capacity_provider_strategy : "${part.base} ${part.weight} ${part.capacity_provider}"]
      } == {
      api    = ["0 1 FARGATE_SPOT"]
      worker = ["0 1 FARGATE_SPOT"]
    }
    error_message = "The size small must run on spot capacity."
  }

  assert {
    condition     = aws_ecs_cluster_capacity_providers.main[0].capacity_providers == toset(["FARGATE", "FARGATE_SPOT"])
    error_message = "The cluster must be able to use both kinds of capacity."
  }

  assert {
    # AWS kills it after 120 seconds. 20 are for open requests, and five for everything else.
    condition = anytrue([
      for variable in jsondecode(aws_ecs_task_definition.task["api"].container_definitions)[0].environment :
      tonumber(trimsuffix(variable.value, "s")) + 20 + 5 <= 120 if variable.name == "SHUTDOWN_DELAY"
    ])
    error_message = "An API on spot capacity must go on serving requests until another has started, and end before it is killed."
  }

  assert {
    # CloudWatch stores ten metrics free of charge.
    condition = alltrue([
      for task in aws_ecs_task_definition.task :
      alltrue([for variable in jsondecode(task.container_definitions)[0].environment : length(split(",", variable.value)) <= 10 if variable.name == "EMF_METRICS"])
      && contains(jsondecode(task.container_definitions)[0].environment[*].name, "EMF_METRICS")
    ])
    error_message = "The metrics of the size small must be free of charge."
  }

  assert {
    condition = alltrue([
      for metric in concat(
        [aws_cloudwatch_metric_alarm.outbox[0].metric_name, aws_cloudwatch_metric_alarm.no_worker[0].metric_name, aws_cloudwatch_metric_alarm.oldest_message.metric_name],
        [aws_cloudwatch_metric_alarm.failed_jobs[0].metric_name],
        flatten([for query in aws_cloudwatch_metric_alarm.dead_letters.metric_query : query.metric[*].metric_name if query.id == "paused"]),
      ) : contains(local.metrics, metric)
    ])
    error_message = "Each alarm must have the metric that it watches."
  }

  # README.md says what they cost.
  assert {
    condition = sum([
      for alarm in concat(
        [aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.oldest_message],
        aws_cloudwatch_metric_alarm.server_errors, aws_cloudwatch_metric_alarm.no_worker, aws_cloudwatch_metric_alarm.outbox,
        aws_cloudwatch_metric_alarm.failed_jobs, values(aws_cloudwatch_metric_alarm.database), aws_cloudwatch_metric_alarm.database_credit,
      ) : max(1, length(flatten(alarm.metric_query[*].metric)))
    ]) == 14
    error_message = "The alarms of the size small must look at 14 metrics."
  }
}

run "production" {
  command = apply

  variables {
    size = "production"
  }

  assert {
    condition = (
      { for name, target in aws_appautoscaling_target.task : name => "${target.min_capacity} to ${target.max_capacity}" } == { api = "2 to 4", worker = "1 to 5" }
      && aws_db_instance.main[0].multi_az && aws_db_instance.main[0].deletion_protection
      && one(aws_ecs_cluster.main[0].setting).value == "enabled" && aws_db_instance.main[0].backup_retention_period == 14
    )
    error_message = "The size production must have a standby of everything."
  }

  assert {
    condition = {
      for name, service in aws_ecs_service.task : name => [for part in service.capacity_provider_strategy : "${part.base} ${part.weight} ${part.capacity_provider}"]
      } == {
      api    = ["0 1 FARGATE"]
      worker = ["0 1 FARGATE_SPOT", "1 0 FARGATE"]
    }
    error_message = "In production, AWS must be able to stop all workers but one."
  }

  assert {
    condition     = alltrue([for task in aws_ecs_task_definition.task : !contains(jsondecode(task.container_definitions)[0].environment[*].name, "EMF_METRICS")])
    error_message = "The size production must have all metrics."
  }
}

run "a_setting_goes_before_the_size" {
  command = apply

  variables {
    spot              = false
    database_multi_az = true
    autoscaling       = true
    worker_count      = { min = 2, max = 2 }
    log_days          = 1
  }

  assert {
    condition = {
      for name, service in aws_ecs_service.task : name => [for part in service.capacity_provider_strategy : "${part.base} ${part.weight} ${part.capacity_provider}"]
      } == {
      api    = ["0 1 FARGATE"]
      worker = ["0 1 FARGATE"]
    }
    error_message = "spot = false must turn spot capacity off."
  }

  assert {
    condition     = aws_db_instance.main[0].multi_az && aws_appautoscaling_target.task["worker"].max_capacity == 2 && aws_cloudwatch_log_group.task["api"].retention_in_days == 1
    error_message = "Settings must replace what the size chooses."
  }
}

run "too_few_connections_for_the_tasks" {
  command = plan

  variables {
    size         = "production"
    worker_count = { min = 1, max = 6 }
  }

  expect_failures = [terraform_data.settings[0]]
}

run "several_apis_need_a_load_balancer" {
  command = plan

  variables {
    size      = "lab"
    api_count = { min = 1, max = 2 }
  }

  expect_failures = [terraform_data.settings[0]]
}

run "a_domain_needs_a_load_balancer" {
  command = plan

  variables {
    size    = "lab"
    domain  = "todo.example.org"
    zone_id = "Z0123456789"
  }

  expect_failures = [terraform_data.settings[0]]
}
