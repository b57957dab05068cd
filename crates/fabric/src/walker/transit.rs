//! A packet's way through the fabric: which stage comes next, until it arrives, dies or is answered on the way.

use std::net::IpAddr;

use model::Timestamp;

use super::State;
use crate::state::{Circumstances, Terms, with_destination, with_source};
use super::passing::{Assumed, Hop};
use crate::fabric::{Fabric, InterfaceKind};
use crate::index::*;
use crate::packet::{Family, Header, Packet, Segment, Transport, icmp};
use crate::reason::{Component, Decision, Direction, Reason, Stage};
use crate::route::NextHop;
use crate::stage::{
    egress_only_internet_gateway, exempt, interface_state, local_delivery, nat_gateway, network_acl, peering,
    route_table, source_dest_check, vpc_endpoint, vpn_gateway,
};

/// Bound on passes from interface to interface: routes between middleboxes may form a circle.
const LONGEST_WAY: u32 = 64;

/// Where a packet ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// In the guest behind an interface.
    Guest(InterfaceIndex),
    /// At a host outside, by this exit.
    Outside(IpAddr, Exit),
    /// At a service that the fabric offers in a VPC.
    Service(VpcIndex),
}

/// By which way a packet left a VPC: answers come back the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Public addresses.
    Internet,
    /// A gateway endpoint.
    Endpoint(VpcEndpointIndex),
    /// A virtual private gateway.
    Vpn(VpnGatewayIndex),
}

/// What became of a packet that was not dropped.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// It arrived.
    Arrived { end: End, packet: Packet },
    /// Somebody on the way answered in the receiver's place.
    Answered { by: Answerer, answer: Header },
}

/// Who answers on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answerer {
    /// A NAT gateway.
    NatGateway(NatGatewayIndex),
    /// A guest that passes packets on.
    Guest(InterfaceIndex),
    /// The router of a subnet, straight to the interface that sent.
    Router(InterfaceIndex),
}

/// Arrived or answered, else the reason of the drop.
pub(super) type Step = Result<Fate, Box<Reason>>;

/// One packet under way.
pub(super) struct Transit<'a> {
    pub fabric: &'a Fabric,
    pub state: &'a mut State,
    pub now: Timestamp,
    /// Turns the decisions of this stage around, so that tests can show that it is noticed.
    pub inverted: Option<Stage>,
    /// Middleboxes passed.
    pub via: Vec<InterfaceIndex>,
    /// What it passed, with the header as each stage saw it.
    pub path: Vec<Hop>,
    /// Goes on past what blocks, as if it did not, where that can be told; see [`super::explain`].
    pub as_if: bool,
    /// What blocked and was passed all the same; in order.
    pub blockers: Vec<Reason>,
    /// Whether the packet went on with a header that it could not have had: its answer says nothing.
    pub is_moot: bool,
    /// Interfaces whose guest got the packet.
    pub arrivals: Vec<(InterfaceIndex, u8)>,
    pub(super) header: Header,
    pub(super) straight: bool,
    pub(super) always_tracked: bool,
    /// Whether it came into this VPC by a transit gateway.
    pub(super) by_transit_gateway: bool,
    /// Whether it answers another packet.
    pub(super) answers: bool,
    way: u32,
}

