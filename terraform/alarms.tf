# The topic is not encrypted: CloudWatch can't publish to a topic that uses an AWS managed key, and alarms contain no
# personal data.
resource "aws_sns_topic" "alarms" {
  count = var.alarm_email == null ? 0 : 1

  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "alarms" {
  count = var.alarm_email == null ? 0 : 1

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

locals {
  alarm_topics = aws_sns_topic.alarms[*].arn

  # The metrics that the processes write to their logs, in CloudWatch's embedded metric format (EMF_NAMESPACE in ecs.tf).
  metrics_namespace = var.name
  # What each worker and each API writes into every one of its reports, so that the number of reports tells how many run.
  each_worker = "worker_slots_in_use"
  each_api    = "outbox_oldest_age_seconds"
}

# Each alarm says how it treats missing data, and why.

# The worker receives messages from the dead-letter queue, ends their jobs and deletes them. It leaves those that it
# can't read in the queue, where each receive hides them for five minutes. So only the sum of visible and hidden
# messages shows whether there are any.
resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "The dead-letter queue contains messages that no worker can read. Inspect one, fix its sender, and delete it."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 2
  # SQS reports nothing about a queue that has been unused for six hours.
  treat_missing_data = "notBreaching"
  alarm_actions      = local.alarm_topics
  ok_actions         = local.alarm_topics

  dynamic "metric_query" {
    for_each = { visible = "ApproximateNumberOfMessagesVisible", hidden = "ApproximateNumberOfMessagesNotVisible" }
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/SQS"
        metric_name = metric_query.value
        dimensions  = { QueueName = aws_sqs_queue.dead_letters.name }
        period      = 300
        stat        = "Maximum"
      }
    }
  }

  # While processing is paused, no worker looks at dead letters. Every API reports once a minute whether it is.
  dynamic "metric_query" {
    for_each = local.running ? ["processing_paused"] : []
    content {
      id = "paused"
      metric {
        namespace   = local.metrics_namespace
        metric_name = metric_query.value
        dimensions  = { Service = "api" }
        period      = 300
        stat        = "Maximum"
      }
    }
  }

  metric_query {
    id          = "all"
    label       = "Dead letters"
    expression  = local.running ? "IF(FILL(paused, 0) > 0, 0, visible + hidden)" : "visible + hidden"
    return_data = true
  }
}

# What the API measures in the database does not count the time during which an operator had paused the processing. Until the
# API runs in AWS, the alarm watches the queue.
resource "aws_cloudwatch_metric_alarm" "oldest_message" {
  alarm_name          = "${var.name}-oldest-message"
  alarm_description   = "Jobs wait too long: no worker is running, the workers cannot reach the queue or the database, or there are too few of them."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.oldest_message_seconds
  evaluation_periods  = 3
  # SQS reports nothing about a queue that has been unused for six hours, and another alarm watches an API that reports nothing.
  treat_missing_data = "notBreaching"
  alarm_actions      = local.alarm_topics
  ok_actions         = local.alarm_topics

  namespace   = local.running ? local.metrics_namespace : "AWS/SQS"
  metric_name = local.running ? "jobs_oldest_waiting_seconds" : "ApproximateAgeOfOldestMessage"
  dimensions  = local.running ? { Service = "api" } : { QueueName = aws_sqs_queue.jobs.name }
  period      = 60
  statistic   = "Maximum"
}

# Only a load balancer counts them in CloudWatch.
resource "aws_cloudwatch_metric_alarm" "server_errors" {
  count = local.balanced

  alarm_name          = "${var.name}-server-errors"
  alarm_description   = "The API, or the load balancer on its behalf, returns 5xx responses. Check the API's log."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
  evaluation_periods  = 2
  # The load balancer reports nothing while there are no requests.
  treat_missing_data = "notBreaching"
  alarm_actions      = local.alarm_topics
  ok_actions         = local.alarm_topics

  dynamic "metric_query" {
    for_each = { api = "HTTPCode_Target_5XX_Count", balancer = "HTTPCode_ELB_5XX_Count" }
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = { LoadBalancer = aws_lb.main[0].arn_suffix }
        period      = 60
        stat        = "Sum"
      }
    }
  }

  metric_query {
    id    = "all"
    label = "5xx"
    # Neither metric has a value for a minute without errors.
    expression  = "FILL(api, 0) + FILL(balancer, 0)"
    return_data = true
  }
}

