# A standard queue: first the queue and the registries alone, then the service.

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


run "queues_come_first_and_alone" {
  command = apply

  assert {
    condition     = length(aws_vpc.main) == 0 && length(aws_db_instance.main) == 0 && length(aws_ecs_service.task) == 0 && length(aws_iam_role.task) == 0
    error_message = "Without images there is nothing to run."
  }

  assert {
    condition     = output.queue_url == aws_sqs_queue.jobs.url && keys(output.repository_urls) == ["api", "worker"] && output.api_url == null
    error_message = "The next step needs the queue and the repositories."
  }

  assert {
    condition     = strcontains(output.exports, "export QUEUE_URL=https://sqs.us-east-1.amazonaws.com/123456789012/taskoverflow-ical\n") && strcontains(output.exports, "export AWS_REGION=us-east-1\n")
    error_message = "A shell needs the queue and the region."
  }

  assert {
    condition     = length(jsondecode(aws_sqs_queue_policy.jobs.policy).Statement) == 1
    error_message = "Until the service runs, the account's own users use the queue."
  }
}

run "queues" {
  command = apply

  assert {
    condition     = aws_sqs_queue.jobs.name == "taskoverflow-ical" && aws_sqs_queue.dead_letters.name == "taskoverflow-ical-dead-letters"
    error_message = "The queues' names."
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.jobs, aws_sqs_queue.dead_letters] : !queue.fifo_queue && queue.sqs_managed_sse_enabled && queue.receive_wait_time_seconds == 20])
    error_message = "Standard, encrypted, polled long."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.jobs.redrive_policy) == { deadLetterTargetArn = aws_sqs_queue.dead_letters.arn, maxReceiveCount = 10 }
    error_message = "What is received ten times is a dead letter."
  }

  assert {
    condition     = aws_sqs_queue.dead_letters.message_retention_seconds == 1209600 && aws_sqs_queue.jobs.message_retention_seconds < 1209600
    error_message = "Dead letters keep their age, so they must be kept longer."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.dead_letters[0].redrive_allow_policy).sourceQueueArns == [aws_sqs_queue.jobs.arn]
    error_message = "Only this queue's messages become dead letters here."
  }

  assert {
    condition = alltrue([
      for policy in [aws_sqs_queue_policy.jobs.policy, aws_sqs_queue_policy.dead_letters.policy] :
      jsondecode(policy).Statement[0].Effect == "Deny" && jsondecode(policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    ])
    error_message = "TLS only."
  }

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.image : repository.image_tag_mutability == "IMMUTABLE" && repository.image_scanning_configuration[0].scan_on_push])
    error_message = "A tag stays what it was, and images are scanned."
  }
}

