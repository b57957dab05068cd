//! From what a lab file says of a lan to nodes, links and shared media.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::guest::Listener;
use model::TrafficMatch;
use model::lan::{self, Device, End, Lan, RoutingProtocol};
use wire::Mac;

use crate::device::{Hub, SpanningTreeSettings, Switch, SwitchSettings, bridge};
use crate::host::{Action, FilterRule, FilterSpec, Host, HostSpec, InterfaceSpec, Protocol, RouteSpec, Services};
use crate::link::{Framing, LinkSpec};
use crate::media::{HubTree, HubTreeError, Segment, SegmentSpec};
use crate::node::NodeId;
use crate::routing::{Ospf, OspfSpec, Rip, RipSpec};
use crate::simulator::Simulator;
use crate::time::Span;

use super::serve;

/// A lan that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Hubs in a circle: a bit would go round for ever.
    #[error("hubs `{0}` and `{1}` are joined in a circle: a hub repeats every bit, so one would go round for ever")]
    HubLoop(String, String),
    /// The other end of a link is no device of the lan.
    #[error("`{0}` is no device of this lan")]
    NoDevice(String),
}

/// Adds the devices and links of a lan. Names are unique in a lab, so nodes are found by them.
pub fn add(simulator: &mut Simulator, lan: &Lan) -> Result<(), BuildError> {
    let mut builder = Builder { simulator, lan, nodes: BTreeMap::new(), ports: BTreeMap::new() };
    for (name, device) in &lan.devices {
        let node = builder.node(name, device);
        builder.nodes.insert(name, node);
    }
    builder.domains()?;
    builder.links()
}

struct Builder<'a> {
    simulator: &'a mut Simulator,
    lan: &'a Lan,
    nodes: BTreeMap<&'a str, NodeId>,
    /// Ports of interfaces, by device and interface.
    ports: BTreeMap<(&'a str, &'a str), u16>,
}

impl<'a> Builder<'a> {
    fn node(&mut self, name: &'a str, device: &'a Device) -> NodeId {
        let settings = |switch: &lan::Switch| SwitchSettings {
            ageing: Span::seconds(u64::from(switch.ageing_seconds)),
            table_addresses: switch.table_entries as usize,
            spanning_tree: switch.spanning_tree.then(|| SpanningTreeSettings { priority: switch.priority, ..SpanningTreeSettings::default() }),
            snooping: switch.igmp_snooping,
            ..SwitchSettings::default()
        };
        let node = match device {
            Device::Hub(_) => self.simulator.add(name, Hub::new()),
            Device::Repeater(_) => self.simulator.add(name, Hub::repeater()),
            Device::Switch(switch) => self.simulator.add(name, Switch::new(settings(switch))),
            Device::Bridge(switch) => self.simulator.add(name, bridge(settings(switch))),
            Device::Host(host) => {
                let spec = host_spec(name, &host.interfaces, &host.routes, &host.gateways);
                self.add_host(name, spec, services(&host.listen), |made| {
                    made.set_name_servers(host.dns.clone());
                    serve::install(made, name, &host.interfaces, &host.serve);
                })
            }
            Device::Router(router) => {
                let mut spec = host_spec(name, &router.interfaces, &router.routes, &[]);
                spec.forwarding = true;
                let nat = router.nat_interface.as_ref();
                spec.masquerade = nat.and_then(|nat| router.interfaces.keys().position(|name| name == nat)).map(|at| at as u16);
                let filter = filter(router);
                self.add_host(name, spec, Services::default(), |made| {
                    made.set_filter(filter);
                    router.protocols.iter().for_each(|protocol| speak(made, *protocol));
                    serve::install(made, name, &router.interfaces, &router.serve);
                })
            }
            Device::Balancer(balancer) => {
                let spec = host_spec(name, &balancer.interfaces, &[], &balancer.gateways);
                let spreads = serve::balancer(self.lan, balancer);
                self.add_host(name, spec, Services::default(), |made| {
                    serve::install(made, name, &balancer.interfaces, &[]);
                    made.set_balancer(spreads);
                })
            }
        };
        for (interface, _) in device.interfaces().into_iter().flatten() {
            let port = self.simulator.add_port(node, interface);
            self.ports.insert((name, interface), port);
        }
        node
    }

    fn add_host(&mut self, name: &str, spec: HostSpec, services: Services, furnish: impl FnOnce(&mut Host)) -> NodeId {
        let mut host = Host::new(spec);
        host.set_services(services);
        furnish(&mut host);
        self.simulator.add(name, host)
    }

