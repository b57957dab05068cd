//! A gateway endpoint: a way to the hosts that are the service, past the internet gateway (VPCE-1). Port 0 leads to the VPC's
//! router, the others to hosts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use fabric::Fabric;
use fabric::stage::{internet, vpc_endpoint};
use model::VpcEndpointId;

use super::bytes;
use super::judge::Judge;
use super::neighbor;
use super::router::{FABRIC, host_mac};
use crate::frame::FrameId;
use crate::node::{Context, Node};
use crate::table::Table;
use crate::time::Time;
use crate::trace::{Reason, Verb};

/// The endpoint of a VPC for a service.
pub struct Endpoint {
    /// Fabric and time of day.
    pub judge: Judge,
    id: VpcEndpointId,
    hosts: BTreeMap<IpAddr, u16>,
}

impl Endpoint {
    /// An endpoint by its id.
    pub fn new(fabric: Arc<Fabric>, id: VpcEndpointId) -> Self {
        Self { judge: Judge::new(fabric), id, hosts: BTreeMap::new() }
    }

    /// Says that a host is at a port.
    pub fn plug(&mut self, host: IpAddr, port: u16) {
        self.hosts.insert(host, port);
    }

    /// The port of a host.
    pub fn port(&self, host: IpAddr) -> Option<u16> {
        self.hosts.get(&host).copied()
    }
}

impl Node for Endpoint {
    fn kind(&self) -> &'static str {
        "vpc-endpoint"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        if port != 0 && neighbor::answer_all(context, port, frame) {
            return;
        }
        let Some(travel) = self.judge.read(context, port, frame) else { return };
        let fabric = Arc::clone(&self.judge.fabric);
        let Some(endpoint) = fabric.vpc_endpoints.find(&self.id, |endpoint| &endpoint.id) else {
            return context.trace(port, Verb::Drop, Reason::NotConnected, frame);
        };
        let header = &travel.packet.header;
        let (out, to) = match port {
            0 => {
                if !self.judge.pass(context, &travel, vpc_endpoint::decide(&fabric, endpoint, header))
                    || !self.judge.pass(context, &travel, internet::decide(&fabric, header.destination))
                {
                    return;
                }
                (self.port(header.destination), host_mac(header.destination))
            }
            _ => (Some(0), FABRIC),
        };
        let Some(out) = out else { return context.trace(port, Verb::Drop, Reason::NotConnected, frame) };
        let copy = context.copy(frame);
        bytes::address(context.bytes_mut(copy), to, FABRIC);
        context.send(out, copy);
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        let mut table = Table::new("hosts", &["address", "port"]);
        for (address, port) in &self.hosts {
            table.row([address.to_string(), port.to_string()]);
        }
        vec![table]
    }
}
