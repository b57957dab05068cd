//! The interfaces of one VPC by class, in the order of their addresses: so a block is a run of them, a group a list.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use fabric::Fabric;
use fabric::group::RulePeer;
use fabric::index::{GroupIndex, GroupSetIndex, InterfaceIndex, SubnetIndex};
use ipnet::IpNet;

use crate::bits::Bits;
use crate::plain::Plain;

/// A class of interfaces.
#[derive(Debug)]
pub(super) struct Member {
    /// Its position in [`crate::Reach::classes`].
    pub class: usize,
    /// Who stands for it.
    pub interface: InterfaceIndex,
}

/// The classes of one VPC.
#[derive(Debug)]
pub(super) struct Side {
    /// By the address of whoever stands for the class.
    pub members: Vec<Member>,
    /// Positions of the members in the order of their groups.
    pub by_groups: Vec<usize>,
    addresses: Vec<Ipv4Addr>,
    by_group: HashMap<GroupIndex, Arc<Bits>>,
    nobody: Arc<Bits>,
    /// Those that run.
    pub running: Bits,
    /// Those whose groups let everything out.
    pub unrestricted: Bits,
    /// The others, by their groups.
    pub restricted: BTreeMap<GroupSetIndex, Bits>,
    /// Those of one subnet that lists and routes know by one part of the addresses.
    pub nets: BTreeMap<(SubnetIndex, u32), Bits>,
}

impl Side {
    pub fn of(fabric: &Fabric, plain: &Plain, mut members: Vec<Member>, is_open: impl Fn(GroupSetIndex) -> bool) -> Self {
        members.sort_by_key(|member| fabric.interfaces[member.interface].primary_address());
        let bound = members.len();
        let none = || Bits::none(bound);
        let (mut by_group, mut restricted, mut nets) = (HashMap::<_, Bits>::new(), BTreeMap::new(), BTreeMap::new());
        let (mut running, mut unrestricted) = (none(), none());
        let mut open: HashMap<GroupSetIndex, bool> = HashMap::new();
        for (position, member) in members.iter().enumerate() {
            let interface = &fabric.interfaces[member.interface];
            // Nobody sends from, or receives at, what does not run.
            if !interface.status.is_running() {
                continue;
            }
            running.insert(position);
            interface.groups.iter().for_each(|group| by_group.entry(*group).or_insert_with(none).insert(position));
            match interface.group_set.filter(|set| !*open.entry(*set).or_insert_with(|| is_open(*set))) {
                None => unrestricted.insert(position),
                Some(set) => restricted.entry(set).or_insert_with(none).insert(position),
            }
            nets.entry((interface.subnet, plain.part(interface.primary_address()))).or_insert_with(none).insert(position);
        }
        let mut by_groups: Vec<usize> = (0..bound).collect();
        by_groups.sort_by_key(|position| fabric.interfaces[members[*position].interface].group_set);
        Self {
            by_groups,
            addresses: members.iter().map(|member| fabric.interfaces[member.interface].primary_address()).collect(),
            by_group: by_group.into_iter().map(|(group, bits)| (group, Arc::new(bits))).collect(),
            nobody: Arc::new(none()),
            members,
            running,
            unrestricted,
            restricted,
            nets,
        }
    }

    /// Whether somebody who runs carries a group.
    pub fn carries(&self, group: GroupIndex) -> bool {
        self.by_group.contains_key(&group)
    }

    /// Positions of those who carry a group, in the order of their groups.
    pub fn by_groups_of(&self, group: GroupIndex) -> Vec<usize> {
        let Some(carriers) = self.by_group.get(&group) else { return Vec::new() };
        self.by_groups.iter().copied().filter(|position| carriers.contains(*position)).collect()
    }

    /// Those in a block.
    fn inside(&self, block: IpNet, bits: &mut Bits) {
        let IpNet::V4(block) = block else { return };
        let first = self.addresses.partition_point(|address| *address < block.network());
        let behind = self.addresses.partition_point(|address| *address <= block.broadcast());
        (first..behind).for_each(|position| bits.insert(position));
    }
}

/// Whom the other sides of rules mean on one side (SG-11 … SG-15); each is found once.
pub(super) struct Matches<'s> {
    side: &'s Side,
    blocks: HashMap<IpNet, Arc<Bits>>,
}

impl<'s> Matches<'s> {
    pub fn new(side: &'s Side) -> Self {
        Self { side, blocks: HashMap::new() }
    }

    /// Whom a rule means, among those that run.
    pub fn peer(&mut self, peer: &RulePeer) -> Arc<Bits> {
        match peer {
            RulePeer::Block(block) => self.block(*block),
            RulePeer::PrefixList { blocks, .. } => {
                let mut all = Bits::none(self.side.members.len());
                blocks.iter().for_each(|block| all.add(&self.block(*block)));
                Arc::new(all)
            }
            RulePeer::Group { group: Some(group), .. } => {
                Arc::clone(self.side.by_group.get(group).unwrap_or(&self.side.nobody))
            }
            RulePeer::Group { group: None, .. } => Arc::clone(&self.side.nobody),
        }
    }

    fn block(&mut self, block: IpNet) -> Arc<Bits> {
        let side = self.side;
        let found = self.blocks.entry(block).or_insert_with(|| {
            let mut inside = Bits::none(side.members.len());
            side.inside(block, &mut inside);
            inside.keep(&side.running);
            Arc::new(inside)
        });
        Arc::clone(found)
    }
}
