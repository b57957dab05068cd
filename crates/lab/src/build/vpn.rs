//! Virtual private gateways: one for each VPC that a lan is linked to, and what it announces to the route tables (VPN-1, RT-10).

use std::collections::BTreeMap;

use model::operation::*;
use model::{Destination, Origin, VpnGatewayId};

use super::{Build, tags};
use crate::sentence::LinkEnd;
use crate::source::{Located, Span};

impl Build<'_, '_> {
    /// A gateway for each VPC that a lan is linked to, however many links there are.
    pub(super) fn vpn_gateways(&mut self) {
        for (vpc, span) in self.linked_vpcs() {
            let Some(vpc_id) = self.vpc_called(&vpc) else { continue };
            let tags = tags(&format!("{vpc}-vgw"), &Default::default());
            let result = create_vpn_gateway(self.model, CreateVpnGateway { tags, origin: self.origin(span) });
            let Some(id) = self.op(span, result) else { continue };
            let result = attach_vpn_gateway(self.model, &id, &vpc_id);
            self.op(span, result);
        }
    }

    /// Every table takes what lies behind the gateway, but for those that serve a gateway and those whose file says no.
    pub(super) fn propagations(&mut self) {
        let lab = self.lab;
        for (vpc, span) in self.linked_vpcs() {
            let Some(vpc_id) = self.vpc_called(&vpc) else { continue };
            let Some(gateway) = self.model.vpn_gateway_of(&vpc_id).map(|gateway| gateway.id.clone()) else { continue };
            let mut said = BTreeMap::new();
            let file = lab.file.vpcs.iter().find(|(name, _)| name.value == vpc);
            for (name, table) in file.into_iter().flat_map(|(_, vpc)| vpc.route_tables.iter()) {
                let path = self.names.below(&vpc_id, Some(&name.value));
                if let (Some(id), Some(word)) = (path.and_then(|path| self.names.route_tables.id(&path)), table.propagation) {
                    said.insert(id.clone(), word);
                }
            }
            let networks = self.announced(&vpc);
            let of_vpc = self.model.route_tables.values().filter(|table| table.vpc_id == vpc_id);
            let tables: Vec<_> = of_vpc.map(|table| (table.id.clone(), serves_a_gateway(table))).collect();
            for (table, is_edge) in tables {
                let (takes, span) = said.get(&table).map_or((!is_edge, span), |Located { value, span }| (*value, *span));
                if !takes || self.gives_up() {
                    continue;
                }
                let result = enable_vgw_route_propagation(self.model, &table, &gateway);
                if self.op(span, result).is_some() {
                    self.propagate(&table, &gateway, &networks, span);
                }
            }
        }
    }

    fn propagate(&mut self, table: &model::RouteTableId, gateway: &VpnGatewayId, networks: &[(Destination, Origin)], span: Span) {
        for (destination, origin) in networks {
            let result = propagate_route(self.model, table, gateway, destination.clone(), origin.clone());
            if self.op(span, result).is_none() {
                return;
            }
        }
    }

    /// What the lans tell a VPC, each network once, with the link that tells it first.
    fn announced(&self, vpc: &str) -> Vec<(Destination, Origin)> {
        let mut networks: BTreeMap<Destination, Origin> = BTreeMap::new();
        for lan in self.model.lans.values() {
            for (index, _) in lan.tunnels().filter(|(_, (_, _, to))| *to == vpc) {
                let told = lan.announced(index).into_iter().map(Destination::Ipv4);
                told.for_each(|network| {
                    networks.entry(network).or_insert_with(|| lan.links[index].origin.clone());
                });
            }
        }
        networks.into_iter().collect()
    }

    /// VPCs at the ends of links, each once with the place of its first link.
    fn linked_vpcs(&self) -> Vec<(String, Span)> {
        let mut linked: Vec<(String, Span)> = Vec::new();
        for phrase in self.lab.file.lans.iter().flat_map(|(_, lan)| &lan.links) {
            for end in phrase.a.iter().chain(&phrase.b) {
                if let LinkEnd::Vpc(vpc) = &end.value
                    && !linked.iter().any(|(known, _)| known == vpc)
                {
                    linked.push((vpc.clone(), phrase.span));
                }
            }
        }
        linked
    }
}

fn serves_a_gateway(table: &model::RouteTable) -> bool {
    use model::route_table::Associated::{InternetGateway, VpnGateway};
    table.associations.iter().any(|association| matches!(association.to, InternetGateway(_) | VpnGateway(_)))
}
