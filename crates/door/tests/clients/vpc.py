"""An ordinary VPC in 25 calls: two subnets, gateways, tables, a group, an instance with a public address."""

import boto3

ec2 = boto3.client("ec2")
calls = 0


def call(name, **parameters):
    global calls
    calls += 1
    return getattr(ec2, name)(**parameters)


def named(kind, name):
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


vpc = call("create_vpc", CidrBlock="10.0.0.0/16", TagSpecifications=named("vpc", "shop"))["Vpc"]["VpcId"]
call("modify_vpc_attribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
assert call("describe_vpc_attribute", VpcId=vpc, Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"] is True
zones = [zone["ZoneName"] for zone in call("describe_availability_zones")["AvailabilityZones"]]
public = call("create_subnet", VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=zones[0])["Subnet"]["SubnetId"]
private = call("create_subnet", VpcId=vpc, CidrBlock="10.0.2.0/24", AvailabilityZone=zones[1])["Subnet"]["SubnetId"]
call("modify_subnet_attribute", SubnetId=public, MapPublicIpOnLaunch={"Value": True})
igw = call("create_internet_gateway", TagSpecifications=named("internet-gateway", "shop"))["InternetGateway"]["InternetGatewayId"]
call("attach_internet_gateway", InternetGatewayId=igw, VpcId=vpc)
table = call("create_route_table", VpcId=vpc)["RouteTable"]["RouteTableId"]
call("create_route", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=igw)
association = call("associate_route_table", RouteTableId=table, SubnetId=public)["AssociationId"]
eip = call("allocate_address", Domain="vpc")["AllocationId"]
nat = call("create_nat_gateway", SubnetId=public, AllocationId=eip)["NatGateway"]["NatGatewayId"]
assert call("describe_nat_gateways", NatGatewayIds=[nat])["NatGateways"][0]["State"] in ("pending", "available")
group = call("create_security_group", GroupName="web", Description="web", VpcId=vpc)["GroupId"]
rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
call("authorize_security_group_ingress", GroupId=group, IpPermissions=[rule])
image = call("describe_images", Owners=["amazon"])["Images"][0]["ImageId"]
launch = {"ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "SubnetId": public}
instance = call("run_instances", **launch, SecurityGroupIds=[group])["Instances"][0]["InstanceId"]
found = call("describe_instances", InstanceIds=[instance])["Reservations"][0]["Instances"][0]
assert found["SubnetId"] == public and found["SecurityGroups"][0]["GroupId"] == group, found
call("create_tags", Resources=[instance, private], Tags=[{"Key": "Name", "Value": "web"}])
assert len(call("describe_tags", Filters=[{"Name": "value", "Values": ["web"]}])["Tags"]) == 2
assert call("describe_network_interfaces", Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkInterfaces"]
routes = call("describe_route_tables", RouteTableIds=[table])["RouteTables"][0]["Routes"]
assert {route.get("GatewayId") for route in routes} == {"local", igw}, routes
assert call("describe_security_group_rules", Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
assert calls == 25, calls
