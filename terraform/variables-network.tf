# The network.

variable "vpc_cidr" {
  description = "The address range of the service's VPC."
  type        = string
  default     = "10.64.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "The range must be an IPv4 range between /16 and /24, such as 10.64.0.0/20."
  }
}

variable "allowed_cidrs" {
  description = "The IPv4 ranges from which the API can be called. The service needs at least one; [\"0.0.0.0/0\"] means everyone. Its clients also need a token (docs/security.md)."
  type        = list(string)
  default     = null

  validation {
    condition     = var.allowed_cidrs == null || try(length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr))]), false)
    error_message = "The list must contain one or more IPv4 ranges, such as 203.0.113.7/32."
  }
}

variable "load_balancer" {
  description = "Whether there is a load balancer. Without one, clients use the address of the API's only task over HTTP, and it changes with every task. If null, the size decides."
  type        = bool
  default     = null
}

variable "cloudfront" {
  description = "Whether CloudFront serves the API over HTTPS if there is neither a domain nor a certificate. The load balancer then has no public address. If null, it does so unless public_url is set or the tasks have a role of a Learner Lab."
  type        = bool
  default     = null
}

variable "domain" {
  description = "The domain name of the service, such as todo.example.org, in the zone zone_id. Terraform creates its certificate and its record, and the load balancer serves HTTPS."
  type        = string
  default     = null

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "The value must be a domain name in lower case, such as todo.example.org."
  }

  validation {
    condition     = (var.domain == null) == (var.zone_id == null)
    error_message = "Set domain and zone_id together: the zone is where the domain's record is created. If your domain is not in Route 53, set certificate_arn and public_url instead."
  }

  validation {
    condition     = var.domain == null || (var.certificate_arn == null && var.public_url == null)
    error_message = "Set either domain and zone_id, or certificate_arn and public_url."
  }
}

variable "zone_id" {
  description = "The ID of the hosted zone in Route 53 that contains the domain: `aws route53 list-hosted-zones`."
  type        = string
  default     = null

  validation {
    condition     = var.zone_id == null || can(regex("^[A-Z0-9]{1,32}$", var.zone_id))
    error_message = "The value must be the ID of a hosted zone, such as Z0123456789ABCDEFGHIJ, without /hostedzone/."
  }
}

variable "certificate_arn" {
  description = "The ARN of a certificate in AWS Certificate Manager, for a domain that is not in Route 53. With a certificate, the load balancer serves HTTPS and redirects HTTP to it."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null || can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$", var.certificate_arn))
    error_message = "The value must be the ARN of an ACM certificate: arn:aws:acm:REGION:ACCOUNT:certificate/ID."
  }

  validation {
    condition     = var.certificate_arn == null || var.public_url != null
    error_message = "A certificate requires public_url, an address with the certificate's domain name."
  }
}

variable "public_url" {
  description = "The address that clients use, such as https://todo.example.org. If null, it is that of the domain, of CloudFront, or of the load balancer."
  type        = string
  default     = null

  validation {
    condition     = var.public_url == null || can(regex("^https?://[^/\\s]+[^/\\s]$", var.public_url))
    error_message = "The address must be http:// or https://, a host and optionally a port, without a path."
  }
}
