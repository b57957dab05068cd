//! Transit gateways and what is attached to them (TGW-1 … TGW-3). Their route tables have a file of their own.

use model::operation::{self, CreateTransitGateway, CreateTransitGatewayVpcAttachment};
use model::transit_gateway::{AttachedTo, TransitGatewaySettings, VpcAttachmentOptions};
use model::{ApiError, ErrorCode, Model, TransitGateway, TransitGatewayAttachment};
use model::{TransitGatewayAttachmentId, TransitGatewayId, TransitGatewayRouteTableId};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::Describe;
use crate::identifier::form;
use crate::shape::{present, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CreateTransitGateway", create_transit_gateway),
    ("CreateTransitGatewayVpcAttachment", create_transit_gateway_vpc_attachment),
    ("DeleteTransitGateway", delete_transit_gateway),
    ("DeleteTransitGatewayVpcAttachment", delete_transit_gateway_vpc_attachment),
    ("DescribeTransitGatewayAttachments", describe_transit_gateway_attachments),
    ("DescribeTransitGatewayVpcAttachments", describe_transit_gateway_vpc_attachments),
    ("DescribeTransitGateways", describe_transit_gateways),
    ("ModifyTransitGateway", modify_transit_gateway),
    ("ModifyTransitGatewayVpcAttachment", modify_transit_gateway_vpc_attachment),
];

/// `enable` or `disable`.
fn switch(o: &Arguments<'_>, name: &'static str) -> Result<Option<bool>, ApiError> {
    match o.text(name)? {
        None => Ok(None),
        Some("enable") => Ok(Some(true)),
        Some("disable") => Ok(Some(false)),
        Some(other) => Err(o.invalid(name, &other.into(), "Either enable or disable was expected.")),
    }
}

fn word(is_on: bool) -> &'static str {
    if is_on { "enable" } else { "disable" }
}

/// Errors: `UnsupportedOperation` where something is switched on that this cloud does not have.
fn is_off(o: &Arguments<'_>, name: &'static str) -> Result<(), ApiError> {
    match switch(o, name)? {
        Some(true) => Err(o.unsupported(name)),
        _ => Ok(()),
    }
}

fn create_transit_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let mut request = CreateTransitGateway {
            settings: TransitGatewaySettings { description: a.text("Description")?.unwrap_or_default().to_owned(), ..Default::default() },
            tags: a.tags("transit-gateway")?,
            ..CreateTransitGateway::default()
        };
        a.within("Options", |o| {
            o.refuse(&["TransitGatewayCidrBlocks"])?;
            is_off(o, "MulticastSupport")?;
            let (associates, announces) =
                (switch(o, "DefaultRouteTableAssociation")?.unwrap_or(true), switch(o, "DefaultRouteTablePropagation")?.unwrap_or(true));
            if associates != announces {
                let message = "A default route table for associations alone, or for propagations alone, is not supported.";
                return Err(ApiError::new(ErrorCode::UnsupportedOperation, message));
            }
            request.default_route_table = associates;
            let wanted = Wanted::read(o)?;
            wanted.apply(&mut request.settings);
            request.security_group_referencing = wanted.security_group_referencing.unwrap_or(false);
            Ok(())
        })?;
        Ok(request)
    })?;
    let id = operation::create_transit_gateway(model, request)?;
    Ok(json!({"TransitGateway": shape(model, model.transit_gateway(&id)?)}))
}

/// What a request says of settings that are shown and can change.
#[derive(Default)]
struct Wanted {
    auto_accepts: Option<bool>,
    dns_support: Option<bool>,
    vpn_ecmp_support: Option<bool>,
    amazon_side_asn: Option<u64>,
    security_group_referencing: Option<bool>,
}

impl Wanted {
    /// Errors: `InvalidParameterValue` for an ASN that is not private (RFC 6996).
    fn read(o: &Arguments<'_>) -> Result<Self, ApiError> {
        let wanted = Self {
            auto_accepts: switch(o, "AutoAcceptSharedAttachments")?,
            dns_support: switch(o, "DnsSupport")?,
            vpn_ecmp_support: switch(o, "VpnEcmpSupport")?,
            security_group_referencing: switch(o, "SecurityGroupReferencingSupport")?,
            amazon_side_asn: o.integer("AmazonSideAsn")?,
        };
        let is_private = |asn: &u64| (64_512..=65_534).contains(asn) || (4_200_000_000..=4_294_967_294).contains(asn);
        match wanted.amazon_side_asn.filter(|asn| !is_private(asn)) {
            Some(asn) => Err(o.invalid("AmazonSideAsn", &asn.into(), "It is not a private ASN.")),
            None => Ok(wanted),
        }
    }

