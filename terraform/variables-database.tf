# The database.

variable "database_class" {
  description = "The instance class of the database. If null, the size decides."
  type        = string
  default     = null

  validation {
    condition     = var.database_class == null || can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.database_class))
    error_message = "The value must be an RDS instance class, such as db.t4g.micro."
  }
}

variable "database_gib" {
  description = "The storage of the database in GiB. RDS extends it automatically up to five times this size. A Learner Lab allows only 20."
  type        = number
  default     = 20

  validation {
    condition     = var.database_gib >= 20 && var.database_gib <= 13000
    error_message = "The storage must be between 20 and 13000 GiB."
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
}

variable "database_multi_az" {
  description = "Whether there is a standby database in another availability zone. It doubles the price of the database. If null, the size decides."
  type        = bool
  default     = null
}

variable "database_backup_days" {
  description = "How many days RDS keeps backups. Accounts on the AWS free plan allow at most 1. With 0, there are no backups. If null, the size decides."
  type        = number
  default     = null

  validation {
    condition     = var.database_backup_days == null || try(var.database_backup_days >= 0 && var.database_backup_days <= 35 && floor(var.database_backup_days) == var.database_backup_days, false)
    error_message = "The value must be a whole number of days between 0 and 35."
  }
}

variable "protect_database" {
  description = "Whether the database is protected from deletion and leaves a final snapshot when it is removed. Before `terraform destroy`, apply the value false. If null, the size decides."
  type        = bool
  default     = null
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
