#!/bin/sh
# shop.sh [gone]: a small shop by the AWS CLI (the program in $AWS), with its waiters, queries and pages; with `gone`, takes it down.
# Address, region and keys come from the environment, by: eval "$(vpclab env)"
set -eu
# The address is said again for versions that do not read AWS_ENDPOINT_URL.
ec2() { "${AWS:-aws}" --endpoint-url "$AWS_ENDPOINT_URL" --output text ec2 "$@"; }
iam() { "${AWS:-aws}" --endpoint-url "$AWS_ENDPOINT_URL" --output text iam "$@"; }
named() { echo "ResourceType=$1,Tags=[{Key=Name,Value=$2},{Key=Stage,Value=test}]"; }
# Succeeds where a call is refused with this code.
refused() {
    code=$1
    shift
    if said=$("$@" 2>&1); then echo "shop.sh: $* was not refused" >&2; exit 1; fi
    case $said in *"($code)"*) ;; *) echo "shop.sh: $*: $said" >&2; exit 1 ;; esac
}
export AWS_PAGER= AWS_MAX_ATTEMPTS=1
vpc() { ec2 describe-vpcs --filters Name=tag:Name,Values=cli --query 'Vpcs[].VpcId'; }

if [ "${1:-}" = gone ]; then
    vpc=$(vpc)
    refused DependencyViolation ec2 delete-vpc --vpc-id "$vpc"
    instances=$(ec2 describe-instances --filters "Name=vpc-id,Values=$vpc" --query 'Reservations[].Instances[].InstanceId')
    # shellcheck disable=SC2086
    ec2 terminate-instances --instance-ids $instances >/dev/null
    # shellcheck disable=SC2086
    ec2 wait instance-terminated --instance-ids $instances
    gateway=$(ec2 describe-internet-gateways --filters "Name=attachment.vpc-id,Values=$vpc" --query 'InternetGateways[].InternetGatewayId')
    ec2 detach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$vpc"
    ec2 delete-internet-gateway --internet-gateway-id "$gateway"
    ec2 delete-subnet --subnet-id "$(ec2 describe-subnets --filters "Name=vpc-id,Values=$vpc" --query 'Subnets[].SubnetId')"
    group=$(ec2 describe-security-groups --filters "Name=vpc-id,Values=$vpc" Name=group-name,Values=cli --query 'SecurityGroups[].GroupId')
    ec2 delete-security-group --group-id "$group" >/dev/null
    ec2 delete-vpc --vpc-id "$vpc"
    ec2 delete-key-pair --key-name cli >/dev/null
    iam delete-user --user-name cli
    exit
fi

refused DryRunOperation ec2 create-vpc --cidr-block 10.70.0.0/16 --dry-run
vpc=$(ec2 create-vpc --cidr-block 10.70.0.0/16 --tag-specifications "$(named vpc cli)" --query Vpc.VpcId)
ec2 wait vpc-available --vpc-ids "$vpc"
subnet=$(ec2 create-subnet --vpc-id "$vpc" --cidr-block 10.70.1.0/24 --tag-specifications "$(named subnet cli)" --query Subnet.SubnetId)
refused InvalidSubnet.Conflict ec2 create-subnet --vpc-id "$vpc" --cidr-block 10.70.1.128/25
gateway=$(ec2 create-internet-gateway --query InternetGateway.InternetGatewayId)
ec2 attach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$vpc"
table=$(ec2 describe-route-tables --filters "Name=vpc-id,Values=$vpc" Name=association.main,Values=true --query 'RouteTables[].RouteTableId')
ec2 create-route --route-table-id "$table" --destination-cidr-block 0.0.0.0/0 --gateway-id "$gateway" >/dev/null
group=$(ec2 create-security-group --vpc-id "$vpc" --group-name cli --description cli --query GroupId)
ec2 authorize-security-group-ingress --group-id "$group" --protocol tcp --port 80 --cidr 0.0.0.0/0 >/dev/null
refused InvalidPermission.Duplicate ec2 authorize-security-group-ingress --group-id "$group" --protocol tcp --port 80 --cidr 0.0.0.0/0
ec2 create-key-pair --key-name cli --query KeyMaterial | grep -q 'PRIVATE KEY'
image=$(ec2 describe-images --owners amazon --filters 'Name=name,Values=al2023-ami-2023.*-x86_64' --query 'sort_by(Images,&CreationDate)[-1].ImageId')
instance=$(ec2 run-instances --image-id "$image" --instance-type t3.micro --key-name cli --subnet-id "$subnet" --security-group-ids "$group" \
    --associate-public-ip-address --tag-specifications "$(named instance cli)" --query 'Instances[].InstanceId')
ec2 wait instance-running --instance-ids "$instance"
ec2 wait instance-status-ok --instance-ids "$instance"
[ "$(ec2 describe-instance-types --page-size 5 --query 'InstanceTypes[].InstanceType' | wc -w)" -gt 5 ]
iam create-user --user-name cli >/dev/null
refused EntityAlreadyExists iam create-user --user-name cli
echo "$instance"