    fn apply(&self, settings: &mut TransitGatewaySettings) {
        settings.auto_accepts = self.auto_accepts.unwrap_or(settings.auto_accepts);
        settings.dns_support = self.dns_support.unwrap_or(settings.dns_support);
        settings.vpn_ecmp_support = self.vpn_ecmp_support.unwrap_or(settings.vpn_ecmp_support);
        settings.amazon_side_asn = self.amazon_side_asn.unwrap_or(settings.amazon_side_asn);
    }
}

fn modify_transit_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    /// Whether the default table serves a use, and which one it is.
    type Table = (Option<bool>, Option<TransitGatewayRouteTableId>);
    let (id, description, wanted, tables) = read(arguments, |a| {
        let options = a.within("Options", |o| {
            o.refuse(&["AddTransitGatewayCidrBlocks", "RemoveTransitGatewayCidrBlocks"])?;
            is_off(o, "EncryptionSupport")?;
            let tables: [Table; 2] = [
                (switch(o, "DefaultRouteTableAssociation")?, o.id("AssociationDefaultRouteTableId")?),
                (switch(o, "DefaultRouteTablePropagation")?, o.id("PropagationDefaultRouteTableId")?),
            ];
            Ok((Wanted::read(o)?, tables))
        })?;
        let (wanted, tables) = options.unwrap_or_default();
        Ok((a.required_id("TransitGatewayId")?, a.text("Description")?.map(str::to_owned), wanted, tables))
    })?;
    let gateway = model.transit_gateway(&id)?;
    let (mut settings, referencing) = (gateway.settings.clone(), gateway.security_group_referencing);
    let own = &gateway.default_route_table;
    // One table serves both uses, and which one it is was decided when the gateway was made.
    let stays =
        |(is_on, table): &Table| is_on.is_none_or(|is_on| is_on == own.is_some()) && (table.is_none() || table == own);
    if !tables.iter().all(stays) {
        let message = "The default route table of a transit gateway that exists cannot be changed.";
        return Err(ApiError::new(ErrorCode::UnsupportedOperation, message));
    }
    wanted.apply(&mut settings);
    settings.description = description.unwrap_or(settings.description);
    operation::modify_transit_gateway(model, &id, wanted.security_group_referencing.unwrap_or(referencing), settings)?;
    Ok(json!({"TransitGateway": shape(model, model.transit_gateway(&id)?)}))
}

fn delete_transit_gateway(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("TransitGatewayId"))?;
    operation::delete_transit_gateway(model, &id)?;
    let gone = model.gone_transit.gateways.get(&id);
    Ok(json!({"TransitGateway": gone.map(|gateway| shape(model, gateway))}))
}

fn shape(model: &Model, gateway: &TransitGateway) -> Value {
    let settings = &gateway.settings;
    let table = gateway.default_route_table.as_ref();
    json!({
        "TransitGatewayId": text(&gateway.id),
        "TransitGatewayArn": format!("arn:aws:ec2:{}:{}:transit-gateway/{}", model.region, model.account_id, gateway.id),
        "State": gateway.state.as_str(model.context.now),
        "OwnerId": model.account_id,
        "Description": settings.description,
        "CreationTime": time(settings.create_time),
        "Options": present(json!({
            "AmazonSideAsn": settings.amazon_side_asn,
            "AutoAcceptSharedAttachments": word(settings.auto_accepts),
            "DefaultRouteTableAssociation": word(table.is_some()),
            "AssociationDefaultRouteTableId": table.map(text),
            "DefaultRouteTablePropagation": word(table.is_some()),
            "PropagationDefaultRouteTableId": table.map(text),
            "VpnEcmpSupport": word(settings.vpn_ecmp_support),
            "DnsSupport": word(settings.dns_support),
            "SecurityGroupReferencingSupport": word(gateway.security_group_referencing),
            "MulticastSupport": "disable",
        })),
        "Tags": tags(&gateway.tags),
    })
}

