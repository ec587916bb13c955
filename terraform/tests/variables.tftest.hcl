# Every variable rejects values that would fail later, or that would not fail but be wrong.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  service_enabled = false
}

run "region_rejects_a_city" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "region_rejects_a_missing_number" {
  command = plan

  variables {
    region = "us-east"
  }

  expect_failures = [var.region]
}

run "region_rejects_one_whose_certificate_authority_is_not_in_the_images" {
  command = plan

  variables {
    region = "il-central-1"
  }

  expect_failures = [var.region]
}

run "name_rejects_one_upper_case_letter" {
  command = plan

  variables {
    name = "T"
  }

  expect_failures = [var.name]
}

run "name_rejects_underscores" {
  command = plan

  variables {
    name = "no_underscores"
  }

  expect_failures = [var.name]
}

run "name_rejects_more_than_20_characters" {
  command = plan

  variables {
    name = "a-name-that-is-longer-than-20"
  }

  expect_failures = [var.name]
}

run "name_rejects_two_hyphens_in_a_row" {
  command = plan

  variables {
    name = "two--hyphens"
  }

  expect_failures = [var.name]
}

run "image_tag_rejects_latest" {
  command = plan

  variables {
    image_tag        = "latest"
    cpu_architecture = "ARM64"
  }

  expect_failures = [var.image_tag]
}

run "image_tag_rejects_a_version" {
  command = plan

  variables {
    image_tag        = "v1.0"
    cpu_architecture = "ARM64"
  }

  expect_failures = [var.image_tag]
}

run "image_tag_requires_the_architecture" {
  command = plan

  variables {
    image_tag = "0123456789ab"
  }

  expect_failures = [var.image_tag]
}

run "cpu_architecture_rejects_dockers_names" {
  command = plan

  variables {
    image_tag        = "0123456789ab"
    cpu_architecture = "amd64"
  }

  expect_failures = [var.cpu_architecture]
}

run "lab_role_name_rejects_an_arn" {
  command = plan

  variables {
    lab_role_name = "arn:aws:iam::123456789012:role/LabRole"
  }

  expect_failures = [var.lab_role_name]
}

run "max_receive_count_rejects_4" {
  command = plan

  variables {
    max_receive_count = 4
  }

  expect_failures = [var.max_receive_count]
}

run "max_receive_count_rejects_1001" {
  command = plan

  variables {
    max_receive_count = 1001
  }

  expect_failures = [var.max_receive_count]
}

run "queue_users_rejects_a_plain_name" {
  command = plan

  variables {
    queue_users = ["me"]
  }

  expect_failures = [var.queue_users]
}

run "vpc_cidr_rejects_a_single_address" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_rejects_a_range_that_is_too_large" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0/8"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_rejects_a_range_that_is_too_small" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0/28"
  }

  expect_failures = [var.vpc_cidr]
}

run "allowed_cidrs_rejects_an_empty_list" {
  command = plan

  variables {
    allowed_cidrs = []
  }

  expect_failures = [var.allowed_cidrs]
}

run "allowed_cidrs_rejects_a_word" {
  command = plan

  variables {
    allowed_cidrs = ["everybody"]
  }

  expect_failures = [var.allowed_cidrs]
}

run "certificate_arn_rejects_a_certificate_of_iam" {
  command = plan

  variables {
    certificate_arn = "arn:aws:iam::123456789012:server-certificate/x"
  }

  expect_failures = [var.certificate_arn]
}

run "public_url_rejects_a_missing_scheme" {
  command = plan

  variables {
    public_url = "todo.example.org"
  }

  expect_failures = [var.public_url]
}

run "public_url_rejects_a_path" {
  command = plan

  variables {
    public_url = "https://todo.example.org/path"
  }

  expect_failures = [var.public_url]
}

run "database_class_rejects_a_missing_prefix" {
  command = plan

  variables {
    database_class = "t4g.micro"
  }

  expect_failures = [var.database_class]
}

run "database_gib_rejects_19" {
  command = plan

  variables {
    database_gib = 19
  }

  expect_failures = [var.database_gib]
}

run "database_backup_days_rejects_a_negative_number" {
  command = plan

  variables {
    database_backup_days = -1
  }

  expect_failures = [var.database_backup_days]
}

run "database_backup_days_rejects_36" {
  command = plan

  variables {
    database_backup_days = 36
  }

  expect_failures = [var.database_backup_days]
}

run "password_rotation_days_rejects_a_negative_number" {
  command = plan

  variables {
    password_rotation_days = -1
  }

  expect_failures = [var.password_rotation_days]
}

run "password_rotation_days_rejects_366" {
  command = plan

  variables {
    password_rotation_days = 366
  }

  expect_failures = [var.password_rotation_days]
}

run "password_version_rejects_0" {
  command = plan

  variables {
    password_version = 0
  }

  expect_failures = [var.password_version]
}

run "api_count_rejects_a_minimum_of_0" {
  command = plan

  variables {
    api_count = { min = 0, max = 1 }
  }

  expect_failures = [var.api_count]
}

