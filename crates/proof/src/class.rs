//! Places that nobody can tell apart by what they reach and by whom they are reached: of the same subnet, with the same
//! security groups, in the same of all blocks that any rule, list or route names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use fabric::index::{GroupSetIndex, InterfaceIndex, RowIndex, SubnetIndex};
use fabric::route::NextHop;
use fabric::{Fabric, Subnet};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

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

    /// Cuts parts where some more blocks begin and end. The addresses at which they are cut, ascending.
    pub(crate) fn cut(&mut self, blocks: impl IntoIterator<Item = Ipv4Net>) -> Vec<Ipv4Addr> {
        let ends = |block: Ipv4Net| {
            let behind = u32::from(block.broadcast()).checked_add(1);
            [Some(u32::from(block.network())), behind].into_iter().flatten()
        };
        let new: BTreeSet<u32> = blocks.into_iter().flat_map(ends).filter(|at| self.0.binary_search(at).is_err()).collect();
        if !new.is_empty() {
            self.0.extend(&new);
            self.0.sort_unstable();
        }
        new.into_iter().map(Ipv4Addr::from).collect()
    }

    /// The part that an address is in, by its first address: a part that is cut keeps its name in front of the cut.
    pub(crate) fn of_address(&self, address: Ipv4Addr) -> u32 {
        // The first part begins at 0, so there is one.
        self.0[self.0.partition_point(|start| *start <= u32::from(address)) - 1]
    }

    /// The first and the last address of the part that an address is in.
    fn around(&self, address: Ipv4Addr) -> (Ipv4Addr, Ipv4Addr) {
        let behind = self.0.partition_point(|start| *start <= u32::from(address));
        let last = self.0.get(behind).map_or(u32::MAX, |next| next - 1);
        (Ipv4Addr::from(self.0[behind - 1]), Ipv4Addr::from(last))
    }
}

/// Every IPv4 block that can tell two addresses apart: of rules, lists, routes, VPCs.
pub(crate) fn named_blocks(fabric: &Fabric) -> Vec<Ipv4Net> {
    let ipv4 = |block: &IpNet| match block {
        IpNet::V4(block) => Some(*block),
        IpNet::V6(_) => None,
    };
    let mut blocks: Vec<Ipv4Net> = all_blocks(fabric).filter_map(ipv4).collect();
    blocks.extend(fabric.vpcs.values().flat_map(|vpc| vpc.blocks.iter().copied()));
    blocks.extend(fabric.subnets.values().map(|subnet| subnet.cidr));
    blocks.sort();
    blocks.dedup();
    blocks
}

/// The same of IPv6.
fn named_ipv6_blocks(fabric: &Fabric) -> BTreeSet<Ipv6Net> {
    let ipv6 = |block: &IpNet| match block {
        IpNet::V6(block) => Some(block.trunc()),
        IpNet::V4(_) => None,
    };
    let of_vpcs = fabric.vpcs.values().flat_map(|vpc| vpc.ipv6_blocks.iter().copied());
    let of_subnets = fabric.subnets.values().flat_map(|subnet| subnet.ipv6_blocks.iter().copied());
    all_blocks(fabric).filter_map(ipv6).chain(of_vpcs).chain(of_subnets).collect()
}

/// The narrowest of some blocks around an address: one look-up a prefix length.
fn narrowest(blocks: &BTreeSet<Ipv6Net>, address: Ipv6Addr) -> Option<Ipv6Net> {
    let around = (0..=128).rev().filter_map(|length| Ipv6Net::new(address, length).ok());
    around.map(|block| block.trunc()).find(|block| blocks.contains(block))
}

/// Blocks of rules, lists and routes.
fn all_blocks(fabric: &Fabric) -> impl Iterator<Item = &IpNet> {
    let gateways = fabric.transit_gateways.values().flat_map(|gateway| &gateway.tables);
    fabric.named_blocks().chain(gateways.flat_map(|table| &table.routes).map(|route| &route.destination))
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
    /// The same of their IPv6 addresses.
    AlikeIpv6 {
        subnet: SubnetIndex,
        groups: Option<GroupSetIndex>,
        is_running: bool,
        /// The narrowest named block around the address, and so all around that one.
        block: Option<Ipv6Net>,
    },
    /// A host outside, or an IPv6 address that is not like others.
    Single(Place),
}

/// A class of places.
#[derive(Debug, Clone)]
pub struct Class {
    /// Who is in it, ascending; not empty.
    pub members: Vec<PlaceIndex>,
}

