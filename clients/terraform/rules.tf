# Groups with their rules as resources of their own, so that a rule can come and go without its group.
resource "aws_security_group" "bastion" {
  name        = "bastion"
  description = "Where administrators come in"
  vpc_id      = aws_vpc.shop.id
  tags        = merge(local.tags, { Name = "bastion" })
}

resource "aws_security_group_rule" "bastion_ssh" {
  security_group_id = aws_security_group.bastion.id
  type              = "ingress"
  description       = "administrators"
  protocol          = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_blocks       = var.bastion_from
}

resource "aws_security_group_rule" "bastion_out" {
  security_group_id = aws_security_group.bastion.id
  type              = "egress"
  protocol          = "-1"
  from_port         = 0
  to_port           = 0
  cidr_blocks       = ["0.0.0.0/0"]
  ipv6_cidr_blocks  = ["::/0"]
}

resource "aws_security_group" "web" {
  name_prefix = "web-"
  description = "Pages"
  vpc_id      = aws_vpc.shop.id
  tags        = merge(local.tags, { Name = "web" })
}

resource "aws_security_group_rule" "web_pages" {
  for_each          = toset([for port in var.web_ports : tostring(port)])
  security_group_id = aws_security_group.web.id
  type              = "ingress"
  description       = "customers"
  protocol          = "tcp"
  from_port         = tonumber(each.key)
  to_port           = tonumber(each.key)
  cidr_blocks       = ["0.0.0.0/0"]
  ipv6_cidr_blocks  = ["::/0"]
}

resource "aws_security_group_rule" "web_status" {
  security_group_id = aws_security_group.web.id
  type              = "ingress"
  description       = "partners"
  protocol          = "tcp"
  from_port         = 8080
  to_port           = 8080
  prefix_list_ids   = [aws_ec2_managed_prefix_list.partners.id]
}

resource "aws_security_group_rule" "web_ssh" {
  security_group_id        = aws_security_group.web.id
  type                     = "ingress"
  protocol                 = "tcp"
  from_port                = 22
  to_port                  = 22
  source_security_group_id = aws_security_group.bastion.id
}

resource "aws_security_group_rule" "web_out" {
  security_group_id = aws_security_group.web.id
  type              = "egress"
  protocol          = "-1"
  from_port         = 0
  to_port           = 0
  cidr_blocks       = ["0.0.0.0/0"]
  ipv6_cidr_blocks  = ["::/0"]
}

# The other style: rules inside of their group.
resource "aws_security_group" "db" {
  name        = "db"
  description = "Orders"
  vpc_id      = aws_vpc.shop.id
  tags        = merge(local.tags, { Name = "db" })

  ingress {
    description     = "web servers"
    protocol        = "tcp"
    from_port       = 5432
    to_port         = 5432
    security_groups = [aws_security_group.web.id]
  }

  ingress {
    description = "the back office"
    protocol    = "tcp"
    from_port   = 5432
    to_port     = 5432
    cidr_blocks = [aws_vpc.office.cidr_block]
  }

  ingress {
    description = "each other"
    protocol    = "icmp"
    from_port   = -1
    to_port     = -1
    self        = true
  }

  egress {
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_ec2_managed_prefix_list" "partners" {
  name           = "partners"
  address_family = "IPv4"
  max_entries    = 5
  tags           = merge(local.tags, { Name = "partners" })

  dynamic "entry" {
    for_each = var.partner_networks
    content {
      cidr        = entry.key
      description = entry.value
    }
  }
}

# The private subnets' list, rule by rule: nothing but the shop, the office, and answers from outside.
resource "aws_network_acl" "private" {
  vpc_id     = aws_vpc.shop.id
  subnet_ids = aws_subnet.private[*].id
  tags       = merge(local.tags, { Name = "private" })
}

resource "aws_network_acl_rule" "private_in" {
  for_each       = { 100 = aws_vpc.shop.cidr_block, 110 = aws_vpc.office.cidr_block }
  network_acl_id = aws_network_acl.private.id
  rule_number    = tonumber(each.key)
  rule_action    = "allow"
  protocol       = "-1"
  cidr_block     = each.value
}

resource "aws_network_acl_rule" "private_answers" {
  network_acl_id = aws_network_acl.private.id
  rule_number    = 200
  rule_action    = "allow"
  protocol       = "tcp"
  from_port      = 1024
  to_port        = 65535
  cidr_block     = "0.0.0.0/0"
}

resource "aws_network_acl_rule" "private_out" {
  network_acl_id = aws_network_acl.private.id
  egress         = true
  rule_number    = 100
  rule_action    = "allow"
  protocol       = "-1"
  cidr_block     = "0.0.0.0/0"
}
