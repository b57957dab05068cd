//! Changes that may take one blocker away. Whether they do is asked afterwards; see `fix`.

use std::net::IpAddr;

use fabric::group::RulePeer;
use fabric::reason::Rule;
use fabric::stage::security_group;
use fabric::walker::{Hop, Way};
use fabric::{
    Component, Direction, ExplanationCode, Header, InterfaceIndex, Reason, RouteTableIndex, Stage,
    SubnetIndex, VpcIndex,
};
use ipnet::IpNet;
use model::network_acl::NetworkAclEntry;
use model::peering::PeeringStatus;
use model::selector::End;
use model::traffic::protocol;
use model::{
    Destination, IcmpMatch, Model, Origin, Peer, PortRange, RouteTarget, SecurityGroupId,
    TrafficMatch,
};

use super::Question;
use super::edit::Edit;
use super::leg;
use super::near::{self, peer_address};
use super::words::{Cloud, is_usable};

/// Groups of one interface that are tried.
const MOST_GROUPS: usize = 3;
/// The highest number of an entry (ACL-1).
const LAST_NUMBER: u16 = 32_766;

/// For how many others a change works too; a fix of several changes keeps to one breadth where it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Breadth {
    /// One address on each side.
    Pair,
    /// A group, a subnet, a VPC.
    Some,
    /// Whoever.
    Wide,
}

/// Changes that are made together.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub edits: Vec<Edit>,
    pub breadth: Breadth,
}

fn one(breadth: Breadth, edit: Edit) -> Candidate {
    Candidate {
        edits: vec![edit],
        breadth,
    }
}

/// A blocker, and what is known about it.
pub(super) struct Blocked<'a> {
    /// The cloud in which it was met.
    pub cloud: Cloud<'a>,
    /// What was asked.
    pub question: &'a Question,
    /// The way that it lies on.
    pub way: &'a Way,
    /// Which way that is.
    pub leg: leg::Direction,
    /// Why it blocks.
    pub reason: &'a Reason,
    /// Ports that clients send from.
    pub ephemeral: PortRange,
}

