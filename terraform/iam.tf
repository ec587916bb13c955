# A role for each service with the permissions that it needs, or one existing role for all if roles can't be created
# (local.lab_role).

locals {
  roles = local.running && local.lab_role == null ? toset(["api", "worker", "execution"]) : toset([])

  # Composed instead of looked up, because a Learner Lab may not even allow reading roles.
  role_arns = {
    for role in ["api", "worker", "execution"] :
    role => "${local.aws}:iam::${local.account}:role/${coalesce(local.lab_role, "${var.name}-${role}")}"
  }
  api_role_arn    = local.role_arns["api"]
  worker_role_arn = local.role_arns["worker"]

  role_statements = {
    api = concat(
      [
        {
          Effect   = "Allow"
          Action   = ["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
          Resource = aws_sqs_queue.jobs.arn
        },
        {
          # To show operators how many dead letters there are.
          Effect   = "Allow"
          Action   = ["sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
          Resource = aws_sqs_queue.dead_letters.arn
        },
      ],
      [for topic in aws_sns_topic.events : {
        Effect   = "Allow"
        Action   = ["sns:Publish"]
        Resource = topic.arn
      }],
    )
    worker = [
      {
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.jobs.arn
      },
      {
        # To end the jobs of dead-lettered messages.
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.dead_letters.arn
      },
      {
        # To protect its task from being stopped by autoscaling in the middle of a long attempt.
        Effect    = "Allow"
        Action    = ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"]
        Resource  = "${local.aws}:ecs:${var.region}:${local.account}:task/${var.name}/*"
        Condition = { ArnEquals = { "ecs:cluster" = "${local.aws}:ecs:${var.region}:${local.account}:cluster/${var.name}" } }
      },
    ]
    # For ECS itself, to start a task.
    execution = [
      {
        # This action does not support resource-level permissions.
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = "*"
      },
      {
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = [for repository in aws_ecr_repository.image : repository.arn]
      },
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = [for group in aws_cloudwatch_log_group.task : "${group.arn}:*"]
      },
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = concat([local.database_secret], [for secret in aws_secretsmanager_secret.user : secret.arn], compact([var.otlp_headers_secret]))
      },
    ]
  }
}

resource "aws_iam_role" "task" {
  for_each = local.roles

  name = "${var.name}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "task" {
  for_each = local.roles

  name = "least"
  role = aws_iam_role.task[each.key].name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = local.role_statements[each.key]
  })
}
