//! VPCs and their blocks (VPC-1 … VPC-15).

use ipnet::Ipv6Net;
use model::operation::{self, NewVpcBlock, VpcAttribute};
use model::vpc::CidrBlock;
use model::{ApiError, ErrorCode, Model, Vpc, VpcId};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{Arguments, invalid, read};
use crate::filter::{Describe, Known};
use crate::identifier::form;
use crate::shape::{done, present, tags, text};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AssociateVpcCidrBlock", associate_vpc_cidr_block),
    ("CreateDefaultVpc", create_default_vpc),
    ("CreateVpc", create_vpc),
    ("DeleteVpc", delete_vpc),
    ("DescribeVpcAttribute", describe_vpc_attribute),
    ("DescribeVpcClassicLink", describe_vpc_classic_link),
    ("DescribeVpcClassicLinkDnsSupport", describe_vpc_classic_link_dns_support),
    ("DescribeVpcs", describe_vpcs),
    ("DisassociateVpcCidrBlock", disassociate_vpc_cidr_block),
    ("ModifyVpcAttribute", modify_vpc_attribute),
    ("ModifyVpcTenancy", modify_vpc_tenancy),
];

/// Address management that is not modelled.
const IPAM: &[&str] = &["Ipv4IpamPoolId", "Ipv4NetmaskLength", "Ipv6IpamPoolId", "Ipv6NetmaskLength", "Ipv6Pool"];

fn create_vpc(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(IPAM)?;
        a.ignore(&["Ipv6CidrBlockNetworkBorderGroup"]);
        Ok(operation::CreateVpc {
            cidr_block: a.required("CidrBlock", a.ipv4_net("CidrBlock")?)?,
            amazon_provided_ipv6_cidr_block: a.boolean("AmazonProvidedIpv6CidrBlock")?.unwrap_or(false),
            ipv6_cidr_block: a.ipv6_net("Ipv6CidrBlock")?,
            instance_tenancy: a.text("InstanceTenancy")?.map(str::to_owned),
            tags: a.tags("vpc")?,
            ..operation::CreateVpc::default()
        })
    })?;
    let id = operation::create_vpc(model, request)?;
    Ok(json!({"Vpc": shape(model, model.vpc(&id)?)}))
}

fn create_default_vpc(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    read(arguments, |_| Ok(()))?;
    let id = operation::create_default_vpc(model, operation::CreateDefaultVpc::default())?;
    Ok(json!({"Vpc": shape(model, model.vpc(&id)?)}))
}

fn delete_vpc(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("VpcId"))?;
    operation::delete_vpc(model, &id)?;
    Ok(done())
}

fn shape(model: &Model, vpc: &Vpc) -> Value {
    let state = if model.context.now < vpc.available_at { "pending" } else { "available" };
    json!({
        "OwnerId": model.account_id,
        "InstanceTenancy": if vpc.dedicated_tenancy { "dedicated" } else { "default" },
        "Ipv6CidrBlockAssociationSet":
            vpc.ipv6_cidr_blocks.iter().map(|block| ipv6_block(model, block)).collect::<Value>(),
        "CidrBlockAssociationSet": vpc.cidr_blocks.iter().map(ipv4_block).collect::<Value>(),
        "IsDefault": vpc.is_default,
        "Tags": tags(&vpc.tags),
        "VpcId": text(&vpc.id),
        "State": state,
        "CidrBlock": text(vpc.primary_cidr_block()),
        "DhcpOptionsId": vpc.dhcp_options_id.as_ref().map_or("default".to_owned(), |id| id.to_string()),
    })
}

fn ipv4_block(block: &CidrBlock<ipnet::Ipv4Net>) -> Value {
    json!({
        "AssociationId": text(&block.association_id),
        "CidrBlock": text(block.block),
        "CidrBlockState": {"State": block.state.as_str()},
    })
}

fn ipv6_block(model: &Model, block: &CidrBlock<Ipv6Net>) -> Value {
    json!({
        "AssociationId": text(&block.association_id),
        "Ipv6CidrBlock": text(block.block),
        "Ipv6CidrBlockState": {"State": block.state.as_str()},
        "NetworkBorderGroup": model.region.0,
        "Ipv6Pool": "Amazon",
    })
}

const DESCRIBE_VPCS: Describe = Describe {
    ids: "VpcIds",
    id_path: "VpcId",
    answer: "Vpcs",
    filters: &[
        ("cidr", &["CidrBlock"]),
        ("cidrBlock", &["CidrBlock"]),
        ("cidr-block", &["CidrBlock"]),
        ("cidr-block-association.association-id", &["CidrBlockAssociationSet.AssociationId"]),
        ("cidr-block-association.cidr-block", &["CidrBlockAssociationSet.CidrBlock"]),
        ("cidr-block-association.state", &["CidrBlockAssociationSet.CidrBlockState.State"]),
        ("dhcp-options-id", &["DhcpOptionsId"]),
        ("ipv6-cidr-block-association.association-id", &["Ipv6CidrBlockAssociationSet.AssociationId"]),
        ("ipv6-cidr-block-association.ipv6-cidr-block", &["Ipv6CidrBlockAssociationSet.Ipv6CidrBlock"]),
        ("ipv6-cidr-block-association.ipv6-pool", &["Ipv6CidrBlockAssociationSet.Ipv6Pool"]),
        ("ipv6-cidr-block-association.state", &["Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State"]),
        ("is-default", &["IsDefault"]),
        ("isDefault", &["IsDefault"]),
        ("owner-id", &["OwnerId"]),
        ("state", &["State"]),
        ("vpc-id", &["VpcId"]),
    ],
    form: form::<VpcId>,
    not_found: VpcId::not_found,
};

