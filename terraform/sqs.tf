locals {
  suffix = var.fifo ? ".fifo" : ""

  # Actions that take messages from a queue. Actions that administer it are not listed, so that administrators of the account
  # keep access.
  queue_use = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:PurgeQueue"]

  tls_only = {
    Sid       = "TlsOnly"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sqs:*"
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }
  # Once the service runs, only its roles and var.queue_users may use the queues, whatever their own policies allow
  # other users of the account.
  receivers_only = {
    Sid       = "ReceiversOnly"
    Effect    = "Deny"
    Principal = "*"
    Action    = local.queue_use
    Condition = { ArnNotLike = { "aws:PrincipalArn" = concat([local.worker_role_arn], var.queue_users) } }
  }
  # Only for the job queue: nothing must keep SQS itself from moving messages to the dead-letter queue. Requests of a service
  # have no ARN of a principal, and ArnNotLike holds for a missing value, so the second condition lets them through.
  senders_only = {
    Sid       = "SendersOnly"
    Effect    = "Deny"
    Principal = "*"
    Action    = ["sqs:SendMessage"]
    Condition = {
      ArnNotLike = { "aws:PrincipalArn" = concat([local.api_role_arn], var.queue_users) }
      Bool       = { "aws:PrincipalIsAWSService" = "false" }
    }
  }
  dead_letter_statements = concat([local.tls_only], local.running ? [local.receivers_only] : [])
  job_statements         = concat(local.dead_letter_statements, local.running ? [local.senders_only] : [])
}

resource "aws_sqs_queue" "jobs" {
  name = "${var.name}-ical${local.suffix}"

  # High-throughput mode, which suits this queue because each job is its own message group.
  fifo_queue            = var.fifo
  deduplication_scope   = var.fifo ? "messageGroup" : null
  fifo_throughput_limit = var.fifo ? "perMessageGroupId" : null

  receive_wait_time_seconds = 20
  # The worker sets its own timeout with each receive. This one applies to people who inspect the queue.
  visibility_timeout_seconds = 30
  message_retention_seconds  = 4 * 24 * 3600
  sqs_managed_sse_enabled    = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.max_receive_count
  })
}

resource "aws_sqs_queue" "dead_letters" {
  name = "${var.name}-ical-dead-letters${local.suffix}"

  fifo_queue            = var.fifo
  deduplication_scope   = var.fifo ? "messageGroup" : null
  fifo_throughput_limit = var.fifo ? "perMessageGroupId" : null

  receive_wait_time_seconds = 20
  # Longer than the retention of the job queue, because messages of a standard queue keep their age in the dead-letter
  # queue.
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  count = var.redrive_allow_policy ? 1 : 0

  queue_url = aws_sqs_queue.dead_letters.url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.jobs.arn]
  })
}

resource "aws_sqs_queue_policy" "jobs" {
  queue_url = aws_sqs_queue.jobs.url
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for statement in local.job_statements : merge(statement, { Resource = aws_sqs_queue.jobs.arn })]
  })
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.url
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for statement in local.dead_letter_statements : merge(statement, { Resource = aws_sqs_queue.dead_letters.arn })]
  })
}
