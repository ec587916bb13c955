# The certificate and the record of the service's own domain, in Route 53.

locals {
  domains = var.domain != null ? local.balanced : 0
}

resource "aws_acm_certificate" "api" {
  count = local.domains

  domain_name       = var.domain
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  count = local.domains

  zone_id         = var.zone_id
  name            = one(aws_acm_certificate.api[0].domain_validation_options).resource_record_name
  type            = one(aws_acm_certificate.api[0].domain_validation_options).resource_record_type
  records         = [one(aws_acm_certificate.api[0].domain_validation_options).resource_record_value]
  ttl             = 60
  allow_overwrite = true
}

# Waits until AWS has found the record. If the zone is not the one that the internet asks, it never does.
resource "aws_acm_certificate_validation" "api" {
  count = local.domains

  certificate_arn         = aws_acm_certificate.api[0].arn
  validation_record_fqdns = aws_route53_record.validation[*].fqdn

  timeouts {
    create = "30m"
  }
}

resource "aws_route53_record" "api" {
  count = local.domains

  zone_id = var.zone_id
  name    = var.domain
  type    = "A"

  alias {
    name                   = aws_lb.main[0].dns_name
    zone_id                = aws_lb.main[0].zone_id
    evaluate_target_health = false
  }
}