impl Blocked<'_> {
    fn hop(&self) -> Option<&Hop> {
        self.way
            .hops
            .iter()
            .find(|hop| hop.blocks && hop.reason == *self.reason)
    }

    /// Changes that may take it away.
    pub fn candidates(&self) -> Vec<Candidate> {
        use ExplanationCode as Code;
        let Some(hop) = self.hop() else {
            // Nothing that a rule decided: what is in a gateway's table, or that nobody has the address.
            return match (self.reason.stage, self.way.hops.last()) {
                (Stage::NatGateway, Some(last)) => self.elsewhere(&last.header),
                _ => self.unrouted(),
            };
        };
        let header = &hop.header;
        match (self.reason.stage, self.reason.at, self.reason.code) {
            (Stage::SecurityGroup, Component::SecurityGroups(interface, direction), _) => {
                self.groups(interface, direction, header)
            }
            (Stage::NetworkAcl, Component::NetworkAcl(subnet, direction), _) => {
                self.list(subnet, direction, header)
            }
            (Stage::RouteTable, Component::RouteTable(table), Some(Code::BadStateRoute)) => {
                self.blackhole(table, header)
            }
            (Stage::RouteTable, Component::RouteTable(table), _) => self.route(table, header),
            (Stage::InterfaceState, Component::Interface(interface), _) => self.start(interface),
            (Stage::SourceDestCheck, Component::SourceDestCheck(interface), _) => {
                let id = self.cloud.fabric.interfaces[interface].id.clone();
                vec![one(Breadth::Wide, Edit::SourceDestCheckOff(id))]
            }
            (Stage::Guest, Component::Guest(interface), _) => {
                let instance = self.cloud.fabric.interfaces[interface].instance();
                let id = instance.map(|i| self.cloud.fabric.instances[i].id.clone());
                id.map(|id| one(Breadth::Wide, Edit::Forward(id)))
                    .into_iter()
                    .collect()
            }
            (_, _, Some(Code::IgwPublicIpAssociationForEgress)) => self.without_public(header),
            (_, _, Some(Code::IgwPrivateIpAssociationForIngress)) => self.no_public_receiver(),
            (Stage::Peering | Stage::InternetGateway, ..) => self.elsewhere(header),
            _ => self.unrouted(),
        }
    }

    /// Protocol and ports that must come through here.
    fn traffic(&self, header: &Header) -> TrafficMatch {
        let ports = |port: u16| match self.leg {
            leg::Direction::Request => PortRange::one(port),
            leg::Direction::Reply => self.ephemeral,
        };
        match (header.protocol(), header.ports(), header.icmp()) {
            (protocol::TCP, Some((_, port)), _) => TrafficMatch::Tcp(ports(port)),
            (protocol::UDP, Some((_, port)), _) => TrafficMatch::Udp(ports(port)),
            (number, _, Some((icmp_type, _))) => {
                let wanted = IcmpMatch {
                    icmp_type: Some(icmp_type),
                    code: None,
                };
                match number {
                    protocol::ICMPV6 => TrafficMatch::Icmpv6(wanted),
                    _ => TrafficMatch::Icmp(wanted),
                }
            }
            (number, ..) => TrafficMatch::Other(number),
        }
    }

    /// Whether an address is one of the internet at large.
    fn is_anybody(&self, address: IpAddr) -> bool {
        let fabric = self.cloud.fabric;
        fabric.is_outside_host(address) && fabric.outside_host(address).is_none()
    }

    /// The narrowest block that is meant by an address: itself, or everything where it stands for the internet.
    fn block(&self, address: IpAddr) -> (Breadth, IpNet) {
        match self.is_anybody(address) {
            true => (Breadth::Wide, everything(address)),
            false => (Breadth::Pair, IpNet::from(address)),
        }
    }

    fn groups(
        &self,
        interface: InterfaceIndex,
        direction: Direction,
        header: &Header,
    ) -> Vec<Candidate> {
        let fabric = self.cloud.fabric;
        let egress = direction == Direction::Egress;
        let traffic = self.traffic(header);
        let address = peer_address(header, direction);
        let (breadth, block) = self.block(address);
        let block = match block {
            IpNet::V4(block) => Peer::Ipv4(block),
            IpNet::V6(block) => Peer::Ipv6(block),
        };
        let holder = self.holder(address);
        let id = |group: &fabric::GroupIndex| fabric.groups[*group].id.clone();
        let mut found = Vec::new();
        for group in self.own_groups(interface, direction, header) {
            let rule = |peer| Edit::Authorize {
                group: group.clone(),
                egress,
                traffic,
                peer,
            };
            found.push(one(breadth, rule(block.clone())));
            let theirs = holder.map(|holder| &fabric.interfaces[holder].groups);
            for other in theirs.into_iter().flatten().take(MOST_GROUPS).map(id) {
                found.push(one(Breadth::Some, rule(Peer::SecurityGroup(other))));
            }
        }
        if let (Some(set), Some(holder)) = (fabric.interfaces[interface].group_set, holder) {
            let fits = |rule: &fabric::GroupRule| header.fits(rule.traffic);
            let named = |rule: &fabric::GroupRule| match &rule.peer {
                RulePeer::Group {
                    group: Some(group), ..
                } => Some(id(group)),
                _ => None,
            };
            let mut seen: Vec<SecurityGroupId> = Vec::new();
            for (_, rule) in fabric
                .rules_of(set, direction)
                .filter(|(_, rule)| fits(rule))
            {
                let missing = !security_group::matches(fabric, rule, header, direction, true);
                let Some(group) = named(rule).filter(|group| missing && !seen.contains(group))
                else {
                    continue;
                };
                seen.push(group.clone());
                let interface = fabric.interfaces[holder].id.clone();
                found.push(one(Breadth::Wide, Edit::Join { interface, group }));
            }
        }
        found
    }

    /// The groups whose rules almost admit the packet; where none does, the first that the interface was given.
    fn own_groups(
        &self,
        interface: InterfaceIndex,
        direction: Direction,
        header: &Header,
    ) -> Vec<SecurityGroupId> {
        let Cloud { model, fabric } = self.cloud;
        let eni = model
            .network_interfaces
            .get(&fabric.interfaces[interface].id);
        let given = eni.map(|eni| eni.groups.clone()).unwrap_or_default();
        let near = near::of_groups(&self.cloud, interface, direction, header);
        let is_near = |group: &&SecurityGroupId| {
            near.iter()
                .any(|near| near.rule.id.as_deref() == Some(group.as_str()))
        };
        let close: Vec<SecurityGroupId> = given.iter().filter(is_near).cloned().collect();
        match close.is_empty() {
            true => given.into_iter().take(1).collect(),
            false => close.into_iter().take(MOST_GROUPS).collect(),
        }
    }

    /// The interface that has a private address.
    fn holder(&self, address: IpAddr) -> Option<InterfaceIndex> {
        match self.cloud.fabric.find_address(address) {
            Some(fabric::Entity::Interface(index)) => {
                Some(index).filter(|i| self.cloud.fabric.interfaces[*i].holds(address))
            }
            _ => None,
        }
    }

    fn list(&self, subnet: SubnetIndex, direction: Direction, header: &Header) -> Vec<Candidate> {
        let fabric = self.cloud.fabric;
        let acl = &fabric.acls[fabric.subnets[subnet].acl];
        let egress = direction == Direction::Egress;
        let deciding = match &self.reason.rule {
            Some(Rule::NetworkAclEntry { rule_number, .. }) => *rule_number,
            _ => None,
        };
        let entries = acl.entries(direction);
        let mut found = Vec::new();
        if let Some(rule_number) = free_before(entries, deciding) {
            let address = peer_address(header, direction);
            let put = |cidr_block| Edit::PutEntry {
                acl: acl.id.clone(),
                egress,
                entry: NetworkAclEntry {
                    rule_number,
                    traffic: self.traffic(header),
                    cidr_block,
                    allow: true,
                    origin: Origin::default(),
                },
            };
            let (breadth, block) = self.block(address);
            found.push(one(breadth, put(block)));
            let holder = self.holder(address).map(|i| fabric.interfaces[i].subnet);
            let around = holder.and_then(|subnet| fabric.subnets[subnet].block_of(address));
            found.extend(around.map(|block| one(Breadth::Some, put(block))));
        }
        found.extend(deciding.map(|number| {
            let acl = acl.id.clone();
            one(
                Breadth::Wide,
                Edit::RemoveEntry {
                    acl,
                    egress,
                    number,
                },
            )
        }));
        found
    }

    fn start(&self, interface: InterfaceIndex) -> Vec<Candidate> {
        let fabric = self.cloud.fabric;
        let instance = fabric.interfaces[interface].instance();
        let id = instance.map(|index| fabric.instances[index].id.clone());
        id.map(|id| one(Breadth::Wide, Edit::Start(id)))
            .into_iter()
            .collect()
    }

    /// No route: one by everything that could lead there.
    fn route(&self, table: RouteTableIndex, header: &Header) -> Vec<Candidate> {
        let fabric = self.cloud.fabric;
        let vpc = fabric.route_tables[table].vpc;
        let id = fabric.route_tables[table].id.clone();
        let mut found = self.waiting_peerings(vpc, header.destination);
        for (before, target) in self.targets(vpc, header.destination) {
            for (breadth, block) in self.blocks_towards(header.destination, &target) {
                let mut edits = before.clone();
                edits.push(Edit::Route {
                    table: id.clone(),
                    destination: destination(block),
                    target: target.clone(),
                });
                found.push(Candidate { edits, breadth });
            }
        }
        found
    }

    /// A route that leads nowhere: what it names put right, or another way.
    fn blackhole(&self, table: RouteTableIndex, header: &Header) -> Vec<Candidate> {
        let fabric = self.cloud.fabric;
        let own = &fabric.route_tables[table];
        let mut found = self.waiting_peerings(own.vpc, header.destination);
        let Some(route) = own.lookup(header.destination) else {
            return found;
        };
        if let RouteTarget::NetworkInterface(interface) = &route.target
            && let Some(interface) = fabric.interface_by_id(interface)
        {
            found.extend(self.start(interface));
        }
        if route.prefix_list.is_some() {
            return found;
        }
        let written = destination(route.destination);
        for (before, target) in self.targets(own.vpc, header.destination) {
            let mut edits = before.clone();
            edits.push(Edit::Reroute {
                table: own.id.clone(),
                destination: written.clone(),
                target,
            });
            let breadth = Breadth::Some;
            found.push(Candidate { edits, breadth });
        }
        let remove = Edit::RemoveRoute {
            table: own.id.clone(),
            destination: written,
        };
        found.push(one(Breadth::Wide, remove));
        found
    }

    /// The packet took a way that cannot carry it: a more specific route by one that can.
    fn elsewhere(&self, header: &Header) -> Vec<Candidate> {
        let at = self
            .way
            .hops
            .iter()
            .position(|hop| hop.reason == *self.reason);
        let hops = &self.way.hops;
        let before = hops[..at.unwrap_or(hops.len())].iter().rev();
        let table = before.map(|hop| hop.reason.at).find_map(|at| match at {
            Component::RouteTable(table) => Some(table),
            _ => None,
        });
        let Some(table) = table else {
            return Vec::new();
        };
        let fabric = self.cloud.fabric;
        let own = &fabric.route_tables[table];
        let taken = own
            .lookup(header.destination)
            .map(|route| route.destination);
        let mut found = Vec::new();
        for (before, target) in self.targets(own.vpc, header.destination) {
            for (breadth, block) in self.blocks_towards(header.destination, &target) {
                let mut edits = before.clone();
                let (table, destination, target) =
                    (own.id.clone(), destination(block), target.clone());
                edits.push(match taken == Some(block) {
                    true => Edit::Reroute {
                        table,
                        destination,
                        target,
                    },
                    false => Edit::Route {
                        table,
                        destination,
                        target,
                    },
                });
                found.push(Candidate { edits, breadth });
            }
        }
        found
    }

    /// The sender has no public address: give it one, or lead it through a NAT gateway.
    fn without_public(&self, header: &Header) -> Vec<Candidate> {
        let fabric = self.cloud.fabric;
        let mut found = Vec::new();
        if let Some(holder) = self.holder(header.source) {
            let interface = fabric.interfaces[holder].id.clone();
            found.push(one(Breadth::Pair, Edit::PublicAddress { interface }));
        }
        let nat = |candidate: &Candidate| {
            candidate.edits.iter().any(|edit| {
                matches!(
                    edit,
                    Edit::Route {
                        target: RouteTarget::NatGateway(_),
                        ..
                    } | Edit::Reroute {
                        target: RouteTarget::NatGateway(_),
                        ..
                    }
                )
            })
        };
        found.extend(self.elsewhere(header).into_iter().filter(nat));
        found
    }

    fn no_public_receiver(&self) -> Vec<Candidate> {
        let End::Interface { interface, .. } = &self.question.to else {
            return Vec::new();
        };
        let fabric = self.cloud.fabric;
        let Some(index) = fabric.interface_by_id(interface) else {
            return Vec::new();
        };
        let vpc = &fabric.vpcs[fabric.interfaces[index].vpc];
        let mut edits = Vec::new();
        if vpc.internet_gateway.is_none() {
            edits.push(Edit::InternetGateway(vpc.id.clone()));
        }
        edits.push(Edit::PublicAddress {
            interface: interface.clone(),
        });
        vec![Candidate {
            edits,
            breadth: Breadth::Pair,
        }]
    }

    /// A public address whose VPC has lost its gateway.
    fn unrouted(&self) -> Vec<Candidate> {
        let fabric = self.cloud.fabric;
        let IpAddr::V4(address) = self.way.sent.destination else {
            return Vec::new();
        };
        let mapping = fabric.public_addresses.get(&address);
        let vpc = mapping.map(|mapping| &fabric.vpcs[mapping.vpc]);
        let vpc = vpc.filter(|vpc| vpc.internet_gateway.is_none());
        vpc.map(|vpc| one(Breadth::Wide, Edit::InternetGateway(vpc.id.clone())))
            .into_iter()
            .collect()
    }

    fn waiting_peerings(&self, vpc: VpcIndex, address: IpAddr) -> Vec<Candidate> {
        let fabric = self.cloud.fabric;
        let peerings = fabric.peerings.values();
        let waits = peerings.filter(|p| p.status == PeeringStatus::PendingAcceptance);
        let leads = |peering: &&fabric::gateway::Peering| {
            peering
                .peer_of(vpc)
                .is_some_and(|peer| fabric.vpcs[peer].contains(address))
        };
        waits
            .filter(leads)
            .map(|peering| one(Breadth::Wide, Edit::AcceptPeering(peering.id.clone())))
            .collect()
    }

    /// What could lead from a VPC to an address, each with what must be made first.
    fn targets(&self, vpc: VpcIndex, address: IpAddr) -> Vec<(Vec<Edit>, RouteTarget)> {
        let Cloud { model, fabric } = self.cloud;
        let own = &fabric.vpcs[vpc];
        let mut targets: Vec<(Vec<Edit>, RouteTarget)> = Vec::new();
        let contains = |peer: VpcIndex| fabric.vpcs[peer].contains(address);
        for peering in fabric
            .peerings
            .values()
            .filter(|peering| peering.is_active())
        {
            if peering.peer_of(vpc).is_some_and(contains) {
                let target = RouteTarget::VpcPeeringConnection(peering.id.clone());
                targets.push((Vec::new(), target));
            }
        }
        let others = || {
            fabric
                .vpcs
                .indices()
                .filter(|other| *other != vpc && contains(*other))
        };
        for (index, gateway) in fabric.transit_gateways.iter() {
            if fabric.is_attached(index, vpc) && others().any(|o| fabric.are_joined(vpc, o)) {
                targets.push((Vec::new(), RouteTarget::TransitGateway(gateway.id.clone())));
            }
        }
        if let Some(other) = others().next().filter(|_| targets.is_empty()) {
            let edit = Edit::Peer(own.id.clone(), fabric.vpcs[other].id.clone());
            targets.extend(made(model, edit, |model| {
                let last = model.vpc_peering_connections.values();
                let ours = |p: &&model::VpcPeeringConnection| {
                    p.status == PeeringStatus::Active
                        && p.peer_of(&own.id) == Some(&fabric.vpcs[other].id)
                };
                last.filter(ours)
                    .map(|p| RouteTarget::VpcPeeringConnection(p.id.clone()))
                    .next()
            }));
        }
        if fabric.is_outside_host(address) {
            match own.internet_gateway {
                Some(gateway) => {
                    let id = fabric.internet_gateways[gateway].id.clone();
                    targets.push((Vec::new(), RouteTarget::InternetGateway(id)));
                }
                None => {
                    let edit = Edit::InternetGateway(own.id.clone());
                    targets.extend(made(model, edit, |model| {
                        let gateway = model.internet_gateway_of(&own.id)?;
                        Some(RouteTarget::InternetGateway(gateway.id.clone()))
                    }));
                }
            }
            let nats = fabric.nat_gateways.values();
            for nat in nats.filter(|nat| nat.vpc == vpc && is_usable(nat)) {
                targets.push((Vec::new(), RouteTarget::NatGateway(nat.id.clone())));
            }
            if let Some(gateway) = own.vpn_gateway {
                let id = fabric.vpn_gateways[gateway].id.clone();
                targets.push((Vec::new(), RouteTarget::VpnGateway(id)));
            }
        }
        targets
    }

    /// Blocks that a route to an address may have: it alone, the VPC's block around it, everything.
    fn blocks_towards(&self, address: IpAddr, target: &RouteTarget) -> Vec<(Breadth, IpNet)> {
        let fabric = self.cloud.fabric;
        let (breadth, narrow) = self.block(address);
        let mut blocks = vec![(breadth, narrow)];
        let leaves = matches!(
            target,
            RouteTarget::InternetGateway(_) | RouteTarget::NatGateway(_)
        );
        if leaves {
            if breadth == Breadth::Pair {
                blocks.push((Breadth::Wide, everything(address)));
            }
            return blocks;
        }
        let around = fabric.vpcs.values().flat_map(|vpc| &vpc.blocks);
        let around = around.map(|block| IpNet::V4(*block));
        blocks.extend(
            around
                .filter(|block| block.contains(&address))
                .map(|block| (Breadth::Some, block)),
        );
        blocks
    }
}

