//! Subnets (SUB-1 … SUB-12).

use model::operation::{self, SubnetAttribute};
use model::{ApiError, ErrorCode, Model, Subnet, SubnetCidrAssociationId, SubnetId};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::read;
use crate::filter::{Describe, Known};
use crate::identifier::form;
use crate::shape::{done, tags, text};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AssociateSubnetCidrBlock", associate_subnet_cidr_block),
    ("CreateDefaultSubnet", create_default_subnet),
    ("CreateSubnet", create_subnet),
    ("DeleteSubnet", delete_subnet),
    ("DescribeSubnets", describe_subnets),
    ("DisassociateSubnetCidrBlock", disassociate_subnet_cidr_block),
    ("ModifySubnetAttribute", modify_subnet_attribute),
];

fn create_subnet(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["Ipv4IpamPoolId", "Ipv4NetmaskLength", "Ipv6IpamPoolId", "Ipv6NetmaskLength"])?;
        a.refuse(&["Ipv6Native", "OutpostArn"])?;
        let zones = [a.text("AvailabilityZone")?, a.text("AvailabilityZoneId")?];
        let zones: Vec<_> = zones.into_iter().flatten().collect();
        let availability_zone = match zones.is_empty() {
            true => None,
            false => Some(a.exactly_one("AvailabilityZone or AvailabilityZoneId", zones)?.to_owned()),
        };
        let cidr_block = a.required("CidrBlock", a.ipv4_net("CidrBlock")?)?;
        Ok(operation::CreateSubnet {
            ipv6_cidr_block: a.ipv6_net("Ipv6CidrBlock")?,
            availability_zone,
            tags: a.tags("subnet")?,
            ..operation::CreateSubnet::new(a.required_id("VpcId")?, cidr_block)
        })
    })?;
    let id = operation::create_subnet(model, request)?;
    Ok(json!({"Subnet": shape(model, model.subnet(&id)?)}))
}

fn create_default_subnet(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["Ipv6Native"])?;
        let availability_zone = a.required_text("AvailabilityZone")?.to_owned();
        Ok(operation::CreateDefaultSubnet { availability_zone, ..operation::CreateDefaultSubnet::default() })
    })?;
    let id = operation::create_default_subnet(model, request)?;
    Ok(json!({"Subnet": shape(model, model.subnet(&id)?)}))
}

fn delete_subnet(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("SubnetId"))?;
    operation::delete_subnet(model, &id)?;
    Ok(done())
}

fn shape(model: &Model, subnet: &Subnet) -> Value {
    let zone_id = model.region.zone(&subnet.availability_zone).map(|zone| zone.id).unwrap_or_default();
    let state = if model.context.now < subnet.available_at { "pending" } else { "available" };
    json!({
        "AvailabilityZoneId": zone_id,
        "MapCustomerOwnedIpOnLaunch": false,
        "OwnerId": model.account_id,
        "AssignIpv6AddressOnCreation": subnet.assign_ipv6_address_on_creation,
        "Ipv6CidrBlockAssociationSet": subnet.ipv6_cidr_blocks.iter().map(|block| json!({
            "AssociationId": text(&block.association_id),
            "Ipv6CidrBlock": text(block.block),
            "Ipv6CidrBlockState": {"State": block.state.as_str()},
        })).collect::<Value>(),
        "Tags": tags(&subnet.tags),
        "SubnetArn": format!("arn:aws:ec2:{}:{}:subnet/{}", model.region, model.account_id, subnet.id),
        "EnableDns64": false,
        "Ipv6Native": false,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": false,
            "EnableResourceNameDnsAAAARecord": false,
        },
        "SubnetId": text(&subnet.id),
        "State": state,
        "VpcId": text(&subnet.vpc_id),
        "CidrBlock": text(subnet.cidr_block),
        "AvailableIpAddressCount": model.available_ip_address_count(subnet),
        "AvailabilityZone": subnet.availability_zone,
        "DefaultForAz": subnet.default_for_az,
        "MapPublicIpOnLaunch": subnet.map_public_ip_on_launch,
    })
}

