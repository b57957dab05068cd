//! The account as `aws ec2 describe-…` tells it: one VPC, its subnets, tables, lists, groups, interfaces and instances.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use model::route_table::Associated;
use model::network_acl::NetworkAclEntry;
use model::{Destination, Model, Peer, SecurityGroupId, SecurityGroupRule, TrafficMatch};
use serde_json::{Value, json};

/// How rules that name a group are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum References {
    /// As the account has them.
    Groups,
    /// As the addresses of the interfaces that carry the group, which is what they mean (SG-11): for readers that do not
    /// follow references.
    Addresses,
}

/// The answers of the calls, by file name.
pub fn describe(model: &Model, references: References) -> BTreeMap<&'static str, Value> {
    let members = members(model);
    let vpcs: Vec<Value> = model
        .vpcs
        .values()
        .map(|vpc| {
            let blocks: Vec<Value> = vpc
                .cidr_blocks
                .iter()
                .map(|block| {
                    let state = json!({"State": "associated"});
                    json!({"AssociationId": block.association_id, "CidrBlock": block.block, "CidrBlockState": state})
                })
                .collect();
            json!({
                "VpcId": vpc.id, "OwnerId": model.account_id, "State": "available", "IsDefault": false,
                "CidrBlock": vpc.cidr_blocks.first().map(|block| block.block), "CidrBlockAssociationSet": blocks,
                "DhcpOptionsId": "default",
            })
        })
        .collect();
    let subnets: Vec<Value> = model
        .subnets
        .values()
        .map(|subnet| {
            json!({
                "SubnetId": subnet.id, "VpcId": subnet.vpc_id, "CidrBlock": subnet.cidr_block, "State": "available",
                "AvailabilityZone": subnet.availability_zone, "MapPublicIpOnLaunch": false, "OwnerId": model.account_id,
            })
        })
        .collect();
    let groups: Vec<Value> = model
        .security_groups
        .values()
        .map(|group| {
            let permissions = |rules: &[SecurityGroupRule]| -> Vec<Value> {
                rules.iter().map(|rule| permission(model, rule, references, &members)).collect()
            };
            json!({
                "GroupId": group.id, "GroupName": group.group_name, "Description": group.description, "VpcId": group.vpc_id,
                "OwnerId": model.account_id, "IpPermissions": permissions(&group.ingress),
                "IpPermissionsEgress": permissions(&group.egress),
            })
        })
        .collect();
    BTreeMap::from([
        ("vpcs.json", json!({"Vpcs": vpcs})),
        ("subnets.json", json!({"Subnets": subnets})),
        ("route-tables.json", json!({"RouteTables": tables(model)})),
        ("network-acls.json", json!({"NetworkAcls": lists(model)})),
        ("security-groups.json", json!({"SecurityGroups": groups})),
        ("network-interfaces.json", json!({"NetworkInterfaces": interfaces(model)})),
        ("instances.json", json!({"Reservations": reservations(model)})),
    ])
}

/// Who carries each group.
fn members(model: &Model) -> BTreeMap<&SecurityGroupId, Vec<Ipv4Net>> {
    let mut members: BTreeMap<_, Vec<Ipv4Net>> = BTreeMap::new();
    for interface in model.network_interfaces.values() {
        for group in &interface.groups {
            let addresses = interface.private_ip_addresses.iter().map(|address| Ipv4Net::from(*address));
            members.entry(group).or_default().extend(addresses);
        }
    }
    members
}

fn permission(
    model: &Model,
    rule: &SecurityGroupRule,
    references: References,
    members: &BTreeMap<&SecurityGroupId, Vec<Ipv4Net>>,
) -> Value {
    let mut permission = match rule.traffic {
        TrafficMatch::Tcp(ports) => json!({"IpProtocol": "tcp", "FromPort": ports.from, "ToPort": ports.to}),
        TrafficMatch::Udp(ports) => json!({"IpProtocol": "udp", "FromPort": ports.from, "ToPort": ports.to}),
        _ => json!({"IpProtocol": "-1"}),
    };
    let blocks = |blocks: &[Ipv4Net]| blocks.iter().map(|block| json!({"CidrIp": block})).collect::<Vec<_>>();
    let (ranges, pairs) = match &rule.peer {
        Peer::Ipv4(block) => (blocks(&[*block]), Vec::new()),
        Peer::SecurityGroup(group) if references == References::Addresses => {
            (blocks(members.get(group).map_or(&[], Vec::as_slice)), Vec::new())
        }
        Peer::SecurityGroup(group) => (Vec::new(), vec![json!({"GroupId": group, "UserId": model.account_id})]),
        Peer::Ipv6(_) | Peer::PrefixList(_) => (Vec::new(), Vec::new()),
    };
    permission["IpRanges"] = ranges.into();
    permission["UserIdGroupPairs"] = pairs.into();
    permission["Ipv6Ranges"] = json!([]);
    permission["PrefixListIds"] = json!([]);
    permission
}

