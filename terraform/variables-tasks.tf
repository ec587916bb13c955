# The tasks.

variable "api_count" {
  description = "The minimum and maximum number of API tasks. If null, the size decides."
  type        = object({ min = number, max = number })
  default     = null

  validation {
    condition     = var.api_count == null || try(var.api_count.min >= 1 && var.api_count.max >= var.api_count.min && var.api_count.max <= 50, false)
    error_message = "min must be at least 1, and max between min and 50."
  }
}

variable "worker_count" {
  description = "The minimum and maximum number of worker tasks. If null, the size decides."
  type        = object({ min = number, max = number })
  default     = null

  validation {
    condition     = var.worker_count == null || try(var.worker_count.min >= 1 && var.worker_count.max >= var.worker_count.min && var.worker_count.max <= 50, false)
    error_message = "min must be at least 1, because workers are scaled by the backlog per running worker, and max between min and 50."
  }
}

variable "backlog_per_worker" {
  description = "The number of waiting jobs per worker above which autoscaling starts more workers."
  type        = number
  default     = 50

  validation {
    condition     = var.backlog_per_worker > 0
    error_message = "The number must be greater than 0."
  }
}

variable "autoscaling" {
  description = "Whether the number of tasks follows the load. If null, it does so in the size production, unless the tasks have a role of a Learner Lab."
  type        = bool
  default     = null
}

variable "task_size" {
  description = "The CPU units and the memory in MiB of each task, in a combination that Fargate supports."
  type        = object({ cpu = number, memory = number })
  default     = { cpu = 256, memory = 512 }

  validation {
    condition = contains(lookup({
      256  = [512, 1024, 2048]
      512  = [1024, 2048, 3072, 4096]
      1024 = [2048, 3072, 4096, 5120, 6144, 7168, 8192]
      2048 = [4096, 5120, 6144, 7168, 8192, 9216, 10240, 11264, 12288, 13312, 14336, 15360, 16384]
    }, var.task_size.cpu, []), var.task_size.memory)
    error_message = "Fargate supports 256 CPU units with 512, 1024 or 2048 MiB, 512 with 1024 to 4096, 1024 with 2048 to 8192, and 2048 with 4096 to 16384."
  }
}

variable "container_insights" {
  description = "Whether CloudWatch shows CPU, memory and network of each service (Container Insights), for about nine dollars a month. Neither the alarms nor autoscaling need it. If null, the size decides."
  type        = bool
  default     = null
}

variable "log_days" {
  description = "How many days logs are kept. If null, the size decides."
  type        = number
  default     = null

  validation {
    condition     = var.log_days == null || contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], coalesce(var.log_days, 30))
    error_message = "CloudWatch can keep logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731 days."
  }
}