const DESCRIBE: Describe = Describe {
    ids: "SubnetIds",
    id_path: "SubnetId",
    answer: "Subnets",
    filters: &[
        ("availability-zone", &["AvailabilityZone"]),
        ("availability-zone-id", &["AvailabilityZoneId"]),
        ("availabilityZone", &["AvailabilityZone"]),
        ("availabilityZoneId", &["AvailabilityZoneId"]),
        ("available-ip-address-count", &["AvailableIpAddressCount"]),
        ("cidr", &["CidrBlock"]),
        ("cidr-block", &["CidrBlock"]),
        ("cidrBlock", &["CidrBlock"]),
        ("customer-owned-ipv4-pool", &["CustomerOwnedIpv4Pool"]),
        ("default-for-az", &["DefaultForAz"]),
        ("defaultForAz", &["DefaultForAz"]),
        ("enable-dns64", &["EnableDns64"]),
        ("enable-lni-at-device-index", &["EnableLniAtDeviceIndex"]),
        ("ipv6-cidr-block-association.association-id", &["Ipv6CidrBlockAssociationSet.AssociationId"]),
        ("ipv6-cidr-block-association.ipv6-cidr-block", &["Ipv6CidrBlockAssociationSet.Ipv6CidrBlock"]),
        ("ipv6-cidr-block-association.state", &["Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State"]),
        ("ipv6-native", &["Ipv6Native"]),
        ("map-customer-owned-ip-on-launch", &["MapCustomerOwnedIpOnLaunch"]),
        ("map-public-ip-on-launch", &["MapPublicIpOnLaunch"]),
        ("outpost-arn", &["OutpostArn"]),
        ("owner-id", &["OwnerId"]),
        (
            "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
            &["PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsARecord"],
        ),
        (
            "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
            &["PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsAAAARecord"],
        ),
        ("private-dns-name-options-on-launch.hostname-type", &["PrivateDnsNameOptionsOnLaunch.HostnameType"]),
        ("state", &["State"]),
        ("subnet-arn", &["SubnetArn"]),
        ("subnet-id", &["SubnetId"]),
        ("vpc-id", &["VpcId"]),
    ],
    form: form::<SubnetId>,
    not_found: SubnetId::not_found,
};

fn known(subnet: &Subnet) -> Known<'_, 2> {
    Known { texts: [("SubnetId", subnet.id.as_str()), ("VpcId", subnet.vpc_id.as_str())], tags: &subnet.tags }
}

fn describe_subnets(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    DESCRIBE.serve_rows(arguments, model.subnets.values(), known, |subnet| shape(model, subnet))
}

fn modify_subnet_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        for name in ["EnableDns64", "MapCustomerOwnedIpOnLaunch", "EnableResourceNameDnsARecordOnLaunch",
            "EnableResourceNameDnsAAAARecordOnLaunch"]
        {
            if a.attribute_boolean(name)? == Some(true) {
                let message = format!("The parameter {name} is not supported.");
                return Err(ApiError::new(ErrorCode::UnsupportedOperation, message));
            }
        }
        a.refuse(&["PrivateDnsHostnameTypeOnLaunch", "EnableLniAtDeviceIndex", "CustomerOwnedIpv4Pool"])?;
        let given = [
            a.attribute_boolean("MapPublicIpOnLaunch")?.map(SubnetAttribute::MapPublicIpOnLaunch),
            a.attribute_boolean("AssignIpv6AddressOnCreation")?.map(SubnetAttribute::AssignIpv6AddressOnCreation),
        ];
        let given = given.into_iter().flatten().collect();
        Ok(operation::ModifySubnetAttribute {
            subnet_id: a.required_id("SubnetId")?,
            attribute: a.exactly_one("MapPublicIpOnLaunch or AssignIpv6AddressOnCreation", given)?,
        })
    })?;
    operation::modify_subnet_attribute(model, request)?;
    Ok(done())
}

fn associate_subnet_cidr_block(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["Ipv6IpamPoolId", "Ipv6NetmaskLength"])?;
        Ok(operation::AssociateSubnetCidrBlock {
            subnet_id: a.required_id("SubnetId")?,
            ipv6_cidr_block: a.required("Ipv6CidrBlock", a.ipv6_net("Ipv6CidrBlock")?)?,
        })
    })?;
    let subnet_id = request.subnet_id.clone();
    let id = operation::associate_subnet_cidr_block(model, request)?;
    Ok(association_answer(model.subnet(&subnet_id)?, &id))
}

fn disassociate_subnet_cidr_block(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("AssociationId"))?;
    let subnet_id = operation::disassociate_subnet_cidr_block(model, &id)?;
    Ok(association_answer(model.subnet(&subnet_id)?, &id))
}

fn association_answer(subnet: &Subnet, id: &SubnetCidrAssociationId) -> Value {
    let block = subnet.ipv6_cidr_blocks.iter().find(|block| block.association_id == *id);
    let block = block.map(|block| {
        json!({
            "AssociationId": text(&block.association_id),
            "Ipv6CidrBlock": text(block.block),
            "Ipv6CidrBlockState": {"State": block.state.as_str()},
        })
    });
    json!({"Ipv6CidrBlockAssociation": block, "SubnetId": text(&subnet.id)})
}
