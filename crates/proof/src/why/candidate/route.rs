//! Routes that may lead a packet where it is to go: by each gateway and connection that could carry it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fabric::{Component, Header, NatGatewayIndex, RouteTableIndex, SubnetIndex, VpcIndex};
use ipnet::IpNet;
use model::peering::PeeringStatus;
use model::{Destination, Model, RouteTarget};

use super::super::edit::Edit;
use super::super::words::{Cloud, is_usable};
use super::{Blocked, Breadth, Candidate, everything, one};

/// Other tables of the VPC that a subnet is tried with.
const MOST_TABLES: usize = 3;

impl Blocked<'_> {
    /// No route: one by everything that could lead there.
    pub(super) fn route(&self, table: RouteTableIndex, header: &Header) -> Vec<Candidate> {
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
        found.extend(self.other_tables(table, header.destination));
        found
    }

    /// A route that leads nowhere: what it names put right, or another way.
    pub(super) fn blackhole(&self, table: RouteTableIndex, header: &Header) -> Vec<Candidate> {
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
        found.extend(self.other_tables(table, header.destination));
        found
    }

    /// The packet took a way that cannot carry it: a more specific route by one that can.
    pub(super) fn elsewhere(&self, header: &Header) -> Vec<Candidate> {
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
        table.map_or_else(Vec::new, |table| self.by(table, header))
    }

    /// A NAT gateway cannot carry it: past the gateway, or from the gateway's subnet another way.
    pub(super) fn around_nat(&self, nat: NatGatewayIndex, header: &Header) -> Vec<Candidate> {
        let fabric = self.cloud.fabric;
        let table = fabric.subnets[fabric.nat_gateways[nat].subnet].route_table;
        let mut found = self.by(table, header);
        found.extend(self.elsewhere(header));
        found
    }

    /// Routes of a table to a destination by everything that could lead there.
    pub(super) fn by(&self, table: RouteTableIndex, header: &Header) -> Vec<Candidate> {
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
        found.extend(self.other_tables(table, header.destination));
        found
    }

    /// The sender has no public address: give it one, or lead it through a NAT gateway.
    pub(super) fn without_public(&self, header: &Header) -> Vec<Candidate> {
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

    /// Out of a circle: another way from each table in it.
    pub(super) fn out_of_circle(&self) -> Vec<Candidate> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for hop in &self.way.hops {
            if let Component::RouteTable(table) = hop.reason.at
                && seen.insert(table)
            {
                found.extend(self.by(table, &hop.header));
            }
        }
        found
    }

    /// Other tables of the VPC that lead there, for the subnet that the packet leaves.
    fn other_tables(&self, table: RouteTableIndex, address: IpAddr) -> Vec<Candidate> {
        let fabric = self.cloud.fabric;
        let uses = |subnet: SubnetIndex| fabric.subnets[subnet].route_table == table;
        let hops = self.way.hops.iter().rev();
        let subnet = hops.map(|hop| hop.reason.at).find_map(|at| match at {
            Component::NetworkAcl(subnet, fabric::Direction::Egress) => {
                Some(subnet).filter(|s| uses(*s))
            }
            // What stays in the subnet crosses no list.
            Component::SecurityGroups(interface, fabric::Direction::Egress) => {
                Some(fabric.interfaces[interface].subnet).filter(|s| uses(*s))
            }
            Component::NatGateway(nat) => {
                Some(fabric.nat_gateways[nat].subnet).filter(|s| uses(*s))
            }
            _ => None,
        });
        let Some(subnet) = subnet else {
            return Vec::new();
        };
        let vpc = fabric.route_tables[table].vpc;
        let others = fabric
            .route_tables
            .iter()
            .filter(|(other, own)| *other != table && own.vpc == vpc);
        let leads = |table: &fabric::RouteTable| {
            let route = table.lookup(address);
            route.is_some_and(|route| !matches!(route.next_hop, fabric::NextHop::Blackhole(_)))
        };
        let edit = |table: &fabric::RouteTable| Edit::UseTable {
            subnet: fabric.subnets[subnet].id.clone(),
            table: table.id.clone(),
        };
        others
            .filter(|(_, other)| leads(other))
            .take(MOST_TABLES)
            .map(|(_, other)| one(Breadth::Wide, edit(other)))
            .collect()
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

fn destination(block: IpNet) -> Destination {
    match block {
        IpNet::V4(block) => Destination::Ipv4(block),
        IpNet::V6(block) => Destination::Ipv6(block),
    }
}
