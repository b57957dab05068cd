//! What is called: a network built, looked at and taken down, in 25 calls; and many instances.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, first};
use crate::cli::Result;

/// One network from its first call to its last.
pub fn run(client: &mut Client<'_>, each: &mut Vec<Duration>) -> Result {
    let mut call = |name: &str, arguments: Value, wanted: &str| -> Result<String> {
        let answer = client.time(name, &arguments, each)?;
        if wanted.is_empty() { Ok(answer) } else { first(&answer, wanted) }
    };
    let of_vpc = |vpc: &str| json!({"Filters": [{"Name": "vpc-id", "Values": [vpc]}]});
    let vpc = call("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "vpcId")?;
    call("DescribeVpcs", json!({"VpcIds": [vpc]}), "state")?;
    let one = call("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "subnetId")?;
    let two = call("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.2.0/24"}), "subnetId")?;
    call("DescribeSubnets", of_vpc(&vpc), "subnetId")?;
    let gateway = call("CreateInternetGateway", json!({}), "internetGatewayId")?;
    call("AttachInternetGateway", json!({"InternetGatewayId": gateway, "VpcId": vpc}), "")?;
    let table = call("CreateRouteTable", json!({"VpcId": vpc}), "routeTableId")?;
    call("CreateRoute", json!({"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}), "")?;
    let association = call("AssociateRouteTable", json!({"RouteTableId": table, "SubnetId": one}), "associationId")?;
    call("DescribeRouteTables", of_vpc(&vpc), "routeTableId")?;
    let group = call("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "web", "Description": "web"}), "groupId")?;
    let rule = json!([{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
    call("AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": rule}), "")?;
    call("DescribeSecurityGroups", json!({"GroupIds": [group]}), "groupName")?;
    let interface = json!({"SubnetId": one, "Groups": [group]});
    let interface = call("CreateNetworkInterface", interface, "networkInterfaceId")?;
    call("DescribeNetworkInterfaces", of_vpc(&vpc), "subnetId")?;
    call("DeleteNetworkInterface", json!({"NetworkInterfaceId": interface}), "")?;
    call("DisassociateRouteTable", json!({"AssociationId": association}), "")?;
    call("DeleteRouteTable", json!({"RouteTableId": table}), "")?;
    call("DetachInternetGateway", json!({"InternetGatewayId": gateway, "VpcId": vpc}), "")?;
    call("DeleteInternetGateway", json!({"InternetGatewayId": gateway}), "")?;
    call("DeleteSubnet", json!({"SubnetId": one}), "")?;
    call("DeleteSubnet", json!({"SubnetId": two}), "")?;
    call("DeleteSecurityGroup", json!({"GroupId": group}), "")?;
    call("DeleteVpc", json!({"VpcId": vpc}), "")?;
    Ok(())
}

/// So many instances on a subnet of their own; the id of one.
pub fn launch(client: &mut Client<'_>, count: usize) -> Result<String> {
    let vpc = first(&client.call("CreateVpc", &json!({"CidrBlock": "10.1.0.0/16"}))?, "vpcId")?;
    let subnet = first(&client.call("CreateSubnet", &json!({"VpcId": vpc, "CidrBlock": "10.1.0.0/20"}))?, "subnetId")?;
    let image = first(&client.call("DescribeImages", &json!({"Owners": ["amazon"]}))?, "imageId")?;
    let launch = json!({"ImageId": image, "InstanceType": "t3.micro", "MinCount": count, "MaxCount": count, "SubnetId": subnet});
    first(&client.call("RunInstances", &launch)?, "instanceId")
}