    /// The port of a link's end: an interface's, or the next of a box that has ports only.
    fn port(&mut self, device: &'a str, interface: &'a str) -> Result<(NodeId, u16), BuildError> {
        let node = *self.nodes.get(device).ok_or_else(|| BuildError::NoDevice(device.to_owned()))?;
        let port = match self.ports.get(&(device, interface)) {
            Some(port) => *port,
            None => {
                let port = self.simulator.add_port(node, interface);
                self.ports.insert((device, interface), port);
                port
            }
        };
        Ok((node, port))
    }

    /// Hubs and repeaters that are joined are one medium, with the distances that their cables make.
    fn domains(&mut self) -> Result<(), BuildError> {
        let lan = self.lan;
        let is_shared = |name: &str| lan.devices.get(name).is_some_and(|device| device.shared_rate().is_some());
        let mut seen: Vec<&str> = Vec::new();
        for (name, device) in &lan.devices {
            let Some(rate) = device.shared_rate() else { continue };
            if seen.contains(&name.as_str()) {
                continue;
            }
            let (hubs, tree, stations) = self.domain(name, is_shared)?;
            seen.extend(&hubs);
            let layout = tree.layout().map_err(|error| match error {
                HubTreeError::Loop(a, b) => BuildError::HubLoop(hubs[a].to_owned(), hubs[b].to_owned()),
                HubTreeError::Apart(hub) => BuildError::NoDevice(hubs[hub].to_owned()),
            })?;
            let spec = SegmentSpec { rate_bits_per_second: rate, ..SegmentSpec::default() };
            let id = self.simulator.next_medium();
            let mut segment = Segment::new(id, spec, layout);
            for (at, name) in hubs.iter().enumerate() {
                segment.repeats_at(self.nodes[name], at as u64);
            }
            let medium = self.simulator.add_medium(Box::new(segment));
            for ((device, interface), position) in stations {
                let (node, port) = self.port(device, interface)?;
                self.simulator.attach(node, port, medium, position);
            }
        }
        Ok(())
    }

    /// The hubs joined with one, in the order of their finding, and the stations behind them.
    #[expect(clippy::type_complexity, reason = "three lists that belong together for the length of one call")]
    fn domain(
        &mut self,
        first: &'a str,
        is_shared: impl Fn(&str) -> bool,
    ) -> Result<(Vec<&'a str>, HubTree, Vec<((&'a str, &'a str), u64)>), BuildError> {
        let mut tree = HubTree::default();
        let mut hubs = vec![first];
        tree.hub(Span::ZERO);
        let mut stations = Vec::new();
        let mut done: Vec<usize> = Vec::new();
        let mut next = 0;
        while let Some(hub) = hubs.get(next).copied() {
            for (index, link) in self.lan.links.iter().enumerate().filter(|(_, link)| link.up) {
                let (End::Device { device: a, interface: at_a }, End::Device { device: b, interface: at_b }) = (&link.a, &link.b) else { continue };
                let (other, at_other, at_hub) = match () {
                    () if a == hub => (b.as_str(), at_b.as_str(), at_a.as_str()),
                    () if b == hub => (a.as_str(), at_a.as_str(), at_b.as_str()),
                    () => continue,
                };
                if done.contains(&index) {
                    continue;
                }
                done.push(index);
                self.port(hub, at_hub)?;
                let cable = Span::nanoseconds(link.delay_nanoseconds);
                if !is_shared(other) {
                    let position = tree.station(next, cable);
                    stations.push(((other, at_other), position));
                    continue;
                }
                self.port(other, at_other)?;
                let at = match hubs.iter().position(|known| *known == other) {
                    Some(at) => at,
                    None => {
                        hubs.push(other);
                        tree.hub(Span::ZERO)
                    }
                };
                tree.join(next, at, cable);
            }
            next += 1;
        }
        Ok((hubs, tree, stations))
    }

    /// Links without a hub at an end.
    fn links(&mut self) -> Result<(), BuildError> {
        let lan = self.lan;
        for link in &lan.links {
            let (End::Device { device: a, interface: at_a }, End::Device { device: b, interface: at_b }) = (&link.a, &link.b) else { continue };
            let is_shared = |name: &str| lan.devices.get(name).is_some_and(|device| device.shared_rate().is_some());
            if is_shared(a) || is_shared(b) {
                continue;
            }
            let (one, other) = (self.port(a, at_a)?, self.port(b, at_b)?);
            let id = self.simulator.connect(one, other, link_spec(link));
            if !link.up {
                self.simulator.set_link(id, false);
            }
        }
        Ok(())
    }
}

