# What is in front of the API: CloudFront, a load balancer with a domain, or nothing.

mock_provider "aws" {
  source = "./tests/mocks"
}

override_resource {
  target = aws_sqs_queue.dead_letters
  values = {
    arn = "arn:aws:sqs:us-east-1:123456789012:taskoverflow-ical-dead-letters"
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/taskoverflow-ical-dead-letters"
  }
}

variables {
  allowed_cidrs = ["203.0.113.0/24"]
}

run "without_a_domain_cloudfront_serves_https" {
  command = apply

  assert {
    condition     = output.api_url == "https://d1.cloudfront.net"
    error_message = "The address must be that of CloudFront."
  }

  assert {
    condition = { for variable in jsondecode(aws_ecs_task_definition.task["api"].container_definitions)[0].environment : variable.name => variable.value if contains(["PUBLIC_URL", "ALLOWED_HOSTS", "TRUST_PROXY"], variable.name) } == {
      PUBLIC_URL    = "https://d1.cloudfront.net"
      ALLOWED_HOSTS = "taskoverflow-1.us-east-1.elb.amazonaws.com,d1.cloudfront.net"
      TRUST_PROXY   = "true"
    }
    error_message = "The API must use the address of CloudFront, and believe what it says about clients."
  }

  assert {
    condition = (
      aws_lb.main[0].internal && aws_lb.main[0].xff_header_processing_mode == "preserve" && length(aws_lb_listener.https) == 0
      && length(aws_vpc_security_group_ingress_rule.alb) == 0
      && "${aws_vpc_security_group_ingress_rule.cloudfront[0].prefix_list_id} ${aws_vpc_security_group_ingress_rule.cloudfront[0].from_port}" == "pl-3b927c52 80"
    )
    error_message = "Only CloudFront must reach the load balancer, which must leave the addresses of clients as they are."
  }

  assert {
    condition = (
      one(aws_cloudfront_distribution.api[0].default_cache_behavior).viewer_protocol_policy == "redirect-to-https"
      && length(one(aws_cloudfront_distribution.api[0].default_cache_behavior).allowed_methods) == 7
      && !aws_cloudfront_distribution.api[0].is_ipv6_enabled
      && one(one(aws_cloudfront_distribution.api[0].origin).vpc_origin_config).vpc_origin_id == aws_cloudfront_vpc_origin.api[0].id
    )
    error_message = "CloudFront must pass all requests on, and only over HTTPS."
  }

  assert {
    condition = (
      one(one(aws_cloudfront_distribution.api[0].default_cache_behavior).function_association).event_type == "viewer-request"
      && strcontains(aws_cloudfront_function.allow[0].code, "var RANGES = [[\"203.0.113.0\",\"24\"]];")
    )
    error_message = "CloudFront must refuse clients outside of allowed_cidrs."
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.clients) == 0
    error_message = "Clients must not reach the API directly."
  }
}

run "everyone_may_call" {
  command = apply

  variables {
    allowed_cidrs = ["0.0.0.0/0"]
  }

  assert {
    condition     = length(aws_cloudfront_function.allow) == 0 && length(one(aws_cloudfront_distribution.api[0].default_cache_behavior).function_association) == 0
    error_message = "If everyone may call, there is nothing to check."
  }
}

run "a_domain_has_a_certificate_and_a_record" {
  command = apply

  variables {
    domain  = "todo.example.org"
    zone_id = "Z0123456789"
  }

  assert {
    condition     = output.api_url == "https://todo.example.org" && length(aws_cloudfront_distribution.api) == 0 && !aws_lb.main[0].internal
    error_message = "The address must be the domain's, without CloudFront."
  }

  assert {
    condition = (
      "${aws_route53_record.validation[0].zone_id} ${aws_route53_record.validation[0].name}" == "Z0123456789 _1.todo.example.org."
      && aws_lb_listener.https[0].certificate_arn == aws_acm_certificate_validation.api[0].certificate_arn
      && aws_acm_certificate_validation.api[0].certificate_arn == "arn:aws:acm:us-east-1:123456789012:certificate/own"
    )
    error_message = "The load balancer must have the domain's certificate, once AWS has validated it."
  }

  assert {
    condition     = aws_route53_record.api[0].name == "todo.example.org" && one(aws_route53_record.api[0].alias).name == "taskoverflow-1.us-east-1.elb.amazonaws.com"
    error_message = "The domain must lead to the load balancer."
  }

  assert {
    condition = (
      toset([for rule in aws_vpc_security_group_ingress_rule.alb : "${rule.cidr_ipv4} ${rule.from_port}"]) == toset(["203.0.113.0/24 80", "203.0.113.0/24 443"])
      && length(aws_vpc_security_group_ingress_rule.cloudfront) == 0 && aws_lb.main[0].xff_header_processing_mode == "append" && aws_lb_listener.http[0].default_action[0].type == "redirect"
    )
    error_message = "Allowed clients must reach the load balancer, which adds their addresses and redirects to HTTPS."
  }
}

run "an_address_of_its_own_leads_to_the_load_balancer" {
  command = apply

  variables {
    public_url = "http://todo.example.org"
  }

  assert {
    condition     = output.api_url == "http://todo.example.org" && length(aws_cloudfront_distribution.api) == 0 && !aws_lb.main[0].internal
    error_message = "CloudFront must not be in front of an address that leads to the load balancer."
  }
}

run "without_cloudfront_the_load_balancer_serves_http" {
  command = apply

  variables {
    cloudfront = false
  }

  assert {
    condition     = output.api_url == "http://taskoverflow-1.us-east-1.elb.amazonaws.com" && !aws_lb.main[0].internal && length(aws_cloudfront_vpc_origin.api) == 0
    error_message = "The address must be that of the load balancer."
  }
}

run "without_a_load_balancer_clients_reach_the_task" {
  command = apply

  variables {
    load_balancer = false
  }

  assert {
    condition = (
      output.api_url == null && length(aws_lb_target_group.api) + length(aws_lb_listener.http) + length(aws_lb_listener_rule.metrics) == 0
      && length(aws_ecs_service.task["api"].load_balancer) == 0 && aws_ecs_service.task["api"].health_check_grace_period_seconds == null
    )
    error_message = "Nothing of a load balancer must be there, and no address is known."
  }

  assert {
    condition     = { for variable in jsondecode(aws_ecs_task_definition.task["api"].container_definitions)[0].environment : variable.name => variable.value if contains(["PUBLIC_URL", "ALLOWED_HOSTS", "TRUST_PROXY"], variable.name) } == { ALLOWED_HOSTS = ".compute-1.amazonaws.com" }
    error_message = "The API must answer under the names of public addresses, and must not believe what clients say about themselves."
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.clients : "${rule.cidr_ipv4} ${rule.from_port}"] == ["203.0.113.0/24 6400"]
    error_message = "Only allowed clients must reach the API."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.server_errors) == 0 && length(jsondecode(aws_cloudwatch_dashboard.main[0].dashboard_body).widgets) == 11
    error_message = "Without a load balancer, nothing counts responses."
  }
}