fn known(vpc: &Vpc) -> Known<'_, 1> {
    Known { texts: [("VpcId", vpc.id.as_str())], tags: &vpc.tags }
}

fn describe_vpcs(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    DESCRIBE_VPCS.serve_rows(arguments, model.vpcs.values(), known, |vpc| shape(model, vpc))
}

fn describe_vpc_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, attribute) = read(arguments, |a| Ok((a.required_id::<VpcId>("VpcId")?, a.required_text("Attribute")?)))?;
    let vpc = model.vpc(&id)?;
    let (name, value) = match attribute {
        "enableDnsSupport" => ("EnableDnsSupport", vpc.enable_dns_support),
        "enableDnsHostnames" => ("EnableDnsHostnames", vpc.enable_dns_hostnames),
        "enableNetworkAddressUsageMetrics" => ("EnableNetworkAddressUsageMetrics", false),
        other => return Err(invalid("attribute", other, "It is not an attribute of a VPC.")),
    };
    Ok(json!({"VpcId": text(&id), name: {"Value": value}}))
}

fn modify_vpc_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (vpc_id, attribute) = read(arguments, |a| {
        // Usage metrics exist nowhere in the model: switching them off is the only thing that can be granted.
        let metrics = a.attribute_boolean("EnableNetworkAddressUsageMetrics")?;
        if metrics == Some(true) {
            let message = "Network address usage metrics are not supported.";
            return Err(ApiError::new(ErrorCode::UnsupportedOperation, message));
        }
        let support = a.attribute_boolean("EnableDnsSupport")?.map(|v| Some(VpcAttribute::EnableDnsSupport(v)));
        let hostnames = a.attribute_boolean("EnableDnsHostnames")?.map(|v| Some(VpcAttribute::EnableDnsHostnames(v)));
        let given = [support, hostnames, metrics.map(|_| None)].into_iter().flatten().collect();
        let names = "EnableDnsSupport, EnableDnsHostnames or EnableNetworkAddressUsageMetrics";
        Ok((a.required_id("VpcId")?, a.exactly_one(names, given)?))
    })?;
    match attribute {
        Some(attribute) => {
            operation::modify_vpc_attribute(model, operation::ModifyVpcAttribute { vpc_id, attribute })?;
        }
        None => drop(model.vpc(&vpc_id)?),
    }
    Ok(done())
}

fn modify_vpc_tenancy(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, tenancy) = read(arguments, |a| Ok((a.required_id("VpcId")?, a.required_text("InstanceTenancy")?)))?;
    operation::modify_vpc_tenancy(model, &id, tenancy)?;
    Ok(json!({"ReturnValue": true}))
}

fn associate_vpc_cidr_block(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(IPAM)?;
        a.ignore(&["Ipv6CidrBlockNetworkBorderGroup"]);
        Ok(operation::AssociateVpcCidrBlock { vpc_id: a.required_id("VpcId")?, block: new_block(a)? })
    })?;
    let vpc_id = request.vpc_id.clone();
    let id = operation::associate_vpc_cidr_block(model, request)?;
    Ok(association_answer(model, model.vpc(&vpc_id)?, &id))
}

fn new_block(a: &Arguments<'_>) -> Result<NewVpcBlock, ApiError> {
    let amazon = a.boolean("AmazonProvidedIpv6CidrBlock")?.filter(|wanted| *wanted);
    let given = [
        a.ipv4_net("CidrBlock")?.map(NewVpcBlock::Ipv4),
        a.ipv6_net("Ipv6CidrBlock")?.map(NewVpcBlock::Ipv6),
        amazon.map(|_| NewVpcBlock::AmazonProvidedIpv6),
    ];
    let names = "CidrBlock, Ipv6CidrBlock or AmazonProvidedIpv6CidrBlock";
    a.exactly_one(names, given.into_iter().flatten().collect())
}

fn disassociate_vpc_cidr_block(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("AssociationId"))?;
    let vpc_id = operation::disassociate_vpc_cidr_block(model, &id)?;
    Ok(association_answer(model, model.vpc(&vpc_id)?, &id))
}

fn association_answer(model: &Model, vpc: &Vpc, id: &model::VpcCidrAssociationId) -> Value {
    let ipv4 = vpc.cidr_blocks.iter().find(|block| block.association_id == *id).map(ipv4_block);
    let ipv6 = vpc.ipv6_cidr_blocks.iter().find(|block| block.association_id == *id);
    present(json!({
        "CidrBlockAssociation": ipv4,
        "Ipv6CidrBlockAssociation": ipv6.map(|block| ipv6_block(model, block)),
        "VpcId": text(&vpc.id),
    }))
}

const CLASSIC_LINK: Describe = Describe {
    filters: &[("is-classic-link-enabled", &["ClassicLinkEnabled"]), ("vpc-id", &["VpcId"])],
    ..DESCRIBE_VPCS
};

fn describe_vpc_classic_link(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    // ClassicLink is history; old clients ask all the same, and the answer is that nothing uses it.
    let vpcs = model.vpcs.values();
    let items = vpcs.map(|v| json!({"ClassicLinkEnabled": false, "Tags": tags(&v.tags), "VpcId": text(&v.id)}));
    CLASSIC_LINK.serve(arguments, items)
}

fn describe_vpc_classic_link_dns_support(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let items = model.vpcs.values().map(|v| json!({"ClassicLinkDnsSupported": false, "VpcId": text(&v.id)}));
    CLASSIC_LINK.serve(arguments, items)
}
