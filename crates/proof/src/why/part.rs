//! The part of a cloud that a packet between some ends can touch, and any change that `fix` may try: whatever is asked about
//! these ends is answered in the part as in the whole, only sooner.
//!
//! Networks, tables, lists and gateways stay: there are few. Of interfaces those stay that a header can name, by an end or by
//! what passes packets on, or whose public address somebody could meet or be given; of groups those whose rules decide at
//! an end, or could after an end joins one that its rules name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use fabric::engine::Sender;
use ipnet::IpNet;
use model::cidr::{RFC_1918, RFC_6598};
use model::network_interface::InterfaceType;
use model::selector::End;
use model::{
    InstanceId, InstanceState, Model, NetworkInterface, NetworkInterfaceId, Peer, RouteTarget,
    SecurityGroup, SecurityGroupId, SecurityGroupRule, Table,
};

use super::Question;

/// The ends of a question.
pub(super) fn ends(question: &Question) -> [End; 2] {
    let from = match &question.from {
        Sender::Interface(id) | Sender::Container(id) => End::Interface {
            interface: id.clone(),
            instance: None,
        },
        Sender::Outside(address) => End::Address(*address),
    };
    [from, question.to.clone()]
}

/// The part that everything between these ends is decided in.
pub(super) fn of(model: &Model, ends: &[End]) -> Model {
    let near = Near::of(model, ends);
    let far = far(model, &near.interfaces);
    let groups = groups(model, &near.interfaces);
    let keep_interface = |interface: &NetworkInterface| {
        if near.interfaces.contains_key(&interface.id) {
            return Some(interface.clone());
        }
        // It only has its address: no packet gets there.
        far.contains(&interface.id).then(|| NetworkInterface {
            groups: Vec::new(),
            ..interface.clone()
        })
    };
    let network_interfaces: Table<NetworkInterfaceId, NetworkInterface> = model
        .network_interfaces
        .values()
        .filter_map(|interface| Some((interface.id.clone(), keep_interface(interface)?)))
        .collect();
    let instances: BTreeSet<&InstanceId> = network_interfaces
        .values()
        .filter_map(NetworkInterface::instance_id)
        .collect();
    // Tables that stay whole are shared.
    Model {
        security_groups: groups,
        instances: some(&model.instances, &instances),
        guests: some(&model.guests, &instances),
        containers: some(&model.containers, &instances),
        network_interfaces,
        ..model.clone()
    }
}

fn some<Row: Clone>(
    table: &Table<InstanceId, Row>,
    wanted: &BTreeSet<&InstanceId>,
) -> Table<InstanceId, Row> {
    wanted
        .iter()
        .filter_map(|id| Some(((*id).clone(), table.get(*id)?.clone())))
        .collect()
}

/// Interfaces that a packet may be at.
struct Near<'m> {
    interfaces: BTreeMap<&'m NetworkInterfaceId, &'m NetworkInterface>,
    instances: BTreeSet<&'m InstanceId>,
    /// What headers may name.
    addresses: BTreeSet<IpAddr>,
    /// Public addresses by interface.
    elastic: BTreeMap<&'m NetworkInterfaceId, Vec<IpAddr>>,
}

impl<'m> Near<'m> {
    fn of(model: &'m Model, ends: &[End]) -> Self {
        let mut elastic: BTreeMap<&NetworkInterfaceId, Vec<IpAddr>> = BTreeMap::new();
        for address in model.addresses.values() {
            if let Some(association) = &address.association {
                let all = elastic
                    .entry(&association.network_interface_id)
                    .or_default();
                all.push(address.public_ip.into());
            }
        }
        let mut near = Self {
            interfaces: BTreeMap::new(),
            instances: BTreeSet::new(),
            addresses: BTreeSet::new(),
            elastic,
        };
        near.addresses.extend(
            model
                .outside
                .values()
                .flat_map(|host| host.addresses.iter().copied()),
        );
        let mut named: BTreeSet<&NetworkInterfaceId> = BTreeSet::new();
        let mut blocks: Vec<IpNet> = Vec::new();
        for end in ends {
            match end {
                End::Interface { interface, .. } => {
                    named.insert(interface);
                }
                End::Address(address) => blocks.push(IpNet::from(*address)),
                End::Block(block) => blocks.push(*block),
                End::Outside(_) | End::Internet => {}
            }
        }
        let routes = model.route_tables.values().flat_map(|table| &table.routes);
        named.extend(routes.filter_map(|route| match &route.target {
            RouteTarget::NetworkInterface(id) => Some(id),
            _ => None,
        }));
        for interface in model.network_interfaces.values() {
            let in_block = || {
                let mut all = near.addresses_of(interface);
                !blocks.is_empty()
                    && all.any(|address| blocks.iter().any(|b| b.contains(&address)))
            };
            let is_wanted = named.contains(&interface.id)
                || interface.interface_type != InterfaceType::Interface
                || in_block();
            if is_wanted {
                near.add(interface);
            }
        }
        // Who has an address that a header may have, in whichever VPC, and every other interface of an instance.
        loop {
            let before = near.interfaces.len();
            for interface in model.network_interfaces.values() {
                let own = interface.private_ip_addresses.iter().copied();
                let own = own.map(IpAddr::V4);
                let mut own =
                    own.chain(interface.ipv6_addresses.iter().copied().map(IpAddr::V6));
                let is_sibling = interface
                    .instance_id()
                    .is_some_and(|id| near.instances.contains(id));
                if is_sibling || own.any(|address| near.addresses.contains(&address)) {
                    near.add(interface);
                }
            }
            if near.interfaces.len() == before {
                return near;
            }
        }
    }

