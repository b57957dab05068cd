//! Lans: small networks of hubs, switches, routers, hosts and links beside the VPCs.

mod word;

use std::net::IpAddr;

use model::lan::{FilterRule, RoutingProtocol, Service, StaticRoute};

pub use word::{InterfaceAddress, LinkPhrase, Mac, Rate};

use super::{ListenPhrase, Milliseconds, document};
use crate::decode::{Decode, Decoder, Named, OneOrMany, name_of};
use crate::source::Located;
use crate::yaml::{Node, Value};

document! {
    /// A small network, alone or linked to a VPC. The simulator plays it.
    Lan: "a mapping such as `hosts:` and `links:`" {
        /// Hubs: a list of names, or NAME: RATE. Default: 10M.
        hubs: Devices<Repeater>,
        /// Hubs of two ports: a list of names, or NAME: RATE. Default: 10M.
        repeaters: Devices<Repeater>,
        /// Switches: a list of names, or a mapping.
        switches: Devices<Switch>,
        /// Switches of two ports: a list of names, or a mapping.
        bridges: Devices<Switch>,
        /// Routers by name.
        routers: Named<Router>,
        /// Hosts by name: an address with the length of its network's prefix, dhcp, or a mapping.
        hosts: Named<Host>,
        /// Balancers (L4 switches) by name.
        balancers: Named<Balancer>,
        /// Links: END[, END…] -- END [rate, delay, cable, loss, …].
        links: Vec<LinkPhrase>,
    }
}

document! {
    /// A hub or a repeater; one word is its rate.
    Repeater: "a rate such as `10M`", short rate {
        /// Bits per second. Default: 10M.
        rate: Option<Located<Rate>>,
    }
}

document! {
    /// A switch or a bridge.
    Switch: "a mapping such as `{ spanning_tree: true }`" {
        /// Time after which an address is forgotten. Default: 300s.
        ageing: Option<Located<Milliseconds>>,
        /// Addresses that are remembered at most. Default: 1024.
        table: Option<Located<u32>>,
        /// Whether it runs the spanning tree protocol. Default: false.
        spanning_tree: Option<Located<bool>>,
        /// Priority in the spanning tree; the lowest becomes the root. Default: 32768.
        priority: Option<Located<u16>>,
        /// Whether multicast goes only where somebody joined. Default: true.
        igmp_snooping: Option<Located<bool>>,
    }
}

document! {
    /// An interface; one word is its address.
    LanInterface: "an address such as `10.0.1.1/24`, or a mapping", short address {
        /// An address with the length of its network's prefix, dhcp, or a list; an empty list is none.
        address: OneOrMany<Located<InterfaceAddress>>,
        /// MAC address. Default: chosen.
        mac: Option<Located<Mac>>,
        /// Whether DHCP is asked for an address: the same as `address: dhcp`.
        dhcp: Option<Located<bool>>,
    }
}

document! {
    /// A router.
    Router: "a mapping such as `interfaces: { eth0: 10.0.1.1/24 }`" {
        /// Interfaces by name.
        interfaces: Named<LanInterface>,
        /// Routes: BLOCK via ADDRESS, BLOCK dev INTERFACE; `default` is everything.
        routes: Vec<Located<StaticRoute>>,
        /// Routing protocols: rip, ospf.
        protocols: OneOrMany<Located<RoutingProtocol>>,
        /// The interface whose address hides what goes out there.
        nat: Option<Located<String>>,
        /// Rules, the first that matches decides: (allow|deny) PROTO[/PORTS] [from BLOCK] [to BLOCK] [in IF] [out IF].
        filter: Vec<Located<FilterRule>>,
        /// What it serves: dhcp FIRST-LAST [gateway A] [dns A] [lease TIME], dns NAME=ADDRESS, http, …
        serve: OneOrMany<Located<Service>>,
    }
}

document! {
    /// A host; one word is its address.
    Host: "an address such as `10.0.1.10/24`, dhcp, or a mapping such as `{ address: 10.0.1.10/24, gateway: 10.0.1.1 }`", short address {
        /// The address of its eth0 with the length of the network's prefix, dhcp, or a list.
        address: OneOrMany<Located<InterfaceAddress>>,
        /// Default gateway, or one for IPv4 and one for IPv6. Default: none.
        gateway: OneOrMany<Located<IpAddr>>,
        /// Name servers that it asks.
        dns: OneOrMany<Located<IpAddr>>,
        /// Ports that answer with the host's name: tcp/80, udp/53.
        listen: OneOrMany<ListenPhrase>,
        /// What it serves: http, echo, telnet 2323, dhcp FIRST-LAST, dns NAME=ADDRESS, …
        serve: OneOrMany<Located<Service>>,
        /// MAC address of its eth0. Default: chosen.
        mac: Option<Located<Mac>>,
        /// Whether its eth0 asks DHCP for an address: the same as `address: dhcp`.
        dhcp: Option<Located<bool>>,
        /// Interfaces by name, instead of eth0.
        interfaces: Named<LanInterface>,
        /// Routes beside the gateway: BLOCK via ADDRESS.
        routes: Vec<Located<StaticRoute>>,
    }
}

document! {
    /// A balancer (L4 switch): connections to its virtual address are spread over hosts in turn.
    Balancer: "a mapping such as `{ address: 10.0.1.2/24, virtual: 10.0.1.100, ports: tcp/80, to: [pc-1, pc-2] }`" {
        /// The address of its eth0 with the length of the network's prefix.
        address: OneOrMany<Located<InterfaceAddress>>,
        /// The address that clients know.
        r#virtual: Option<Located<IpAddr>>,
        /// Ports that it spreads: tcp/80, udp/53.
        ports: OneOrMany<ListenPhrase>,
        /// Hosts that serve.
        to: OneOrMany<Located<String>>,
        /// Default gateway. Default: none.
        gateway: OneOrMany<Located<IpAddr>>,
        /// MAC address of its eth0. Default: chosen.
        mac: Option<Located<Mac>>,
        /// Interfaces by name, instead of eth0.
        interfaces: Named<LanInterface>,
    }
}

/// Devices of which most need nothing but a name: a list of names, or a mapping in which a name may stand alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devices<T>(pub Vec<(Located<String>, T)>);

impl<T> Default for Devices<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Decode + Default> Decode for Devices<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut devices = Vec::new();
        let mut add = |key: &Node, value: Option<&Node>, decoder: &mut Decoder| {
            let name = name_of(key, decoder);
            let device = match value.filter(|value| !value.is_null()) {
                Some(value) => T::decode(value, decoder),
                None => Some(T::default()),
            };
            devices.extend(name.zip(device));
        };
        match &node.value {
            Value::Mapping(entries) => entries.iter().for_each(|(key, value)| add(key, Some(value), decoder)),
            Value::Sequence(names) => names.iter().for_each(|name| add(name, None, decoder)),
            Value::Scalar { .. } if node.is_null() => {}
            Value::Scalar { .. } => add(node, None, decoder),
        }
        Some(Self(devices))
    }
}