/// All classes of a cloud, in the order of their first members; but parts of what was one class follow all others.
#[derive(Debug)]
pub(crate) struct Classes {
    pub(crate) classes: Vec<Class>,
    /// The class of each place.
    pub(crate) of: Vec<u32>,
    parts: Parts,
    /// How many classes are of interfaces; hosts come behind them, each a class of its own.
    of_interfaces: usize,
}

impl Classes {
    /// Parts the classes whose members some more blocks tell apart, or of whose members routes lead to some. Parts of a
    /// class come behind all other classes of interfaces. Which ones they are.
    pub(crate) fn part(
        &mut self,
        fabric: &Fabric,
        places: &[Place],
        blocks: impl IntoIterator<Item = Ipv4Net>,
        targets: impl IntoIterator<Item = InterfaceIndex>,
    ) -> Range<usize> {
        let mut near: BTreeSet<InterfaceIndex> = BTreeSet::new();
        for at in self.parts.cut(blocks) {
            let is_cut = |subnet: &&Subnet| subnet.cidr.network() < at && at <= subnet.cidr.broadcast();
            near.extend(fabric.subnets.values().filter(is_cut).flat_map(|subnet| &subnet.interfaces));
            // Whoever had the part that is cut has what is behind the cut now, and only they may differ from others.
            let (_, last) = self.parts.around(at);
            near.extend(fabric.public_addresses.range(at..=last).map(|(_, mapping)| mapping.interface));
        }
        let targets: BTreeSet<InterfaceIndex> = targets.into_iter().collect();
        near.extend(&targets);
        let place_of = |interface: &InterfaceIndex| places.binary_search(&Place::Interface(*interface)).ok();
        let touched: BTreeSet<u32> = near.iter().filter_map(place_of).map(|place| self.of[place]).collect();
        let hosts = self.classes.split_off(self.of_interfaces);
        for class in touched {
            let mut kinds: BTreeMap<_, Vec<PlaceIndex>> = BTreeMap::new();
            let members = &self.classes[class as usize].members;
            for member in members {
                let Place::Interface(index) = places[member.as_usize()] else { continue };
                let interface = &fabric.interfaces[index];
                let public = interface.addresses.iter().find_map(|address| address.public);
                let private = self.parts.of_address(interface.primary_address());
                let is_target = Some(index).filter(|index| targets.contains(index));
                let kind = (private, public.map(|address| self.parts.of_address(address)), is_target);
                kinds.entry(kind).or_default().push(*member);
            }
            let first = members[0];
            for (_, members) in kinds {
                // The class goes on with those that its first member is one of.
                if members[0] == first {
                    self.classes[class as usize].members = members;
                    continue;
                }
                let next = self.classes.len() as u32;
                members.iter().for_each(|member| self.of[member.as_usize()] = next);
                self.classes.push(Class { members });
            }
        }
        let before = std::mem::replace(&mut self.of_interfaces, self.classes.len());
        self.classes.extend(hosts);
        self.name_hosts();
        before..self.of_interfaces
    }

    /// Takes over that there are other hosts: the places behind those of interfaces.
    pub(crate) fn take_hosts(&mut self, places: &[Place]) {
        let interfaces = places.partition_point(|place| !place.is_outside());
        self.classes.truncate(self.of_interfaces);
        let hosts = (interfaces..places.len()).map(|row| Class { members: vec![PlaceIndex::from_usize(row)] });
        self.classes.extend(hosts);
        self.of.resize(places.len(), 0);
        self.name_hosts();
    }

    fn name_hosts(&mut self) {
        for class in self.of_interfaces..self.classes.len() {
            self.classes[class].members.iter().for_each(|place| self.of[place.as_usize()] = class as u32);
        }
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
        let ipv6_blocks = named_ipv6_blocks(fabric);
        let is_single = |index: InterfaceIndex| {
            let alone = |instance| fabric.instances[instance].interfaces.len() == 1;
            !fabric.interfaces[index].instance().is_some_and(alone) || targets.contains(&index)
        };
        let key = |place: Place| match place {
            Place::Interface(index) => {
                let interface = &fabric.interfaces[index];
                if is_single(index) {
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
            Place::Ipv6(index) if !is_single(index) => {
                let interface = &fabric.interfaces[index];
                Key::AlikeIpv6 {
                    subnet: interface.subnet,
                    groups: interface.group_set,
                    is_running: interface.status.is_running(),
                    block: interface.ipv6.first().and_then(|address| narrowest(&ipv6_blocks, *address)),
                }
            }
            single => Key::Single(single),
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
        let of_interfaces = classes.iter().take_while(|class| !places[class.members[0].as_usize()].is_outside()).count();
        Self { classes, of, parts, of_interfaces }
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
