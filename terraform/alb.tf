locals {
  api_port = 6400
  https    = var.certificate_arn != null
  # Said to the API, which then believes no header of a client about it.
  public_url = local.running ? coalesce(var.public_url, "${local.https ? "https" : "http"}://${aws_lb.main[0].dns_name}") : null
}

resource "aws_lb" "main" {
  count = local.stage

  name                       = var.name
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.member["alb"].id]
  subnets                    = aws_subnet.public[*].id
  drop_invalid_header_fields = true

  # AWS refuses it in subnets that have no way to the internet yet
  depends_on = [aws_route.internet, aws_route_table_association.public]
}

resource "aws_lb_target_group" "api" {
  count = local.stage

  name        = "${var.name}-api"
  vpc_id      = aws_vpc.main[0].id
  target_type = "ip"
  protocol    = "HTTP"
  port        = local.api_port
  # within the task's stopTimeout
  deregistration_delay = 60

  # A browser gets the page and its files, whose paths have the version in them, from one task: during a deployment
  # another one may not know them.
  stickiness {
    type            = "lb_cookie"
    cookie_duration = 60
  }

  health_check {
    path     = "/readyz"
    matcher  = "200"
    interval = 15
    timeout  = 5
    # A task that can't work for 150 seconds is replaced: a bad deployment is rolled back, and a database that fails over
    # does not take the API with it.
    healthy_threshold   = 2
    unhealthy_threshold = 10
  }
}

resource "aws_lb_listener" "http" {
  count = local.stage

  load_balancer_arn = aws_lb.main[0].arn
  protocol          = "HTTP"
  port              = 80

  default_action {
    type             = local.https ? "redirect" : "forward"
    target_group_arn = local.https ? null : aws_lb_target_group.api[0].arn

    dynamic "redirect" {
      for_each = local.https ? [1] : []
      content {
        protocol    = "HTTPS"
        port        = "443"
        status_code = "HTTP_301"
      }
    }
  }
}

resource "aws_lb_listener" "https" {
  count = local.running && local.https ? 1 : 0

  load_balancer_arn = aws_lb.main[0].arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api[0].arn
  }
}

# What Prometheus reads is nobody's business out there.
resource "aws_lb_listener_rule" "metrics" {
  for_each = local.running ? merge({ http = aws_lb_listener.http[0].arn }, local.https ? { https = aws_lb_listener.https[0].arn } : {}) : {}

  listener_arn = each.value
  priority     = 1

  condition {
    path_pattern {
      values = ["/metrics"]
    }
  }

  action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      status_code  = "404"
    }
  }
}
