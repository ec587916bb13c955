locals {
  # A worker's pool is ten jobs' and two for its own statements; an API's is by this setting, and one listens.
  worker_connections = 12
  api_pool           = 8
  api_connections    = local.api_pool + 1

  # Both processes'. No secret is here: the password comes from Secrets Manager when a task starts.
  database_environment = local.running ? {
    DATABASE_HOST    = aws_db_instance.main[0].address
    DATABASE_PORT    = "5432"
    DATABASE_NAME    = aws_db_instance.main[0].db_name
    DATABASE_USER    = aws_db_instance.main[0].username
    DATABASE_SSLMODE = "verify-full"
    # read by libpq; the image has RDS's certificate authorities there
    PGSSLROOTCERT = "/etc/ssl/certs/rds-ca.pem"
  } : {}

  common_environment = merge(local.database_environment, {
    AWS_REGION = var.region
    QUEUE_URL  = aws_sqs_queue.jobs.url
    LOG_FORMAT = "json"
    RUST_LOG   = "info"
  })

  services = local.running ? {
    api = {
      desired = var.api_count.min
      ports   = [local.api_port]
      environment = merge(local.common_environment, {
        BIND_ADDR     = "0.0.0.0:${local.api_port}"
        PUBLIC_URL    = local.public_url
        DATABASE_POOL = tostring(local.api_pool)
      })
    }
    worker = {
      desired = var.worker_count.min
      ports   = []
      environment = merge(local.common_environment, {
        ADMIN_ADDR         = "0.0.0.0:6401"
        DATABASE_POOL      = tostring(local.worker_connections)
        RECEIVE_WAIT       = "20s"
        VISIBILITY_TIMEOUT = "30s"
        # less than stopTimeout, so that what is not finished is given back in time
        DRAIN_TIMEOUT = "100s"
      })
    }
  } : {}
}

resource "aws_ecs_cluster" "main" {
  count = local.stage

  name = var.name

  # RunningTaskCount, which the workers are scaled by, is one of its metrics
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_cloudwatch_log_group" "task" {
  for_each = local.running ? toset(["api", "worker"]) : toset([])

  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_days
}

resource "aws_ecs_task_definition" "task" {
  for_each = local.services

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.task_size.cpu
  memory                   = var.task_size.memory
  execution_role_arn       = local.role_arns["execution"]
  task_role_arn            = local.role_arns[each.key]

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  container_definitions = jsonencode([{
    name      = each.key
    image     = "${aws_ecr_repository.image[each.key].repository_url}:${var.image_tag}"
    essential = true

    user                   = "65532:65532"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }

    portMappings = [for port in each.value.ports : { containerPort = port, hostPort = port, protocol = "tcp" }]
    environment  = [for name, value in each.value.environment : { name = name, value = value }]
    secrets = [{
      name      = "DATABASE_PASSWORD"
      valueFrom = "${local.database_secret}:password::"
    }]

    # A task that can't work for five minutes is replaced, and comes back with the database's current password.
    healthCheck = {
      command     = ["CMD", "/taskoverflow-${each.key}", "healthcheck"]
      interval    = 30
      timeout     = 10
      retries     = 10
      startPeriod = 60
    }
    # Fargate's longest
    stopTimeout = 120

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.task[each.key].name
        awslogs-region        = var.region
        awslogs-stream-prefix = each.key
        # a slow log never holds up a job
        mode              = "non-blocking"
        "max-buffer-size" = "4m"
      }
    }
  }])

  # a task that starts before its role has rights would fail and count against the deployment
  depends_on = [aws_iam_role_policy.task]
}

resource "aws_ecs_service" "task" {
  for_each = local.services

  name            = each.key
  cluster         = aws_ecs_cluster.main[0].id
  task_definition = aws_ecs_task_definition.task[each.key].arn
  launch_type     = "FARGATE"
  desired_count   = each.value.desired

  propagate_tags                     = "SERVICE"
  enable_ecs_managed_tags            = true
  availability_zone_rebalancing      = "ENABLED"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = each.key == "api" ? 120 : null
  # so that `apply` says whether the new version runs
  wait_for_steady_state = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = aws_subnet.public[*].id
    security_groups = [aws_security_group.member[each.key].id]
    # to reach AWS without a NAT gateway; nobody gets in (network.tf)
    assign_public_ip = true
  }

  dynamic "load_balancer" {
    for_each = each.value.ports
    content {
      target_group_arn = aws_lb_target_group.api[0].arn
      container_name   = each.key
      container_port   = load_balancer.value
    }
  }

  lifecycle {
    # the scaling's business
    ignore_changes = [desired_count]

    # a service that was rolled back is steady too
    postcondition {
      condition     = self.task_definition == aws_ecs_task_definition.task[each.key].arn
      error_message = "The new version did not get healthy, and was rolled back: see its log, and the service's events in ECS."
    }
  }

  # the way to the internet, so that a task that is destroyed can still give its jobs back
  depends_on = [aws_lb_listener.http, aws_lb_listener.https, aws_route.internet, aws_route_table_association.public]
}
