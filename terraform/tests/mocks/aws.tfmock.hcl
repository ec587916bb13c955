# Values in the format of AWS, for attributes whose format the provider or the configuration checks.

mock_data "aws_caller_identity" {
  defaults = {
    account_id = "123456789012"
    arn        = "arn:aws:iam::123456789012:user/me"
  }
}

mock_data "aws_ssm_parameters_by_path" {
  defaults = {
    names  = ["/taskoverflow/release/current"]
    values = ["{\"tag\":\"0123456789ab\",\"architecture\":\"ARM64\"}"]
  }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_availability_zones" {
  defaults = { names = ["us-east-1a", "us-east-1b", "us-east-1c"] }
}

mock_data "aws_ec2_managed_prefix_list" {
  defaults = { id = "pl-3b927c52" }
}

mock_resource "aws_sqs_queue" {
  defaults = {
    arn = "arn:aws:sqs:us-east-1:123456789012:taskoverflow-ical"
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/taskoverflow-ical"
  }
}

mock_resource "aws_ecr_repository" {
  defaults = {
    arn            = "arn:aws:ecr:us-east-1:123456789012:repository/taskoverflow/image"
    repository_url = "123456789012.dkr.ecr.us-east-1.amazonaws.com/taskoverflow/image"
  }
}

mock_resource "aws_db_instance" {
  defaults = {
    arn                = "arn:aws:rds:us-east-1:123456789012:db:taskoverflow"
    address            = "taskoverflow.abc.us-east-1.rds.amazonaws.com"
    master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1" }]
  }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:/taskoverflow/task" }
}

mock_resource "aws_lb" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/taskoverflow/1"
    arn_suffix = "app/taskoverflow/1"
    dns_name   = "taskoverflow-1.us-east-1.elb.amazonaws.com"
    zone_id    = "Z0LOADBALANCER"
  }
}

mock_resource "aws_lb_target_group" {
  defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/taskoverflow-api/1" }
}

mock_resource "aws_lb_listener" {
  defaults = { arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/taskoverflow/1/1" }
}

mock_resource "aws_cloudfront_distribution" {
  defaults = { domain_name = "d1.cloudfront.net" }
}

mock_resource "aws_cloudfront_function" {
  defaults = { arn = "arn:aws:cloudfront::123456789012:function/taskoverflow-allow" }
}

mock_resource "aws_acm_certificate" {
  defaults = {
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/own"
    domain_validation_options = [{
      domain_name           = "todo.example.org"
      resource_record_name  = "_1.todo.example.org."
      resource_record_type  = "CNAME"
      resource_record_value = "_2.acm-validations.aws."
    }]
  }
}

mock_resource "aws_ecs_cluster" {
  defaults = { id = "arn:aws:ecs:us-east-1:123456789012:cluster/taskoverflow" }
}

mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/taskoverflow:1" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/taskoverflow" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:us-east-1:123456789012:taskoverflow-alarms" }
}

mock_resource "aws_secretsmanager_secret" {
  defaults = { arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:user" }
}
