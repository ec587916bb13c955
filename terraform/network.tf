# Two availability zones. Tasks have public addresses, so that they reach AWS without a NAT gateway, which would cost
# more than anything else here. Their security groups allow only the load balancer to connect, or the allowed clients if there
# is none. The database subnets have no route to or from the internet. A load balancer behind CloudFront is in them as well.

data "aws_availability_zones" "available" {
  count = local.stage

  state = "available"
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
  # None of these has origins of CloudFront in a VPC. The first has no Fargate on ARM either, the next two have no Fargate at
  # all. Names of zones differ between accounts, these IDs do not.
  exclude_zone_ids = ["use1-az3", "usw1-az2", "apne1-az3", "apne2-az1", "cac1-az3"]

  lifecycle {
    postcondition {
      condition     = length(self.names) >= 2
      error_message = "This account has only ${length(self.names)} zone in ${var.region} where Fargate can run the tasks, and the service needs two: choose another region."
    }
  }
}

locals {
  zones = local.running ? slice(data.aws_availability_zones.available[0].names, 0, 2) : []
}

resource "aws_vpc" "main" {
  count = local.stage

  cidr_block           = var.vpc_cidr
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

# The default security group allows traffic between its members. This removes its rules, and nothing uses it.
resource "aws_default_security_group" "none" {
  count = local.stage

  vpc_id = aws_vpc.main[0].id
}

resource "aws_internet_gateway" "main" {
  count = local.stage

  vpc_id = aws_vpc.main[0].id
  tags   = { Name = var.name }
}

resource "aws_subnet" "public" {
  count = length(local.zones)

  vpc_id            = aws_vpc.main[0].id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.vpc_cidr, 3, count.index)
  tags              = { Name = "${var.name}-public-${local.zones[count.index]}" }

  # If the list of zones changes, for example because AWS adds one, a subnet in use must not be replaced.
  lifecycle { ignore_changes = [availability_zone, tags["Name"]] }
}

resource "aws_subnet" "database" {
  count = length(local.zones)

  vpc_id            = aws_vpc.main[0].id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.vpc_cidr, 3, 4 + count.index)
  tags              = { Name = "${var.name}-database-${local.zones[count.index]}" }

  # As above.
  lifecycle { ignore_changes = [availability_zone, tags["Name"]] }
}

resource "aws_route_table" "public" {
  count = local.stage

  vpc_id = aws_vpc.main[0].id
  tags   = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  count = local.stage

  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main[0].id
}

resource "aws_route_table_association" "public" {
  count = length(local.zones)

  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public[0].id
}

# --- allowed connections: internet (→ CloudFront) → load balancer → API → database ← worker; API and worker → AWS over HTTPS, and
# → the collector of traces

locals {
  # Changing a description would replace the group.
  groups = local.running ? merge(local.has_load_balancer ? { alb = "The load balancer" } : {}, {
    api      = "The API's tasks"
    worker   = "The workers' tasks"
    database = "The database"
  }) : {}

  alb_ports = local.https ? [80, 443] : [80]
}

resource "aws_security_group" "member" {
  for_each = local.groups

  name        = "${var.name}-${each.key}"
  description = each.value
  vpc_id      = aws_vpc.main[0].id

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "alb" {
  for_each = local.balanced == 1 && !local.cdn ? {
    for pair in setproduct(local.alb_ports, coalesce(var.allowed_cidrs, [])) : "${pair[0]} ${pair[1]}" => { port = pair[0], cidr = pair[1] }
  } : {}

  description       = "Clients"
  security_group_id = aws_security_group.member["alb"].id
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

# CloudFront itself refuses clients outside of allowed_cidrs. Although it connects from within the VPC, a rule with the
# addresses of the VPC may not let it in; AWS names this list, which counts as 55 of the 60 rules that a group may have.
data "aws_ec2_managed_prefix_list" "cloudfront" {
  count = local.cdns

  name = "com.amazonaws.global.cloudfront.origin-facing"
}

resource "aws_vpc_security_group_ingress_rule" "cloudfront" {
  #checkov:skip=CKV_AWS_260:The list contains the addresses of CloudFront, not all addresses.
  count = local.cdns

  description       = "CloudFront"
  security_group_id = aws_security_group.member["alb"].id
  prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront[0].id
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_vpc_security_group_egress_rule" "alb" {
  count = local.balanced

  description                  = "To the API only"
  security_group_id            = aws_security_group.member["alb"].id
  referenced_security_group_id = aws_security_group.member["api"].id
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  count = local.balanced

  description                  = "From the load balancer only"
  security_group_id            = aws_security_group.member["api"].id
  referenced_security_group_id = aws_security_group.member["alb"].id
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = local.running && !local.has_load_balancer ? toset(coalesce(var.allowed_cidrs, [])) : toset([])

  description       = "Clients, without a load balancer"
  security_group_id = aws_security_group.member["api"].id
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = local.api_port
  to_port           = local.api_port
}

resource "aws_vpc_security_group_egress_rule" "aws" {
  for_each = local.running ? toset(["api", "worker"]) : toset([])

  description       = "SQS, the registry, logs and secrets"
  security_group_id = aws_security_group.member[each.key].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

locals {
  # The port of the collector, unless it is that of HTTPS, which is open already.
  otlp_port = try(coalesce(regex("^https?://[^/:]+:([0-9]+)", var.otlp_endpoint)[0]), startswith(var.otlp_endpoint, "http://") ? "80" : "443", "443")
}

resource "aws_vpc_security_group_egress_rule" "traces" {
  for_each = local.running && local.otlp_port != "443" ? toset(["api", "worker"]) : toset([])

  description       = "The collector of traces"
  security_group_id = aws_security_group.member[each.key].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = local.otlp_port
  to_port           = local.otlp_port
}

resource "aws_vpc_security_group_egress_rule" "database" {
  for_each = local.running ? toset(["api", "worker"]) : toset([])

  description                  = "The database"
  security_group_id            = aws_security_group.member[each.key].id
  referenced_security_group_id = aws_security_group.member["database"].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  for_each = local.running ? toset(["api", "worker"]) : toset([])

  description                  = "From the tasks only"
  security_group_id            = aws_security_group.member["database"].id
  referenced_security_group_id = aws_security_group.member[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}
