//! What is called: a network built, looked at and taken down, in 25 calls; and many instances.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use crate::cli::Result;

/// One network from its first call to its last.
pub fn run(client: &mut Client<'_>, each: &mut Vec<Duration>) -> Result {
    let mut call = |name: &str, arguments: Value, path: &str| -> Result<String> {
        let answer = client.time(name, &arguments, each)?;
        match path {
            "" => Ok(String::new()),
            path => Ok(answer.pointer(path).and_then(Value::as_str).ok_or_else(|| format!("{name}: no {path} in {answer}"))?.to_owned()),
        }
    };
    let of_vpc = |vpc: &str| json!({"Filters": [{"Name": "vpc-id", "Values": [vpc]}]});
    let vpc = call("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId")?;
    call("DescribeVpcs", json!({"VpcIds": [vpc]}), "/Vpcs/0/State")?;
    let one = call("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId")?;
    let two = call("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.2.0/24"}), "/Subnet/SubnetId")?;
    call("DescribeSubnets", of_vpc(&vpc), "/Subnets/1/SubnetId")?;
    let gateway = call("CreateInternetGateway", json!({}), "/InternetGateway/InternetGatewayId")?;
    call("AttachInternetGateway", json!({"InternetGatewayId": gateway, "VpcId": vpc}), "")?;
    let table = call("CreateRouteTable", json!({"VpcId": vpc}), "/RouteTable/RouteTableId")?;
    call("CreateRoute", json!({"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}), "")?;
    let association = call("AssociateRouteTable", json!({"RouteTableId": table, "SubnetId": one}), "/AssociationId")?;
    call("DescribeRouteTables", of_vpc(&vpc), "/RouteTables/1/RouteTableId")?;
    let group = call("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "web", "Description": "web"}), "/GroupId")?;
    let rule = json!([{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
    call("AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": rule}), "")?;
    call("DescribeSecurityGroups", json!({"GroupIds": [group]}), "/SecurityGroups/0/GroupName")?;
    let interface = json!({"SubnetId": one, "Groups": [group]});
    let interface = call("CreateNetworkInterface", interface, "/NetworkInterface/NetworkInterfaceId")?;
    call("DescribeNetworkInterfaces", of_vpc(&vpc), "/NetworkInterfaces/0/SubnetId")?;
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
    let text = |answer: &Value, path: &str| -> Result<String> {
        Ok(answer.pointer(path).and_then(Value::as_str).ok_or_else(|| format!("no {path} in {answer}"))?.to_owned())
    };
    let vpc = text(&client.call("CreateVpc", &json!({"CidrBlock": "10.1.0.0/16"}))?, "/Vpc/VpcId")?;
    let subnet = text(&client.call("CreateSubnet", &json!({"VpcId": vpc, "CidrBlock": "10.1.0.0/20"}))?, "/Subnet/SubnetId")?;
    // Which images there are differs, and moto lists hundreds.
    let image = json!({"Owners": ["amazon"]});
    let images = client.call("DescribeImages", &image)?;
    let image = text(&images, "/Images/0/ImageId").unwrap_or_else(|_| "ami-12c6146b".to_owned());
    let launch = json!({"ImageId": image, "InstanceType": "t3.micro", "MinCount": count, "MaxCount": count, "SubnetId": subnet});
    let launched = client.call("RunInstances", &launch)?;
    text(&launched, "/Instances/0/InstanceId")
}
