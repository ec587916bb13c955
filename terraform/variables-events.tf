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
