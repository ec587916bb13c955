# A role each, with the least it needs; or one that exists, where roles can't be created (var.lab_role_name).

locals {
  roles = local.running && var.lab_role_name == null ? toset(["api", "worker", "execution"]) : toset([])

  # Put together, not looked up: in a Learner Lab even reading roles may be refused.
  role_arns = {
    for role in ["api", "worker", "execution"] :
    role => "${local.aws}:iam::${local.account}:role/${coalesce(var.lab_role_name, "${var.name}-${role}")}"
  }
  api_role_arn    = local.role_arns["api"]
  worker_role_arn = local.role_arns["worker"]

  role_statements = {
    api = [{
      Effect   = "Allow"
      Action   = ["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
      Resource = aws_sqs_queue.jobs.arn
    }]
    worker = [
      {
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.jobs.arn
      },
      {
        # ends the jobs whose messages the queue gave up
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.dead_letters.arn
      },
    ]
    # What ECS itself does to start a task.
    execution = [
      {
        # has no resource to be restricted to
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
        Resource = [local.database_secret]
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
