# A standard queue: first only the queues and the registries, then the service.

mock_provider "aws" {
  source = "./tests/mocks"
}

# sizes.tftest.hcl tests the sizes, front.tftest.hcl what is in front of the API.
variables {
  allowed_cidrs        = ["203.0.113.0/24"]
  size                 = "production"
  cloudfront           = false
  container_insights   = false
  database_backup_days = 7
  database_class       = "db.t4g.micro"
  log_days             = 30
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

run "without_the_service_only_queues_and_registries" {
  command = apply

  variables {
    service_enabled = false
  }

  assert {
    condition     = length(aws_vpc.main) == 0 && length(aws_db_instance.main) == 0 && length(aws_ecs_service.task) == 0 && length(aws_iam_role.task) == 0
    error_message = "Without the service, no part of the service must be created."
  }

  assert {
    condition     = output.queue_url == aws_sqs_queue.jobs.url && keys(output.repository_urls) == ["api", "worker"] && output.api_url == null
    error_message = "The outputs must contain the queue and the repositories, which the next step needs, and no API address."
  }

  assert {
    condition     = strcontains(output.exports, "export QUEUE_URL=https://sqs.us-east-1.amazonaws.com/123456789012/taskoverflow-ical\n") && strcontains(output.exports, "export AWS_REGION=us-east-1\n")
    error_message = "The exports must set the queue and the region."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.outbox) + length(aws_cloudwatch_metric_alarm.failed_jobs) + length(aws_cloudwatch_metric_alarm.database) + length(aws_cloudwatch_metric_alarm.database_credit) == 0
    error_message = "Without the service, there must be no alarm about it."
  }

  assert {
    condition     = "${aws_cloudwatch_metric_alarm.oldest_message.namespace} ${aws_cloudwatch_metric_alarm.oldest_message.metric_name}" == "AWS/SQS ApproximateAgeOfOldestMessage" && aws_cloudwatch_metric_alarm.oldest_message.dimensions == tomap({ QueueName = "taskoverflow-ical" })
    error_message = "Without the service, nothing but the queue can show that jobs wait."
  }

  assert {
    condition     = toset([for query in aws_cloudwatch_metric_alarm.dead_letters.metric_query : query.id]) == toset(["visible", "hidden", "all"])
    error_message = "Without the service, no API reports whether processing is paused."
  }

  assert {
    condition     = length(jsondecode(aws_sqs_queue_policy.jobs.policy).Statement) == 1
    error_message = "Until the service runs, users of the account must be able to use the queue."
  }
}

run "queues" {
  command = apply

  variables {
    service_enabled = false
  }

  assert {
    condition     = aws_sqs_queue.jobs.name == "taskoverflow-ical" && aws_sqs_queue.dead_letters.name == "taskoverflow-ical-dead-letters"
    error_message = "The queues have the wrong names."
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.jobs, aws_sqs_queue.dead_letters] : !queue.fifo_queue && queue.sqs_managed_sse_enabled && queue.receive_wait_time_seconds == 20])
    error_message = "Both must be standard queues with encryption and long polling."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.jobs.redrive_policy) == { deadLetterTargetArn = aws_sqs_queue.dead_letters.arn, maxReceiveCount = 10 }
    error_message = "A message must become a dead letter after ten receives."
  }

  assert {
    condition     = aws_sqs_queue.dead_letters.message_retention_seconds == 1209600 && aws_sqs_queue.jobs.message_retention_seconds < 1209600
    error_message = "Dead letters must be kept longer than other messages, because they keep their age."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.dead_letters[0].redrive_allow_policy).sourceQueueArns == [aws_sqs_queue.jobs.arn]
    error_message = "Only the job queue must be able to use the dead-letter queue."
  }

  assert {
    condition = alltrue([
      for policy in [aws_sqs_queue_policy.jobs.policy, aws_sqs_queue_policy.dead_letters.policy] :
      jsondecode(policy).Statement[0].Effect == "Deny" && jsondecode(policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    ])
    error_message = "Both queues must reject requests without TLS."
  }

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.image : repository.image_tag_mutability == "IMMUTABLE" && repository.image_scanning_configuration[0].scan_on_push])
    error_message = "Tags must be immutable and images must be scanned."
  }
}

