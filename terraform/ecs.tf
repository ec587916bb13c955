locals {
  # Seven connections of an API are for its background tasks and for the statements that requests share, the others for
  # single requests. One more listens for notifications.
  api_pool        = 12
  api_connections = local.api_pool + 1

  # Half of a worker's connections are for large calendars, the others for the statements that its jobs share, however
  # many jobs there are. A job that crashes its workers runs in a process of its own, with up to two more connections.
  # This is rare, so they come out of the reserve for deployments.
  worker_connections = 8

  # For all containers. The passwords are not here: ECS reads them from Secrets Manager when a task starts.
  database_environment = local.running ? {
    DATABASE_HOST    = aws_db_instance.main[0].address
    DATABASE_PORT    = "5432"
    DATABASE_NAME    = aws_db_instance.main[0].db_name
    DATABASE_SSLMODE = "verify-full"
    # Read by libpq. The images contain the certificate authorities of RDS at this path.
    PGSSLROOTCERT = "/etc/ssl/certs/rds-ca.pem"
  } : {}

  log_environment = {
    LOG_FORMAT = "json"
    RUST_LOG   = "info"
  }

  # The headers are not here, because they may contain a token.
  trace_environment = var.otlp_endpoint == null ? {} : {
    OTEL_EXPORTER_OTLP_ENDPOINT = var.otlp_endpoint
    OTEL_RESOURCE_ATTRIBUTES    = "service.namespace=${var.name}"
    OTEL_TRACES_SAMPLER         = "parentbased_traceidratio"
    OTEL_TRACES_SAMPLER_ARG     = tostring(var.otlp_share)
  }
  trace_secrets = var.otlp_headers_secret == null ? [] : [{ name = "OTEL_EXPORTER_OTLP_HEADERS", valueFrom = var.otlp_headers_secret }]

  common_environment = merge(local.database_environment, local.log_environment, local.trace_environment, {
    AWS_REGION = var.region
    QUEUE_URL  = aws_sqs_queue.jobs.url
    # CloudWatch makes metrics of lines in the log, for the alarms and the dashboard.
    EMF_NAMESPACE = local.metrics_namespace
  }, length(local.metrics) == 0 ? {} : { EMF_METRICS = join(",", local.metrics) })

  # Logs in as the owner of the database. Only this container has the owner's password.
  migrate_environment = local.running ? merge(local.database_environment, local.log_environment, {
    DATABASE_USER = aws_db_instance.main[0].username
    API_ROLE      = local.users["api"]
    WORKER_ROLE   = local.users["worker"]
  }) : {}

  services = local.running ? {
    api = {
      desired = local.api_count.min
      ports   = [local.api_port]
      environment = merge(local.common_environment, local.front_environment, {
        DATABASE_USER = local.users["api"]
        BIND_ADDR     = "0.0.0.0:${local.api_port}"
        AUTH          = "tokens"
        DATABASE_POOL = tostring(local.api_pool)
        # A connection needs up to 32 KiB, so they fill a quarter of the memory. A request for a large calendar needs 256 KiB
        # and more.
        MAX_CONNECTIONS = tostring(8 * var.task_size.memory)
        MAX_REQUESTS    = tostring(var.task_size.memory)
        # On spot capacity, the load balancer may send requests to a task that was told to stop, until ECS has removed it. What
        # is left of the two minutes suffices for open requests.
        }, local.api_on_spot && local.has_load_balancer ? { SHUTDOWN_DELAY = "80s" } : {},
        var.events_topic ? { EVENTS_URL = aws_sns_topic.events[0].arn } : {},
      )
    }
    worker = {
      desired = local.worker_count.min
      ports   = []
      environment = merge(local.common_environment, {
        DATABASE_USER      = local.users["worker"]
        ADMIN_ADDR         = "0.0.0.0:6401"
        DATABASE_POOL      = tostring(local.worker_connections)
        RECEIVE_WAIT       = "20s"
        VISIBILITY_TIMEOUT = "30s"
        # Unfinished jobs have to be released before the task is killed (stopTimeout). After this time, a worker waits a second
        # for the end of its attempts, half of VISIBILITY_TIMEOUT for the queue to confirm deletes and releases, and a second
        # for the queue to close.
        DRAIN_TIMEOUT = "95s"
      })
    }
  } : {}
}

resource "aws_ecs_cluster" "main" {
  count = local.stage

  name = var.name

  setting {
    name  = "containerInsights"
    value = local.container_insights ? "enabled" : "disabled"
  }

  depends_on = [aws_cloudwatch_log_group.aws]
}

