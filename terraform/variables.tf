# --- where and what

variable "region" {
  description = "The region of everything. Not one of China or GovCloud: their databases have other certificate authorities."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region)) && !startswith(var.region, "cn-")
    error_message = "A region looks like us-east-1; China and GovCloud are none of those."
  }
}

variable "name" {
  description = "The prefix of every name. Two names make two services in one account."
  type        = string
  default     = "taskoverflow"

  validation {
    # the longest name made of it, a load balancer's target group, may have 32 characters
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "The name needs 3 to 20 small letters, digits and single hyphens, and a letter first."
  }
}

variable "credentials_file" {
  description = "An AWS credentials file, in the form of credentials.example. Without it the environment counts."
  type        = string
  default     = "../credentials"
}

variable "image_tag" {
  description = "The images to run, by the tag that docker/push gave them: a git commit's first 12 digits. Null makes queues and registries only; going back to null takes the service away, once protect_database = false has been applied."
  type        = string
  default     = null

  validation {
    condition     = var.image_tag == null || can(regex("^[0-9a-f]{12}$", var.image_tag))
    error_message = "The tag is a git commit's first 12 digits. A tag that moves, such as latest, cannot be rolled back."
  }
}

variable "cpu_architecture" {
  description = "What the images were built for: X86_64 or ARM64. docker/push writes it down."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "X86_64 or ARM64."
  }
}

variable "lab_role_name" {
  description = "The role that every task uses, where roles can't be created: LabRole in an AWS Academy Learner Lab. Null creates a role each, with the least it needs."
  type        = string
  default     = null

  validation {
    condition     = var.lab_role_name == null || can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.lab_role_name))
    error_message = "The role's name alone, such as LabRole, without the ARN before it."
  }
}

# --- the queue

variable "fifo" {
  description = "Whether the queue is FIFO. Changing it makes new queues; jobs that wait are published again."
  type        = bool
  default     = false
  nullable    = false
}

variable "max_receive_count" {
  description = "How often a message is received before it is a dead letter. Well above the worker's MAX_ATTEMPTS (5), which ends jobs first."
  type        = number
  default     = 10

  validation {
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 1000
    error_message = "Between 5 (below that, jobs are dead letters before their attempts are used up) and 1000."
  }
}

variable "redrive_allow_policy" {
  description = "Whether the dead-letter queue takes messages of this queue alone. Emulators may not know the setting."
  type        = bool
  default     = true
  nullable    = false
}

variable "queue_users" {
  description = "ARN patterns of who else may send to and receive from the queue once the service runs, such as a person's user or role. For who is logged in with a role, it is the role's ARN, not the session's."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.queue_users : can(regex("^arn:aws[a-z-]*:iam::[0-9*]+:.+", arn))])
    error_message = "Each is the ARN of a user or role in IAM, such as arn:aws:iam::123456789012:role/me; not of a session (arn:aws:sts:…)."
  }
}

# --- the network

variable "vpc_cidr" {
  description = "The addresses of the service's own network."
  type        = string
  default     = "10.64.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "An IPv4 range between /16 and /24, such as 10.64.0.0/20."
  }
}

variable "allowed_cidrs" {
  description = "Who may call the API. It has no log-in of its own."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr))])
    error_message = "One or more IPv4 ranges, such as 203.0.113.7/32."
  }
}

variable "certificate_arn" {
  description = "A certificate of AWS Certificate Manager. With it the API speaks HTTPS, and HTTP only redirects. Null: HTTP."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null || can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$", var.certificate_arn))
    error_message = "The ARN of an ACM certificate: arn:aws:acm:REGION:ACCOUNT:certificate/ID."
  }

  validation {
    condition     = var.certificate_arn == null || var.public_url != null
    error_message = "A certificate is for a name of yours: say it with public_url."
  }
}

variable "public_url" {
  description = "The address that clients use, where it is not the load balancer's own: https://todo.example.org."
  type        = string
  default     = null

  validation {
    condition     = var.public_url == null || can(regex("^https?://[^/\\s]+[^/\\s]$", var.public_url))
    error_message = "http:// or https://, a host, perhaps a port; no path."
  }
}

# --- the database

variable "database_class" {
  description = "The database's size."
  type        = string
  default     = "db.t4g.micro"

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.database_class))
    error_message = "A class of RDS, such as db.t4g.micro."
  }
}

variable "database_gib" {
  description = "The database's storage; it grows by itself to five times this."
  type        = number
  default     = 20

  validation {
    condition     = var.database_gib >= 20 && var.database_gib <= 13000
    error_message = "Between 20 and 13000."
  }

  validation {
    condition     = var.lab_role_name == null || 5 * var.database_gib <= 100
    error_message = "A Learner Lab allows 100, which is 20 that grows to five times."
  }
}