run "service" {
  command = apply

  variables {
    alarm_email = "me@example.org"
    queue_users = ["arn:aws:iam::123456789012:user/me"]
  }

  assert {
    condition     = toset(data.aws_availability_zones.available[0].exclude_zone_ids) == toset(["use1-az3", "usw1-az2", "apne1-az3", "apne2-az1", "cac1-az3"])
    error_message = "Neither tasks nor the load balancer may be in a zone without Fargate or without origins of CloudFront."
  }

  assert {
    condition     = keys(aws_ecs_service.task) == ["api", "worker"] && keys(aws_iam_role.task) == ["api", "execution", "worker"]
    error_message = "There must be two services, a role for each, and one for ECS."
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue_policy.jobs, aws_sqs_queue_policy.dead_letters] :
      jsondecode(queue.policy).Statement[1].Effect == "Deny"
      && jsondecode(queue.policy).Statement[1].Action == ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:PurgeQueue"]
      && jsondecode(queue.policy).Statement[1].Condition == {
        ArnNotLike = { "aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/taskoverflow-worker", "arn:aws:iam::123456789012:user/me"] }
      }
    ])
    error_message = "Only the workers and queue_users must be able to take messages from the queues."
  }

  assert {
    condition = (
      jsondecode(aws_sqs_queue_policy.jobs.policy).Statement[2].Effect == "Deny"
      && jsondecode(aws_sqs_queue_policy.jobs.policy).Statement[2].Action == ["sqs:SendMessage"]
      && jsondecode(aws_sqs_queue_policy.jobs.policy).Statement[2].Condition == {
        ArnNotLike = { "aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/taskoverflow-api", "arn:aws:iam::123456789012:user/me"] }
        Bool       = { "aws:PrincipalIsAWSService" = "false" }
      }
    )
    error_message = "Only the API, queue_users and SQS itself must be able to send to the job queue."
  }

  assert {
    condition     = length(jsondecode(aws_sqs_queue_policy.dead_letters.policy).Statement) == 2 && !strcontains(aws_sqs_queue_policy.dead_letters.policy, "SendMessage")
    error_message = "Nothing must keep SQS itself from moving messages to the dead-letter queue."
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.alb : "${rule.cidr_ipv4} ${rule.from_port}"] == ["203.0.113.0/24 80"]
    error_message = "Only the addresses in allowed_cidrs must reach the load balancer."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.task["api"].policy).Statement == [
      { Effect = "Allow", Action = ["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"], Resource = aws_sqs_queue.jobs.arn },
      { Effect = "Allow", Action = ["sqs:GetQueueUrl", "sqs:GetQueueAttributes"], Resource = aws_sqs_queue.dead_letters.arn },
    ]
    error_message = "The API must only be able to send to the job queue, and to count the messages of both queues."
  }

  assert {
    condition = (
      toset([
        for statement in jsondecode(aws_iam_role_policy.task["worker"].policy).Statement : statement.Resource if startswith(statement.Action[0], "sqs:")
      ]) == toset([aws_sqs_queue.jobs.arn, aws_sqs_queue.dead_letters.arn])
      && !contains(flatten(jsondecode(aws_iam_role_policy.task["worker"].policy).Statement[*].Action), "sqs:SendMessage")
      && contains(jsondecode(aws_iam_role_policy.task["worker"].policy).Statement[1].Action, "sqs:DeleteMessage")
    )
    error_message = "The worker must be able to receive from both queues and delete dead letters, but not to send."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.task["worker"].policy).Statement : "${join(" ", statement.Action)} ${statement.Resource} ${jsonencode(statement.Condition)}"
      if startswith(statement.Action[0], "ecs:")
      ] == [
      "ecs:GetTaskProtection ecs:UpdateTaskProtection arn:aws:ecs:us-east-1:123456789012:task/taskoverflow/* ${jsonencode({ ArnEquals = { "ecs:cluster" = "arn:aws:ecs:us-east-1:123456789012:cluster/taskoverflow" } })}",
    ]
    error_message = "The worker must be able to protect tasks of its own cluster, and no others."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.task["execution"].policy).Statement : statement.Action if statement.Resource == "*"] == [["ecr:GetAuthorizationToken"]]
    error_message = "Only the action for the registry token must apply to all resources."
  }

  assert {
    condition = (
      !aws_db_instance.main[0].publicly_accessible && aws_db_instance.main[0].storage_encrypted && aws_db_instance.main[0].manage_master_user_password
      && aws_db_instance.main[0].password == null && aws_db_instance.main[0].deletion_protection
      && contains([for parameter in aws_db_parameter_group.main[0].parameter : "${parameter.name}=${parameter.value}"], "rds.force_ssl=1")
    )
    error_message = "The database must be private, encrypted at rest and in transit, and protected from deletion, and its password must not be in the state."
  }

  assert {
    condition     = aws_db_instance.main[0].storage_type == "gp3"
    error_message = "Outside a lab, the database must use gp3 storage."
  }

  assert {
    condition     = aws_db_instance.main[0].backup_retention_period == 7
    error_message = "Backups must be kept for database_backup_days."
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.database) == ["api", "worker"] && alltrue([for rule in aws_vpc_security_group_ingress_rule.database : rule.cidr_ipv4 == null && rule.from_port == 5432])
    error_message = "Only the tasks must be able to reach the database."
  }

  assert {
    condition = alltrue([
      for name, task in aws_ecs_task_definition.task :
      jsondecode(task.container_definitions)[0].readonlyRootFilesystem
      && jsondecode(task.container_definitions)[0].user == "65532:65532"
      && jsondecode(task.container_definitions)[0].stopTimeout == 120
      && endswith(jsondecode(task.container_definitions)[0].image, ":0123456789ab")
      && jsondecode(task.container_definitions)[0].healthCheck.command == ["CMD", "/taskoverflow-${name}", "healthcheck", "--started"]
      && jsondecode(task.container_definitions)[0].secrets == [{ name = "DATABASE_PASSWORD", valueFrom = aws_secretsmanager_secret.user[name].arn }]
      && !contains(jsondecode(task.container_definitions)[0].environment[*].name, "DATABASE_PASSWORD")
    ])
    error_message = "Containers must have a read-only file system, a user other than root, the image of the commit, their own health check, and the password from Secrets Manager."
  }

  assert {
    condition = alltrue([
      for task in aws_ecs_task_definition.task :
      { for variable in jsondecode(task.container_definitions)[0].environment : variable.name => variable.value if startswith(variable.name, "PGSSL") || endswith(variable.name, "SSLMODE") }
      == { DATABASE_SSLMODE = "verify-full", PGSSLROOTCERT = "/etc/ssl/certs/rds-ca.pem" }
    ])
    error_message = "The services must verify the database's certificate."
  }

  assert {
    condition = {
      for name, task in aws_ecs_task_definition.task :
      name => one([for variable in jsondecode(task.container_definitions)[0].environment : variable.value if variable.name == "DATABASE_USER"])
    } == { api = "taskoverflow_api", worker = "taskoverflow_worker" }
    error_message = "Each service must log in to the database as a user of its own."
  }

  assert {
    condition = alltrue([
      for task in aws_ecs_task_definition.task :
      jsondecode(task.container_definitions)[0].dependsOn == [{ containerName = "migrate", condition = "SUCCESS" }]
      && jsondecode(task.container_definitions)[1].name == "migrate"
      && jsondecode(task.container_definitions)[1].command == ["migrate"]
      && !jsondecode(task.container_definitions)[1].essential
      && jsondecode(task.container_definitions)[1].readonlyRootFilesystem
      && jsondecode(task.container_definitions)[1].image == jsondecode(aws_ecs_task_definition.task["api"].container_definitions)[0].image
      && { for secret in jsondecode(task.container_definitions)[1].secrets : secret.name => secret.valueFrom } == {
        DATABASE_PASSWORD    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1:password::"
        API_ROLE_PASSWORD    = aws_secretsmanager_secret.user["api"].arn
        WORKER_ROLE_PASSWORD = aws_secretsmanager_secret.user["worker"].arn
      }
    ])
    error_message = "Before a service starts, the migrations must run and the database users be created, and only for that may the owner's password be used."
  }

  assert {
    condition     = alltrue([for version in aws_secretsmanager_secret_version.user : version.secret_string == null && version.secret_string_wo_version == 1])
    error_message = "The passwords of the database users must not be in the state."
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.task["api"].container_definitions)[0].environment, { name = "PUBLIC_URL", value = "http://taskoverflow-1.us-east-1.elb.amazonaws.com" }) && output.api_url == "http://taskoverflow-1.us-east-1.elb.amazonaws.com"
    error_message = "Links in API responses must use the address of the load balancer."
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.task["api"].container_definitions)[0].environment, { name = "ALLOWED_HOSTS", value = "taskoverflow-1.us-east-1.elb.amazonaws.com" })
    error_message = "The API must answer requests for the name of the load balancer."
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.task["api"].container_definitions)[0].environment, { name = "AUTH", value = "tokens" })
    error_message = "The API must let only clients with a token in."
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.task["api"].container_definitions)[0].environment, { name = "TRUST_PROXY", value = "true" })
    error_message = "The API must limit each client, not all clients of the load balancer together."
  }

  assert {
    condition = { for variable in jsondecode(aws_ecs_task_definition.task["api"].container_definitions)[0].environment : variable.name => variable.value if startswith(variable.name, "MAX_") } == {
      MAX_CONNECTIONS = "4096"
      MAX_REQUESTS    = "512"
    }
    error_message = "The connections and requests of an API have to fit into the memory of its task."
  }

  assert {
    # A second for the end of attempts, half of the visibility timeout for deletes and releases, a second for the queue to
    # close, and five more for everything else.
    condition = anytrue([
      for seconds in [{
        for variable in jsondecode(aws_ecs_task_definition.task["worker"].container_definitions)[0].environment :
        variable.name => tonumber(trimsuffix(variable.value, "s")) if contains(["DRAIN_TIMEOUT", "VISIBILITY_TIMEOUT"], variable.name)
      }] :
      seconds.DRAIN_TIMEOUT + 1 + seconds.VISIBILITY_TIMEOUT / 2 + 1 + 5 <= jsondecode(aws_ecs_task_definition.task["worker"].container_definitions)[0].stopTimeout
    ])
    error_message = "A worker must release its jobs before it is killed."
  }

  assert {
    condition     = alltrue([for task in aws_ecs_task_definition.task : task.skip_destroy])
    error_message = "The previous version must stay registered, or ECS can't go back to it."
  }

  assert {
    # The breaker counts three tasks. Each takes 45 seconds until its container starts, and 10 to stop. Behind the load balancer,
    # ECS ignores failures during the grace period, and the target is deregistered before the task stops. The previous version has
    # five minutes.
    condition = alltrue([
      for name, service in aws_ecs_service.task : alltrue([
        for check in [jsondecode(aws_ecs_task_definition.task[name].container_definitions)[0].healthCheck] :
        3 * (
          45 + max(check.startPeriod + check.retries * check.interval, coalesce(service.health_check_grace_period_seconds, 0)) + 10
          + (length(service.load_balancer) > 0 ? tonumber(aws_lb_target_group.api[0].deregistration_delay) : 0)
        ) <= (length(service.load_balancer) > 0 ? 720 : 600)
        && 720 + 300 < 60 * tonumber(trimsuffix(service.timeouts.update, "m"))
        && service.timeouts.create == service.timeouts.update
      ])
    ])
    error_message = "ECS must give up a worker within ten minutes, an API within twelve, and apply must watch until ECS has gone back to the previous one."
  }

  assert {
    # The target of a task that starts is not asked before its grace period ends, and then takes two checks to be healthy.
    condition = alltrue([
      for check in aws_lb_target_group.api[0].health_check :
      check.path == "/startedz" && aws_ecs_service.task["api"].health_check_grace_period_seconds >= 60 + check.healthy_threshold * check.interval
    ])
    error_message = "The load balancer must not replace a task that starts, nor one whose database is away."
  }

  assert {
    condition = alltrue([
      for service in aws_ecs_service.task :
      service.deployment_circuit_breaker[0].enable && service.deployment_circuit_breaker[0].rollback && service.availability_zone_rebalancing == "ENABLED"
    ])
    error_message = "A failed deployment must be rolled back."
  }

  assert {
    condition     = alltrue([for service in aws_ecs_service.task : service.wait_for_steady_state])
    error_message = "apply must wait until the services run."
  }

  assert {
    condition     = length(aws_ecs_service.task["api"].load_balancer) == 1 && length(aws_ecs_service.task["worker"].load_balancer) == 0
    error_message = "Only the API must be behind the load balancer."
  }

  assert {
    condition = (
      aws_appautoscaling_target.task["worker"].min_capacity == 1
      && one([for metric in one(one(aws_appautoscaling_policy.worker[0].target_tracking_scaling_policy_configuration).customized_metric_specification).metrics : metric.expression if metric.return_data]) == "waiting / workers"
    )
    error_message = "Workers must be scaled by the backlog per worker, with at least one worker."
  }

  assert {
    condition     = toset([for query in aws_cloudwatch_metric_alarm.dead_letters.metric_query : query.expression == null ? one(query.metric).metric_name : query.expression]) == toset(["ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "processing_paused", "IF(FILL(paused, 0) > 0, 0, visible + hidden)"])
    error_message = "The alarm must count visible and hidden dead letters, except while processing is paused."
  }

  assert {
    condition = {
      for name, alarm in { waiting = aws_cloudwatch_metric_alarm.oldest_message, failed = aws_cloudwatch_metric_alarm.failed_jobs[0] } :
      name => "${alarm.namespace} ${alarm.metric_name} ${alarm.dimensions.Service} ${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold}"
      } == {
      waiting = "taskoverflow jobs_oldest_waiting_seconds api Maximum GreaterThanThreshold 900"
      failed  = "taskoverflow jobs_failed_in_ten_minutes api Maximum GreaterThanThreshold 5"
    }
    error_message = "The alarms about jobs must watch what the API measures in the database: it counts all jobs that fail, wherever they do, and no time during a pause."
  }

  assert {
    condition = alltrue([
      for alarm in concat(
        [aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.oldest_message, aws_cloudwatch_metric_alarm.server_errors[0], aws_cloudwatch_metric_alarm.no_worker[0]],
        [aws_cloudwatch_metric_alarm.outbox[0], aws_cloudwatch_metric_alarm.failed_jobs[0], aws_cloudwatch_metric_alarm.database_credit[0]],
        values(aws_cloudwatch_metric_alarm.database),
      ) :
      length(alarm.alarm_actions) == 1 && alarm.ok_actions == alarm.alarm_actions
    ])
    error_message = "Every alarm must send a notification."
  }

  assert {
    condition = (
      alltrue([for task in aws_ecs_task_definition.task : contains(jsondecode(task.container_definitions)[0].environment, { name = "EMF_NAMESPACE", value = "taskoverflow" })])
      && aws_cloudwatch_metric_alarm.outbox[0].namespace == "taskoverflow"
      && aws_cloudwatch_metric_alarm.outbox[0].metric_name == "outbox_oldest_age_seconds"
      && aws_cloudwatch_metric_alarm.outbox[0].dimensions == tomap({ Service = "api" })
    )
    error_message = "The alarm must watch the age that the API writes into its log."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.outbox[0].threshold == 300
      && aws_cloudwatch_metric_alarm.outbox[0].comparison_operator == "GreaterThanThreshold"
      && aws_cloudwatch_metric_alarm.outbox[0].statistic == "Maximum"
    )
    error_message = "There must be an alarm when the oldest unpublished job of any API is older than five minutes."
  }

  assert {
    condition = {
      for name, alarm in {
        outbox         = aws_cloudwatch_metric_alarm.outbox[0]
        no_worker      = aws_cloudwatch_metric_alarm.no_worker[0]
        storage        = aws_cloudwatch_metric_alarm.database["storage"]
        memory         = aws_cloudwatch_metric_alarm.database["memory"]
        connections    = aws_cloudwatch_metric_alarm.database["connections"]
        credit         = aws_cloudwatch_metric_alarm.database_credit[0]
        failed_jobs    = aws_cloudwatch_metric_alarm.failed_jobs[0]
        dead_letters   = aws_cloudwatch_metric_alarm.dead_letters
        oldest_message = aws_cloudwatch_metric_alarm.oldest_message
        server_errors  = aws_cloudwatch_metric_alarm.server_errors[0]
      } : name => alarm.treat_missing_data
      } == {
      outbox         = "breaching"
      no_worker      = "breaching"
      storage        = "breaching"
      memory         = "notBreaching"
      connections    = "notBreaching"
      credit         = "notBreaching"
      failed_jobs    = "notBreaching"
      dead_letters   = "notBreaching"
      oldest_message = "notBreaching"
      server_errors  = "notBreaching"
    }
    error_message = "An API, a worker or a database that is silent must raise one alarm, and an idle service none."
  }

  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.database : name => "${alarm.metric_name} ${alarm.comparison_operator} ${alarm.threshold}" } == {
      storage     = "FreeStorageSpace LessThanThreshold 2147483648"
      memory      = "FreeableMemory LessThanThreshold 67108864"
      connections = "DatabaseConnections GreaterThanThreshold 160"
    }
    error_message = "There must be alarms before the database runs out of storage, memory or connections."
  }

  assert {
    condition = (
      contains([for parameter in aws_db_parameter_group.main[0].parameter : "${parameter.name}=${parameter.value}"], "max_connections=200")
      && { for name, task in aws_ecs_task_definition.task : name => one([for variable in jsondecode(task.container_definitions)[0].environment : variable.value if variable.name == "DATABASE_POOL"]) } == { api = "12", worker = "8" }
    )
    error_message = "The database must have enough connections for all tasks."
  }

  assert {
    # The API keeps an idle connection for 75 seconds. The default of a load balancer is 60.
    condition     = coalesce(aws_lb.main[0].idle_timeout, 60) < 75
    error_message = "The load balancer must close idle connections before the API does."
  }

  assert {
    condition     = one(aws_lb_target_group.api[0].stickiness).enabled != false && one(aws_lb_target_group.api[0].stickiness).type == "lb_cookie"
    error_message = "A browser must stay with the task that served the page, because the page belongs to one version."
  }

  assert {
    condition     = keys(aws_lb_listener_rule.metrics) == ["http"] && one(aws_lb_listener_rule.metrics["http"].action).type == "fixed-response"
    error_message = "The metrics must not be public."
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.main[0].dashboard_body).widgets) == 14
    error_message = "The dashboard must have all fourteen charts."
  }

  assert {
    condition = {
      for widget in jsondecode(aws_cloudwatch_dashboard.main[0].dashboard_body).widgets : widget.properties.title => "${widget.properties.stat} ${jsonencode(widget.properties.metrics)}"
      if contains(["Running tasks", "Empty receives", "Jobs by status"], widget.properties.title)
      } == {
      "Running tasks"  = "SampleCount ${jsonencode([["taskoverflow", "outbox_oldest_age_seconds", "Service", "api", { label = "api" }], ["taskoverflow", "worker_slots_in_use", "Service", "worker", { label = "worker" }]])}"
      "Empty receives" = "Sum ${jsonencode([["AWS/SQS", "NumberOfEmptyReceives", "QueueName", "taskoverflow-ical"]])}"
      "Jobs by status" = "Maximum ${jsonencode([for status in ["pending", "started", "retry", "failed"] : ["taskoverflow", "jobs_${status}", "Service", "api"]])}"
    }
    error_message = "The dashboard must show how many tasks run, receives that bring nothing, and the jobs by status."
  }

  assert {
    condition = (
      keys(aws_cloudwatch_log_group.aws) == ["/aws/rds/instance/taskoverflow/postgresql", "/aws/rds/instance/taskoverflow/upgrade"]
      && alltrue([for group in aws_cloudwatch_log_group.aws : group.retention_in_days == 30])
      && one(aws_ecs_cluster.main[0].setting).value == "disabled"
    )
    error_message = "The logs of the database must be kept for log_days, and Container Insights must be off."
  }

  assert {
    condition = (
      "${aws_cloudwatch_metric_alarm.no_worker[0].namespace} ${aws_cloudwatch_metric_alarm.no_worker[0].metric_name} ${aws_cloudwatch_metric_alarm.no_worker[0].statistic}" == "taskoverflow worker_slots_in_use SampleCount"
      && aws_cloudwatch_metric_alarm.no_worker[0].dimensions == tomap({ Service = "worker" })
      && [
        for metric in one(one(aws_appautoscaling_policy.worker[0].target_tracking_scaling_policy_configuration).customized_metric_specification).metrics :
        "${one(metric.metric_stat).stat} ${one(one(metric.metric_stat).metric).namespace} ${one(one(metric.metric_stat).metric).metric_name}" if metric.id == "workers"
      ] == ["SampleCount taskoverflow worker_slots_in_use"]
    )
    error_message = "The alarm and autoscaling must count the reports of workers, which need no Container Insights."
  }

  assert {
    condition     = length(aws_lb_listener.https) == 0 && aws_lb_listener.http[0].default_action[0].type == "forward"
    error_message = "Without a certificate, the load balancer must serve HTTP."
  }
}

