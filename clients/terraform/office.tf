# The back office: a VPC of its own, peered with the shop, with a gateway for the building's own line.
resource "aws_vpc" "office" {
  cidr_block = "10.30.0.0/24"
  tags       = merge(local.tags, { Name = "office" })
}

resource "aws_subnet" "desks" {
  vpc_id            = aws_vpc.office.id
  availability_zone = local.zones[1]
  cidr_block        = "10.30.0.0/25"
  tags              = merge(local.tags, { Name = "desks" })
}

resource "aws_vpc_peering_connection" "office" {
  vpc_id      = aws_vpc.shop.id
  peer_vpc_id = aws_vpc.office.id
  auto_accept = true
  tags        = merge(local.tags, { Name = "office" })

  # A VPC takes no more blocks while a peering waits to be accepted.
  depends_on = [aws_vpc_ipv4_cidr_block_association.more]
}

resource "aws_vpn_gateway" "office" {
  vpc_id = aws_vpc.office.id
  tags   = merge(local.tags, { Name = "office" })
}

# Each VPC comes with a table, a network ACL and a group; these say what the office's are to be.
resource "aws_default_route_table" "office" {
  default_route_table_id = aws_vpc.office.default_route_table_id
  propagating_vgws       = [aws_vpn_gateway.office.id]
  tags                   = merge(local.tags, { Name = "office" })

  route {
    cidr_block                = aws_vpc.shop.cidr_block
    vpc_peering_connection_id = aws_vpc_peering_connection.office.id
  }
}

resource "aws_default_network_acl" "office" {
  default_network_acl_id = aws_vpc.office.default_network_acl_id
  subnet_ids             = [aws_subnet.desks.id]
  tags                   = merge(local.tags, { Name = "office" })

  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = "10.0.0.0/8"
    from_port  = 0
    to_port    = 0
  }

  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
}

resource "aws_default_security_group" "office" {
  vpc_id = aws_vpc.office.id
  tags   = merge(local.tags, { Name = "office" })

  egress {
    description = "desks ask, nobody asks them"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_instance" "desk" {
  ami           = data.aws_ami.linux.id
  instance_type = "t3.nano"
  subnet_id     = aws_subnet.desks.id
  tags          = merge(local.tags, { Name = "desk" })

  vpc_security_group_ids = [aws_default_security_group.office.id]
}