impl<'a> Transit<'a> {
    pub fn new(fabric: &'a Fabric, state: &'a mut State, now: Timestamp, header: Header) -> Self {
        let (via, path, arrivals, blockers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (inverted, as_if, is_moot) = (None, false, false);
        let (straight, always_tracked, by_transit_gateway, answers, way) = (true, false, false, false, 0);
        Self { fabric, state, now, inverted, via, path, as_if, blockers, is_moot, arrivals, header, straight, always_tracked, by_transit_gateway, answers, way }
    }

    pub(super) fn go_on(&mut self) -> Result<(), Box<Reason>> {
        self.way += 1;
        match self.way <= LONGEST_WAY {
            true => Ok(()),
            false => Err(Box::new(Reason::new(Stage::RouteTable, Component::Fabric, "routes lead in a circle"))),
        }
    }

    /// A guest begins something, or goes on with it: one that hides others behind its address sees to it that the answers can
    /// be told apart (NATI-1). What answers begins nothing.
    pub fn originate(&mut self, interface: InterfaceIndex, mut packet: Packet, answers: bool) -> Step {
        self.answers = answers;
        let own = &self.fabric.interfaces[interface];
        let guest = own.instance().map(|instance| &self.fabric.instances[instance].guest);
        let has_ports = matches!(packet.header.transport, Transport::Tcp { .. } | Transport::Udp { .. });
        if guest.is_some_and(|guest| guest.masquerade) && has_ports && own.holds(packet.header.source) {
            let terms = self.guest_terms(packet.header.protocol());
            let translations = self.state.of_guest(&own.id);
            let port = match answers {
                true => translations.known(&packet.header, terms),
                false => translations.of_own(&packet.header, terms),
            };
            if let Some(port) = port {
                packet.header = with_source(&packet.header, packet.header.source, port);
            }
        }
        self.leave_interface(interface, packet)
    }

    /// A guest hands a packet to its interface (PIPE-3).
    pub fn leave_interface(&mut self, interface: InterfaceIndex, packet: Packet) -> Step {
        self.go_on()?;
        self.header = packet.header.clone();
        let own = &self.fabric.interfaces[interface];
        let (vpc, subnet) = (own.vpc, own.subnet);
        let destination = packet.header.destination;
        self.pass(interface_state::decide(self.fabric, interface))?;
        if let Some(own) = self.own_interface(interface, destination) {
            // A system talks to itself without its interface.
            return Ok(Fate::Arrived { end: End::Guest(own), packet });
        }
        if self.turned(exempt::decide(self.fabric, interface, &packet.header)).passes() {
            if let Some(reason) = exempt::silence(self.fabric, vpc, &packet.header) {
                self.pass(Decision::Drop(reason))?;
            }
            return Ok(Fate::Arrived { end: End::Service(vpc), packet });
        }
        self.pass(local_delivery::is_unicast(self.fabric, interface, destination))?;
        self.pass(source_dest_check::decide(self.fabric, interface, &packet.header, Direction::Egress))?;

        let on_link = self.fabric.subnets[subnet].contains(destination);
        let table = self.fabric.subnets[subnet].route_table;
        let (routed, hop) = match on_link {
            true => (None, Some(NextHop::Local)),
            false => {
                let (decision, hop) = route_table::decide(self.fabric, table, destination);
                (Some(decision), hop)
            }
        };
        let passes_on = !matches!(hop, None | Some(NextHop::Local | NextHop::Peering { .. }));
        self.always_tracked |= self.is_always_tracked(vpc, hop, destination);
        let straight = self.straight && !passes_on;
        self.security_groups(interface, &packet.header, Direction::Egress, straight)?;

        let Some(routed) = routed else {
            // RT-20, PIPE-6: neighbours talk directly.
            let receiver = self.local(vpc, destination)?;
            return self.enter_interface(receiver, Some(subnet), packet);
        };
        self.cross_and_follow(subnet, routed, hop, packet, Some(interface))
    }

    /// The interface of the same guest that holds an address.
    fn own_interface(&self, interface: InterfaceIndex, address: IpAddr) -> Option<InterfaceIndex> {
        let instance = self.fabric.interfaces[interface].instance()?;
        let all = &self.fabric.instances[instance].interfaces;
        all.iter().copied().find(|own| self.fabric.interfaces[*own].holds(address))
    }

    /// Over a subnet's border: network ACL, route table, next hop. What stays in the subnet does not cross (ACL-3).
    pub(super) fn cross_and_follow(
        &mut self,
        subnet: SubnetIndex,
        routed: Decision,
        hop: Option<NextHop>,
        packet: Packet,
        sender: Option<InterfaceIndex>,
    ) -> Step {
        let stays = match hop {
            Some(NextHop::Interface(i)) => self.fabric.interfaces[i].subnet == subnet,
            Some(NextHop::NatGateway(n)) => self.fabric.nat_gateways[n].subnet == subnet,
            _ => false,
        };
        if !stays {
            self.pass(network_acl::decide(self.fabric, subnet, &packet.header, Direction::Egress))?;
        }
        if let (true, Decision::Drop(reason)) = (self.as_if, &routed) {
            let reason = reason.clone();
            let assumed = self.assumed(self.fabric.subnets[subnet].vpc, &packet.header);
            self.record(reason.clone(), true);
            return match assumed {
                Some(assumed) => {
                    self.blockers.push(reason);
                    match assumed {
                        Assumed::Receiver(receiver) => self.enter_interface(receiver, None, packet),
                        Assumed::Hop(hop) => self.follow(subnet, hop, packet, sender),
                    }
                }
                None => Err(Box::new(reason)),
            };
        }
        self.pass(routed)?;
        self.follow(subnet, hop.unwrap_or(NextHop::Local), packet, sender)
    }

    fn follow(&mut self, subnet: SubnetIndex, hop: NextHop, packet: Packet, sender: Option<InterfaceIndex>) -> Step {
        let vpc = self.fabric.subnets[subnet].vpc;
        match hop {
            // A blackhole dropped already, unless a test turned that around.
            NextHop::Local | NextHop::Blackhole(_) => {
                let receiver = self.local(vpc, packet.header.destination)?;
                self.enter_interface(receiver, Some(subnet), packet)
            }
            NextHop::Interface(middlebox) => self.enter_interface(middlebox, Some(subnet), packet),
            NextHop::NatGateway(nat) => match self.fabric.nat_gateways[nat].interface {
                Some(interface) => self.enter_interface(interface, Some(subnet), packet),
                None => {
                    let at = Component::NatGateway(nat);
                    Err(Box::new(Reason::new(Stage::NatGateway, at, "the gateway has no interface")))
                }
            },
            NextHop::InternetGateway(gateway) => self.leave_vpc(gateway, packet, sender),
            NextHop::Peering { peering: index, vpc: other } => {
                self.pass(peering::decide(self.fabric, index, vpc, other, &packet.header))?;
                let receiver = self.local(other, packet.header.destination)?;
                self.enter_interface(receiver, None, packet)
            }
            NextHop::TransitGateway(gateway) => self.enter_transit_gateway(gateway, subnet, packet),
            NextHop::EgressOnlyInternetGateway(gateway) => {
                let header = &packet.header;
                self.pass(egress_only_internet_gateway::decide(gateway, header, Direction::Egress, false))?;
                let id = self.fabric.egress_only_internet_gateways[gateway].id.clone();
                if let Some(answered) = self.too_big(&packet, sender) {
                    return Ok(answered);
                }
                self.state.of_egress_only(&id).sent(&packet.header, self.now);
                self.straight = false;
                self.internet(packet)
            }
            NextHop::VpcEndpoint(endpoint) => {
                self.pass(vpc_endpoint::decide(self.fabric, endpoint, &packet.header))?;
                self.host(packet, Exit::Endpoint(endpoint))
            }
            NextHop::VpnGateway(gateway) => {
                self.pass(vpn_gateway::decide(self.fabric, gateway, vpc, &packet.header, Direction::Egress))?;
                self.leave_by_vpn(gateway, packet)
            }
        }
    }

    /// A packet comes to an interface (PIPE-5); `from` is the subnet that it comes from, if one.
    pub(super) fn enter_interface(&mut self, interface: InterfaceIndex, from: Option<SubnetIndex>, packet: Packet) -> Step {
        self.go_on()?;
        self.header = packet.header.clone();
        let own = &self.fabric.interfaces[interface];
        if from != Some(own.subnet) {
            self.pass(network_acl::decide(self.fabric, own.subnet, &packet.header, Direction::Ingress))?;
        }
        if let InterfaceKind::NatGateway(nat) = own.kind {
            return self.enter_nat_gateway(nat, packet);
        }
        self.always_tracked |= matches!(own.kind, InterfaceKind::VpcEndpoint(_));
        self.security_groups(interface, &packet.header, Direction::Ingress, self.straight)?;
        self.pass(source_dest_check::decide(self.fabric, interface, &packet.header, Direction::Ingress))?;
        self.pass(interface_state::decide(self.fabric, interface))?;
        self.arrivals.push((interface, packet.header.protocol()));
        if !own.holds(packet.header.destination) {
            return self.forward(interface, packet, false);
        }
        let terms = self.guest_terms(packet.header.protocol());
        match self.state.of_guest(&own.id).inside_of(&packet.header, terms) {
            Some((address, port)) => {
                let header = with_destination(&packet.header, address, port);
                let packet = Packet { header, ..packet };
                match self.fabric.interfaces[interface].holds(address) {
                    true => Ok(Fate::Arrived { end: End::Guest(interface), packet }),
                    false => self.forward(interface, packet, true),
                }
            }
            None => Ok(Fate::Arrived { end: End::Guest(interface), packet }),
        }
    }

    /// The guest passes a packet on; what is no answer to a masqueraded flow perhaps behind its own address.
    fn forward(&mut self, interface: InterfaceIndex, mut packet: Packet, is_answer: bool) -> Step {
        let own = &self.fabric.interfaces[interface];
        let guest = own.instance().map(|instance| &self.fabric.instances[instance].guest);
        let at = Component::Guest(interface);
        let forwards = guest.is_some_and(|guest| guest.ip_forward || guest.masquerade);
        self.pass(match forwards {
            true => Decision::Pass(Reason::new(Stage::Guest, at, "the guest passes packets on")),
            false => Decision::Drop(Reason::new(Stage::Guest, at, "the guest does not pass packets on")),
        })?;
        self.via.push(interface);
        self.straight = false;
        if packet.ttl <= 1 {
            let out = self.fabric.way_out(interface, packet.header.source);
            let speaker = &self.fabric.interfaces[out];
            // Whoever has no address of the family can say nothing that would arrive.
            let Some(own_address) = speaker.all_addresses().find(|own| Family::of(*own) == packet.header.family()) else {
                return Err(Box::new(Reason::new(Stage::Guest, at, "the time to live ran out, and the guest has no address to say so")));
            };
            let answer = time_exceeded(&packet.header, own_address);
            return Ok(Fate::Answered { by: Answerer::Guest(out), answer });
        }
        packet.ttl -= 1;
        let out = self.fabric.way_out(interface, packet.header.destination);
        let own = &self.fabric.interfaces[out];
        let masquerades = guest.is_some_and(|guest| guest.masquerade) && packet.header.family() == Family::V4;
        if masquerades && !is_answer {
            let terms = self.guest_terms(packet.header.protocol());
            let translations = self.state.of_guest(&own.id);
            let port = translations.known(&packet.header, terms).or_else(|| match packet.header.transport {
                // An answer to a flow that went another way is passed on as it is.
                Transport::Tcp { segment: Segment::SynAck | Segment::Rst, .. } => None,
                Transport::Icmp { icmp_type, .. } if icmp::request_of(icmp_type, false).is_some() => None,
                Transport::IcmpError { .. } => translations.port_of_error(&packet.header, terms),
                _ => translations.add(&packet.header, terms),
            });
            if let Some(port) = port {
                packet.header = with_source(&packet.header, IpAddr::V4(own.primary_address()), port);
                // SG-11: nothing tells it from the guest's own packets any more.
                self.straight = true;
            }
        }
        self.leave_interface(out, packet)
    }

    fn enter_nat_gateway(&mut self, nat: NatGatewayIndex, mut packet: Packet) -> Step {
        let gateway = &self.fabric.nat_gateways[nat];
        let addresses = nat_gateway::addresses(self.fabric, nat);
        let Some(own) = addresses.first().copied().map(IpAddr::V4) else {
            let reason = Reason::new(Stage::NatGateway, Component::NatGateway(nat), "the gateway has no address");
            return Err(Box::new(reason));
        };
        let terms = Terms {
            idle_seconds: nat_gateway::IDLE_SECONDS,
            lowest_port: nat_gateway::LOWEST_PORT,
            now: self.now,
        };
        (self.straight, self.always_tracked) = (false, true);
        let is_inbound = addresses.iter().any(|own| packet.header.destination == *own);
        if is_inbound {
            let inside = self.state.of_nat(&gateway.id).inside_of(&packet.header, terms);
            let decision = nat_gateway::inbound(nat, inside.is_some(), packet.header.source);
            let reason = decision.reason().clone();
            self.pass(decision)?;
            let (address, port) = inside.ok_or_else(|| Box::new(reason))?;
            packet.header = with_destination(&packet.header, address, port);
        } else {
            self.pass(nat_gateway::decide(self.fabric, nat, &packet, self.by_transit_gateway))?;
        }
        if packet.ttl <= 1 {
            let answer = time_exceeded(&packet.header, own);
            return Ok(Fate::Answered { by: Answerer::NatGateway(nat), answer });
        }
        packet.ttl -= 1;
        if packet.length > nat_gateway::MTU && packet.dont_fragment {
            let answer = packet.header.error(own, icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED, Some(8_500));
            return Ok(Fate::Answered { by: Answerer::NatGateway(nat), answer });
        }
        packet.fragmented |= packet.length > nat_gateway::MTU;
        if !is_inbound {
            let known = self.state.of_nat(&gateway.id).known(&addresses, &packet.header, terms);
            let (address, port) = match (known, &packet.header.transport) {
                (Some(outside), _) => outside,
                (None, Transport::IcmpError { .. }) => {
                    let outside = self.state.of_nat(&gateway.id).outside_of_error(&addresses, &packet.header, terms);
                    outside.ok_or_else(|| no_translation(nat))?
                }
                // NAT-12: what continues a forgotten connection is told so; an answer to nobody's packet vanishes.
                (None, Transport::Tcp { segment: Segment::Ack, .. }) => {
                    let answer = packet.header.reset().ok_or_else(|| no_translation(nat))?;
                    return Ok(Fate::Answered { by: Answerer::NatGateway(nat), answer });
                }
                (None, Transport::Tcp { segment: Segment::SynAck | Segment::Rst, .. }) => return Err(no_translation(nat)),
                (None, Transport::Icmp { icmp_type, .. }) if icmp::request_of(*icmp_type, false).is_some() => {
                    return Err(no_translation(nat));
                }
                (None, _) => {
                    let table = self.state.of_nat(&gateway.id);
                    let (decision, chosen) = nat_gateway::choose(nat, &addresses, |address| table.in_use(address, &packet.header, terms));
                    // Where the stage is turned round, what has no room gets it.
                    let address = chosen.unwrap_or(addresses[0]);
                    self.pass(decision)?;
                    let port = self.state.of_nat(&gateway.id).add(address, &packet.header, terms);
                    (address, port.ok_or_else(|| no_translation(nat))?)
                }
            };
            packet.header = with_source(&packet.header, IpAddr::V4(address), port);
        }
        self.leave_nat_gateway(nat, packet)
    }

    /// A NAT gateway sends into its own subnet's border (NAT-13), from where a route may lead back to it (NAT-17).
    pub fn leave_nat_gateway(&mut self, nat: NatGatewayIndex, packet: Packet) -> Step {
        self.go_on()?;
        self.header = packet.header.clone();
        (self.straight, self.always_tracked) = (false, true);
        let gateway = &self.fabric.nat_gateways[nat];
        let subnet = gateway.subnet;
        let destination = packet.header.destination;
        if self.fabric.subnets[subnet].contains(destination) {
            let receiver = self.local(gateway.vpc, destination)?;
            return self.enter_interface(receiver, Some(subnet), packet);
        }
        let (routed, hop) = route_table::decide(self.fabric, self.fabric.subnets[subnet].route_table, destination);
        self.cross_and_follow(subnet, routed, hop, packet, gateway.interface)
    }

    pub(super) fn local(&mut self, vpc: VpcIndex, address: IpAddr) -> Result<InterfaceIndex, Box<Reason>> {
        let (decision, interface) = local_delivery::decide(self.fabric, vpc, address);
        let reason = decision.reason().clone();
        self.pass(decision)?;
        interface.ok_or_else(|| Box::new(reason))
    }

    fn security_groups(
        &mut self,
        interface: InterfaceIndex,
        header: &Header,
        direction: Direction,
        straight: bool,
    ) -> Result<(), Box<Reason>> {
        let Self { always_tracked, now, as_if, .. } = *self;
        let circumstances = Circumstances { straight, always_tracked, now, as_if };
        let decision = self.state.flows.decide(self.fabric, interface, header, direction, circumstances);
        self.pass(decision)
    }

    /// SG-21.
    fn is_always_tracked(&self, vpc: VpcIndex, hop: Option<NextHop>, destination: IpAddr) -> bool {
        let kind = |interface: &InterfaceIndex| self.fabric.interfaces[*interface].kind;
        let receiver = self.fabric.vpcs[vpc].addresses.get(&destination).map(kind);
        matches!(hop, Some(NextHop::NatGateway(_) | NextHop::EgressOnlyInternetGateway(_) | NextHop::TransitGateway(_)))
            || matches!(receiver, Some(InterfaceKind::NatGateway(_) | InterfaceKind::VpcEndpoint(_)))
    }

    /// Linux's timeouts for what a guest masquerades.
    fn guest_terms(&self, protocol: u8) -> Terms {
        let idle_seconds = if protocol == model::traffic::protocol::TCP { 432_000 } else { 180 };
        Terms { idle_seconds, lowest_port: 1_024, now: self.now }
    }
}

fn no_translation(nat: NatGatewayIndex) -> Box<Reason> {
    Box::new(Reason::new(Stage::NatGateway, Component::NatGateway(nat), "it belongs to no translation"))
}

fn time_exceeded(header: &Header, from: IpAddr) -> Header {
    let icmp_type = if header.family() == Family::V4 { icmp::TIME_EXCEEDED } else { icmp::V6_TIME_EXCEEDED };
    header.error(from, icmp_type, 0, None)
}