run "existing_subnets_stay_in_their_zones" {
  command = plan

  override_data {
    target = data.aws_availability_zones.available
    values = { names = ["us-east-1b", "us-east-1c"] }
  }

  assert {
    condition = alltrue([for subnets in [aws_subnet.public, aws_subnet.database] :
      [for subnet in subnets : subnet.availability_zone] == ["us-east-1a", "us-east-1b"]
      && alltrue([for subnet in subnets : endswith(subnet.tags["Name"], subnet.availability_zone)])
    ])
    error_message = "A change of the list of zones must not replace subnets."
  }
}

run "https" {
  command = apply

  variables {
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
    public_url      = "https://todo.example.org"
  }

  assert {
    condition     = aws_lb_listener.http[0].default_action[0].type == "redirect" && aws_lb_listener.https[0].ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    error_message = "HTTP must redirect to HTTPS with a modern TLS policy."
  }

  assert {
    condition     = output.api_url == "https://todo.example.org" && length(aws_vpc_security_group_ingress_rule.alb) == 2 && length(aws_lb_listener_rule.metrics) == 2
    error_message = "Links must use public_url, and both ports must be open with hidden metrics."
  }
}

run "container_insights" {
  command = apply

  variables {
    container_insights = true
    log_days           = 7
  }

  assert {
    condition = (
      contains(keys(aws_cloudwatch_log_group.aws), "/aws/ecs/containerinsights/taskoverflow/performance")
      && alltrue([for group in aws_cloudwatch_log_group.aws : group.retention_in_days == 7])
      && one(aws_ecs_cluster.main[0].setting).value == "enabled"
    )
    error_message = "Container Insights must be on, and its log kept for log_days."
  }
}

