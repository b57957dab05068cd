//! A topology as the deltas that build it, in an order in which every name is known before it is used.

use super::{World, WorldError, parts};
use crate::scenario::Fault;
use crate::scenario::delta::{Delta, RuleDirection};
use crate::scenario::topology::Topology;

/// Builds everything. Errors: line and reason.
pub fn build(world: &mut World, topology: &Topology) -> Result<(), Fault> {
    if let Some(default) = &topology.default_vpc {
        world.with_everything_finished(|world| parts::default_vpc(world, default)).map_err(at(0, topology))?;
    }
    for vpc in &topology.vpcs {
        let (name, line) = (vpc.name.clone(), vpc.line);
        let mut steps = Steps { world, topology, line };
        let mut blocks = vpc.body.cidr.iter().copied();
        if let Some(cidr) = blocks.next() {
            steps.apply(Delta::Vpc { vpc: name.clone(), cidr, gateway: vpc.body.igw.clone() })?;
        }
        for cidr in blocks {
            steps.apply(Delta::VpcBlock { vpc: name.clone(), cidr })?;
        }
        // VPC-15: host names need DNS support, so that the order of the two depends on where they go.
        if vpc.body.dns_hostnames == Some(false) {
            steps.apply(Delta::DnsHostnames { vpc: name.clone(), on: false })?;
        }
        if let Some(on) = vpc.body.dns_support {
            steps.apply(Delta::DnsSupport { vpc: name.clone(), on })?;
        }
        if vpc.body.dns_hostnames == Some(true) {
            steps.apply(Delta::DnsHostnames { vpc: name.clone(), on: true })?;
        }
        if let Some(main) = &vpc.body.main {
            parts::name_main_table(world, &name, main).map_err(at(line, topology))?;
        }
    }
    for table in &topology.route_tables {
        // A VPC's main table came with it.
        let is_main = topology.vpcs.iter().any(|v| v.body.main.as_ref() == Some(&table.name))
            || topology.default_vpc.as_ref().is_some_and(|v| v.main.as_ref() == Some(&table.name));
        if is_main {
            parts::check_main_table(world, &table.body.vpc, &table.name).map_err(at(table.line, topology))?;
        } else {
            let delta = Delta::NewTable { table: table.name.clone(), vpc: table.body.vpc.clone() };
            Steps { world, topology, line: table.line }.apply(delta)?;
        }
    }
    for subnet in &topology.subnets {
        let (subnet, line, body) = (subnet.name.clone(), subnet.line, &subnet.body);
        let (vpc, zone, table) = (body.vpc.clone(), body.zone.clone(), body.rt.clone());
        Steps { world, topology, line }.apply(Delta::Subnet { subnet, vpc, cidr: body.cidr, zone, table })?;
    }
    groups(world, topology)?;
    interfaces(world, topology)?;
    for nat in &topology.nat {
        let (subnet, address, public) = (nat.body.subnet.clone(), nat.body.ip, nat.body.eip);
        let delta = Delta::Nat { nat: nat.name.clone(), subnet, address, public };
        Steps { world, topology, line: nat.line }.apply(delta)?;
    }
    for pcx in &topology.pcx {
        let (requester, accepter) = pcx.body.vpcs.clone();
        let delta = Delta::Peering { pcx: pcx.name.clone(), requester, accepter, state: pcx.body.state };
        Steps { world, topology, line: pcx.line }.apply(delta)?;
    }
    for host in &topology.hosts {
        let delta = Delta::Host { host: host.name.clone(), address: host.body };
        Steps { world, topology, line: host.line }.apply(delta)?;
    }
    for table in &topology.route_tables {
        for (line, destination, target) in &table.body.routes {
            let (destination, target) = (destination.clone(), target.clone());
            let delta = Delta::AddRoute { table: table.name.clone(), destination, target, propagated: false };
            Steps { world, topology, line: *line }.apply(delta)?;
        }
    }
    for (line, delta) in &topology.deltas {
        Steps { world, topology, line: *line }.apply(delta.clone())?;
    }
    Ok(())
}

/// All groups before the first rule: rules name groups.
fn groups(world: &mut World, topology: &Topology) -> Result<(), Fault> {
    for group in &topology.sgs {
        let delta = Delta::NewGroup { group: group.name.clone(), vpc: group.body.vpc.clone() };
        Steps { world, topology, line: group.line }.apply(delta)?;
    }
    for group in &topology.sgs {
        let name = || group.name.clone();
        let mut add = |direction, rules: &[(u32, crate::scenario::delta::GroupRule)]| {
            rules.iter().try_for_each(|(line, rule)| {
                let delta = Delta::AddRule { group: name(), direction, rule: rule.clone() };
                Steps { world, topology, line: *line }.apply(delta)
            })
        };
        add(RuleDirection::In, &group.body.ingress)?;
        if let Some(egress) = &group.body.egress {
            let delta = Delta::ClearRules { group: name(), direction: RuleDirection::Out };
            Steps { world, topology, line: group.line }.apply(delta)?;
            for (line, rule) in egress {
                let delta = Delta::AddRule { group: name(), direction: RuleDirection::Out, rule: rule.clone() };
                Steps { world, topology, line: *line }.apply(delta)?;
            }
        }
    }
    Ok(())
}

fn interfaces(world: &mut World, topology: &Topology) -> Result<(), Fault> {
    for entry in &topology.enis {
        let (eni, body) = (|| entry.name.clone(), &entry.body);
        let mut steps = Steps { world, topology, line: entry.line };
        let (subnet, addresses, groups) = (body.subnet.clone(), body.ip.clone(), body.sg.clone());
        steps.apply(Delta::Interface { eni: eni(), subnet, addresses, groups })?;
        if !body.check {
            steps.apply(Delta::SourceDestCheck { eni: eni(), on: false })?;
        }
        if body.forward {
            steps.apply(Delta::Forward { eni: eni() })?;
        }
        if body.masquerade {
            steps.apply(Delta::Masquerade { eni: eni() })?;
        }
        for (line, private, public) in &body.eip {
            let delta = Delta::ElasticIp { eni: eni(), private: Some(*private), public: *public };
            Steps { world, topology, line: *line }.apply(delta)?;
        }
    }
    Ok(())
}

/// Deltas that come from one line.
struct Steps<'w> {
    world: &'w mut World,
    topology: &'w Topology,
    line: u32,
}

impl Steps<'_> {
    fn apply(&mut self, delta: Delta) -> Result<(), Fault> {
        self.world.apply(&delta).map_err(at(self.line, self.topology))
    }
}

fn at(line: u32, topology: &Topology) -> impl Fn(WorldError) -> Fault + use<> {
    let name = topology.name.clone();
    move |error| Fault::new(line, format!("topology `{name}`: {error}"))
}
