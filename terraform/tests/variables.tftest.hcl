# Every variable rejects values that would fail later, or that would not fail but be wrong. To save time, each run has wrong
# values for several variables, and each of these has to be refused.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  service_enabled = false
}

run "first_wrong_values" {
  command = plan

  variables {
    region                 = "Frankfurt"
    name                   = "T"
    image_tag              = "latest"
    cpu_architecture       = "ARM64"
    lab_role_name          = "arn:aws:iam::123456789012:role/LabRole"
    max_receive_count      = 4
    queue_users            = ["me"]
    vpc_cidr               = "10.0.0.0"
    allowed_cidrs          = []
    certificate_arn        = "arn:aws:iam::123456789012:server-certificate/x"
    database_class         = "t4g.micro"
    database_gib           = 19
    database_backup_days   = -1
    password_rotation_days = -1
    password_version       = 0
    api_count              = { min = 0, max = 1 }
    worker_count           = { min = 0, max = 1 }
    backlog_per_worker     = 0
    task_size              = { cpu = 256, memory = 4096 }
    log_days               = 31
    alarm_email            = "nobody"
    oldest_message_seconds = 30
    database_connections   = 5001
    failed_jobs            = -1
    otlp_endpoint          = "otlp.example.org:4318"
    otlp_share             = 1.5
    size                   = "medium"
  }

  expect_failures = [
    var.region,
    var.name,
    var.image_tag,
    var.lab_role_name,
    var.max_receive_count,
    var.queue_users,
    var.vpc_cidr,
    var.allowed_cidrs,
    var.certificate_arn,
    var.database_class,
    var.database_gib,
    var.database_backup_days,
    var.password_rotation_days,
    var.password_version,
    var.api_count,
    var.worker_count,
    var.backlog_per_worker,
    var.task_size,
    var.log_days,
    var.alarm_email,
    var.oldest_message_seconds,
    var.database_connections,
    var.failed_jobs,
    var.otlp_endpoint,
    var.otlp_share,
    var.size,
  ]
}

run "second_wrong_values" {
  command = plan

  variables {
    region                 = "us-east"
    name                   = "no_underscores"
    image_tag              = "v1.0"
    cpu_architecture       = "ARM64"
    max_receive_count      = 1001
    vpc_cidr               = "10.0.0.0/8"
    allowed_cidrs          = ["everybody"]
    public_url             = "todo.example.org"
    database_backup_days   = 36
    password_rotation_days = 366
    api_count              = { min = 3, max = 2 }
    worker_count           = { min = 2, max = 1 }
    task_size              = { cpu = 300, memory = 512 }
    queue_users            = ["arn:aws:sts::123456789012:assumed-role/me/session"]
    database_gib           = 13001
    otlp_endpoint          = "https://otlp.example.org?key=x"
  }

  expect_failures = [
    var.region,
    var.name,
    var.image_tag,
    var.max_receive_count,
    var.vpc_cidr,
    var.allowed_cidrs,
    var.public_url,
    var.database_backup_days,
    var.password_rotation_days,
    var.api_count,
    var.worker_count,
    var.task_size,
    var.queue_users,
    var.database_gib,
    var.otlp_endpoint,
  ]
}

run "third_wrong_values" {
  command = plan

  variables {
    region               = "il-central-1"
    name                 = "a-name-that-is-longer-than-20"
    image_tag            = "0123456789ab"
    cpu_architecture     = "amd64"
    vpc_cidr             = "10.0.0.0/28"
    public_url           = "https://todo.example.org/path"
    worker_count         = { min = 1, max = 51 }
    api_count            = { min = 1, max = 51 }
    database_connections = 2000
    otlp_endpoint        = "https://otlp.example.org"
    otlp_headers_secret  = "authorization=Bearer%20x"
  }

  expect_failures = [
    var.region,
    var.name,
    var.cpu_architecture,
    var.vpc_cidr,
    var.public_url,
    var.worker_count,
    var.api_count,
    var.otlp_headers_secret,
  ]
}

run "fourth_wrong_values" {
  command = plan

  variables {
    name             = "two--hyphens"
    region           = "cn-north-1"
    image_tag        = "0123456789a"
    cpu_architecture = "ARM64"
  }

  expect_failures = [
    var.name,
    var.region,
    var.image_tag,
  ]
}

run "fifth_wrong_values" {
  command = plan

  variables {
    region           = "us-gov-west-1"
    image_tag        = "0123456789abcdef0123456789abcdef01234567"
    cpu_architecture = "ARM64"
  }

  expect_failures = [
    var.region,
    var.image_tag,
  ]
}

run "image_tag_requires_the_architecture" {
  command = plan

  variables {
    image_tag = "0123456789ab"
  }

  expect_failures = [var.image_tag]
}

run "certificate_arn_requires_public_url" {
  command = plan

  variables {
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  expect_failures = [var.certificate_arn]
}

run "otlp_headers_secret_requires_otlp_endpoint" {
  command = plan

  variables {
    otlp_headers_secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:otlp-AbCdEf"
  }

  expect_failures = [var.otlp_headers_secret]
}

run "domain_rejects_a_url" {
  command = plan

  variables {
    domain  = "https://todo.example.org"
    zone_id = "Z1"
  }

  expect_failures = [var.domain]
}

run "domain_requires_the_zone" {
  command = plan

  variables {
    domain = "todo.example.org"
  }

  expect_failures = [var.domain]
}

run "domain_rejects_a_certificate" {
  command = plan

  variables {
    domain          = "todo.example.org"
    zone_id         = "Z1"
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
    public_url      = "https://todo.example.org"
  }

  expect_failures = [var.domain]
}

run "zone_id_rejects_a_path" {
  command = plan

  variables {
    domain  = "todo.example.org"
    zone_id = "/hostedzone/Z1"
  }

  expect_failures = [var.zone_id]
}
