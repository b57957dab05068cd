//! Places that nobody can tell apart by what they reach and by whom they are reached: of the same subnet, with the same
//! security groups, in the same of all blocks that any rule, list or route names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use fabric::group::RulePeer;
use fabric::index::{GroupSetIndex, InterfaceIndex, SubnetIndex};
use fabric::route::NextHop;
use fabric::Fabric;
use ipnet::{IpNet, Ipv4Net};

use crate::place::{Place, PlaceIndex};

/// The parts into which named blocks cut the IPv4 addresses: those of one part are in the same blocks.
#[derive(Debug, Clone)]
pub(crate) struct Parts(Vec<u32>);

impl Parts {
    /// The parts of some blocks.
    pub(crate) fn of(blocks: impl IntoIterator<Item = Ipv4Net>) -> Self {
        let mut starts = BTreeSet::from([0]);
        for block in blocks {
            starts.insert(u32::from(block.network()));
            starts.extend(u32::from(block.broadcast()).checked_add(1));
        }
        Self(starts.into_iter().collect())
    }

    /// Cuts parts where some more blocks begin and end.
    pub(crate) fn cut(&mut self, blocks: impl IntoIterator<Item = Ipv4Net>) {
        for block in blocks {
            self.0.push(u32::from(block.network()));
            self.0.extend(u32::from(block.broadcast()).checked_add(1));
        }
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// Whether no part is partly in a block.
    pub(crate) fn know(&self, block: Ipv4Net) -> bool {
        let starts = |at: &u32| self.0.binary_search(at).is_ok();
        starts(&u32::from(block.network())) && u32::from(block.broadcast()).checked_add(1).is_none_or(|end| starts(&end))
    }

    /// The part that an address is in.
    pub(crate) fn of_address(&self, address: Ipv4Addr) -> u32 {
        // The first part begins at 0, so there is one; there are fewer parts than addresses.
        (self.0.partition_point(|start| *start <= u32::from(address)) - 1) as u32
    }
}

/// Every block that can tell two addresses apart: of rules, lists, routes, VPCs.
fn named_blocks(fabric: &Fabric) -> Vec<Ipv4Net> {
    let rules = fabric.groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
    let of_rules = rules.flat_map(|rule| match &rule.peer {
        RulePeer::Block(block) => std::slice::from_ref(block),
        RulePeer::PrefixList { blocks, .. } => blocks.as_slice(),
        RulePeer::Group { .. } => &[],
    });
    let lists = fabric.acls.values().flat_map(|acl| acl.ingress.iter().chain(&acl.egress));
    let tables = fabric.route_tables.values().flat_map(|table| &table.routes);
    let gateways = fabric.transit_gateways.values().flat_map(|gateway| &gateway.tables);
    let all = of_rules
        .chain(lists.map(|entry| &entry.cidr_block))
        .chain(tables.map(|route| &route.destination))
        .chain(gateways.flat_map(|table| &table.routes).map(|route| &route.destination));
    let ipv4 = |block: &IpNet| match block {
        IpNet::V4(block) => Some(*block),
        IpNet::V6(_) => None,
    };
    let mut blocks: Vec<Ipv4Net> = all.filter_map(ipv4).collect();
    blocks.extend(fabric.vpcs.values().flat_map(|vpc| vpc.blocks.iter().copied()));
    blocks.extend(fabric.subnets.values().map(|subnet| subnet.cidr));
    blocks.sort();
    blocks.dedup();
    blocks
}

/// What a class has in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// Interfaces that differ in nothing that matters.
    Alike {
        subnet: SubnetIndex,
        groups: Option<GroupSetIndex>,
        is_running: bool,
        private: u32,
        public: Option<u32>,
    },
    /// One that routes lead to, or whose system has several interfaces.
    Alone(InterfaceIndex),
    /// A host outside.
    Outside(Place),
}

/// A class of places.
#[derive(Debug, Clone)]
pub struct Class {
    /// Who is in it, ascending; not empty.
    pub members: Vec<PlaceIndex>,
}

/// All classes of a cloud, in the order of their first members.
#[derive(Debug)]
pub(crate) struct Classes {
    pub(crate) classes: Vec<Class>,
    /// The class of each place.
    pub(crate) of: Vec<u32>,
    parts: Parts,
}

impl Classes {
    /// Whether a block holds some members of a class and not others: then the class is one no longer.
    pub(crate) fn are_split(&self, fabric: &Fabric, places: &[Place], block: Ipv4Net) -> bool {
        if self.parts.know(block) {
            return false;
        }
        let inside = |place: &PlaceIndex| match places[place.0 as usize] {
            Place::Interface(index) => {
                let interface = &fabric.interfaces[index];
                let public = interface.addresses.iter().find_map(|address| address.public);
                (block.contains(&interface.primary_address()), public.is_some_and(|address| block.contains(&address)))
            }
            Place::Outside(_, address) | Place::Internet(address) => (block.contains(&address), false),
        };
        let several = self.classes.iter().filter(|class| class.members.len() > 1);
        several.into_iter().any(|class| class.members.iter().any(|member| inside(member) != inside(&class.members[0])))
    }

    /// Sorts places into classes.
    pub(crate) fn of(fabric: &Fabric, places: &[Place]) -> Self {
        let parts = Parts::of(named_blocks(fabric));
        let hops = fabric.route_tables.values().flat_map(|table| &table.routes);
        let targets: BTreeSet<InterfaceIndex> = hops
            .filter_map(|route| match route.next_hop {
                NextHop::Interface(interface) => Some(interface),
                _ => None,
            })
            .collect();
        let key = |place: Place| match place {
            Place::Interface(index) => {
                let interface = &fabric.interfaces[index];
                let instance = interface.instance();
                let alone = |instance| fabric.instances[instance].interfaces.len() == 1;
                if !instance.is_some_and(alone) || targets.contains(&index) {
                    return Key::Alone(index);
                }
                let public = interface.addresses.iter().find_map(|address| address.public);
                Key::Alike {
                    subnet: interface.subnet,
                    groups: interface.group_set,
                    is_running: interface.status.is_running(),
                    private: parts.of_address(interface.primary_address()),
                    public: public.map(|address| parts.of_address(address)),
                }
            }
            outside => Key::Outside(outside),
        };
        let mut known: BTreeMap<Key, u32> = BTreeMap::new();
        let mut classes: Vec<Class> = Vec::new();
        let mut of = Vec::with_capacity(places.len());
        for (row, place) in places.iter().enumerate() {
            // There are no more classes than places, and no more places than fit.
            let next = classes.len() as u32;
            let class = *known.entry(key(*place)).or_insert(next);
            if class == next {
                classes.push(Class { members: Vec::new() });
            }
            classes[class as usize].members.push(PlaceIndex(row as u32));
            of.push(class);
        }
        Self { classes, of, parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_tell_addresses_apart_as_blocks_do() {
        let blocks = ["10.0.0.0/8", "10.1.0.0/16", "255.255.255.255/32"];
        let parts = Parts::of(blocks.map(|block| block.parse().expect("a block")));
        let part = |text: &str| parts.of_address(text.parse().expect("an address"));
        assert_eq!(part("10.0.0.1"), part("10.0.255.255"));
        assert_ne!(part("10.0.0.1"), part("10.1.0.1"));
        assert_ne!(part("10.0.0.1"), part("10.2.0.1"), "one part on each side of the inner block");
        assert_ne!(part("9.255.255.255"), part("11.0.0.0"));
        assert_ne!(part("255.255.255.254"), part("255.255.255.255"));
    }
}
