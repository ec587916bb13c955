# --- region, name and images

variable "region" {
  description = "The region of all resources. Regions of China and GovCloud are not supported, because their databases use other certificate authorities."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region)) && !startswith(var.region, "cn-")
    error_message = "The region must look like us-east-1. China and GovCloud are not supported."
  }
}

variable "name" {
  description = "The prefix of all resource names. With different names, one account can run several services."
  type        = string
  default     = "taskoverflow"

  validation {
    # The name of a target group is built from it and may have at most 32 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "The name must have 3 to 20 lower-case letters, digits and single hyphens, and must start with a letter."
  }
}

variable "credentials_file" {
  description = "The path of an AWS credentials file in the format of credentials.example. If the file does not exist, the provider uses the environment."
  type        = string
  default     = "../credentials"
}

variable "image_tag" {
  description = "The tag of the images to run, as set by docker/push: the first 12 digits of a git commit. If null, only the queues and registries are created. Setting it back to null removes the service; apply protect_database = false before you do so."
  type        = string
  default     = null

  validation {
    condition     = var.image_tag == null || can(regex("^[0-9a-f]{12}$", var.image_tag))
    error_message = "The tag must be the first 12 digits of a git commit. A tag that moves, such as latest, can't be rolled back."
  }
}

variable "cpu_architecture" {
  description = "The architecture that the images were built for: X86_64 or ARM64. docker/push sets it."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "The architecture must be X86_64 or ARM64."
  }
}

variable "lab_role_name" {
  description = "An existing role for all tasks, for accounts that can't create roles: LabRole in an AWS Academy Learner Lab. If null, each service gets its own role with the permissions that it needs."
  type        = string
  default     = null

  validation {
    condition     = var.lab_role_name == null || can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.lab_role_name))
    error_message = "The value must be the name of a role, such as LabRole, not its ARN."
  }
}

# --- the queue

variable "fifo" {
  description = "Whether the queue is a FIFO queue. Changing it creates new queues; the API publishes waiting jobs again."
  type        = bool
  default     = false
  nullable    = false
}

variable "max_receive_count" {
  description = "How often a message may be received before SQS moves it to the dead-letter queue. Keep it well above MAX_ATTEMPTS of the worker (5), so that jobs use up their attempts first."
  type        = number
  default     = 10

  validation {
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 1000
    error_message = "The count must be between 5 and 1000. Below 5, messages reach the dead-letter queue before their jobs have used up their attempts."
  }
}

variable "redrive_allow_policy" {
  description = "Whether only the job queue may use the dead-letter queue. Set it to false for emulators that do not support the setting."
  type        = bool
  default     = true
  nullable    = false
}

variable "queue_users" {
  description = "ARN patterns of other users and roles that may use the queues once the service runs. If you log in with a role, use the ARN of the role, not of the session."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.queue_users : can(regex("^arn:aws[a-z-]*:iam::[0-9*]+:.+", arn))])
    error_message = "Each value must be the ARN of an IAM user or role, such as arn:aws:iam::123456789012:role/me, not of a session (arn:aws:sts:…)."
  }
}

# --- the network

variable "vpc_cidr" {
  description = "The address range of the service's VPC."
  type        = string
  default     = "10.64.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "The range must be an IPv4 range between /16 and /24, such as 10.64.0.0/20."
  }
}

variable "allowed_cidrs" {
  description = "The IPv4 ranges from which the API can be called. Its clients also need a token (docs/security.md)."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr))])
    error_message = "The list must contain one or more IPv4 ranges, such as 203.0.113.7/32."
  }
}

variable "certificate_arn" {
  description = "The ARN of a certificate in AWS Certificate Manager. With a certificate, the load balancer serves HTTPS and redirects HTTP to it. If null, it serves HTTP."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null || can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$", var.certificate_arn))
    error_message = "The value must be the ARN of an ACM certificate: arn:aws:acm:REGION:ACCOUNT:certificate/ID."
  }

  validation {
    condition     = var.certificate_arn == null || var.public_url != null
    error_message = "A certificate requires public_url, an address with the certificate's domain name."
  }
}

variable "public_url" {
  description = "The address that clients use, such as https://todo.example.org. If null, it is the address of the load balancer."
  type        = string
  default     = null

  validation {
    condition     = var.public_url == null || can(regex("^https?://[^/\\s]+[^/\\s]$", var.public_url))
    error_message = "The address must be http:// or https://, a host and optionally a port, without a path."
  }
}

# --- the database

variable "database_class" {
  description = "The instance class of the database."
  type        = string
  default     = "db.t4g.micro"

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.database_class))
    error_message = "The value must be an RDS instance class, such as db.t4g.micro."
  }
}

variable "database_gib" {
  description = "The storage of the database in GiB. RDS extends it automatically up to five times this size."
  type        = number
  default     = 20

  validation {
    condition     = var.database_gib >= 20 && var.database_gib <= 13000
    error_message = "The storage must be between 20 and 13000 GiB."
  }

  validation {
    condition     = var.lab_role_name == null || 5 * var.database_gib <= 100
    error_message = "A Learner Lab allows at most 100 GiB, so the value must be 20, which can grow to five times that."
  }
}

