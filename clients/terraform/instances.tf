resource "aws_key_pair" "admin" {
  key_name   = "admin"
  public_key = var.public_key
  tags       = local.tags
}

resource "aws_instance" "bastion" {
  ami                    = data.aws_ami.linux.id
  instance_type          = "t3.nano"
  subnet_id              = aws_subnet.public[0].id
  vpc_security_group_ids = [aws_security_group.bastion.id]
  key_name               = aws_key_pair.admin.key_name
  tags                   = merge(local.tags, { Name = "bastion" })
}

resource "aws_eip" "bastion" {
  vpc  = true
  tags = merge(local.tags, { Name = "bastion" })
}

resource "aws_eip_association" "bastion" {
  instance_id   = aws_instance.bastion.id
  allocation_id = aws_eip.bastion.id
}

resource "aws_instance" "web" {
  count                  = 2
  ami                    = data.aws_ami.linux.id
  instance_type          = var.web_type
  subnet_id              = aws_subnet.public[count.index].id
  vpc_security_group_ids = [aws_security_group.web.id]
  key_name               = aws_key_pair.admin.key_name
  iam_instance_profile   = aws_iam_instance_profile.web.name
  ipv6_address_count     = 1
  tags                   = merge(local.tags, { Name = "web-${count.index + 1}" })

  user_data = <<-SCRIPT
    #!/bin/sh
    mkdir -p /srv && echo "shop ${count.index + 1}" >/srv/index.html
    cd /srv && nohup python3 -m http.server 80 >/dev/null 2>&1 &
  SCRIPT

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }
}

resource "aws_instance" "db" {
  ami                     = data.aws_ami.linux.id
  instance_type           = "t3.small"
  subnet_id               = aws_subnet.private[1].id
  private_ip              = cidrhost(aws_subnet.private[1].cidr_block, 50)
  vpc_security_group_ids  = [aws_security_group.db.id]
  disable_api_termination = false
  tags                    = merge(local.tags, { Name = "db" })
}

# A second leg of the database: its way to the reports' subnet.
resource "aws_network_interface" "reports" {
  subnet_id       = aws_subnet.private[1].id
  description     = "reports"
  private_ips     = [cidrhost(aws_subnet.private[1].cidr_block, 60)]
  security_groups = [aws_security_group.db.id]
  tags            = merge(local.tags, { Name = "reports" })
}

resource "aws_network_interface_attachment" "reports" {
  instance_id          = aws_instance.db.id
  network_interface_id = aws_network_interface.reports.id
  device_index         = 1
}