run "api_count_rejects_a_minimum_above_the_maximum" {
  command = plan

  variables {
    api_count = { min = 3, max = 2 }
  }

  expect_failures = [var.api_count]
}

run "worker_count_rejects_a_minimum_of_0" {
  command = plan

  variables {
    worker_count = { min = 0, max = 1 }
  }

  expect_failures = [var.worker_count]
}

run "worker_count_rejects_a_minimum_above_the_maximum" {
  command = plan

  variables {
    worker_count = { min = 2, max = 1 }
  }

  expect_failures = [var.worker_count]
}

run "worker_count_rejects_a_maximum_of_51" {
  command = plan

  variables {
    worker_count = { min = 1, max = 51 }
  }

  expect_failures = [var.worker_count]
}

run "backlog_per_worker_rejects_0" {
  command = plan

  variables {
    backlog_per_worker = 0
  }

  expect_failures = [var.backlog_per_worker]
}

run "task_size_rejects_too_much_memory" {
  command = plan

  variables {
    task_size = { cpu = 256, memory = 4096 }
  }

  expect_failures = [var.task_size]
}

run "task_size_rejects_an_unknown_cpu_size" {
  command = plan

  variables {
    task_size = { cpu = 300, memory = 512 }
  }

  expect_failures = [var.task_size]
}

run "log_days_rejects_31" {
  command = plan

  variables {
    log_days = 31
  }

  expect_failures = [var.log_days]
}

run "alarm_email_rejects_a_plain_name" {
  command = plan

  variables {
    alarm_email = "nobody"
  }

  expect_failures = [var.alarm_email]
}

run "oldest_message_seconds_rejects_30" {
  command = plan

  variables {
    oldest_message_seconds = 30
  }

  expect_failures = [var.oldest_message_seconds]
}

run "region_rejects_china" {
  command = plan

  variables {
    region = "cn-north-1"
  }

  expect_failures = [var.region]
}

run "region_rejects_govcloud" {
  command = plan

  variables {
    region = "us-gov-west-1"
  }

  expect_failures = [var.region]
}

run "queue_users_rejects_a_session" {
  command = plan

  variables {
    queue_users = ["arn:aws:sts::123456789012:assumed-role/me/session"]
  }

  expect_failures = [var.queue_users]
}

run "certificate_arn_requires_public_url" {
  command = plan

  variables {
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  expect_failures = [var.certificate_arn]
}

run "database_gib_rejects_13001" {
  command = plan

  variables {
    database_gib = 13001
  }

  expect_failures = [var.database_gib]
}

run "database_connections_rejects_5001" {
  command = plan

  variables {
    database_connections = 5001
  }

  expect_failures = [var.database_connections]
}

run "api_count_rejects_a_maximum_of_51" {
  command = plan

  variables {
    api_count            = { min = 1, max = 51 }
    database_connections = 2000
  }

  expect_failures = [var.api_count]
}

run "image_tag_rejects_11_digits" {
  command = plan

  variables {
    image_tag        = "0123456789a"
    cpu_architecture = "ARM64"
  }

  expect_failures = [var.image_tag]
}

run "image_tag_rejects_a_full_commit_id" {
  command = plan

  variables {
    image_tag        = "0123456789abcdef0123456789abcdef01234567"
    cpu_architecture = "ARM64"
  }

  expect_failures = [var.image_tag]
}

run "failed_jobs_rejects_a_negative_number" {
  command = plan

  variables {
    failed_jobs = -1
  }

  expect_failures = [var.failed_jobs]
}

run "otlp_endpoint_rejects_a_missing_scheme" {
  command = plan

  variables {
    otlp_endpoint = "otlp.example.org:4318"
  }

  expect_failures = [var.otlp_endpoint]
}

run "otlp_endpoint_rejects_a_query" {
  command = plan

  variables {
    otlp_endpoint = "https://otlp.example.org?key=x"
  }

  expect_failures = [var.otlp_endpoint]
}

run "otlp_headers_secret_rejects_the_headers" {
  command = plan

  variables {
    otlp_endpoint       = "https://otlp.example.org"
    otlp_headers_secret = "authorization=Bearer%20x"
  }

  expect_failures = [var.otlp_headers_secret]
}

run "otlp_headers_secret_requires_otlp_endpoint" {
  command = plan

  variables {
    otlp_headers_secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:otlp-AbCdEf"
  }

  expect_failures = [var.otlp_headers_secret]
}

run "otlp_share_rejects_more_than_1" {
  command = plan

  variables {
    otlp_share = 1.5
  }

  expect_failures = [var.otlp_share]
}

run "size_rejects_another_word" {
  command = plan

  variables {
    size = "medium"
  }

  expect_failures = [var.size]
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

run "a_domain_requires_a_load_balancer" {
  command = plan

  variables {
    domain        = "todo.example.org"
    zone_id       = "Z1"
    load_balancer = false
  }

  expect_failures = [var.load_balancer]
}
