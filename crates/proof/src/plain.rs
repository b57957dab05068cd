//! The ways that most packets take, decided for all atoms at once: from interface to interface inside a VPC or over a
//! peering connection, there and back without anybody in between. What is not such a way is the walker's.
//!
//! Every decision is a stage's: routes, lists, rules and connections are asked, and their answers kept.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};

use fabric::index::{AclIndex, GroupIndex, GroupSetIndex, InterfaceIndex, RouteTableIndex, SubnetIndex, VpcIndex};
use fabric::packet::{Header, Segment, Transport};
use fabric::route::{NextHop, Route, RouteTable};
use fabric::stage::{internet_gateway, network_acl, peering, route_table, security_group, source_dest_check};
use fabric::{Acl, Direction, Fabric};
use ipnet::{IpNet, Ipv4Net};
use model::traffic::protocol;
use model::{ProbePacket, TrafficMatch};

use crate::atom::Atoms;
use crate::bits::Bits;
use crate::class::Parts;
use crate::runs::{ByPacket, Runs};

/// Which atoms pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passing {
    /// As requests.
    pub(crate) request: Bits,
    /// With their answers.
    pub(crate) both: Bits,
}

/// What a list is asked: which way, from or to which part of the addresses, and whether about answers.
type ListKey = (AclIndex, Direction, u32, bool);

/// What is kept of one cloud.
#[derive(Debug)]
pub(crate) struct Plain {
    atoms: usize,
    /// The atoms that the protocol part of a rule covers.
    covered: HashMap<TrafficMatch, Runs>,
    by_packet: ByPacket,
    /// Parts of the addresses that lists and routes tell apart.
    parts: Parts,
    /// A request of each atom, and what answers it.
    requests: Vec<Transport>,
    answers: Vec<Vec<Transport>>,
    decided: Mutex<HashMap<ListKey, Bits>>,
}

/// What becomes of a packet by its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Straight to the receiver.
    Straight,
    /// Nowhere.
    Nowhere,
    /// Somewhere that only the walker knows.
    Other,
}

impl Plain {
    pub(crate) fn of(fabric: &Fabric, atoms: &Atoms) -> Self {
        let rules = fabric.groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
        let by_packet = ByPacket::of(atoms.iter());
        let mut covered = HashMap::new();
        for traffic in rules.map(|rule| rule.traffic) {
            covered.entry(traffic).or_insert_with(|| by_packet.covered(traffic));
        }
        let lists = fabric.acls.values().flat_map(blocks_of_list);
        let routes = fabric.route_tables.values().flat_map(|table| blocks_of_table(fabric, table));
        // Of the way over a peering connection the VPCs' blocks decide too (PCX-4).
        let vpcs = fabric.vpcs.values().flat_map(|vpc| vpc.blocks.iter().copied());
        let packets = || atoms.iter().map(|atom| atom.packet);
        Self {
            atoms: atoms.len(),
            covered,
            by_packet,
            parts: Parts::of(lists.chain(routes).chain(vpcs).chain([route_table::UNROUTABLE])),
            requests: packets().map(|packet| request(packet, atoms.reply_ports()[0])).collect(),
            answers: packets().map(|packet| answers(packet, atoms.reply_ports())).collect(),
            decided: Mutex::default(),
        }
    }

    /// Takes over the rules of a group, which speak of no packets but whole atoms.
    pub(crate) fn take_rules(&mut self, fabric: &Fabric, group: GroupIndex) {
        let group = &fabric.groups[group];
        for traffic in group.ingress.iter().chain(&group.egress).map(|rule| rule.traffic) {
            self.covered.entry(traffic).or_insert_with(|| self.by_packet.covered(traffic));
        }
    }

    /// Takes over the entries of a list. Where the parts of the addresses are cut now.
    pub(crate) fn take_entries(&mut self, fabric: &Fabric, acl: AclIndex) -> Vec<Ipv4Addr> {
        let decided = self.decided.get_mut().unwrap_or_else(PoisonError::into_inner);
        // What other lists decide about a part is true of both pieces of it.
        decided.retain(|(of, ..), _| *of != acl);
        self.parts.cut(blocks_of_list(&fabric.acls[acl]))
    }

    /// Takes over the routes of a table likewise.
    pub(crate) fn take_routes(&mut self, fabric: &Fabric, table: RouteTableIndex) -> Vec<Ipv4Addr> {
        self.parts.cut(blocks_of_table(fabric, &fabric.route_tables[table]))
    }

