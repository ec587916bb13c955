locals {
  api_port = 6400
  balanced = local.running && local.has_load_balancer ? 1 : 0
  https    = var.certificate_arn != null || var.domain != null

  # The address of the service. Without a load balancer, it is that of the API's task, which changes.
  own_url = !local.running ? null : (
    var.domain != null ? "https://${var.domain}" :
    local.cdn ? "https://${aws_cloudfront_distribution.api[0].domain_name}" :
    local.has_load_balancer ? "http://${aws_lb.main[0].dns_name}" : null
  )
  public_url = local.running ? try(coalesce(var.public_url, local.own_url), null) : null

  # What the API needs to know of what is in front of it.
  front_environment = local.balanced == 1 ? {
    # The API builds its links from this address, not from the headers of a request.
    PUBLIC_URL = local.public_url
    # Requests under other names are refused. With an address of your own, these work as well.
    ALLOWED_HOSTS = join(",", concat(aws_lb.main[*].dns_name, aws_cloudfront_distribution.api[*].domain_name))
    # The load balancer, or CloudFront in front of it, adds the address of each client, for REQUESTS_PER_SECOND and
    # CLIENT_SHARE.
    TRUST_PROXY = "true"
    } : merge(
    # The names that AWS gives to public addresses.
    { ALLOWED_HOSTS = var.region == "us-east-1" ? ".compute-1.amazonaws.com" : ".${var.region}.compute.amazonaws.com" },
    var.public_url == null ? {} : { PUBLIC_URL = var.public_url },
  )
}

resource "aws_lb" "main" {
  count = local.balanced

  name                       = var.name
  load_balancer_type         = "application"
  internal                   = local.cdn
  security_groups            = [aws_security_group.member["alb"].id]
  subnets                    = local.cdn ? aws_subnet.database[*].id : aws_subnet.public[*].id
  drop_invalid_header_fields = true
  # The last address in X-Forwarded-For has to be the client's. CloudFront has added it already.
  xff_header_processing_mode = local.cdn ? "preserve" : "append"

  # AWS rejects an internet-facing load balancer in subnets without a route to the internet.
  depends_on = [aws_route.internet, aws_route_table_association.public]
}

resource "aws_lb_target_group" "api" {
  count = local.balanced

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
  count = local.balanced

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
  count = local.https ? local.balanced : 0

  load_balancer_arn = aws_lb.main[0].arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.domain == null ? var.certificate_arn : aws_acm_certificate_validation.api[0].certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api[0].arn
  }
}

# The metrics for Prometheus are not public.
resource "aws_lb_listener_rule" "metrics" {
  for_each = local.balanced == 1 ? merge({ http = aws_lb_listener.http[0].arn }, local.https ? { https = aws_lb_listener.https[0].arn } : {}) : {}

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