run "service" {
  command = apply

  variables {
    image_tag   = "0123456789ab"
    alarm_email = "me@example.org"
    queue_users = ["arn:aws:iam::123456789012:user/me"]
  }

  assert {
    condition     = keys(aws_ecs_service.task) == ["api", "worker"] && keys(aws_iam_role.task) == ["api", "execution", "worker"]
    error_message = "Two services, a role each, and one for ECS."
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue_policy.jobs, aws_sqs_queue_policy.dead_letters] :
      jsondecode(queue.policy).Statement[1].Condition.ArnNotLike["aws:PrincipalArn"] == [
        "arn:aws:iam::123456789012:role/taskoverflow-api", "arn:aws:iam::123456789012:role/taskoverflow-worker", "arn:aws:iam::123456789012:user/me",
      ]
    ])
    error_message = "The tasks alone use the queues, and who is named."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.task["api"].policy).Statement == [{ Effect = "Allow", Action = ["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"], Resource = aws_sqs_queue.jobs.arn }]
    error_message = "The API sends to one queue, and no more."
  }

  assert {
    condition = (
      toset(jsondecode(aws_iam_role_policy.task["worker"].policy).Statement[*].Resource) == toset([aws_sqs_queue.jobs.arn, aws_sqs_queue.dead_letters.arn])
      && !contains(flatten(jsondecode(aws_iam_role_policy.task["worker"].policy).Statement[*].Action), "sqs:SendMessage")
      && contains(jsondecode(aws_iam_role_policy.task["worker"].policy).Statement[1].Action, "sqs:DeleteMessage")
    )
    error_message = "The worker receives from both queues, and never sends."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.task["execution"].policy).Statement : statement.Action if statement.Resource == "*"] == [["ecr:GetAuthorizationToken"]]
    error_message = "Only the registry's token has no resource."
  }

  assert {
    condition = (
      !aws_db_instance.main[0].publicly_accessible && aws_db_instance.main[0].storage_encrypted && aws_db_instance.main[0].manage_master_user_password
      && aws_db_instance.main[0].password == null && aws_db_instance.main[0].deletion_protection
      && contains([for parameter in aws_db_parameter_group.main[0].parameter : "${parameter.name}=${parameter.value}"], "rds.force_ssl=1")
    )
    error_message = "The database is private, encrypted at rest and on the way, protected, and its password is not in the state."
  }

  assert {
    condition     = aws_db_instance.main[0].storage_type == "gp3"
    error_message = "Outside of a lab: the newer storage."
  }

  assert {
    condition     = aws_db_instance.main[0].backup_retention_period == 7
    error_message = "A week's backups."
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.database) == ["api", "worker"] && alltrue([for rule in aws_vpc_security_group_ingress_rule.database : rule.cidr_ipv4 == null && rule.from_port == 5432])
    error_message = "Only the tasks reach the database."
  }

  assert {
    condition = alltrue([
      for name, task in aws_ecs_task_definition.task :
      jsondecode(task.container_definitions)[0].readonlyRootFilesystem
      && jsondecode(task.container_definitions)[0].user == "65532:65532"
      && jsondecode(task.container_definitions)[0].stopTimeout == 120
      && endswith(jsondecode(task.container_definitions)[0].image, ":0123456789ab")
      && jsondecode(task.container_definitions)[0].healthCheck.command == ["CMD", "/taskoverflow-${name}", "healthcheck"]
      && jsondecode(task.container_definitions)[0].secrets == [{ name = "DATABASE_PASSWORD", valueFrom = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1:password::" }]
      && !contains(jsondecode(task.container_definitions)[0].environment[*].name, "DATABASE_PASSWORD")
    ])
    error_message = "Read-only, not root, the commit's image, its own health check, its password from Secrets Manager."
  }

  assert {
    condition = alltrue([
      for task in aws_ecs_task_definition.task :
      { for variable in jsondecode(task.container_definitions)[0].environment : variable.name => variable.value if startswith(variable.name, "PGSSL") || endswith(variable.name, "SSLMODE") }
      == { DATABASE_SSLMODE = "verify-full", PGSSLROOTCERT = "/etc/ssl/certs/rds-ca.pem" }
    ])
    error_message = "The database's certificate is verified."
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.task["api"].container_definitions)[0].environment, { name = "PUBLIC_URL", value = "http://taskoverflow-1.us-east-1.elb.amazonaws.com" }) && output.api_url == "http://taskoverflow-1.us-east-1.elb.amazonaws.com"
    error_message = "Answers name the load balancer."
  }

  assert {
    condition     = tonumber(trimsuffix(one([for variable in jsondecode(aws_ecs_task_definition.task["worker"].container_definitions)[0].environment : variable.value if variable.name == "DRAIN_TIMEOUT"]), "s")) < 120
    error_message = "A worker gives its jobs back before it is killed."
  }

  assert {
    condition = alltrue([
      for service in aws_ecs_service.task :
      service.deployment_circuit_breaker[0].enable && service.deployment_circuit_breaker[0].rollback && service.availability_zone_rebalancing == "ENABLED"
    ])
    error_message = "A bad deployment is rolled back."
  }

  assert {
    condition     = alltrue([for service in aws_ecs_service.task : service.wait_for_steady_state])
    error_message = "What apply ends with, runs."
  }

  assert {
    condition     = length(aws_ecs_service.task["api"].load_balancer) == 1 && length(aws_ecs_service.task["worker"].load_balancer) == 0
    error_message = "Only the API is behind the load balancer."
  }

  assert {
    condition = (
      aws_appautoscaling_target.task["worker"].min_capacity == 1
      && one([for metric in one(one(aws_appautoscaling_policy.worker[0].target_tracking_scaling_policy_configuration).customized_metric_specification).metrics : metric.expression if metric.return_data]) == "waiting / workers"
    )
    error_message = "Workers follow the backlog of each, and one is always there."
  }

  assert {
    condition     = toset([for query in aws_cloudwatch_metric_alarm.dead_letters.metric_query : query.expression == null ? one(query.metric).metric_name : query.expression]) == toset(["ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "visible + hidden"])
    error_message = "Dead letters that the worker hides count too."
  }

  assert {
    condition = alltrue([
      for alarm in [aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.oldest_message, aws_cloudwatch_metric_alarm.server_errors[0], aws_cloudwatch_metric_alarm.no_worker[0]] :
      length(alarm.alarm_actions) == 1
    ])
    error_message = "Every alarm is told."
  }

  assert {
    condition = (
      contains([for parameter in aws_db_parameter_group.main[0].parameter : "${parameter.name}=${parameter.value}"], "max_connections=200")
      && { for name, task in aws_ecs_task_definition.task : name => one([for variable in jsondecode(task.container_definitions)[0].environment : variable.value if variable.name == "DATABASE_POOL"]) } == { api = "8", worker = "12" }
    )
    error_message = "The database has a connection for every task."
  }

  assert {
    # the API keeps an idle connection for 75 seconds; where nothing is said, the balancer does for 60
    condition     = coalesce(aws_lb.main[0].idle_timeout, 60) < 75
    error_message = "The load balancer never sends into a connection that the API is closing."
  }

  assert {
    condition     = one(aws_lb_target_group.api[0].stickiness).enabled != false && one(aws_lb_target_group.api[0].stickiness).type == "lb_cookie"
    error_message = "A browser stays with the version that it has the page of."
  }

  assert {
    condition     = keys(aws_lb_listener_rule.metrics) == ["http"] && one(aws_lb_listener_rule.metrics["http"].action).type == "fixed-response"
    error_message = "Nobody outside reads the metrics."
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.main[0].dashboard_body).widgets) == 8
    error_message = "The dashboard has a chart each."
  }

  assert {
    condition     = length(aws_lb_listener.https) == 0 && aws_lb_listener.http[0].default_action[0].type == "forward"
    error_message = "Without a certificate: HTTP."
  }
}

run "https" {
  command = apply

  variables {
    image_tag       = "0123456789ab"
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
    public_url      = "https://todo.example.org"
  }

  assert {
    condition     = aws_lb_listener.http[0].default_action[0].type == "redirect" && aws_lb_listener.https[0].ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    error_message = "HTTP redirects to HTTPS."
  }

  assert {
    condition     = output.api_url == "https://todo.example.org" && length(aws_vpc_security_group_ingress_rule.alb) == 2 && length(aws_lb_listener_rule.metrics) == 2
    error_message = "Answers name the given address."
  }
}

run "a_database_that_may_go" {
  command = apply

  variables {
    image_tag        = "0123456789ab"
    protect_database = false
  }

  assert {
    condition     = !aws_db_instance.main[0].deletion_protection && aws_db_instance.main[0].skip_final_snapshot
    error_message = "Then destroy leaves nothing."
  }
}

run "on_the_free_plan" {
  command = apply

  variables {
    image_tag            = "0123456789ab"
    database_backup_days = 1
  }

  assert {
    condition     = aws_db_instance.main[0].backup_retention_period == 1
    error_message = "As long as the plan allows."
  }
}
