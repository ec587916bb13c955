resource "aws_db_subnet_group" "main" {
  count = local.stage

  name       = var.name
  subnet_ids = aws_subnet.database[*].id
}

resource "aws_db_parameter_group" "main" {
  count = local.stage

  name_prefix = "${var.name}-"
  family      = "postgres17"

  # Rejects connections without TLS.
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name         = "max_connections"
    value        = var.database_connections
    apply_method = "pending-reboot"
  }

  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "main" {
  count = local.stage

  identifier     = var.name
  engine         = "postgres"
  engine_version = "17"
  instance_class = local.database_class
  multi_az       = local.database_multi_az

  db_name  = "taskoverflow"
  username = "taskoverflow"
  # The owner of the tables. RDS creates the password, stores it in Secrets Manager and rotates it. It is never in
  # Terraform's state.
  manage_master_user_password = true

  # A Learner Lab allows only gp2, up to 100 GiB.
  storage_type          = local.lab_role == null ? "gp3" : "gp2"
  storage_encrypted     = true
  allocated_storage     = var.database_gib
  max_allocated_storage = 5 * var.database_gib

  db_subnet_group_name   = aws_db_subnet_group.main[0].name
  vpc_security_group_ids = [aws_security_group.member["database"].id]
  publicly_accessible    = false
  parameter_group_name   = aws_db_parameter_group.main[0].name
  # One of the certificate authorities in the images (docker/rds-ca.pem).
  ca_cert_identifier = "rds-ca-rsa2048-g1"

  backup_retention_period         = local.database_backup_days
  copy_tags_to_snapshot           = true
  enabled_cloudwatch_logs_exports = local.database_logs
  auto_minor_version_upgrade      = true
  apply_immediately               = true

  deletion_protection       = local.protect_database
  skip_final_snapshot       = !local.protect_database
  final_snapshot_identifier = local.protect_database ? "${var.name}-final" : null

  depends_on = [aws_cloudwatch_log_group.aws]
}

locals {
  database_logs = ["postgresql", "upgrade"]

  # A partly created database has no secret yet. `destroy` must still work.
  database_secret = try(aws_db_instance.main[0].master_user_secret[0].secret_arn, "none-yet")

  users = local.running ? { for process in ["api", "worker"] : process => "taskoverflow_${process}" } : {}
}

resource "aws_secretsmanager_secret_rotation" "database" {
  count = local.running && var.password_rotation_days > 0 ? 1 : 0

  secret_id          = local.database_secret
  rotate_immediately = false

  rotation_rules {
    automatically_after_days = var.password_rotation_days
  }
}

# The users of the API and the worker. The container `migrate` of every task creates them (ecs.tf).

resource "aws_secretsmanager_secret" "user" {
  for_each = local.users

  name_prefix = "${var.name}-database-${each.key}-"
  description = "The password of the database user ${each.value}"
  # A password that can be created again needs no time to be restored.
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "user" {
  for_each = local.users

  secret_id = aws_secretsmanager_secret.user[each.key].id
  # 244 random bits, which are neither in Terraform's plans nor in its state.
  secret_string_wo         = replace("${uuid()}${uuid()}", "-", "")
  secret_string_wo_version = var.password_version
}
