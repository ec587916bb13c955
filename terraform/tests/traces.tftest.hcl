# Traces that the tasks export to a collector.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  allowed_cidrs = ["203.0.113.0/24"]
}

run "without_a_collector_no_traces_are_exported" {
  command = apply

  assert {
    condition = alltrue([
      for task in aws_ecs_task_definition.task : !strcontains(task.container_definitions, "OTEL_")
    ])
    error_message = "By default no process must export traces."
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.traces) == 0
    error_message = "By default no port must be open for traces."
  }
}

run "both_processes_export_to_the_collector_with_the_headers_of_the_secret" {
  command = apply

  variables {
    otlp_endpoint       = "http://collector.example.org:4318/otlp"
    otlp_headers_secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:otlp-AbCdEf"
    otlp_share          = 0.01
  }

  assert {
    condition = alltrue([
      for task in aws_ecs_task_definition.task : {
        for setting in jsondecode(task.container_definitions)[0].environment : setting.name => setting.value if startswith(setting.name, "OTEL_")
        } == {
        OTEL_EXPORTER_OTLP_ENDPOINT = "http://collector.example.org:4318/otlp"
        OTEL_RESOURCE_ATTRIBUTES    = "service.namespace=taskoverflow"
        OTEL_TRACES_SAMPLER         = "parentbased_traceidratio"
        OTEL_TRACES_SAMPLER_ARG     = "0.01"
      }
    ])
    error_message = "The processes have the wrong settings for traces."
  }

  assert {
    condition = alltrue([
      for name, task in aws_ecs_task_definition.task : jsondecode(task.container_definitions)[0].secrets == [
        { name = "DATABASE_PASSWORD", valueFrom = aws_secretsmanager_secret.user[name].arn },
        { name = "OTEL_EXPORTER_OTLP_HEADERS", valueFrom = var.otlp_headers_secret },
      ]
    ])
    error_message = "The processes must read the headers from the secret."
  }

  assert {
    condition = alltrue([
      for task in aws_ecs_task_definition.task : !strcontains(jsonencode(jsondecode(task.container_definitions)[1]), "OTEL_")
    ])
    error_message = "The container migrate exports nothing, and needs no headers."
  }

  assert {
    condition = contains(flatten([
      for statement in jsondecode(aws_iam_role_policy.task["execution"].policy).Statement : statement.Resource if contains(statement.Action, "secretsmanager:GetSecretValue")
    ]), var.otlp_headers_secret)
    error_message = "ECS must be allowed to read the secret."
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.traces : [rule.from_port, rule.to_port]] == [[4318, 4318], [4318, 4318]]
    error_message = "The tasks must be able to reach the collector's port."
  }
}

run "the_port_of_http_is_opened_if_the_endpoint_names_none" {
  command = plan

  variables {
    otlp_endpoint = "http://collector.example.org"
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.traces : rule.from_port] == [80, 80]
    error_message = "The tasks must be able to reach port 80."
  }
}

run "a_collector_with_https_needs_no_further_port" {
  command = plan

  variables {
    otlp_endpoint = "https://otlp.example.org"
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.traces) == 0
    error_message = "The port of HTTPS is open already."
  }
}
