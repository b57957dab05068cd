"""A network through boto3: made, read, refused, taken down. Environment variables say where."""

import boto3
import botocore.exceptions


def refused(call, **parameters):
    try:
        call(**parameters)
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError(f"{call} {parameters} must be refused")


ec2, sts = boto3.client("ec2"), boto3.client("sts")
assert sts.get_caller_identity()["Account"] == "111122223333"

specification = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "shop <&> 한글"}]}]
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=specification)["Vpc"]["VpcId"]
ec2.get_waiter("vpc_available").wait(VpcIds=[vpc])
found = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["shop*"]}])["Vpcs"]
assert found[0]["Tags"][0]["Value"] == "shop <&> 한글", found
assert ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["no"]}])["Vpcs"] == []
assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsSupport")["EnableDnsSupport"] == {"Value": True}

subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in range(12)]
pages = list(ec2.get_paginator("describe_subnets").paginate(PaginationConfig={"PageSize": 5}))
assert [len(page["Subnets"]) for page in pages] == [5, 5, 2]
assert {subnet["SubnetId"] for page in pages for subnet in page["Subnets"]} == set(subnets)

group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "all"}]}
assert ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])["Return"] is True
assert refused(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule]) == ("InvalidPermission.Duplicate", 400)
shown = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
assert shown[0]["IpRanges"] == rule["IpRanges"] and shown[0]["UserIdGroupPairs"] == [], shown

image = ec2.describe_images()["Images"][0]["ImageId"]
launch = {"ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "SubnetId": subnets[0]}
launch |= {"SecurityGroupIds": [group], "UserData": "#!/bin/sh\necho hello", "ClientToken": "once"}
first, again = ec2.run_instances(**launch), ec2.run_instances(**launch)
assert first["Instances"][0]["InstanceId"] == again["Instances"][0]["InstanceId"]
assert first["Instances"][0]["LaunchTime"].year >= 2026
assert refused(ec2.run_instances, **{**launch, "MaxCount": 2}) == ("IdempotentParameterMismatch", 400)
assert refused(ec2.run_instances, **launch, DryRun=True) == ("DryRunOperation", 412)
assert len(ec2.describe_instances()["Reservations"]) == 1

key = ec2.create_key_pair(KeyName="k", KeyType="ed25519")
assert "PRIVATE KEY" in key["KeyMaterial"]
assert refused(ec2.create_fleet, LaunchTemplateConfigs=[], TargetCapacitySpecification={"TotalTargetCapacity": 1}) == ("InvalidAction", 400)
assert refused(ec2.delete_vpc, VpcId=vpc) == ("DependencyViolation", 400)
assert refused(ec2.delete_vpc, VpcId="vpc-0123456789abcdef0") == ("InvalidVpcID.NotFound", 400)

instance = first["Instances"][0]["InstanceId"]
ec2.terminate_instances(InstanceIds=[instance])
ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
ec2.delete_security_group(GroupId=group)
for subnet in subnets:
    ec2.delete_subnet(SubnetId=subnet)
ec2.delete_vpc(VpcId=vpc)
assert ec2.describe_vpcs()["Vpcs"] == []
