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

variable "certificate_arn" {
  description = "The ARN of a certificate in AWS Certificate Manager. With a certificate, the load balancer serves HTTPS and redirects HTTP to it. If null, it serves HTTP."
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
  description = "The address that clients use, such as https://todo.example.org. If null, it is the address of the load balancer."
  type        = string
  default     = null

  validation {
    condition     = var.public_url == null || can(regex("^https?://[^/\\s]+[^/\\s]$", var.public_url))
    error_message = "The address must be http:// or https://, a host and optionally a port, without a path."
  }
}
