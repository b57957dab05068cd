//! What questions leave behind, taken back: whoever asks "would this get through" is no program, and nobody is to be told of
//! its end. And a host's description, changed while it runs.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::node::Context;
use crate::tcp::Connection;

use super::spec::{HostSpec, Protocol};
use super::streams::Flow;
use super::{Host, Origin};

/// Connections as they were at a moment.
#[derive(Debug, Clone)]
pub struct Saved(Vec<(Flow, Connection)>);

impl Host {
    /// Addresses of an interface, the one that it sends from first.
    pub fn addresses(&self, interface: u16) -> Vec<IpNet> {
        let own = self.interfaces.get(usize::from(interface));
        own.map(|own| own.addresses.iter().map(|address| address.net).collect()).unwrap_or_default()
    }

    /// What is sent from an address goes out of one interface from now on, whatever the routes say: who asks may say by which
    /// (`SO_BINDTODEVICE`).
    pub fn bind(&mut self, bound: Option<(IpAddr, u16)>) {
        self.bound = bound;
    }

    pub(crate) fn bound(&self, source: Option<IpAddr>) -> Option<u16> {
        self.bound.filter(|(from, _)| Some(*from) == source).map(|(_, interface)| interface)
    }

    /// Whether a service answers on a TCP port.
    pub fn listens(&self, port: u16) -> bool {
        self.services.answers(Protocol::TCP, port)
    }

    /// Connections are gone as if they had never been, unless one is to be kept; nothing is sent.
    pub fn forget_connections(&mut self, keeps: impl Fn((IpAddr, u16), (IpAddr, u16)) -> bool) {
        let flows: Vec<Flow> = self.streams.iter().map(|stream| stream.flow).collect();
        for flow in flows.into_iter().filter(|flow| !keeps((flow.local, flow.port), (flow.remote, flow.remote_port))) {
            if let Some(id) = self.streams.find(&flow) {
                self.streams.remove(id);
            }
        }
    }

    /// The state of all connections.
    pub fn save(&self) -> Saved {
        Saved(self.streams.iter().map(|stream| (stream.flow, stream.connection.clone())).collect())
    }

    /// Puts connections that are still there back to what they were: what was sent since is not sent again.
    pub fn restore(&mut self, saved: Saved) {
        for (flow, connection) in saved.0 {
            if let Some(stream) = self.streams.find(&flow).and_then(|id| self.streams.get_mut(id)) {
                stream.connection = connection;
            }
        }
    }

    /// Takes over another description with the same interfaces: addresses, routes, whether it forwards and translates.
    pub fn configure(&mut self, context: &mut Context<'_>, spec: HostSpec) {
        for (port, interface) in spec.interfaces.iter().enumerate() {
            let port = port as u16;
            let is_link_local = |net: &IpNet| matches!(net.addr(), IpAddr::V6(own) if own.is_unicast_link_local());
            for gone in self.addresses(port).into_iter().filter(|own| !interface.addresses.contains(own) && !is_link_local(own)) {
                self.remove_address(port, gone.addr());
            }
            for net in &interface.addresses {
                self.add_address(port, *net);
            }
        }
        self.forget_routes(Origin::Static, |_| true);
        for route in spec.routes {
            self.set_route(route);
        }
        self.set_forwarding(spec.forwarding);
        self.settle(context);
    }
}
