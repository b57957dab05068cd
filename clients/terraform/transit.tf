# A router between VPCs, for the day when there are more of them.
resource "aws_ec2_transit_gateway" "hub" {
  description = "hub"
  tags        = merge(local.tags, { Name = "hub" })
}

resource "aws_ec2_transit_gateway_vpc_attachment" "office" {
  transit_gateway_id = aws_ec2_transit_gateway.hub.id
  vpc_id             = aws_vpc.office.id
  subnet_ids         = [aws_subnet.desks.id]
  tags               = merge(local.tags, { Name = "office" })
}
