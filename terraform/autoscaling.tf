locals {
  scaling = local.running && coalesce(var.autoscaling, local.size.autoscaling && local.lab_role == null)
  scaled  = local.scaling ? { api = local.api_count, worker = local.worker_count } : {}
}

resource "aws_appautoscaling_target" "task" {
  for_each = local.scaled

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.main[0].name}/${aws_ecs_service.task[each.key].name}"
  min_capacity       = each.value.min
  max_capacity       = each.value.max
}

resource "aws_appautoscaling_policy" "worker" {
  count = local.scaling ? 1 : 0

  name               = "backlog-per-worker"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.task["worker"].service_namespace
  scalable_dimension = aws_appautoscaling_target.task["worker"].scalable_dimension
  resource_id        = aws_appautoscaling_target.task["worker"].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.backlog_per_worker
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    customized_metric_specification {
      metrics {
        id          = "waiting"
        return_data = false
        metric_stat {
          stat = "Average"
          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesVisible"
            dimensions {
              name  = "QueueName"
              value = aws_sqs_queue.jobs.name
            }
          }
        }
      }

      metrics {
        id          = "workers"
        return_data = false
        metric_stat {
          # Each worker reports once a minute, so this is the number of workers. Now and then a report falls into the next
          # minute, which the cooldowns outlast.
          stat = "SampleCount"
          metric {
            namespace   = local.metrics_namespace
            metric_name = local.each_worker
            dimensions {
              name  = "Service"
              value = "worker"
            }
          }
        }
      }

      metrics {
        id          = "backlog_per_worker"
        label       = "Waiting jobs per worker"
        expression  = "waiting / workers"
        return_data = true
      }
    }
  }
}

resource "aws_appautoscaling_policy" "api" {
  count = local.scaling ? 1 : 0

  name               = "cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.task["api"].service_namespace
  scalable_dimension = aws_appautoscaling_target.task["api"].scalable_dimension
  resource_id        = aws_appautoscaling_target.task["api"].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 60
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
