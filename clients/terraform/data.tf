data "aws_caller_identity" "me" {}

data "aws_region" "here" {}

data "aws_availability_zones" "all" {
  state = "available"
}

data "aws_ami" "linux" {
  most_recent = true
  owners      = ["amazon"]

  filter {
    name   = "name"
    values = ["al2023-ami-2023.*-x86_64", "amzn2-ami-hvm-*-x86_64-gp2"]
  }

  filter {
    name   = "virtualization-type"
    values = ["hvm"]
  }
}

# What was made here, found again as another configuration would find it.
data "aws_vpc" "shop" {
  tags = { Name = "shop" }

  depends_on = [aws_vpc.shop]
}

data "aws_subnet_ids" "private" {
  vpc_id = aws_vpc.shop.id
  tags   = { Tier = "private" }

  depends_on = [aws_subnet.private, aws_subnet.reports]
}

data "aws_prefix_list" "s3" {
  prefix_list_id = aws_vpc_endpoint.s3.prefix_list_id
}
