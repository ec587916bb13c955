# HTTPS without a domain: CloudFront, under a name of its own, in front of a load balancer that only it can reach.

locals {
  # With a public_url of its own, clients reach the load balancer under another name.
  cdn   = local.has_load_balancer && !local.https && coalesce(var.cloudfront, local.lab_role == null && var.public_url == null)
  cdns  = local.running && local.cdn ? 1 : 0
  allow = coalesce(var.allowed_cidrs, [])
}

resource "aws_cloudfront_vpc_origin" "api" {
  count = local.cdns

  vpc_origin_endpoint_config {
    name                   = var.name
    arn                    = aws_lb.main[0].arn
    http_port              = 80
    https_port             = 443
    origin_protocol_policy = "http-only"

    # Required, although nothing is sent over TLS inside of the VPC.
    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }

  timeouts {
    create = "30m"
    update = "30m"
    delete = "30m"
  }

  # It connects to the load balancer from addresses in its subnets, which need a VPC with an internet gateway.
  depends_on = [aws_internet_gateway.main, aws_lb_listener.http]
}

# The security group of the load balancer does not see the addresses of clients.
resource "aws_cloudfront_function" "allow" {
  count = local.running && local.cdn && !contains(local.allow, "0.0.0.0/0") ? 1 : 0

  name    = "${var.name}-allow"
  comment = "Refuses clients outside of allowed_cidrs"
  runtime = "cloudfront-js-2.0"
  publish = true
  code    = templatefile("${path.module}/allow.js", { ranges = jsonencode([for cidr in local.allow : split("/", cidr)]) })

  # So that it is deleted after the distribution has stopped using it. AWS refuses the other order.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudfront_distribution" "api" {
  count = local.cdns

  comment     = var.name
  enabled     = true
  price_class = "PriceClass_100"
  # The function compares IPv4 addresses.
  is_ipv6_enabled = false
  http_version    = "http2and3"

  origin {
    origin_id   = "api"
    domain_name = aws_lb.main[0].dns_name

    vpc_origin_config {
      vpc_origin_id = aws_cloudfront_vpc_origin.api[0].id
      # The longest that AWS allows without asking. Streams send something every 15 seconds.
      origin_read_timeout      = 60
      origin_keepalive_timeout = 5
    }
  }

  default_cache_behavior {
    target_origin_id       = "api"
    viewer_protocol_policy = "redirect-to-https"
    allowed_methods        = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods         = ["GET", "HEAD"]
    # AWS's own policies CachingDisabled and AllViewer: nothing is cached, and all headers are passed on.
    cache_policy_id          = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    origin_request_policy_id = "216adef6-5c7f-47e4-b989-5492eafa07d3"

    dynamic "function_association" {
      for_each = aws_cloudfront_function.allow
      content {
        event_type   = "viewer-request"
        function_arn = function_association.value.arn
      }
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}