const DESCRIBE: Describe = Describe {
    ids: "TransitGatewayIds",
    id_path: "TransitGatewayId",
    answer: "TransitGateways",
    filters: &[
        ("options.amazon-side-asn", &["Options.AmazonSideAsn"]),
        ("options.association-default-route-table-id", &["Options.AssociationDefaultRouteTableId"]),
        ("options.auto-accept-shared-attachments", &["Options.AutoAcceptSharedAttachments"]),
        ("options.default-route-table-association", &["Options.DefaultRouteTableAssociation"]),
        ("options.default-route-table-propagation", &["Options.DefaultRouteTablePropagation"]),
        ("options.dns-support", &["Options.DnsSupport"]),
        ("options.propagation-default-route-table-id", &["Options.PropagationDefaultRouteTableId"]),
        ("options.vpn-ecmp-support", &["Options.VpnEcmpSupport"]),
        ("owner-id", &["OwnerId"]),
        ("state", &["State"]),
        ("transit-gateway-id", &["TransitGatewayId"]),
    ],
    form: form::<TransitGatewayId>,
    not_found: TransitGatewayId::not_found,
};

fn describe_transit_gateways(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let all = model.transit_gateways.values().chain(model.gone_transit.gateways.values());
    DESCRIBE.serve(arguments, all.map(|gateway| shape(model, gateway)))
}

/// What an attachment is to let through; `None` stays.
fn attachment_options(a: &Arguments<'_>) -> Result<(Option<bool>, Option<bool>), ApiError> {
    let options = a.within("Options", |o| {
        is_off(o, "ApplianceModeSupport")?;
        // Names are answered in each VPC by itself.
        o.ignore(&["DnsSupport"]);
        Ok((switch(o, "SecurityGroupReferencingSupport")?, switch(o, "Ipv6Support")?))
    })?;
    Ok(options.unwrap_or_default())
}

/// `before`, as far as nothing else is wanted.
fn with((referencing, ipv6): (Option<bool>, Option<bool>), before: VpcAttachmentOptions) -> VpcAttachmentOptions {
    VpcAttachmentOptions {
        security_group_referencing: referencing.unwrap_or(before.security_group_referencing),
        ipv6_support: ipv6.unwrap_or(before.ipv6_support),
    }
}

fn create_transit_gateway_vpc_attachment(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        Ok(CreateTransitGatewayVpcAttachment {
            options: with(attachment_options(a)?, VpcAttachmentOptions::default()),
            transit_gateway_id: a.required_id("TransitGatewayId")?,
            vpc_id: a.required_id("VpcId")?,
            subnet_ids: a.ids("SubnetIds")?,
            tags: a.tags("transit-gateway-attachment")?,
            origin: Default::default(),
        })
    })?;
    let id = operation::create_transit_gateway_vpc_attachment(model, request)?;
    Ok(json!({"TransitGatewayVpcAttachment": vpc_attachment(model, model.transit_gateway_attachment(&id)?)}))
}

/// An attachment of a VPC. Errors: `InvalidTransitGatewayAttachmentID.NotFound`, also for that of another gateway.
fn of_vpc(model: &Model, id: &TransitGatewayAttachmentId) -> Result<TransitGatewayAttachment, ApiError> {
    let attachment = model.transit_gateway_attachment(id)?;
    match attachment.vpc_id() {
        Some(_) => Ok(attachment.clone()),
        None => Err(TransitGatewayAttachmentId::not_found(id.as_str())),
    }
}

fn delete_transit_gateway_vpc_attachment(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("TransitGatewayAttachmentId"))?;
    of_vpc(model, &id)?;
    operation::delete_transit_gateway_attachment(model, &id)?;
    let gone = model.gone_transit.attachments.get(&id);
    Ok(json!({"TransitGatewayVpcAttachment": gone.map(|attachment| vpc_attachment(model, attachment))}))
}

fn modify_transit_gateway_vpc_attachment(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, add, remove, wanted) = read(arguments, |a| {
        let wanted = attachment_options(a)?;
        let id = a.required_id("TransitGatewayAttachmentId")?;
        Ok((id, a.ids("AddSubnetIds")?, a.ids("RemoveSubnetIds")?, wanted))
    })?;
    let options = with(wanted, options_of(&of_vpc(model, &id)?));
    operation::modify_transit_gateway_vpc_attachment(model, &id, &add, &remove, Some(options))?;
    Ok(json!({"TransitGatewayVpcAttachment": vpc_attachment(model, model.transit_gateway_attachment(&id)?)}))
}

fn options_of(attachment: &TransitGatewayAttachment) -> VpcAttachmentOptions {
    match &attachment.to {
        AttachedTo::Vpc { options, .. } => *options,
        AttachedTo::Peering { .. } => VpcAttachmentOptions::default(),
    }
}

