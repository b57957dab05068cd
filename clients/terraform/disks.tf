# A disk that outlives its instance, and what later instances begin as.
resource "aws_ebs_volume" "orders" {
  availability_zone = aws_subnet.private[1].availability_zone
  size              = 8
  type              = "gp3"
  tags              = merge(local.tags, { Name = "orders" })
}

resource "aws_volume_attachment" "orders" {
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.orders.id
  instance_id = aws_instance.db.id
}

resource "aws_ebs_snapshot" "orders" {
  volume_id = aws_ebs_volume.orders.id
  tags      = merge(local.tags, { Name = "orders" })
}

resource "aws_launch_template" "web" {
  name_prefix            = "web-"
  image_id               = data.aws_ami.linux.id
  instance_type          = var.web_type
  vpc_security_group_ids = [aws_security_group.web.id]
  tags                   = local.tags
}
