# What the settings are by default, for each size of service. README.md says what each costs.

locals {
  sizes = {
    # Without a load balancer, which costs more than everything else: clients use the address of the API's task.
    lab = {
      api_count            = { min = 1, max = 1 }
      worker_count         = { min = 1, max = 1 }
      autoscaling          = false
      load_balancer        = false
      database_class       = "db.t3.micro"
      database_multi_az    = false
      database_backup_days = 1
      protect_database     = false
      container_insights   = false
      log_days             = 7
    }
    small = {
      api_count            = { min = 1, max = 1 }
      worker_count         = { min = 1, max = 3 }
      autoscaling          = false
      load_balancer        = true
      database_class       = "db.t4g.micro"
      database_multi_az    = false
      database_backup_days = 7
      protect_database     = true
      container_insights   = false
      log_days             = 30
    }
    production = {
      api_count            = { min = 2, max = 4 }
      worker_count         = { min = 1, max = 5 }
      autoscaling          = true
      load_balancer        = true
      database_class       = "db.t4g.small"
      database_multi_az    = true
      database_backup_days = 14
      protect_database     = true
      container_insights   = true
      log_days             = 90
    }
  }
  size = local.sizes[var.size]

  # What applies. The code uses these, not the variables.
  api_count            = coalesce(var.api_count, local.size.api_count)
  worker_count         = coalesce(var.worker_count, local.size.worker_count)
  has_load_balancer    = coalesce(var.load_balancer, local.size.load_balancer)
  database_class       = coalesce(var.database_class, local.size.database_class)
  database_multi_az    = coalesce(var.database_multi_az, local.size.database_multi_az)
  database_backup_days = coalesce(var.database_backup_days, local.size.database_backup_days)
  protect_database     = coalesce(var.protect_database, local.size.protect_database)
  container_insights   = coalesce(var.container_insights, local.size.container_insights)
  log_days             = coalesce(var.log_days, local.size.log_days)

  # Which capacity of Fargate each task runs on. AWS may stop a task on spot capacity at any time, two minutes after SIGTERM:
  # a worker releases its jobs, and others do them. In production, one worker and all APIs are safe from that.
  api_on_spot = var.spot && var.size != "production"
  on_demand   = [{ provider = "FARGATE", base = 0, weight = 1 }]
  on_spot     = [{ provider = "FARGATE_SPOT", base = 0, weight = 1 }]
  mixed       = [{ provider = "FARGATE", base = 1, weight = 0 }, { provider = "FARGATE_SPOT", base = 0, weight = 1 }]
  capacity = {
    api    = local.api_on_spot ? local.on_spot : local.on_demand
    worker = !var.spot ? local.on_demand : (var.size == "production" ? local.mixed : local.on_spot)
  }

  # The metrics that alarms, autoscaling and the chart of jobs read: exactly the ten that CloudWatch stores free of charge.
  # Production pays for all.
  metrics = var.size == "production" ? [] : [
    "outbox_oldest_age_seconds",
    "jobs_oldest_waiting_seconds",
    "jobs_failed_in_ten_minutes",
    "processing_paused",
    "jobs_pending",
    "jobs_started",
    "jobs_retry",
    "jobs_failed",
    "worker_slots_in_use",
    "worker_deliveries_failed",
  ]
}
