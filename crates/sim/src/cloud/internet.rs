//! Between the gateways: to another public address of the region (IGW-7), to hosts, to virtual private gateways.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use fabric::stage::{internet, vpn_gateway};
use fabric::{Fabric, NextHop};
use model::{EgressOnlyInternetGatewayId, InternetGatewayId, VpnGatewayId};

use super::bytes;
use super::judge::{Judge, Travel};
use super::neighbor;
use super::router::{FABRIC, host_mac};
use crate::frame::FrameId;
use crate::node::{Context, Node};
use crate::table::Table;
use crate::time::Time;
use crate::trace::{Reason, Verb};

/// What a port of the internet leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beyond {
    /// An internet gateway.
    InternetGateway(InternetGatewayId),
    /// An egress-only internet gateway.
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayId),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayId),
    /// A host.
    Host(IpAddr),
}

/// The internet: one router that knows every public address of the lab.
pub struct Internet {
    /// Fabric and time of day.
    pub judge: Judge,
    beyond: Vec<Beyond>,
    ports: BTreeMap<Beyond, u16>,
}

impl Internet {
    /// An internet without anybody.
    pub fn new(fabric: Arc<Fabric>) -> Self {
        Self { judge: Judge::new(fabric), beyond: Vec::new(), ports: BTreeMap::new() }
    }

    /// Says what its next port leads to.
    pub fn plug(&mut self, beyond: Beyond, port: u16) {
        assert_eq!(usize::from(port), self.beyond.len(), "ports are plugged in order");
        self.beyond.push(beyond.clone());
        self.ports.insert(beyond, port);
    }

    /// The port that leads somewhere.
    pub fn port(&self, beyond: &Beyond) -> Option<u16> {
        self.ports.get(beyond).copied()
    }

    /// Where a packet goes; `None` when nothing has its destination, which is recorded.
    fn next(&self, context: &mut Context<'_>, travel: &Travel) -> Option<Beyond> {
        let fabric = &self.judge.fabric;
        let header = &travel.packet.header;
        let next = match header.destination {
            IpAddr::V4(destination) => match fabric.public_addresses.get(&destination) {
                Some(mapping) => {
                    let gateway = fabric.vpcs[mapping.vpc].internet_gateway;
                    gateway.map(|gateway| Beyond::InternetGateway(fabric.internet_gateways[gateway].id.clone()))
                }
                None if fabric.is_outside_host(header.destination) => Some(Beyond::Host(header.destination)),
                None => vpn_gateway::towards(fabric, header).map(|gateway| Beyond::VpnGateway(fabric.vpn_gateways[gateway].id.clone())),
            },
            IpAddr::V6(destination) => match fabric.vpcs.values().find(|vpc| vpc.contains(destination.into())) {
                None => Some(Beyond::Host(header.destination)),
                Some(vpc) => {
                    // Which of the two gateways a block is announced by, its subnet's table says (EIGW-1).
                    let subnet = vpc.subnets.iter().find(|subnet| fabric.subnets[**subnet].contains(destination.into()));
                    let table = subnet.map(|subnet| fabric.subnets[*subnet].route_table);
                    let route = table.and_then(|table| fabric.route_tables[table].lookup(header.source));
                    match (route.map(|route| route.next_hop), vpc.internet_gateway) {
                        (Some(NextHop::EgressOnlyInternetGateway(gateway)), _) => {
                            let id = fabric.egress_only_internet_gateways[gateway].id.clone();
                            Some(Beyond::EgressOnlyInternetGateway(id))
                        }
                        (_, gateway) => gateway.map(|gateway| Beyond::InternetGateway(fabric.internet_gateways[gateway].id.clone())),
                    }
                }
            },
        };
        match &next {
            Some(Beyond::Host(address)) => {
                self.judge.pass(context, travel, internet::decide(fabric, *address)).then(|| next.clone()).flatten()
            }
            Some(_) => next,
            None => {
                self.judge.refuse(context, travel, internet::unrouted(header.destination));
                None
            }
        }
    }
}

impl Node for Internet {
    fn kind(&self) -> &'static str {
        "internet"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        if matches!(self.beyond.get(usize::from(port)), Some(Beyond::Host(_))) && neighbor::answer_all(context, port, frame) {
            return;
        }
        let Some(travel) = self.judge.read(context, port, frame) else { return };
        let Some(next) = self.next(context, &travel) else { return };
        match self.port(&next) {
            Some(out) => {
                let copy = context.copy(frame);
                let to = if let Beyond::Host(address) = next { host_mac(address) } else { FABRIC };
                bytes::address(context.bytes_mut(copy), to, FABRIC);
                context.send(out, copy);
            }
            None => context.trace(port, Verb::Drop, Reason::NotConnected, frame),
        }
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        let mut table = Table::new("public", &["address", "gateway", "private address"]);
        let fabric: &Fabric = &self.judge.fabric;
        for (address, mapping) in &fabric.public_addresses {
            let gateway = fabric.vpcs[mapping.vpc].internet_gateway;
            let name = gateway.map_or_else(|| "-".to_owned(), |gateway| fabric.internet_gateways[gateway].name.clone());
            table.row([address.to_string(), name, mapping.private.to_string()]);
        }
        vec![table]
    }
}