run "an_unprotected_database" {
  command = apply

  variables {
    protect_database = false
  }

  assert {
    condition     = !aws_db_instance.main[0].deletion_protection && aws_db_instance.main[0].skip_final_snapshot
    error_message = "destroy must be able to delete the database without a snapshot."
  }
}

run "backups_on_the_free_plan" {
  command = apply

  variables {
    database_backup_days = 1
  }

  assert {
    condition     = aws_db_instance.main[0].backup_retention_period == 1
    error_message = "Backups must be kept for one day, which the free plan allows."
  }
}

run "a_small_database_without_credits_left" {
  command = apply

  assert {
    condition = alltrue([
      for query in aws_cloudwatch_metric_alarm.database_credit[0].metric_query :
      query.expression == "IF(credits < 10 AND cpu >= 9, 1, 0)" if query.id == "exhausted"
    ]) && contains(aws_cloudwatch_metric_alarm.database_credit[0].metric_query[*].id, "exhausted")
    error_message = "db.t4g.micro earns credits for 10 % of its CPU, so the alarm must begin a little below that."
  }
}

run "a_larger_database_without_credits_left" {
  command = apply

  variables {
    database_class = "db.t3.2xlarge"
  }

  assert {
    condition     = local.database_cpu_limit == 36
    error_message = "db.t3.2xlarge earns credits for 40 % of its CPU."
  }
}

run "a_database_without_credits" {
  command = apply

  variables {
    database_class = "db.m7g.large"
    failed_jobs    = 0
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.database_credit) == 0 && length(aws_cloudwatch_metric_alarm.database) == 3
    error_message = "Only a burstable class has CPU credits."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.failed_jobs[0].threshold == 0
    error_message = "failed_jobs = 0 must report every failed job."
  }
}

run "a_region_with_one_zone_is_rejected" {
  command = plan

  override_data {
    target = data.aws_availability_zones.available
    values = { names = ["us-west-1a"] }
  }

  expect_failures = [data.aws_availability_zones.available]
}
