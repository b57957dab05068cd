// Builds a small shop with @aws-sdk/client-ec2, looks at it page by page and waits with the SDK's own waiters; with `gone`, takes it
// down. Region, keys and address come from the environment, by: eval "$(vpclab env)"
import assert from "node:assert/strict";
import {
  AssociateRouteTableCommand, AttachInternetGatewayCommand, AuthorizeSecurityGroupIngressCommand,
  CreateInternetGatewayCommand, CreateRouteCommand, CreateRouteTableCommand, CreateSecurityGroupCommand,
  CreateSubnetCommand, CreateVpcCommand, DeleteInternetGatewayCommand, DeleteRouteTableCommand, DeleteSecurityGroupCommand,
  DeleteSubnetCommand, DeleteVpcCommand, DescribeInternetGatewaysCommand, DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand, DescribeSubnetsCommand, DescribeVpcsCommand, DetachInternetGatewayCommand,
  DisassociateRouteTableCommand, EC2Client, RunInstancesCommand, TerminateInstancesCommand, paginateDescribeImages,
  paginateDescribeInstanceTypes, paginateDescribeInstances, paginateDescribeSecurityGroups, waitUntilInstanceRunning,
  waitUntilInstanceTerminated, waitUntilVpcAvailable,
} from "@aws-sdk/client-ec2";

const ec2 = new EC2Client({});
const send = (command) => ec2.send(command);
const named = (kind, name) => [{ ResourceType: kind, Tags: [{ Key: "Name", Value: name }] }];
const waiting = { client: ec2, maxWaitTime: 60, minDelay: 1, maxDelay: 2 };

async function pages(paginator, list) {
  const all = [];
  for await (const page of paginator) all.push(...page[list]);
  return all;
}

async function up() {
  const { Vpc } = await send(new CreateVpcCommand({ CidrBlock: "10.50.0.0/16", TagSpecifications: named("vpc", "js") }));
  const VpcId = Vpc.VpcId;
  await waitUntilVpcAvailable(waiting, { VpcIds: [VpcId] });
  const { InternetGateway } = await send(new CreateInternetGatewayCommand({ TagSpecifications: named("internet-gateway", "js") }));
  const GatewayId = InternetGateway.InternetGatewayId;
  await send(new AttachInternetGatewayCommand({ VpcId, InternetGatewayId: GatewayId }));
  const { Subnet } = await send(new CreateSubnetCommand({ VpcId, CidrBlock: "10.50.1.0/24", TagSpecifications: named("subnet", "js") }));
  const { RouteTable } = await send(new CreateRouteTableCommand({ VpcId, TagSpecifications: named("route-table", "js") }));
  const RouteTableId = RouteTable.RouteTableId;
  await send(new CreateRouteCommand({ RouteTableId, DestinationCidrBlock: "0.0.0.0/0", GatewayId }));
  await send(new AssociateRouteTableCommand({ RouteTableId, SubnetId: Subnet.SubnetId }));

  const { GroupId } = await send(new CreateSecurityGroupCommand({ VpcId, GroupName: "js", Description: "js" }));
  const IpPermissions = [{ IpProtocol: "tcp", FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: "0.0.0.0/0", Description: "customers" }] }];
  const { SecurityGroupRules } = await send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
  assert.match(SecurityGroupRules[0].SecurityGroupRuleId, /^sgr-/);
  // What is wrong has AWS's name.
  const again = send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
  await assert.rejects(again, { name: "InvalidPermission.Duplicate" });

  const Filters = [{ Name: "name", Values: ["al2023-ami-2023.*-x86_64"] }];
  const images = await pages(paginateDescribeImages({ client: ec2 }, { Owners: ["amazon"], Filters }), "Images");
  const types = await pages(paginateDescribeInstanceTypes({ client: ec2, pageSize: 7 }, {}), "InstanceTypes");
  assert.ok(types.length > 7 && new Set(types.map((type) => type.InstanceType)).size === types.length);
  const { Instances } = await send(new RunInstancesCommand({
    ImageId: images[0].ImageId, InstanceType: "t3.micro", MinCount: 3, MaxCount: 3, TagSpecifications: named("instance", "js"),
    NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: Subnet.SubnetId, Groups: [GroupId], AssociatePublicIpAddress: true }],
  }));
  const InstanceIds = Instances.map((instance) => instance.InstanceId);
  await waitUntilInstanceRunning(waiting, { InstanceIds });
  const ofVpc = { Filters: [{ Name: "vpc-id", Values: [VpcId] }] };
  const groups = await pages(paginateDescribeSecurityGroups({ client: ec2, pageSize: 5 }, ofVpc), "SecurityGroups");
  assert.deepEqual(groups.map((group) => group.GroupName).sort(), ["default", "js"]);
  const reservations = await pages(paginateDescribeInstances({ client: ec2, pageSize: 5 }, ofVpc), "Reservations");
  const shown = reservations.flatMap((reservation) => reservation.Instances);
  assert.deepEqual(shown.map((instance) => instance.InstanceId).sort(), [...InstanceIds].sort());
  assert.ok(shown.every((instance) => instance.PublicIpAddress && instance.LaunchTime instanceof Date));
  console.log(InstanceIds.join("\n"));
}

async function down() {
  const { Vpcs } = await send(new DescribeVpcsCommand({ Filters: [{ Name: "tag:Name", Values: ["js"] }] }));
  const { VpcId } = Vpcs[0];
  const ofVpc = { Filters: [{ Name: "vpc-id", Values: [VpcId] }] };
  await assert.rejects(send(new DeleteVpcCommand({ VpcId })), { name: "DependencyViolation" });

  const reservations = await pages(paginateDescribeInstances({ client: ec2 }, ofVpc), "Reservations");
  const InstanceIds = reservations.flatMap((reservation) => reservation.Instances.map((instance) => instance.InstanceId));
  await send(new TerminateInstancesCommand({ InstanceIds }));
  await waitUntilInstanceTerminated(waiting, { InstanceIds });

  const { RouteTables } = await send(new DescribeRouteTablesCommand({ Filters: [{ Name: "tag:Name", Values: ["js"] }] }));
  for (const { RouteTableId, Associations } of RouteTables) {
    for (const { RouteTableAssociationId } of Associations) {
      await send(new DisassociateRouteTableCommand({ AssociationId: RouteTableAssociationId }));
    }
    await send(new DeleteRouteTableCommand({ RouteTableId }));
  }
  const { Subnets } = await send(new DescribeSubnetsCommand(ofVpc));
  for (const { SubnetId } of Subnets) await send(new DeleteSubnetCommand({ SubnetId }));
  const { InternetGateways } = await send(new DescribeInternetGatewaysCommand({ Filters: [{ Name: "attachment.vpc-id", Values: [VpcId] }] }));
  for (const { InternetGatewayId } of InternetGateways) {
    await send(new DetachInternetGatewayCommand({ InternetGatewayId, VpcId }));
    await send(new DeleteInternetGatewayCommand({ InternetGatewayId }));
  }
  const { SecurityGroups } = await send(new DescribeSecurityGroupsCommand({ Filters: [...ofVpc.Filters, { Name: "group-name", Values: ["js"] }] }));
  for (const { GroupId } of SecurityGroups) await send(new DeleteSecurityGroupCommand({ GroupId }));
  await send(new DeleteVpcCommand({ VpcId }));
  await assert.rejects(send(new DescribeVpcsCommand({ VpcIds: [VpcId] })), { name: "InvalidVpcID.NotFound" });
}

await (process.argv[2] === "gone" ? down() : up());