resource "aws_ecs_cluster_capacity_providers" "main" {
  count = local.stage

  cluster_name       = aws_ecs_cluster.main[0].name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

# AWS would create these groups itself, keep their logs forever, and leave them behind.
resource "aws_cloudwatch_log_group" "aws" {
  for_each = local.running ? toset(concat(
    [for log in local.database_logs : "/aws/rds/instance/${var.name}/${log}"],
    local.container_insights ? ["/aws/ecs/containerinsights/${var.name}/performance"] : [],
  )) : toset([])

  name              = each.value
  retention_in_days = local.log_days
}

resource "aws_cloudwatch_log_group" "task" {
  for_each = local.running ? toset(["api", "worker"]) : toset([])

  name              = "/${var.name}/${each.key}"
  retention_in_days = local.log_days
}

locals {
  images = { for image, repository in aws_ecr_repository.image : image => "${repository.repository_url}:${coalesce(local.tag, "none")}" }

  # For every container.
  restrictions = {
    user                   = "65532:65532"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
  }

  logs = {
    for task, group in aws_cloudwatch_log_group.task : task => {
      logDriver = "awslogs"
      options = {
        awslogs-group         = group.name
        awslogs-region        = var.region
        awslogs-stream-prefix = task
        # A slow log service never delays a job.
        mode              = "non-blocking"
        "max-buffer-size" = "4m"
      }
    }
  }
}

locals {
  # In seconds. A task that is never ready is stopped after start + interval * retries = 110 s. ECS gives up a version after
  # three of them. With 45 s each until the process starts, and 10 s until it has stopped, this takes eight to nine minutes.
  # Behind a load balancer it takes almost twelve: ECS ignores failures for 120 s (the grace period), and a task stops only
  # when its target has been deregistered for 60 s.
  check = { interval = 10, retries = 5, start = 60 }
}

resource "aws_ecs_task_definition" "task" {
  for_each = local.services

  family = "${var.name}-${each.key}"
  # ECS needs the previous version to go back to it. Otherwise Terraform would deregister it before the new one has started.
  skip_destroy             = true
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.task_size.cpu
  memory                   = var.task_size.memory
  execution_role_arn       = local.role_arns["execution"]
  task_role_arn            = local.role_arns[each.key]

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = local.cpu_architecture
  }

  container_definitions = jsonencode([
    merge(local.restrictions, {
      name      = each.key
      image     = local.images[each.key]
      essential = true
      dependsOn = [{ containerName = "migrate", condition = "SUCCESS" }]

      portMappings = [for port in each.value.ports : { containerPort = port, hostPort = port, protocol = "tcp" }]
      environment  = [for name, value in each.value.environment : { name = name, value = value }]
      secrets      = concat([{ name = "DATABASE_PASSWORD", valueFrom = aws_secretsmanager_secret.user[each.key].arn }], local.trace_secrets)
      # A new password is a new version of the task, so that running tasks are replaced.
      dockerLabels = { password-version = tostring(var.password_version) }

      # Replaces a process that hangs, or has never been ready, so that ECS gives up a version that does not work. A process
      # whose database is away is not replaced, because that would not help.
      healthCheck = {
        command     = ["CMD", "/taskoverflow-${each.key}", "healthcheck", "--started"]
        interval    = local.check.interval
        timeout     = 8
        retries     = local.check.retries
        startPeriod = local.check.start
      }
      # The maximum on Fargate.
      stopTimeout      = 120
      logConfiguration = local.logs[each.key]
    }),
    # Runs the migrations and creates the database users, then ends. Only then does the task's own container start.
    # Every task does this, because repeating it is harmless.
    merge(local.restrictions, {
      name      = "migrate"
      image     = local.images["api"]
      essential = false
      command   = ["migrate"]

      environment = [for name, value in local.migrate_environment : { name = name, value = value }]
      secrets = [
        { name = "DATABASE_PASSWORD", valueFrom = "${local.database_secret}:password::" },
        { name = "API_ROLE_PASSWORD", valueFrom = aws_secretsmanager_secret.user["api"].arn },
        { name = "WORKER_ROLE_PASSWORD", valueFrom = aws_secretsmanager_secret.user["worker"].arn },
      ]
      logConfiguration = local.logs[each.key]
    }),
  ])

  # A task that starts before its role has permissions, or before its password exists, fails and counts against the
  # deployment.
  depends_on = [aws_iam_role_policy.task, aws_secretsmanager_secret_version.user]
}

resource "aws_ecs_service" "task" {
  for_each = local.services

  name            = each.key
  cluster         = aws_ecs_cluster.main[0].id
  task_definition = aws_ecs_task_definition.task[each.key].arn
  desired_count   = each.value.desired

  dynamic "capacity_provider_strategy" {
    for_each = local.capacity[each.key]
    content {
      capacity_provider = capacity_provider_strategy.value.provider
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }
  # Another strategy would otherwise replace the service.
  force_new_deployment = true

  propagate_tags                     = "SERVICE"
  enable_ecs_managed_tags            = true
  availability_zone_rebalancing      = "ENABLED"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = each.key == "api" && local.has_load_balancer ? 120 : null
  # `apply` reports whether the new version runs.
  wait_for_steady_state = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = aws_subnet.public[*].id
    security_groups = [aws_security_group.member[each.key].id]
    # To reach AWS without a NAT gateway. The security groups block access from outside (network.tf).
    assign_public_ip = true
  }

  dynamic "load_balancer" {
    for_each = local.has_load_balancer ? each.value.ports : []
    content {
      target_group_arn = aws_lb_target_group.api[0].arn
      container_name   = each.key
      container_port   = load_balancer.value
    }
  }

  # Longer than ECS needs to give up a version (local.check) and to start the previous one again. Terraform would otherwise
  # stop watching before ECS has decided.
  timeouts {
    create = "30m"
    update = "30m"
    delete = "20m"
  }

  lifecycle {
    # Autoscaling changes it.
    ignore_changes = [desired_count]

    # A service that was rolled back also reaches a steady state.
    postcondition {
      condition     = self.task_definition == aws_ecs_task_definition.task[each.key].arn
      error_message = "The new version did not become healthy and was rolled back. Check its log and the events of the ECS service."
    }
  }

  # The route to the internet must exist until the tasks have stopped: a worker that stops releases its jobs.
  depends_on = [
    aws_lb_listener.http, aws_lb_listener.https, aws_route.internet, aws_route_table_association.public,
    aws_ecs_cluster_capacity_providers.main,
  ]
}
