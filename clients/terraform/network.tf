locals {
  zones = slice(data.aws_availability_zones.all.names, 0, 3)
  tags  = { Stage = var.stage }
}

resource "aws_vpc" "shop" {
  cidr_block                       = "10.20.0.0/16"
  enable_dns_hostnames             = true
  assign_generated_ipv6_cidr_block = true
  tags                             = merge(local.tags, { Name = "shop" })
}

resource "aws_vpc_ipv4_cidr_block_association" "more" {
  vpc_id     = aws_vpc.shop.id
  cidr_block = "10.21.0.0/20"
}

resource "aws_subnet" "public" {
  count                   = 3
  vpc_id                  = aws_vpc.shop.id
  availability_zone       = local.zones[count.index]
  cidr_block              = cidrsubnet(aws_vpc.shop.cidr_block, 8, count.index)
  ipv6_cidr_block         = cidrsubnet(aws_vpc.shop.ipv6_cidr_block, 8, count.index)
  map_public_ip_on_launch = true
  tags                    = merge(local.tags, { Name = "public-${count.index + 1}", Tier = "public" })
}

resource "aws_subnet" "private" {
  count             = 3
  vpc_id            = aws_vpc.shop.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(aws_vpc.shop.cidr_block, 8, 10 + count.index)
  ipv6_cidr_block   = cidrsubnet(aws_vpc.shop.ipv6_cidr_block, 8, 10 + count.index)
  tags              = merge(local.tags, { Name = "private-${count.index + 1}", Tier = "private" })
}

# In the block that was added later.
resource "aws_subnet" "reports" {
  vpc_id            = aws_vpc_ipv4_cidr_block_association.more.vpc_id
  availability_zone = local.zones[0]
  cidr_block        = cidrsubnet(aws_vpc_ipv4_cidr_block_association.more.cidr_block, 4, 0)
  tags              = merge(local.tags, { Name = "reports", Tier = "private" })
}

resource "aws_internet_gateway" "shop" {
  vpc_id = aws_vpc.shop.id
  tags   = merge(local.tags, { Name = "shop" })
}

resource "aws_egress_only_internet_gateway" "shop" {
  vpc_id = aws_vpc.shop.id
  tags   = merge(local.tags, { Name = "shop" })
}

resource "aws_eip" "nat" {
  vpc        = true
  tags       = merge(local.tags, { Name = "nat" })
  depends_on = [aws_internet_gateway.shop]
}

resource "aws_nat_gateway" "shop" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.public[0].id
  tags          = merge(local.tags, { Name = "shop" })
}

# Ways out: the public subnets' in the table itself, the private ones' as resources of their own.
resource "aws_route_table" "public" {
  vpc_id = aws_vpc.shop.id
  tags   = merge(local.tags, { Name = "public" })

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.shop.id
  }

  route {
    ipv6_cidr_block = "::/0"
    gateway_id      = aws_internet_gateway.shop.id
  }
}

resource "aws_route_table_association" "public" {
  count          = 3
  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.shop.id
  tags   = merge(local.tags, { Name = "private" })
}

resource "aws_route" "out" {
  route_table_id         = aws_route_table.private.id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.shop.id
}

resource "aws_route" "out_ipv6" {
  route_table_id              = aws_route_table.private.id
  destination_ipv6_cidr_block = "::/0"
  egress_only_gateway_id      = aws_egress_only_internet_gateway.shop.id
}

resource "aws_route" "to_office" {
  route_table_id            = aws_route_table.private.id
  destination_cidr_block    = aws_vpc.office.cidr_block
  vpc_peering_connection_id = aws_vpc_peering_connection.office.id
}

resource "aws_route_table_association" "private" {
  count          = 3
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private.id
}

resource "aws_main_route_table_association" "shop" {
  vpc_id         = aws_vpc.shop.id
  route_table_id = aws_route_table.private.id
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id          = aws_vpc.shop.id
  service_name    = "com.amazonaws.${data.aws_region.here.name}.s3"
  route_table_ids = [aws_route_table.private.id]
  tags            = merge(local.tags, { Name = "s3" })
}

resource "aws_vpc_dhcp_options" "shop" {
  domain_name         = "shop.internal"
  domain_name_servers = ["AmazonProvidedDNS"]
  ntp_servers         = ["169.254.169.123"]
  tags                = merge(local.tags, { Name = "shop" })
}

resource "aws_vpc_dhcp_options_association" "shop" {
  vpc_id          = aws_vpc.shop.id
  dhcp_options_id = aws_vpc_dhcp_options.shop.id
}
