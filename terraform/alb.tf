locals {
  api_port = 6400
  https    = var.certificate_arn != null
  # The API builds its links from this address, not from the headers of a request.
  public_url = local.running ? coalesce(var.public_url, "${local.https ? "https" : "http"}://${aws_lb.main[0].dns_name}") : null
}

resource "aws_lb" "main" {
  count = local.stage

  name                       = var.name
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.member["alb"].id]
  subnets                    = aws_subnet.public[*].id
  drop_invalid_header_fields = true

  # AWS rejects an internet-facing load balancer in subnets without a route to the internet.
  depends_on = [aws_route.internet, aws_route_table_association.public]
}

resource "aws_lb_target_group" "api" {
  count = local.stage

  name        = "${var.name}-api"
  vpc_id      = aws_vpc.main[0].id
  target_type = "ip"
  protocol    = "HTTP"
  port        = local.api_port
  # How long requests that are still running have when a task stops. ECS tells the task to stop after this, so its
  # stopTimeout comes on top.
  deregistration_delay = 60

  # A browser loads the page and its files from the same task. The paths of the files contain the version, so during a
  # deployment a task with another version would not have them.
  stickiness {
    type            = "lb_cookie"
    cookie_duration = 60
  }

  health_check {
    # An API that could once serve requests still answers them while its database is away, with a 503 that says so. If all
    # targets were unhealthy, ECS would replace all tasks, which would not help.
    path                = "/startedz"
    matcher             = "200"
    interval            = local.check.interval
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = local.check.retries
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

# The metrics for Prometheus are not public.
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
