//! What a routing program asks of its router: its interfaces, its groups, its routes.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::app::Calls;
use crate::frame::FrameId;
use crate::host::{Host, Origin, Route};
use crate::link::Framing;
use crate::trace::{Reason, TraceEvent, Verb};

impl Host {
    /// Lets an interface's subnets be routes or not: a router does not send into a network that it lost.
    pub(crate) fn follow_link(&mut self, interface: u16, is_up: bool) {
        if !is_up {
            self.forget_routes(Origin::Connected, |route| route.interface == interface);
            return;
        }
        let subnets: Vec<IpNet> = self.addresses_of(interface).map(|net| net.trunc()).collect();
        for destination in subnets {
            self.learn_route(Route { destination, via: None, interface, metric: 0, origin: Origin::Connected });
        }
    }

    fn addresses_of(&self, interface: u16) -> impl Iterator<Item = IpNet> {
        self.interfaces().get(usize::from(interface)).into_iter().flat_map(|own| own.usable())
    }
}

impl Calls<'_, '_> {
    /// Number of the router's interfaces.
    pub(super) fn interfaces(&self) -> u16 {
        self.host.interfaces().len() as u16
    }

    /// Whether something is plugged into an interface, and up.
    pub(super) fn is_up(&self, interface: u16) -> bool {
        self.context.is_up(interface)
    }

    /// How an interface's link frames.
    pub(super) fn framing(&self, interface: u16) -> Framing {
        self.context.framing(interface)
    }

    /// Bits per second at an interface.
    pub(super) fn rate(&self, interface: u16) -> u64 {
        self.context.rate(interface)
    }

    /// The longest packet at an interface, bytes.
    pub(super) fn mtu(&self, interface: u16) -> u16 {
        let own = self.host.interfaces().get(usize::from(interface)).map_or(0, |own| own.mtu);
        let mtu = if own == 0 { self.context.mtu(interface) } else { own };
        u16::try_from(mtu).unwrap_or(u16::MAX)
    }

    /// An interface's IPv4 addresses with their subnets.
    pub(super) fn subnets(&self, interface: u16) -> Vec<Ipv4Net> {
        let v4 = |net: IpNet| {
            if let IpNet::V4(net) = net { Some(net) } else { None }
        };
        self.host.interfaces().get(usize::from(interface)).into_iter().flat_map(|own| own.usable()).filter_map(v4).collect()
    }

    /// Takes packets for a group at an interface, or no more.
    pub(super) fn set_member(&mut self, interface: u16, group: Ipv4Addr, is_member: bool) {
        if is_member {
            self.host.join_group(interface, group.into());
        } else {
            self.host.leave_group(interface, group.into());
        }
    }

    /// Puts the one route to a destination into the table; another one of the same protocol is replaced.
    pub(super) fn install(&mut self, origin: Origin, to: Ipv4Net, via: Option<Ipv4Addr>, interface: u16, metric: u32) {
        let route = Route { destination: to.into(), via: via.map(IpAddr::V4), interface, metric, origin };
        if self.host.routes().iter().any(|known| *known == route) {
            return;
        }
        self.host.forget_routes(origin, |known| known.destination == route.destination);
        self.host.learn_route(route);
        self.trace(interface, Verb::Learn, Reason::Routing, || {
            let via = via.map_or_else(|| "on the link".to_owned(), |via| format!("via {via}"));
            format!("{to} {via} metric {metric} ({})", origin.word())
        });
    }

    /// Takes a protocol's route to a destination out of the table.
    pub(super) fn uninstall(&mut self, origin: Origin, to: Ipv4Net) {
        if self.host.forget_routes(origin, |known| known.destination == IpNet::V4(to)) > 0 {
            self.trace(TraceEvent::NO_PORT, Verb::Forget, Reason::Routing, || format!("{to} ({})", origin.word()));
        }
    }

    /// Routes that somebody wrote, for IPv4.
    pub(super) fn static_routes(&self) -> Vec<(Ipv4Net, u16)> {
        let v4 = |route: &Route| match route.destination {
            IpNet::V4(to) if route.origin == Origin::Static => Some((to, route.interface)),
            _ => None,
        };
        self.host.routes().iter().filter_map(v4).collect()
    }

    /// Lets the router's own subnets at an interface follow its link.
    pub(super) fn follow_link(&mut self, interface: u16) {
        let is_up = self.is_up(interface);
        self.host.follow_link(interface, is_up);
    }

    /// Records a step of a protocol.
    pub(super) fn trace(&mut self, interface: u16, verb: Verb, reason: Reason, text: impl FnOnce() -> String) {
        self.context.trace_text(interface, verb, reason, FrameId::NONE, text);
    }
}