fn tables(model: &Model) -> Vec<Value> {
    let table = |table: &model::RouteTable| {
        let associations: Vec<Value> = table
            .associations
            .iter()
            .filter_map(|association| match &association.to {
                Associated::Subnet(subnet) => Some(json!({
                    "RouteTableAssociationId": association.id, "RouteTableId": table.id, "SubnetId": subnet, "Main": false,
                    "AssociationState": {"State": "associated"},
                })),
                _ => None,
            })
            .collect();
        // The VPC's own blocks; a common account has no other routes.
        let local = |destination: &Destination| match destination {
            Destination::Ipv4(block) => Some(json!({
                "DestinationCidrBlock": block, "GatewayId": "local", "State": "active", "Origin": "CreateRouteTable",
            })),
            _ => None,
        };
        let routes: Vec<Value> = table.routes.iter().filter_map(|route| local(&route.destination)).collect();
        json!({
            "RouteTableId": table.id, "VpcId": table.vpc_id, "OwnerId": model.account_id, "PropagatingVgws": [],
            "Associations": associations, "Routes": routes,
        })
    };
    model.route_tables.values().map(table).collect()
}

fn lists(model: &Model) -> Vec<Value> {
    let entry = |egress: bool, entry: &NetworkAclEntry| {
        json!({
            "RuleNumber": entry.rule_number, "Protocol": "-1", "CidrBlock": entry.cidr_block, "Egress": egress,
            "RuleAction": if entry.allow { "allow" } else { "deny" },
        })
    };
    let list = |acl: &model::NetworkAcl| {
        let associations: Vec<Value> = acl
            .associations
            .iter()
            .map(|own| json!({"NetworkAclAssociationId": own.id, "NetworkAclId": acl.id, "SubnetId": own.subnet_id}))
            .collect();
        let entries: Vec<Value> =
            acl.ingress.iter().map(|own| entry(false, own)).chain(acl.egress.iter().map(|own| entry(true, own))).collect();
        json!({
            "NetworkAclId": acl.id, "VpcId": acl.vpc_id, "IsDefault": acl.is_default, "OwnerId": model.account_id,
            "Associations": associations, "Entries": entries,
        })
    };
    model.network_acls.values().map(list).collect()
}

fn interfaces(model: &Model) -> Vec<Value> {
    let interface = |interface: &model::NetworkInterface| {
        let addresses: Vec<Value> = interface
            .private_ip_addresses
            .iter()
            .enumerate()
            .map(|(number, address)| json!({"PrivateIpAddress": address, "Primary": number == 0}))
            .collect();
        let groups: Vec<Value> = interface.groups.iter().map(|group| json!({"GroupId": group})).collect();
        let attachment = interface.attachment.as_ref().map(|attachment| {
            json!({
                "AttachmentId": attachment.id, "InstanceId": attachment.instance_id, "DeviceIndex": attachment.device_index,
                "Status": "attached", "DeleteOnTermination": attachment.delete_on_termination,
            })
        });
        json!({
            "NetworkInterfaceId": interface.id, "SubnetId": interface.subnet_id, "VpcId": interface.vpc_id,
            "OwnerId": model.account_id, "InterfaceType": "interface", "Status": "in-use",
            "MacAddress": interface.mac_address.to_string(),
            "PrivateIpAddress": interface.primary_address(), "PrivateIpAddresses": addresses, "Ipv6Addresses": [],
            "SourceDestCheck": interface.source_dest_check, "Groups": groups, "Attachment": attachment, "TagSet": [],
        })
    };
    model.network_interfaces.values().map(interface).collect()
}

fn reservations(model: &Model) -> Vec<Value> {
    // Interfaces by instance, once: asking for each instance anew is quadratic.
    let mut own: BTreeMap<_, Vec<&model::NetworkInterface>> = BTreeMap::new();
    for interface in model.network_interfaces.values() {
        own.entry(interface.instance_id()).or_default().push(interface);
    }
    let reservation = |instance: &model::Instance| {
        let interfaces = own.get(&Some(&instance.id)).map_or(&[][..], Vec::as_slice);
        let first = interfaces.first();
        let groups: Vec<Value> = first.iter().flat_map(|eni| &eni.groups).map(|group| json!({"GroupId": group})).collect();
        let ids: Vec<Value> = interfaces.iter().map(|eni| json!({"NetworkInterfaceId": eni.id})).collect();
        json!({
            "ReservationId": instance.reservation_id, "OwnerId": model.account_id,
            "Instances": [{
                "InstanceId": instance.id, "ImageId": instance.image_id, "InstanceType": instance.instance_type,
                "State": {"Code": 16, "Name": "running"}, "Placement": {"AvailabilityZone": instance.availability_zone},
                "VpcId": first.map(|eni| &eni.vpc_id), "SubnetId": first.map(|eni| &eni.subnet_id),
                "PrivateIpAddress": first.map(|eni| eni.primary_address()), "SecurityGroups": groups, "NetworkInterfaces": ids,
            }],
        })
    };
    model.instances.values().map(reservation).collect()
}