variable "database_connections" {
  description = "The maximum number of database connections. 200 suits a db.t4g.micro; more tasks need more connections and a larger class. A running database applies a new value when it is rebooted: `aws rds reboot-db-instance --db-instance-identifier NAME`."
  type        = number
  default     = 200

  validation {
    condition     = var.database_connections <= 5000
    error_message = "The number must be at most 5000, the limit of RDS."
  }

  validation {
    # Twice as many tasks run during a deployment. Eight connections are reserved for people and for RDS.
    condition     = var.database_connections >= 8 + 2 * (local.api_connections * var.api_count.max + local.worker_connections * var.worker_count.max)
    error_message = "Too few connections for the maximum number of tasks. Each API task needs 2 x ${local.api_connections} and each worker 2 x ${local.worker_connections}, plus 8 in total."
  }
}

variable "database_multi_az" {
  description = "Whether there is a standby database in another availability zone. It doubles the price of the database."
  type        = bool
  default     = false
  nullable    = false
}

variable "database_backup_days" {
  description = "How many days RDS keeps backups. Accounts on the AWS free plan allow at most 1. With 0, there are no backups."
  type        = number
  default     = 7

  validation {
    condition     = var.database_backup_days >= 0 && var.database_backup_days <= 35 && floor(var.database_backup_days) == var.database_backup_days
    error_message = "The value must be a whole number of days between 0 and 35."
  }
}

variable "protect_database" {
  description = "Whether the database is protected from deletion and leaves a final snapshot when it is removed. Before `terraform destroy`, apply the value false."
  type        = bool
  default     = true
  nullable    = false
}

variable "password_rotation_days" {
  description = "After how many days RDS changes the password of the database's owner, which only starting tasks use. If it is 0 from the first apply on, RDS uses its default of seven days; changing it from another value to 0 stops the rotation."
  type        = number
  default     = 90

  validation {
    condition     = var.password_rotation_days >= 0 && var.password_rotation_days <= 365
    error_message = "The value must be between 1 and 365 days, or 0."
  }
}

variable "password_version" {
  description = "The version of the passwords of the API's and the worker's database users. Increase it to replace both passwords, and with them the tasks."
  type        = number
  default     = 1

  validation {
    condition     = var.password_version >= 1 && floor(var.password_version) == var.password_version
    error_message = "The version must be a whole number, at least 1."
  }
}

# --- the tasks

variable "api_count" {
  description = "The minimum and maximum number of API tasks."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 4 }

  validation {
    condition     = var.api_count.min >= 1 && var.api_count.max >= var.api_count.min && var.api_count.max <= 50
    error_message = "min must be at least 1, and max between min and 50."
  }
}

variable "worker_count" {
  description = "The minimum and maximum number of worker tasks."
  type        = object({ min = number, max = number })
  default     = { min = 1, max = 5 }

  validation {
    condition     = var.worker_count.min >= 1 && var.worker_count.max >= var.worker_count.min && var.worker_count.max <= 50
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
  description = "Whether the number of tasks follows the load. If null, it does so unless lab_role_name is set."
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

variable "log_days" {
  description = "How many days logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_days)
    error_message = "CloudWatch can keep logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731 days."
  }
}

# --- completion events

variable "events_topic" {
  description = "Whether to create an SNS topic that is told when a job ends. It is a FIFO topic if the queues are FIFO queues."
  type        = bool
  default     = false
}

# --- traces

variable "otlp_endpoint" {
  description = "The OpenTelemetry collector to which the tasks export traces over HTTP, such as https://otlp.example.org. If null, they export none."
  type        = string
  default     = null

  validation {
    condition     = var.otlp_endpoint == null || can(regex("^https?://[a-zA-Z0-9.-]+(:[0-9]{1,5})?(/[^\\s?#]*)?$", var.otlp_endpoint))
    error_message = "The value must be http:// or https://, a host, and optionally a port and a path; /v1/traces is appended to it."
  }
}

variable "otlp_headers_secret" {
  description = "The ARN of a secret in Secrets Manager that contains the headers for the collector, such as `authorization=Bearer%20TOKEN`. If null, no headers are sent."
  type        = string
  default     = null

  validation {
    condition     = var.otlp_headers_secret == null || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:]+$", var.otlp_headers_secret))
    error_message = "The value must be the ARN of a secret: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME."
  }

  validation {
    condition     = var.otlp_headers_secret == null || var.otlp_endpoint != null
    error_message = "Headers require otlp_endpoint, the collector that they are for."
  }
}

variable "otlp_share" {
  description = "The share of traces that are recorded, from 0 to 1. A client that names its trace decides itself whether it is recorded."
  type        = number
  default     = 1

  validation {
    condition     = var.otlp_share >= 0 && var.otlp_share <= 1
    error_message = "The share must be a number from 0 to 1."
  }
}

# --- alarms

variable "alarm_email" {
  description = "The e-mail address that receives alarms. AWS first sends a link to it, with which the recipient must confirm the address. If null, alarms are only shown in CloudWatch."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarm_email))
    error_message = "The value must be an e-mail address."
  }
}

variable "oldest_message_seconds" {
  description = "For how many seconds a job may wait for an attempt without an alarm; a pause does not count. Until the service runs, the age of the oldest message in the queue, which includes running jobs: keep it above JOB_TIMEOUT (10 minutes)."
  type        = number
  default     = 900

  validation {
    condition     = var.oldest_message_seconds >= 60
    error_message = "The value must be at least 60, because the age is reported once a minute."
  }
}

variable "failed_jobs" {
  description = "The number of jobs that may fail within ten minutes. If more do, there is an alarm."
  type        = number
  default     = 5

  validation {
    condition     = var.failed_jobs >= 0 && floor(var.failed_jobs) == var.failed_jobs
    error_message = "The value must be a whole number, at least 0."
  }
}
