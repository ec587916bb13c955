# --- region, name and images

variable "region" {
  description = "The region of all resources. The images need the certificate authority of its databases (docker/rds-ca.pem). Regions of China and GovCloud are not supported, because theirs are others."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region)) && !startswith(var.region, "cn-")
    error_message = "The region must look like us-east-1. China and GovCloud are not supported."
  }

  validation {
    condition     = strcontains(file("${path.module}/../docker/rds-ca.pem"), "Amazon RDS ${var.region} Root CA RSA2048 G1,")
    error_message = "The images do not contain the certificate authority of RDS in ${var.region}, so the tasks could not connect to the database. Use another region, or add it to docker/rds-ca.pem from https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem."
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

variable "service_enabled" {
  description = "Whether the service runs. With false there are only the queues and the registries; on a running service, that removes it with its database, so apply protect_database = false first."
  type        = bool
  default     = true
  nullable    = false
}

variable "image_tag" {
  description = "The tag of the images to run: the first 12 digits of a git commit. If null, they are those that docker/push recorded last."
  type        = string
  default     = null

  validation {
    condition     = var.image_tag == null || can(regex("^[0-9a-f]{12}$", var.image_tag))
    error_message = "The tag must be the first 12 digits of a git commit. A tag that moves, such as latest, can't be rolled back."
  }

  validation {
    condition     = (var.image_tag == null) == (var.cpu_architecture == null)
    error_message = "Set image_tag and cpu_architecture together, or neither: docker/push records both."
  }
}

variable "cpu_architecture" {
  description = "The architecture that the images with image_tag were built for: X86_64 or ARM64."
  type        = string
  default     = null

  validation {
    condition     = var.cpu_architecture == null || contains(["X86_64", "ARM64"], coalesce(var.cpu_architecture, "none"))
    error_message = "The architecture must be X86_64 or ARM64."
  }
}

variable "lab_role_name" {
  description = "An existing role for all tasks, for accounts that can't create roles. If null, it is LabRole if the credentials are those of an AWS Academy Learner Lab; otherwise, and if it is empty, each service gets its own role with the permissions that it needs."
  type        = string
  default     = null

  validation {
    condition     = var.lab_role_name == null || can(regex("^[A-Za-z0-9+=,.@_-]{0,64}$", var.lab_role_name))
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