    /// What passes between two interfaces at their primary addresses, neither of which is one of several of its system;
    /// `None` where the way is not plain.
    pub(crate) fn between(&self, fabric: &Fabric, from: InterfaceIndex, to: InterfaceIndex) -> Option<Passing> {
        let nothing = || Passing { request: Bits::none(self.atoms), both: Bits::none(self.atoms) };
        let (sender, receiver) = (&fabric.interfaces[from], &fabric.interfaces[to]);
        let (source, destination) = (sender.primary_address(), receiver.primary_address());
        if !fabric.is_private_way_meant(from, to) {
            return None;
        }
        if !sender.status.is_running() || !receiver.status.is_running() {
            return Some(nothing());
        }
        let there = way(fabric, sender.subnet, (source, destination), receiver.vpc);
        let back = way(fabric, receiver.subnet, (destination, source), sender.vpc);
        match (&there, &back) {
            (Way::Nowhere, _) => return Some(nothing()),
            (Way::Other, _) | (_, Way::Other) => return None,
            (Way::Straight, Way::Straight | Way::Nowhere) => {}
        }
        let mut rules = self.rules(fabric, sender.group_set, Direction::Egress, destination);
        rules.keep(&self.rules(fabric, receiver.group_set, Direction::Ingress, source));
        let mut passing = self.lists(fabric, (sender.subnet, source), (receiver.subnet, destination), back);
        passing.request.keep(&rules);
        passing.both.keep(&rules);
        Some(passing)
    }

    /// What the lists of two subnets let pass between an address in each, by the way back that there is.
    pub(crate) fn lists(
        &self,
        fabric: &Fabric,
        (from, source): (SubnetIndex, Ipv4Addr),
        (to, destination): (SubnetIndex, Ipv4Addr),
        back: Way,
    ) -> Passing {
        let mut request = Bits::all(self.atoms);
        // PIPE-6: neighbours talk directly.
        let crosses = from != to;
        if crosses {
            self.list(fabric, (from, Direction::Egress), destination, false, &mut request);
            self.list(fabric, (to, Direction::Ingress), source, false, &mut request);
        }
        let mut both = request.clone();
        if back == Way::Nowhere {
            // What nobody answers needs no way back.
            let mut unanswered = Bits::none(self.atoms);
            both.iter().filter(|number| self.answers[*number].is_empty()).for_each(|number| unanswered.insert(number));
            both = unanswered;
        } else if crosses {
            self.list(fabric, (to, Direction::Egress), source, true, &mut both);
            self.list(fabric, (from, Direction::Ingress), destination, true, &mut both);
        }
        Passing { request, both }
    }

    /// How many atoms there are.
    pub(crate) fn atoms(&self) -> usize {
        self.atoms
    }

    /// The atoms that the protocol part of a rule covers.
    pub(crate) fn covered(&self, traffic: TrafficMatch) -> Option<&Runs> {
        self.covered.get(&traffic)
    }

    /// The part of the addresses that lists and routes know an address by.
    pub(crate) fn part(&self, address: Ipv4Addr) -> u32 {
        self.parts.of_address(address)
    }

    /// The atoms that some rule of a set of groups admits with this address (SG-2, SG-3).
    pub(crate) fn rules(&self, fabric: &Fabric, set: Option<GroupSetIndex>, direction: Direction, other: Ipv4Addr) -> Bits {
        let Some(set) = set else { return Bits::all(self.atoms) };
        let mut admitted = Bits::none(self.atoms);
        for (_, rule) in fabric.rules_of(set, direction) {
            if security_group::peer_matches(fabric, &rule.peer, IpAddr::V4(other), true)
                && let Some(covered) = self.covered.get(&rule.traffic)
            {
                covered.0.iter().for_each(|run| admitted.insert_run(run.clone()));
            }
        }
        admitted
    }

    /// Takes away what a subnet's list drops.
    fn list(
        &self,
        fabric: &Fabric,
        (subnet, direction): (SubnetIndex, Direction),
        other: Ipv4Addr,
        about_answers: bool,
        passing: &mut Bits,
    ) {
        let key = (fabric.subnets[subnet].acl, direction, self.parts.of_address(other), about_answers);
        // A lock that a panic left behind is as good as any: what it guards is answers.
        let mut decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = decided.entry(key).or_insert_with(|| {
            let passes = |transport: &Transport| {
                network_acl::decide(fabric, subnet, &header(direction, other, transport), direction).passes()
            };
            let mut allowed = Bits::none(self.atoms);
            for number in 0..self.atoms {
                let all = match about_answers {
                    true => self.answers[number].iter().all(passes),
                    false => passes(&self.requests[number]),
                };
                if all {
                    allowed.insert(number);
                }
            }
            allowed
        });
        passing.keep(allowed);
    }
}

