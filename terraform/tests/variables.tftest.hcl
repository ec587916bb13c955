# Every variable refuses what would fail later, or worse, not fail.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "region_1" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "region_2" {
  command = plan

  variables {
    region = "us-east"
  }

  expect_failures = [var.region]
}

run "name_1" {
  command = plan

  variables {
    name = "T"
  }

  expect_failures = [var.name]
}

run "name_2" {
  command = plan

  variables {
    name = "no_underscores"
  }

  expect_failures = [var.name]
}

run "name_3" {
  command = plan

  variables {
    name = "a-name-that-is-longer-than-20"
  }

  expect_failures = [var.name]
}

run "name_4" {
  command = plan

  variables {
    name = "two--hyphens"
  }

  expect_failures = [var.name]
}

run "image_tag_1" {
  command = plan

  variables {
    image_tag = "latest"
  }

  expect_failures = [var.image_tag]
}

run "image_tag_2" {
  command = plan

  variables {
    image_tag = "v1.0"
  }

  expect_failures = [var.image_tag]
}

run "cpu_architecture_1" {
  command = plan

  variables {
    cpu_architecture = "amd64"
  }

  expect_failures = [var.cpu_architecture]
}

run "lab_role_name_1" {
  command = plan

  variables {
    lab_role_name = "arn:aws:iam::123456789012:role/LabRole"
  }

  expect_failures = [var.lab_role_name]
}

run "max_receive_count_1" {
  command = plan

  variables {
    max_receive_count = 4
  }

  expect_failures = [var.max_receive_count]
}

run "max_receive_count_2" {
  command = plan

  variables {
    max_receive_count = 1001
  }

  expect_failures = [var.max_receive_count]
}

run "queue_users_1" {
  command = plan

  variables {
    queue_users = ["me"]
  }

  expect_failures = [var.queue_users]
}

run "vpc_cidr_1" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_2" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0/8"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_3" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0/28"
  }

  expect_failures = [var.vpc_cidr]
}

run "allowed_cidrs_1" {
  command = plan

  variables {
    allowed_cidrs = []
  }

  expect_failures = [var.allowed_cidrs]
}

run "allowed_cidrs_2" {
  command = plan

  variables {
    allowed_cidrs = ["everybody"]
  }

  expect_failures = [var.allowed_cidrs]
}

run "certificate_arn_1" {
  command = plan

  variables {
    certificate_arn = "arn:aws:iam::123456789012:server-certificate/x"
  }

  expect_failures = [var.certificate_arn]
}

run "public_url_1" {
  command = plan

  variables {
    public_url = "todo.example.org"
  }

  expect_failures = [var.public_url]
}

run "public_url_2" {
  command = plan

  variables {
    public_url = "https://todo.example.org/path"
  }

  expect_failures = [var.public_url]
}

run "database_class_1" {
  command = plan

  variables {
    database_class = "t4g.micro"
  }

  expect_failures = [var.database_class]
}

run "database_gib_1" {
  command = plan

  variables {
    database_gib = 19
  }

  expect_failures = [var.database_gib]
}

run "database_backup_days_1" {
  command = plan

  variables {
    database_backup_days = -1
  }

  expect_failures = [var.database_backup_days]
}

run "database_backup_days_2" {
  command = plan

  variables {
    database_backup_days = 36
  }

  expect_failures = [var.database_backup_days]
}

run "password_rotation_days_1" {
  command = plan

  variables {
    password_rotation_days = -1
  }

  expect_failures = [var.password_rotation_days]
}

run "password_rotation_days_2" {
  command = plan

  variables {
    password_rotation_days = 366
  }

  expect_failures = [var.password_rotation_days]
}

run "api_count_1" {
  command = plan

  variables {
    api_count = { min = 0, max = 1 }
  }

  expect_failures = [var.api_count]
}

run "api_count_2" {
  command = plan

  variables {
    api_count = { min = 3, max = 2 }
  }

  expect_failures = [var.api_count]
}

run "worker_count_1" {
  command = plan

  variables {
    worker_count = { min = 0, max = 1 }
  }

  expect_failures = [var.worker_count]
}

run "worker_count_2" {
  command = plan

  variables {
    worker_count = { min = 2, max = 1 }
  }

  expect_failures = [var.worker_count]
}

run "worker_count_3" {
  command = plan

  variables {
    worker_count = { min = 1, max = 51 }
  }

  expect_failures = [var.worker_count]
}

run "backlog_per_worker_1" {
  command = plan

  variables {
    backlog_per_worker = 0
  }

  expect_failures = [var.backlog_per_worker]
}

run "task_size_1" {
  command = plan

  variables {
    task_size = { cpu = 256, memory = 4096 }
  }

  expect_failures = [var.task_size]
}

run "task_size_2" {
  command = plan

  variables {
    task_size = { cpu = 300, memory = 512 }
  }

  expect_failures = [var.task_size]
}

run "log_days_1" {
  command = plan

  variables {
    log_days = 31
  }

  expect_failures = [var.log_days]
}

run "alarm_email_1" {
  command = plan

  variables {
    alarm_email = "nobody"
  }

  expect_failures = [var.alarm_email]
}

run "oldest_message_seconds_1" {
  command = plan

  variables {
    oldest_message_seconds = 30
  }

  expect_failures = [var.oldest_message_seconds]
}

run "region_3" {
  command = plan

  variables {
    region = "cn-north-1"
  }

  expect_failures = [var.region]
}

run "region_4" {
  command = plan

  variables {
    region = "us-gov-west-1"
  }

  expect_failures = [var.region]
}

run "queue_users_2" {
  command = plan

  variables {
    queue_users = ["arn:aws:sts::123456789012:assumed-role/me/session"]
  }

  expect_failures = [var.queue_users]
}

run "certificate_arn_2" {
  command = plan

  variables {
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  expect_failures = [var.certificate_arn]
}

run "database_gib_2" {
  command = plan

  variables {
    database_gib = 13001
  }

  expect_failures = [var.database_gib]
}

run "database_connections_1" {
  command = plan

  variables {
    database_connections = 5001
  }

  expect_failures = [var.database_connections]
}

run "database_connections_2" {
  command = plan

  variables {
    worker_count = { min = 1, max = 6 }
  }

  expect_failures = [var.database_connections]
}

run "api_count_3" {
  command = plan

  variables {
    api_count            = { min = 1, max = 51 }
    database_connections = 2000
  }

  expect_failures = [var.api_count]
}

run "image_tag_3" {
  command = plan

  variables {
    image_tag = "0123456789a"
  }

  expect_failures = [var.image_tag]
}

run "image_tag_4" {
  command = plan

  variables {
    image_tag = "0123456789abcdef0123456789abcdef01234567"
  }

  expect_failures = [var.image_tag]
}