    fn add(&mut self, interface: &'m NetworkInterface) {
        if self.interfaces.insert(&interface.id, interface).is_none() {
            self.instances.extend(interface.instance_id());
            let addresses: Vec<IpAddr> = self.addresses_of(interface).collect();
            self.addresses.extend(addresses);
        }
    }

    /// Private, IPv6 and public ones.
    fn addresses_of<'s>(
        &'s self,
        interface: &'s NetworkInterface,
    ) -> impl Iterator<Item = IpAddr> + 's {
        let private = interface.private_ip_addresses.iter();
        let private = private.copied().map(IpAddr::V4);
        let ipv6 = interface.ipv6_addresses.iter().copied().map(IpAddr::V6);
        let auto = interface.auto_public_ip.map(IpAddr::V4);
        let elastic = self.elastic.get(&interface.id).into_iter().flatten();
        private.chain(ipv6).chain(auto).chain(elastic.copied())
    }
}

/// Interfaces that only must be there: a public address that is theirs is nobody else's, and a state that settles when time
/// passes may draw one.
fn far<'m>(
    model: &'m Model,
    near: &BTreeMap<&NetworkInterfaceId, &NetworkInterface>,
) -> BTreeSet<&'m NetworkInterfaceId> {
    let passing: BTreeSet<&InstanceId> = model
        .instances
        .values()
        .filter(|instance| {
            use InstanceState::{Pending, ShuttingDown, Stopping};
            matches!(instance.state, Pending | Stopping | ShuttingDown)
        })
        .map(|instance| &instance.id)
        .collect();
    let elastic = model.addresses.values().filter_map(|address| {
        let association = address.association.as_ref()?;
        Some(&association.network_interface_id)
    });
    let mut far: BTreeSet<&NetworkInterfaceId> = elastic.collect();
    for interface in model.network_interfaces.values() {
        let public = interface.auto_public_ip.is_some() || interface.auto_public_ip_due.is_some();
        if public
            || interface
                .instance_id()
                .is_some_and(|id| passing.contains(id))
        {
            far.insert(&interface.id);
        }
    }
    far.retain(|id| !near.contains_key(id));
    far
}

/// Groups whose rules may decide, whole; of the others what tells one public address from another, and those whose name is
/// another's too.
fn groups(
    model: &Model,
    near: &BTreeMap<&NetworkInterfaceId, &NetworkInterface>,
) -> Table<SecurityGroupId, SecurityGroup> {
    let mut whole: BTreeSet<&SecurityGroupId> = BTreeSet::new();
    let mut next: Vec<&SecurityGroupId> = near.values().flat_map(|own| &own.groups).collect();
    while let Some(id) = next.pop() {
        let Some(group) = model
            .security_groups
            .get(id)
            .filter(|_| whole.insert(id))
        else {
            continue;
        };
        let rules = group.ingress.iter().chain(&group.egress);
        next.extend(rules.filter_map(|rule| match &rule.peer {
            Peer::SecurityGroup(id) => Some(id),
            _ => None,
        }));
    }
    let names: BTreeSet<&str> = whole
        .iter()
        .filter_map(|id| Some(model.security_groups.get(*id)?.group_name.as_str()))
        .collect();
    let part = |group: &SecurityGroup| {
        if whole.contains(&group.id) {
            return Some(group.clone());
        }
        let public = |rules: &[SecurityGroupRule]| -> Vec<SecurityGroupRule> {
            rules
                .iter()
                .filter(|rule| is_public(&rule.peer))
                .cloned()
                .collect()
        };
        let (ingress, egress) = (public(&group.ingress), public(&group.egress));
        let says =
            !ingress.is_empty() || !egress.is_empty() || names.contains(group.group_name.as_str());
        says.then(|| SecurityGroup {
            id: group.id.clone(),
            group_name: group.group_name.clone(),
            description: group.description.clone(),
            vpc_id: group.vpc_id.clone(),
            ingress,
            egress,
            tags: group.tags.clone(),
            origin: group.origin.clone(),
        })
    };
    let all = model.security_groups.values();
    all.filter_map(|group| Some((group.id.clone(), part(group)?)))
        .collect()
}

/// Whether a rule may speak of some public addresses in particular.
fn is_public(peer: &Peer) -> bool {
    match peer {
        Peer::Ipv4(block) => {
            let private = RFC_1918.iter().chain([&RFC_6598]);
            block.prefix_len() > 0 && !private.into_iter().any(|own| own.contains(block))
        }
        Peer::PrefixList(_) => true,
        Peer::Ipv6(_) | Peer::SecurityGroup(_) => false,
    }
}
