# Two availability zones. Tasks have public addresses, so that they reach AWS without a NAT gateway, which would cost
# more than anything else here. Their security groups allow only the load balancer to connect. The database subnets have
# no route to or from the internet.

data "aws_availability_zones" "available" {
  count = local.stage

  state = "available"
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
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
}

resource "aws_subnet" "database" {
  count = length(local.zones)

  vpc_id            = aws_vpc.main[0].id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.vpc_cidr, 3, 4 + count.index)
  tags              = { Name = "${var.name}-database-${local.zones[count.index]}" }
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

# --- allowed connections: internet → load balancer → API → database ← worker; API and worker → AWS over HTTPS, and
# → the collector of traces

locals {
  # Changing a description would replace the group.
  groups = local.running ? {
    alb      = "The load balancer"
    api      = "The API's tasks"
    worker   = "The workers' tasks"
    database = "The database"
  } : {}

  alb_ports = var.certificate_arn == null ? [80] : [80, 443]
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
  for_each = local.running ? {
    for pair in setproduct(local.alb_ports, coalesce(var.allowed_cidrs, [])) : "${pair[0]} ${pair[1]}" => { port = pair[0], cidr = pair[1] }
  } : {}

  description       = "Clients"
  security_group_id = aws_security_group.member["alb"].id
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "alb" {
  count = local.stage

  description                  = "To the API only"
  security_group_id            = aws_security_group.member["alb"].id
  referenced_security_group_id = aws_security_group.member["api"].id
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  count = local.stage

  description                  = "From the load balancer only"
  security_group_id            = aws_security_group.member["api"].id
  referenced_security_group_id = aws_security_group.member["alb"].id
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
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