/// Where a packet goes from a subnet, if it is for an interface of VPC `to`: the same for all senders of the subnet and all
/// receivers of a subnet that are in one part of the addresses ([`Plain::part`]).
pub(crate) fn way(fabric: &Fabric, from: SubnetIndex, (source, destination): (Ipv4Addr, Ipv4Addr), to: VpcIndex) -> Way {
    let hop = match next_hop(fabric, from, (source, destination), to) {
        Ok(hop) => hop,
        Err(way) => return way,
    };
    match hop {
        // What such a gateway or middlebox lets nobody send there needs no walker.
        NextHop::InternetGateway(_) if internet_gateway::refuses(destination) => Way::Nowhere,
        NextHop::Interface(index) => {
            let header = any_header(source, destination);
            let refuses = || !source_dest_check::decide(fabric, index, &header, Direction::Ingress).passes();
            let is_receiver = fabric.interfaces[index].holds(IpAddr::V4(destination));
            if !is_receiver && refuses() { Way::Nowhere } else { Way::Other }
        }
        NextHop::NatGateway(nat) => {
            let gateway = &fabric.nat_gateways[nat];
            let Some(own) = gateway.private_address else { return Way::Nowhere };
            match next_hop(fabric, gateway.subnet, (own, destination), to) {
                Err(Way::Nowhere) => Way::Nowhere,
                Ok(NextHop::NatGateway(again)) if again == nat => Way::Nowhere,
                Ok(NextHop::InternetGateway(_)) if internet_gateway::refuses(destination) => Way::Nowhere,
                _ => Way::Other,
            }
        }
        _ => Way::Other,
    }
}

/// Where a packet goes next that a subnet's router does not bring to its receiver, or drop.
fn next_hop(
    fabric: &Fabric,
    from: SubnetIndex,
    (source, destination): (Ipv4Addr, Ipv4Addr),
    to: VpcIndex,
) -> Result<NextHop, Way> {
    let subnet = &fabric.subnets[from];
    if subnet.vpc == to && subnet.cidr.contains(&destination) {
        return Err(Way::Straight);
    }
    let (decision, hop) = route_table::decide(fabric, subnet.route_table, IpAddr::V4(destination));
    match hop {
        _ if !decision.passes() => Err(Way::Nowhere),
        Some(NextHop::Local) if subnet.vpc == to => Err(Way::Straight),
        Some(hop @ NextHop::Peering { peering: index, vpc }) => {
            match peering::decide(fabric, index, subnet.vpc, vpc, &any_header(source, destination)).passes() {
                true if vpc == to => Err(Way::Straight),
                // Somebody there has the same address.
                true => Ok(hop),
                false => Err(Way::Nowhere),
            }
        }
        Some(hop) => Ok(hop),
        None => Err(Way::Nowhere),
    }
}

/// A packet of which only the addresses matter.
fn any_header(source: Ipv4Addr, destination: Ipv4Addr) -> Header {
    let transport = Transport::Other { protocol: protocol::GRE };
    Header { source: IpAddr::V4(source), destination: IpAddr::V4(destination), transport }
}

/// The blocks by which a list tells addresses apart.
fn blocks_of_list(list: &Acl) -> impl Iterator<Item = Ipv4Net> {
    list.ingress.iter().chain(&list.egress).filter_map(|entry| ipv4(entry.cidr_block))
}

/// The blocks by which a table does; a middlebox gets for itself what others do not get through it.
fn blocks_of_table(fabric: &Fabric, table: &RouteTable) -> impl Iterator<Item = Ipv4Net> {
    let target = |route: &Route| match route.next_hop {
        NextHop::Interface(index) => Some(Ipv4Net::from(fabric.interfaces[index].primary_address())),
        _ => None,
    };
    table.routes.iter().flat_map(move |route| [ipv4(route.destination), target(route)]).flatten()
}

fn ipv4(block: IpNet) -> Option<Ipv4Net> {
    match block {
        IpNet::V4(block) => Some(block),
        IpNet::V6(_) => None,
    }
}

/// A packet as a list sees it, which looks at one address only (ACL-5).
fn header(direction: Direction, other: Ipv4Addr, transport: &Transport) -> Header {
    let (own, other) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(other));
    let (source, destination) = match direction {
        Direction::Ingress => (other, own),
        Direction::Egress => (own, other),
    };
    Header { source, destination, transport: transport.clone() }
}

fn request(packet: ProbePacket, source_port: u16) -> Transport {
    match packet {
        ProbePacket::Tcp(destination_port) => Transport::Tcp { source_port, destination_port, segment: Segment::Syn },
        ProbePacket::Udp(destination_port) => Transport::Udp { source_port, destination_port },
        ProbePacket::Icmp { icmp_type, code } | ProbePacket::Icmpv6 { icmp_type, code } => {
            Transport::Icmp { icmp_type, code, identifier: 0 }
        }
        ProbePacket::Other(number) => Transport::Other { protocol: number },
    }
}

/// What may come back: to each port that a client may have sent from; nothing for what nobody answers.
fn answers(packet: ProbePacket, source_ports: &[u16]) -> Vec<Transport> {
    let source_ports = if packet.port().is_some() { source_ports } else { &source_ports[..1] };
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let ask = |port: &u16| Header { source: any, destination: any, transport: request(packet, *port) };
    source_ports.iter().filter_map(|port| ask(port).reply()).map(|header| header.transport).collect()
}