resource "aws_cloudwatch_metric_alarm" "no_worker" {
  count = local.stage

  alarm_name          = "${var.name}-no-worker"
  alarm_description   = "No worker is running: jobs are accepted but not done. Check the worker's log and the events of the ECS service."
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = 3
  # No worker, no report.
  treat_missing_data = "breaching"
  alarm_actions      = local.alarm_topics
  ok_actions         = local.alarm_topics

  namespace   = local.metrics_namespace
  metric_name = local.each_worker
  dimensions  = { Service = "worker" }
  period      = 60
  # Each worker reports once a minute.
  statistic = "SampleCount"

  # Otherwise it would go off before the first worker runs.
  depends_on = [aws_ecs_service.task]
}

# The API accepts jobs while SQS can't be written to, so nothing else shows that they are stuck.
resource "aws_cloudwatch_metric_alarm" "outbox" {
  count = local.stage

  alarm_name          = "${var.name}-outbox"
  alarm_description   = "A job has waited five minutes to be published to SQS, or no API reports its metrics. Check the API's log: does SQS refuse its messages?"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 300
  evaluation_periods  = 3
  # Every API reports it once a minute. If none does, nobody knows whether jobs are stuck.
  treat_missing_data = "breaching"
  alarm_actions      = local.alarm_topics
  ok_actions         = local.alarm_topics

  namespace   = local.metrics_namespace
  metric_name = "outbox_oldest_age_seconds"
  dimensions  = { Service = "api" }
  period      = 60
  statistic   = "Maximum"

  # Otherwise it would go off before the first API runs.
  depends_on = [aws_ecs_service.task]
}

resource "aws_cloudwatch_metric_alarm" "failed_jobs" {
  count = local.stage

  alarm_name          = "${var.name}-failed-jobs"
  alarm_description   = "Jobs have failed in the last ten minutes. The page /operations shows why, and retries them."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.failed_jobs
  evaluation_periods  = 1
  # Another alarm watches an API that reports nothing.
  treat_missing_data = "notBreaching"
  alarm_actions      = local.alarm_topics
  ok_actions         = local.alarm_topics

  # Every API counts them in the database, and gets the same number.
  namespace   = local.metrics_namespace
  metric_name = "jobs_failed_in_ten_minutes"
  dimensions  = { Service = "api" }
  period      = 60
  statistic   = "Maximum"
}

locals {
  # Which metric of the database is compared with which number, and how missing data counts. Each lasts 15 minutes, because
  # a backup or a vacuum may take that long.
  database_alarms = local.running ? {
    storage = {
      description = "Less than a tenth of the database's storage is free, and RDS has not enlarged it (it may do so once in six hours, up to max_allocated_storage). Increase database_gib."
      metric      = "FreeStorageSpace"
      comparison  = "LessThanThreshold"
      threshold   = var.database_gib * pow(1024, 3) / 10
      # A database whose storage is full stops, and reports nothing.
      missing = "breaching"
    }
    memory = {
      description = "The database has less than 64 MiB of free memory, and will swap. Use a larger database_class or fewer connections."
      metric      = "FreeableMemory"
      comparison  = "LessThanThreshold"
      threshold   = 64 * pow(1024, 2)
      # The alarm about its storage reports a database that reports nothing.
      missing = "notBreaching"
    }
    connections = {
      description = "More than four fifths of the database's connections are in use. Increase database_connections and database_class, or run fewer tasks."
      metric      = "DatabaseConnections"
      comparison  = "GreaterThanThreshold"
      threshold   = floor(0.8 * var.database_connections)
      # As above.
      missing = "notBreaching"
    }
  } : {}
}

resource "aws_cloudwatch_metric_alarm" "database" {
  for_each = local.database_alarms

  alarm_name          = "${var.name}-database-${each.key}"
  alarm_description   = each.value.description
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  evaluation_periods  = 3
  treat_missing_data  = each.value.missing
  alarm_actions       = local.alarm_topics
  ok_actions          = local.alarm_topics

  namespace   = "AWS/RDS"
  metric_name = each.value.metric
  dimensions  = { DBInstanceIdentifier = aws_db_instance.main[0].identifier }
  period      = 300
  statistic   = "Average"
}

locals {
  # The CPU utilization that a burstable class of this size earns credits for, in percent: "Baseline utilization per vCPU" in
  # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html. The two largest sizes of
  # db.t2 have less.
  database_baseline = lookup({
    micro     = 10
    small     = 20
    medium    = 20
    large     = 30
    xlarge    = startswith(local.database_class, "db.t2.") ? 22.5 : 40
    "2xlarge" = startswith(local.database_class, "db.t2.") ? 17 : 40
  }, element(split(".", local.database_class), 2), 10)
  # Without credits, AWS either holds the CPU at the baseline, or charges for what exceeds it. So the alarm begins below it.
  database_cpu_limit = floor(0.9 * local.database_baseline)
}