/// The rules of a router, for what it forwards; none where none is written.
fn filter(router: &lan::Router) -> Option<FilterSpec> {
    let number = |name: &Option<String>| {
        name.as_ref().and_then(|name| router.interfaces.keys().position(|own| own == name)).map(|at| at as u16)
    };
    let mut spec = FilterSpec { forwarded_only: true, ..FilterSpec::default() };
    for rule in &router.filter {
        let action = if rule.allow { Action::Allow } else { Action::Deny };
        for traffic in &rule.traffic.0 {
            let (protocol, ports, icmp_type) = match traffic {
                TrafficMatch::All => (None, None, None),
                TrafficMatch::Tcp(ports) => (Some(Protocol::TCP), Some(ports.from..=ports.to), None),
                TrafficMatch::Udp(ports) => (Some(Protocol::UDP), Some(ports.from..=ports.to), None),
                TrafficMatch::Icmp(icmp) => (Some(Protocol::ICMP), None, icmp.icmp_type),
                TrafficMatch::Icmpv6(icmp) => (Some(Protocol::ICMPV6), None, icmp.icmp_type),
                TrafficMatch::Other(number) => (Some(Protocol(*number)), None, None),
            };
            let (interface, out_interface) = (number(&rule.in_interface), number(&rule.out_interface));
            spec.rules.push(FilterRule { action, protocol, from: rule.from, to: rule.to, ports, icmp_type, interface, out_interface });
        }
    }
    (!spec.rules.is_empty()).then_some(spec)
}

/// What a link of a lan is like.
pub fn link_spec(link: &lan::Link) -> LinkSpec {
    LinkSpec {
        rate_bits_per_second: link.rate_bits_per_second,
        delay: Span::nanoseconds(link.delay_nanoseconds),
        queue_frames: link.queue_frames,
        mtu_bytes: link.mtu_bytes,
        loss_per_million: link.loss_per_million,
        duplicate_per_million: link.duplicate_per_million,
        reorder_per_million: link.reorder_per_million,
        // Long enough for a later frame of full length to overtake.
        reorder_delay: Span::of_bits(4 * 8 * u64::from(link.mtu_bytes), link.rate_bits_per_second),
        framing: match link.framing {
            lan::Framing::Ethernet => Framing::Ethernet,
            lan::Framing::Ppp => Framing::Ppp,
            lan::Framing::Hdlc => Framing::Hdlc,
        },
    }
}

fn host_spec(name: &str, interfaces: &BTreeMap<String, lan::Interface>, routes: &[lan::StaticRoute], gateways: &[IpAddr]) -> HostSpec {
    let names: Vec<&String> = interfaces.keys().collect();
    let mut spec = HostSpec::default();
    for (port, (interface, own)) in interfaces.iter().enumerate() {
        let mac = own.mac.map_or_else(|| given_mac(name, port as u16), |mac| Mac(mac.0));
        spec.interfaces.push(InterfaceSpec { name: interface.clone(), mac, addresses: own.addresses.clone(), mtu: 0 });
    }
    // The interface in whose block a next hop lies.
    let towards = |via: IpAddr| interfaces.values().position(|own| own.addresses.iter().any(|block| block.contains(&via)));
    for route in routes {
        let named = route.interface.as_ref().and_then(|wanted| names.iter().position(|name| *name == wanted));
        let Some(interface) = named.or_else(|| route.via.and_then(towards)) else { continue };
        spec.routes.push(RouteSpec { destination: route.destination, via: route.via, interface: interface as u16, metric: 0 });
    }
    for gateway in gateways {
        let interface = towards(*gateway).unwrap_or_default() as u16;
        let destination = match gateway {
            IpAddr::V4(_) => IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
            IpAddr::V6(_) => IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
        };
        spec.routes.push(RouteSpec { destination, via: Some(*gateway), interface, metric: 0 });
    }
    spec
}

/// Lets a router speak a routing protocol.
fn speak(router: &mut Host, protocol: RoutingProtocol) {
    match protocol {
        RoutingProtocol::Rip => router.install(Rip::new(RipSpec::default())),
        RoutingProtocol::Ospf => router.install(Ospf::new(OspfSpec::default())),
    };
}

/// A locally administered MAC address that a name and a port always give: FNV-1a of both, 32 bits.
fn given_mac(name: &str, port: u16) -> Mac {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_be_bytes();
    Mac([0x02, a, b, c, d, port as u8])
}

fn services(listen: &[Listener]) -> Services {
    let open = listen.iter().map(|listener| match *listener {
        Listener::Tcp(port) => (Protocol::TCP, port),
        Listener::Udp(port) => (Protocol::UDP, port),
    });
    Services { open: open.collect(), ..Services::default() }
}
