//! What can be changed of a host while it runs: addresses, routes, services, groups.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};

use crate::node::Context;
use crate::tcp::Terms;
use crate::time::Span;
use crate::trace::{Reason, Verb};

use super::Host;
use super::deadlines::Alarm;
use super::interface::{Address, Interface, Locals, link_local};
use super::route::{Origin, Route};
use super::spec::{RouteSpec, Services};

/// A new IPv6 address is asked for this long before it is used (RFC 4862, 5.4: one question, RETRANS_TIMER).
const DETECTION: Span = Span::seconds(1);

impl Interface {
    /// Every interface with IPv6 has a link-local address (RFC 4291, 2.1).
    pub(crate) fn add_link_local(&mut self) {
        let has_v6 = self.addresses.iter().any(|own| own.net.addr().is_ipv6());
        let is_link_local = |own: &Address| matches!(own.net.addr(), IpAddr::V6(own) if own.is_unicast_link_local());
        if has_v6
            && !self.addresses.iter().any(is_link_local)
            && let Ok(net) = Ipv6Net::new(link_local(self.mac), 64)
        {
            self.addresses.push(Address { net: net.into(), is_tentative: false });
        }
    }
}

impl Host {
    /// The subnets of its addresses become routes.
    pub(crate) fn connect_routes(&mut self) {
        self.routes.remove(|route| route.origin == Origin::Connected);
        for (index, interface) in self.interfaces.iter().enumerate() {
            for own in &interface.addresses {
                let (destination, interface) = (own.net.trunc(), index as u16);
                self.routes.set(Route { destination, via: None, interface, metric: 0, origin: Origin::Connected });
            }
        }
        self.locals = Locals::of(&self.interfaces);
    }

    /// Adds a route; one to the same destination with the same metric is replaced.
    pub fn set_route(&mut self, route: RouteSpec) {
        let RouteSpec { destination, via, interface, metric } = route;
        if usize::from(interface) < self.interfaces.len() {
            self.routes.set(Route { destination, via, interface, metric, origin: Origin::Static });
        }
    }

    /// Takes out the routes to a destination that were set. Returns how many there were.
    pub fn remove_route(&mut self, destination: IpNet) -> usize {
        self.routes.remove(|route| route.origin == Origin::Static && route.destination == destination.trunc())
    }

    /// Adds a route of a routing protocol.
    pub fn learn_route(&mut self, route: Route) {
        if usize::from(route.interface) < self.interfaces.len() {
            self.routes.set(route);
        }
    }

    /// Takes out routes of one origin that fit. Returns how many there were.
    pub fn forget_routes(&mut self, origin: Origin, fits: impl Fn(&Route) -> bool) -> usize {
        self.routes.remove(|route| route.origin == origin && fits(route))
    }

    /// Gives an interface one more address, and the route to its subnet.
    pub fn add_address(&mut self, interface: u16, net: IpNet) {
        let Some(at) = self.interfaces.get_mut(interface as usize) else { return };
        if !at.has(net.addr()) {
            at.addresses.push(Address { net, is_tentative: false });
            at.add_link_local();
            self.connect_routes();
        }
    }

    /// Takes an address from an interface. Whether it had it.
    pub fn remove_address(&mut self, interface: u16, address: IpAddr) -> bool {
        let Some(at) = self.interfaces.get_mut(interface as usize) else { return false };
        let before = at.addresses.len();
        at.addresses.retain(|own| own.net.addr() != address);
        let had_it = at.addresses.len() < before;
        self.connect_routes();
        had_it
    }

    /// Who answers without a program being there.
    pub fn set_services(&mut self, services: Services) {
        self.services = services;
    }

    /// Whether it passes on what is not for itself.
    pub fn set_forwarding(&mut self, forwarding: bool) {
        self.forwarding = forwarding;
    }

    /// What its TCP connections begin with from now on; the largest segment follows the interface.
    pub fn set_tcp(&mut self, terms: Terms) {
        self.tcp_terms = Some(Box::new(terms));
    }

    /// Takes packets for a multicast group at an interface.
    pub fn join_group(&mut self, interface: u16, group: IpAddr) {
        if let Some(at) = self.interfaces.get_mut(interface as usize)
            && !at.groups.contains(&group)
        {
            at.groups.push(group);
        }
    }

    /// Takes no more packets for a multicast group.
    pub fn leave_group(&mut self, interface: u16, group: IpAddr) {
        if let Some(at) = self.interfaces.get_mut(interface as usize) {
            at.groups.retain(|joined| *joined != group);
        }
    }

    /// Announces and probes addresses, as far as the description says so.
    pub(crate) fn start_interfaces(&mut self, context: &mut Context<'_>) {
        for port in 0..self.interfaces.len() as u16 {
            if self.detects_duplicates {
                self.detect_duplicates(context, port);
            }
            if self.announces {
                self.announce(context, port);
            }
        }
    }

    fn detect_duplicates(&mut self, context: &mut Context<'_>, port: u16) {
        let mut asked = Vec::new();
        for own in &mut self.interfaces[port as usize].addresses {
            if let IpAddr::V6(address) = own.net.addr() {
                own.is_tentative = true;
                asked.push(address);
            }
        }
        for address in asked {
            self.deadlines.push(context.now() + DETECTION, Alarm::Address(port, address.into()));
            self.probe_address(context, port, address);
        }
    }

    /// Nobody said that a tentative address is theirs, unless it was taken away in the meantime.
    pub(crate) fn address_is_due(&mut self, interface: u16, address: IpAddr) {
        let addresses = self.interfaces.get_mut(interface as usize).map(|at| &mut at.addresses);
        for own in addresses.into_iter().flatten().filter(|own| own.net.addr() == address) {
            own.is_tentative = false;
        }
    }

    /// Somebody else has a tentative address: it is given up.
    pub(crate) fn give_up_address(&mut self, context: &mut Context<'_>, interface: u16, address: IpAddr) {
        if self.remove_address(interface, address) {
            context
                .trace_text(interface, Verb::Forget, Reason::DuplicateAddress, crate::FrameId::NONE, || address.to_string());
        }
    }
}
