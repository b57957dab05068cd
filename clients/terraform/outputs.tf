output "account" {
  value = data.aws_caller_identity.me.account_id
}

output "shop" {
  value = data.aws_vpc.shop.id
}

output "private_subnets" {
  value = sort(data.aws_subnet_ids.private.ids)
}

output "bastion" {
  description = "The address that administrators use."
  value       = aws_eip.bastion.public_ip
}

output "servers" {
  description = "Where the bastion finds the web servers."
  value       = { for server in aws_instance.web : server.tags.Name => server.private_ip }
}

output "storage" {
  description = "Addresses of the object storage, reached without the internet."
  value       = data.aws_prefix_list.s3.cidr_blocks
}

output "kim" {
  sensitive = true
  value     = { id = aws_iam_access_key.kim.id, secret = aws_iam_access_key.kim.secret }
}