# Only burstable classes have credits. A new database has none, and earns some while it is idle. So the alarm also looks at
# the CPU.
resource "aws_cloudwatch_metric_alarm" "database_credit" {
  count = local.running && startswith(local.database_class, "db.t") ? 1 : 0

  alarm_name          = "${var.name}-database-credit"
  alarm_description   = "The database has used up its CPU credits and uses at least ${local.database_cpu_limit} % of its CPU, almost all that it earns credits for: it becomes slow, or AWS charges for more. Use a larger database_class."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 3
  # The alarm about its storage reports a database that reports nothing.
  treat_missing_data = "notBreaching"
  alarm_actions      = local.alarm_topics
  ok_actions         = local.alarm_topics

  dynamic "metric_query" {
    for_each = { credits = "CPUCreditBalance", cpu = "CPUUtilization" }
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/RDS"
        metric_name = metric_query.value
        dimensions  = { DBInstanceIdentifier = aws_db_instance.main[0].identifier }
        period      = 300
        stat        = "Average"
      }
    }
  }

  metric_query {
    id          = "exhausted"
    label       = "Out of CPU credits"
    expression  = "IF(credits < 10 AND cpu >= ${local.database_cpu_limit}, 1, 0)"
    return_data = true
  }
}

locals {
  # Title => the statistic, and one array for each line of the chart.
  charts = local.running ? {
    "Waiting jobs and jobs in flight" = ["Maximum", [
      ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.jobs.name],
      ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", aws_sqs_queue.jobs.name],
    ]]
    "Age of the oldest message (s)" = ["Maximum", [
      ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", aws_sqs_queue.jobs.name],
    ]]
    "Dead letters" = ["Maximum", [
      ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.dead_letters.name],
      ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", aws_sqs_queue.dead_letters.name],
    ]]
    "Empty receives" = ["Sum", [
      ["AWS/SQS", "NumberOfEmptyReceives", "QueueName", aws_sqs_queue.jobs.name],
    ]]
    "Jobs by status" = ["Maximum", [
      for status in ["pending", "started", "retry", "failed"] :
      [local.metrics_namespace, "jobs_${status}", "Service", "api"]
    ]]
    "Running tasks" = ["SampleCount", [
      [local.metrics_namespace, local.each_api, "Service", "api"],
      [local.metrics_namespace, local.each_worker, "Service", "worker"],
    ]]
    "Requests and errors" = ["Sum", [
      for metric in ["RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"] :
      ["AWS/ApplicationELB", metric, "LoadBalancer", one(aws_lb.main[*].arn_suffix)]
    ]]
    "Response time (s)" = ["Average", [
      ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", one(aws_lb.main[*].arn_suffix)],
    ]]
    "Age of the oldest unpublished job (s)" = ["Maximum", [
      [local.metrics_namespace, "outbox_oldest_age_seconds", "Service", "api"],
    ]]
    "Ended attempts" = ["Sum", [
      for outcome in ["succeeded", "failed", "retry"] :
      [local.metrics_namespace, "worker_deliveries_${outcome}", "Service", "worker"]
    ]]
    "Time in the queue and of attempts, 95th percentile (s)" = ["p95", [
      for metric in ["worker_queue_wait_seconds", "worker_attempt_duration_seconds"] :
      [local.metrics_namespace, metric, "Service", "worker"]
    ]]
    "Database: free memory and storage (bytes)" = ["Minimum", [
      for metric in ["FreeableMemory", "FreeStorageSpace"] :
      ["AWS/RDS", metric, "DBInstanceIdentifier", var.name]
    ]]
    "Database: CPU (%)" = ["Average", [
      ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.name],
    ]]
    "Database: connections" = ["Maximum", [
      ["AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", var.name],
    ]]
  } : {}

  # The smaller sizes store only the metrics that alarms need (sizes.tf). A line of another one would stay empty.
  lines = {
    for title, chart in local.charts : title => [
      for line in chart[1] : line if line[0] != local.metrics_namespace || length(local.metrics) == 0 || contains(local.metrics, line[1])
    ]
  }
  titles = [
    for title, lines in local.lines : title
    if length(lines) > 0 && (local.has_load_balancer || try(lines[0][0], "") != "AWS/ApplicationELB")
  ]
}

resource "aws_cloudwatch_dashboard" "main" {
  count = local.stage

  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for index, title in local.titles : {
        type   = "metric"
        x      = 12 * (index % 2)
        y      = 6 * floor(index / 2)
        width  = 12
        height = 6
        properties = {
          title  = title
          region = var.region
          period = 60
          view   = "timeSeries"
          stat   = local.charts[title][0]
          # What is counted in "Running tasks" are reports, so these lines are named after the service, not after the metric.
          metrics = [
            for line in local.lines[title] : concat(line, [for service in title == "Running tasks" ? [line[3]] : [] : { label = service }])
          ]
        }
      }
    ]
  })
}
