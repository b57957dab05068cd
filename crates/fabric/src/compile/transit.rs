//! Transit gateways: attachments by position, propagated and static routes merged (TGW-2).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ipnet::IpNet;
use model::TransitGatewayId;
use model::transit_gateway::{AttachedTo, TransitGatewayAttachment as Attached, TransitGatewayRouteTable};

use super::{Places, name};
use crate::gateway::{TransitEnd, TransitGateway, TransitGatewayAttachment, TransitGatewayRoute, TransitGatewayTable};
use crate::index::{Table, TransitGatewayIndex};

pub(super) fn compile(places: &Places<'_>) -> Table<TransitGatewayIndex, TransitGateway> {
    let row = |gateway: &model::TransitGateway| {
        let attached = attached(places, &gateway.id);
        let tables: Vec<&TransitGatewayRouteTable> =
            places.model.transit_gateway_route_tables.values().filter(|t| t.transit_gateway_id == gateway.id).collect();
        let attachment = |attachment: &&Attached| {
            Some(TransitGatewayAttachment {
                id: attachment.id.clone(),
                name: name(&attachment.tags, attachment.id.as_str()),
                to: end(places, &gateway.id, attachment)?,
                table: tables.iter().position(|table| table.associations.contains(&attachment.id)),
            })
        };
        TransitGateway {
            id: gateway.id.clone(),
            name: name(&gateway.tags, gateway.id.as_str()),
            attachments: attached.iter().filter_map(attachment).collect(),
            tables: tables.iter().map(|own| table(places, own, &attached)).collect(),
            origin: gateway.origin.clone(),
        }
    };
    places.model.transit_gateways.values().map(row).collect()
}

/// What is attached to a gateway, by id, as far as its other end exists.
fn attached<'m>(places: &Places<'m>, gateway: &TransitGatewayId) -> Vec<&'m Attached> {
    let leads = |attachment: &&Attached| match &attachment.to {
        AttachedTo::Vpc { vpc_id, .. } => places.vpcs.get(vpc_id).is_some(),
        AttachedTo::Peering { accepter } => {
            [accepter, &attachment.transit_gateway_id].into_iter().all(|id| places.transit_gateways.get(id).is_some())
        }
    };
    places.model.transit_gateway_attachments.values().filter(|a| a.is_of(gateway) && a.state.is_available()).filter(leads).collect()
}

fn end(places: &Places<'_>, of: &TransitGatewayId, attachment: &Attached) -> Option<TransitEnd> {
    match &attachment.to {
        AttachedTo::Vpc { vpc_id, subnet_ids, .. } => {
            let mut subnets: Vec<_> = subnet_ids.iter().filter_map(|id| places.model.subnets.get(id)).collect();
            subnets.sort_by_key(|subnet| &subnet.availability_zone);
            let subnets = subnets.into_iter().filter_map(|subnet| places.subnets.get(&subnet.id)).collect();
            Some(TransitEnd::Vpc { vpc: places.vpcs.get(vpc_id)?, subnets })
        }
        AttachedTo::Peering { accepter } => {
            let other = if accepter == of { &attachment.transit_gateway_id } else { accepter };
            let position = attached(places, other).iter().position(|there| there.id == attachment.id)?;
            Some(TransitEnd::Peering { gateway: places.transit_gateways.get(other)?, attachment: position })
        }
    }
}

/// Longest prefix first; on one prefix a static route wins, then the VPC attached first (by id).
fn table(places: &Places<'_>, table: &TransitGatewayRouteTable, attached: &[&Attached]) -> TransitGatewayTable {
    let mut routes: BTreeMap<(Reverse<u8>, IpNet), TransitGatewayRoute> = BTreeMap::new();
    let mut add = |destination: IpNet, attachment: Option<usize>, propagated: bool| {
        let key = (Reverse(destination.prefix_len()), destination);
        routes.entry(key).or_insert(TransitGatewayRoute { destination, attachment, propagated });
    };
    for (destination, to) in &table.routes {
        let position = to.as_ref().and_then(|id| attached.iter().position(|attachment| attachment.id == *id));
        // An attachment that IPv6 does not pass takes none.
        let takes = |position: &usize| destination.addr().is_ipv4() || attached[*position].carries_ipv6();
        add(*destination, position.filter(takes), false);
    }
    for (position, attachment) in attached.iter().enumerate().filter(|(_, a)| table.propagations.contains(&a.id)) {
        let Some(vpc) = attachment.vpc_id().and_then(|id| places.model.vpcs.get(id)) else { continue };
        vpc.ipv4_blocks().for_each(|block| add(IpNet::V4(block), Some(position), true));
        if attachment.carries_ipv6() {
            vpc.ipv6_blocks().for_each(|block| add(IpNet::V6(block), Some(position), true));
        }
    }
    TransitGatewayTable {
        id: table.id.clone(),
        name: name(&table.tags, table.id.as_str()),
        routes: routes.into_values().collect(),
    }
}