fn vpc_attachment(model: &Model, attachment: &TransitGatewayAttachment) -> Value {
    let options = options_of(attachment);
    let subnets = match &attachment.to {
        AttachedTo::Vpc { subnet_ids, .. } => subnet_ids.as_slice(),
        AttachedTo::Peering { .. } => &[],
    };
    json!({
        "TransitGatewayAttachmentId": text(&attachment.id),
        "TransitGatewayId": text(&attachment.transit_gateway_id),
        "VpcId": attachment.vpc_id().map(text),
        "VpcOwnerId": model.account_id,
        "State": attachment.state.as_str(model.context.now),
        "SubnetIds": subnets.iter().map(text).collect::<Value>(),
        "CreationTime": time(attachment.create_time),
        "Options": {
            "DnsSupport": "enable",
            "SecurityGroupReferencingSupport": word(options.security_group_referencing),
            "Ipv6Support": word(options.ipv6_support),
            "ApplianceModeSupport": "disable",
        },
        "Tags": tags(&attachment.tags),
    })
}

/// Those that there are and those that there were within the last hour.
fn attachments(model: &Model) -> impl Iterator<Item = &TransitGatewayAttachment> {
    model.transit_gateway_attachments.values().chain(model.gone_transit.attachments.values())
}

const VPC_ATTACHMENTS: Describe = Describe {
    ids: "TransitGatewayAttachmentIds",
    id_path: "TransitGatewayAttachmentId",
    answer: "TransitGatewayVpcAttachments",
    filters: &[
        ("state", &["State"]),
        ("transit-gateway-attachment-id", &["TransitGatewayAttachmentId"]),
        ("transit-gateway-id", &["TransitGatewayId"]),
        ("vpc-id", &["VpcId"]),
    ],
    form: form::<TransitGatewayAttachmentId>,
    not_found: TransitGatewayAttachmentId::not_found,
};

fn describe_transit_gateway_vpc_attachments(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let attachments = attachments(model).filter(|attachment| attachment.vpc_id().is_some());
    VPC_ATTACHMENTS.serve(arguments, attachments.map(|attachment| vpc_attachment(model, attachment)))
}

/// What is at the other end: its type and id.
pub fn resource(attachment: &TransitGatewayAttachment) -> (&'static str, Value) {
    match &attachment.to {
        AttachedTo::Vpc { vpc_id, .. } => ("vpc", text(vpc_id)),
        AttachedTo::Peering { accepter } => ("peering", text(accepter)),
    }
}

const ATTACHMENTS: Describe = Describe {
    ids: "TransitGatewayAttachmentIds",
    id_path: "TransitGatewayAttachmentId",
    answer: "TransitGatewayAttachments",
    filters: &[
        ("association.state", &["Association.State"]),
        ("association.transit-gateway-route-table-id", &["Association.TransitGatewayRouteTableId"]),
        ("resource-id", &["ResourceId"]),
        ("resource-owner-id", &["ResourceOwnerId"]),
        ("resource-type", &["ResourceType"]),
        ("state", &["State"]),
        ("transit-gateway-attachment-id", &["TransitGatewayAttachmentId"]),
        ("transit-gateway-id", &["TransitGatewayId"]),
        ("transit-gateway-owner-id", &["TransitGatewayOwnerId"]),
    ],
    form: form::<TransitGatewayAttachmentId>,
    not_found: TransitGatewayAttachmentId::not_found,
};

fn describe_transit_gateway_attachments(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let shape = |attachment: &TransitGatewayAttachment| {
        let (kind, id) = resource(attachment);
        let table = model.transit_gateway_route_tables.values().find(|table| table.associations.contains(&attachment.id));
        present(json!({
            "TransitGatewayAttachmentId": text(&attachment.id),
            "TransitGatewayId": text(&attachment.transit_gateway_id),
            "TransitGatewayOwnerId": model.account_id,
            "ResourceOwnerId": model.account_id,
            "ResourceType": kind,
            "ResourceId": id,
            "State": attachment.state.as_str(model.context.now),
            "Association": table.map(|table| json!({"TransitGatewayRouteTableId": text(&table.id), "State": "associated"})),
            "CreationTime": time(attachment.create_time),
            "Tags": tags(&attachment.tags),
        }))
    };
    ATTACHMENTS.serve(arguments, attachments(model).map(shape))
}
