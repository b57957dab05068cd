//! Changes that may take one blocker away: here filters and what does not run, in `route` what leads. Whether they do
//! is asked afterwards; see `fix`.

use std::net::IpAddr;

use fabric::group::RulePeer;
use fabric::reason::Rule;
use fabric::stage::security_group;
use fabric::walker::{Hop, Way};
use fabric::{
    Component, Direction, ExplanationCode, Header, InterfaceIndex, Reason, Stage, SubnetIndex,
};
use ipnet::IpNet;
use model::network_acl::NetworkAclEntry;
use model::selector::End;
use model::traffic::protocol;
use model::{IcmpMatch, Origin, Peer, PortRange, SecurityGroupId, TrafficMatch};

use super::Question;
use super::ask::is_circle;
use super::edit::Edit;
use super::leg;
use super::near::{self, peer_address};
use super::words::Cloud;

/// Groups of one interface that are tried.
const MOST_GROUPS: usize = 3;
/// Other lists of the VPC that a subnet is tried with.
const MOST_LISTS: usize = 2;
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

mod route;

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
        if is_circle(self.reason) {
            return self.out_of_circle();
        }
        let Some(hop) = self.hop() else {
            // Nothing that a rule decided: what is in a gateway's table, or that nobody has the address.
            return match (self.reason.at, self.way.hops.last()) {
                (Component::NatGateway(nat), Some(last)) => self.around_nat(nat, &last.header),
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
            // NAT-17: what the gateway sent came back to it.
            (Stage::NatGateway, Component::NatGateway(nat), None) => self.around_nat(nat, header),
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
        let others = fabric
            .acls
            .iter()
            .filter(|(_, other)| other.vpc == acl.vpc && other.id != acl.id);
        found.extend(others.take(MOST_LISTS).map(|(_, other)| {
            let subnet = fabric.subnets[subnet].id.clone();
            let acl = other.id.clone();
            one(Breadth::Wide, Edit::UseAcl { subnet, acl })
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
}

fn everything(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
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
