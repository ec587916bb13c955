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
}

# The worker receives messages from the dead-letter queue, ends their jobs and deletes them. It leaves those that it
# can't read in the queue, where each receive hides them for five minutes. So only the sum of visible and hidden
# messages shows whether there are any.
resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "The dead-letter queue contains messages that no worker can read. Inspect one, fix its sender, and delete it."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_topics
  ok_actions          = local.alarm_topics

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

  metric_query {
    id          = "all"
    label       = "Dead letters"
    expression  = "visible + hidden"
    return_data = true
  }
}

resource "aws_cloudwatch_metric_alarm" "oldest_message" {
  alarm_name          = "${var.name}-oldest-message"
  alarm_description   = "Jobs take too long: no worker is running, the workers cannot reach the database, or there are too few of them."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.oldest_message_seconds
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_topics
  ok_actions          = local.alarm_topics

  namespace   = "AWS/SQS"
  metric_name = "ApproximateAgeOfOldestMessage"
  dimensions  = { QueueName = aws_sqs_queue.jobs.name }
  period      = 60
  statistic   = "Maximum"
}

resource "aws_cloudwatch_metric_alarm" "server_errors" {
  count = local.stage

  alarm_name          = "${var.name}-server-errors"
  alarm_description   = "The API, or the load balancer on its behalf, returns 5xx responses. Check the API's log."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_topics
  ok_actions          = local.alarm_topics

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
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_topics
  ok_actions          = local.alarm_topics

  namespace   = "ECS/ContainerInsights"
  metric_name = "RunningTaskCount"
  dimensions  = { ClusterName = aws_ecs_cluster.main[0].name, ServiceName = aws_ecs_service.task["worker"].name }
  period      = 60
  statistic   = "Minimum"
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
    "Running tasks" = ["Average", [
      for service in ["api", "worker"] :
      ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", aws_ecs_cluster.main[0].name, "ServiceName", service]
    ]]
    "Requests and errors" = ["Sum", [
      for metric in ["RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"] :
      ["AWS/ApplicationELB", metric, "LoadBalancer", aws_lb.main[0].arn_suffix]
    ]]
    "Response time (s)" = ["Average", [
      ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", aws_lb.main[0].arn_suffix],
    ]]
    "Database: CPU (%)" = ["Average", [
      ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.name],
    ]]
    "Database: connections" = ["Maximum", [
      ["AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", var.name],
    ]]
  } : {}
}

resource "aws_cloudwatch_dashboard" "main" {
  count = local.stage

  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for index, title in keys(local.charts) : {
        type   = "metric"
        x      = 12 * (index % 2)
        y      = 6 * floor(index / 2)
        width  = 12
        height = 6
        properties = {
          title   = title
          region  = var.region
          period  = 60
          view    = "timeSeries"
          stat    = local.charts[title][0]
          metrics = local.charts[title][1]
        }
      }
    ]
  })
}
