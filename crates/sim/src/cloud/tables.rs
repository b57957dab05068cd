//! Tables of a cloud's devices, as people read them.

use fabric::state::NatTable;
use fabric::{Fabric, VpcIndex};
use model::{InternetGatewayId, TransitGatewayId};

use crate::table::Table;

/// Route tables of a VPC, and who has which address.
pub fn router(fabric: &Fabric, vpc: Option<VpcIndex>) -> Vec<Table> {
    let Some(vpc) = vpc else { return Vec::new() };
    let mut routes = Table::new("routes", &["table", "destination", "target"]);
    for table in fabric.route_tables.values().filter(|table| table.vpc == vpc) {
        for route in &table.routes {
            routes.row([table.name.clone(), route.destination.to_string(), route.target.to_string()]);
        }
    }
    let mut addresses = Table::new("addresses", &["address", "mac", "interface", "subnet"]);
    for (address, interface) in &fabric.vpcs[vpc].addresses {
        let own = &fabric.interfaces[*interface];
        let subnet = fabric.subnets[own.subnet].name.clone();
        addresses.row([address.to_string(), own.mac.to_string(), own.name.clone(), subnet]);
    }
    vec![routes, addresses]
}

/// Public addresses of a gateway.
pub fn internet_gateway(fabric: &Fabric, id: &InternetGatewayId) -> Vec<Table> {
    let mut table = Table::new("nat", &["public address", "private address"]);
    if let Some(gateway) = fabric.internet_gateways.find(id, |gateway| &gateway.id) {
        for (public, mapping) in &fabric.internet_gateways[gateway].by_public {
            table.row([public.to_string(), mapping.private.to_string()]);
        }
    }
    vec![table]
}

/// Translations of a NAT gateway.
pub fn nat_gateway(translations: &NatTable) -> Vec<Table> {
    let mut table = Table::new("nat", &["protocol", "inside", "outside", "destination", "last used"]);
    for (flow, (address, port), last) in translations.iter() {
        let inside = format!("{}:{}", flow.source, flow.source_port);
        let destination = format!("{}:{}", flow.destination, flow.destination_port);
        table.row([flow.protocol.to_string(), inside, format!("{address}:{port}"), destination, last.0.to_string()]);
    }
    vec![table]
}

/// Routes of a transit gateway's tables.
pub fn transit_gateway(fabric: &Fabric, id: &TransitGatewayId) -> Vec<Table> {
    let mut table = Table::new("routes", &["table", "destination", "attachment"]);
    if let Some(gateway) = fabric.transit_gateways.find(id, |gateway| &gateway.id) {
        let own = &fabric.transit_gateways[gateway];
        for rows in &own.tables {
            for route in &rows.routes {
                let attachment = route.attachment.and_then(|at| own.attachments.get(at));
                let to = attachment.map_or_else(|| "blackhole".to_owned(), |attachment| attachment.name.clone());
                table.row([rows.name.clone(), route.destination.to_string(), to]);
            }
        }
    }
    vec![table]
}