variable "database_connections" {
  description = "The most connections that the database takes. 200 suit a db.t4g.micro; more tasks want more, and a larger class. A database that runs takes a new number when it is rebooted: `aws rds reboot-db-instance --db-instance-identifier NAME`."
  type        = number
  default     = 200

  validation {
    condition     = var.database_connections <= 5000
    error_message = "At most 5000, which is RDS's own limit."
  }

  validation {
    # during a deployment there are twice as many tasks; eight are left for people and for RDS
    condition     = var.database_connections >= 8 + 2 * (local.api_connections * var.api_count.max + local.worker_connections * var.worker_count.max)
    error_message = "Too few for so many tasks: 8, and twice ${local.api_connections} for each API task and ${local.worker_connections} for each worker."
  }
}

variable "database_multi_az" {
  description = "Whether a second database stands by in another zone. Doubles the database's price."
  type        = bool
  default     = false
  nullable    = false
}

variable "database_backup_days" {
  description = "How many days' backups RDS keeps. An account on AWS's free plan may have one at most. 0: none are made."
  type        = number
  default     = 7

  validation {
    condition     = var.database_backup_days >= 0 && var.database_backup_days <= 35 && floor(var.database_backup_days) == var.database_backup_days
    error_message = "A whole number between 0 and 35."
  }
}

variable "protect_database" {
  description = "Whether the database can't be destroyed, and leaves a snapshot when it is. Apply false before `terraform destroy`."
  type        = bool
  default     = true
  nullable    = false
}

variable "password_rotation_days" {
  description = "How often RDS makes a new password. Tasks that no longer get in are replaced within minutes. 0 from the first apply on leaves RDS's seven days; 0 after another number ends the rotation."
  type        = number
  default     = 90

  validation {
    condition     = var.password_rotation_days >= 0 && var.password_rotation_days <= 365
    error_message = "Between 1 and 365 days, or 0."
  }
}

# --- the tasks

variable "api_count" {
  description = "The fewest and the most API tasks."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 4 }

  validation {
    condition     = var.api_count.min >= 1 && var.api_count.max >= var.api_count.min && var.api_count.max <= 50
    error_message = "min is at least 1, max at least min and at most 50."
  }
}

variable "worker_count" {
  description = "The fewest and the most workers."
  type        = object({ min = number, max = number })
  default     = { min = 1, max = 5 }

  validation {
    condition     = var.worker_count.min >= 1 && var.worker_count.max >= var.worker_count.min && var.worker_count.max <= 50
    error_message = "min is at least 1 (the backlog per worker has no meaning with none), max at least min and at most 50."
  }
}

variable "backlog_per_worker" {
  description = "How many waiting jobs a worker: above that more are started."
  type        = number
  default     = 50

  validation {
    condition     = var.backlog_per_worker > 0
    error_message = "More than 0."
  }
}

variable "autoscaling" {
  description = "Whether tasks are added and taken away by load. Null: yes, but not in a lab (with a lab role), where it has to be asked for."
  type        = bool
  default     = null
}

variable "task_size" {
  description = "CPU units and MiB of each task, in a pair that Fargate knows."
  type        = object({ cpu = number, memory = number })
  default     = { cpu = 256, memory = 512 }

  validation {
    condition = contains(lookup({
      256  = [512, 1024, 2048]
      512  = [1024, 2048, 3072, 4096]
      1024 = [2048, 3072, 4096, 5120, 6144, 7168, 8192]
      2048 = [4096, 5120, 6144, 7168, 8192, 9216, 10240, 11264, 12288, 13312, 14336, 15360, 16384]
    }, var.task_size.cpu, []), var.task_size.memory)
    error_message = "Fargate has 256 CPU units with 512, 1024 or 2048 MiB, 512 with 1024 to 4096, 1024 with 2048 to 8192, 2048 with 4096 to 16384."
  }
}

variable "log_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731 days."
  }
}

# --- alarms

variable "alarm_email" {
  description = "Who is told of alarms; AWS asks them by mail to confirm. Null: alarms are only shown."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarm_email))
    error_message = "An e-mail address."
  }
}

variable "oldest_message_seconds" {
  description = "How old the oldest message may get before it is an alarm. A job that is being done counts, so more than its JOB_TIMEOUT (10 minutes)."
  type        = number
  default     = 900

  validation {
    condition     = var.oldest_message_seconds >= 60
    error_message = "At least 60: SQS measures once a minute."
  }
}