/// A target that exists after an edit: identifiers repeat when the edit is made again on the same cloud.
fn made(
    model: &Model,
    edit: Edit,
    find: impl Fn(&Model) -> Option<RouteTarget>,
) -> Option<(Vec<Edit>, RouteTarget)> {
    let mut scratch = model.clone();
    edit.apply(&mut scratch).ok()?;
    Some((vec![edit], find(&scratch)?))
}

fn everything(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

fn destination(block: IpNet) -> Destination {
    match block {
        IpNet::V4(block) => Destination::Ipv4(block),
        IpNet::V6(block) => Destination::Ipv6(block),
    }
}

/// The highest free number before the deciding entry; with none, a round one after the last.
fn free_before(entries: &[NetworkAclEntry], deciding: Option<u16>) -> Option<u16> {
    let is_free = |number: &u16| entries.iter().all(|entry| entry.rule_number != *number);
    match deciding {
        Some(deciding) => (1..deciding).rev().find(is_free),
        None => {
            let last = entries
                .iter()
                .map(|entry| entry.rule_number)
                .max()
                .unwrap_or(0);
            let round = (last / 10 + 1)
                .checked_mul(10)
                .filter(|n| *n <= LAST_NUMBER);
            round
                .map(|number| number.max(100))
                .or_else(|| (1..=LAST_NUMBER).rev().find(is_free))
        }
    }
}
