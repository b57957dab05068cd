//! The count of all pairs, kept while the cloud changes: an edit is taken over, and of the rows those are made again that it
//! touches. A group's rules touch the receivers that carry it (ingress) or whatever its VPC's interfaces send (egress); a
//! list's entries touch what its subnets' VPCs send and receive. Where an edit tells packets or places apart that nobody
//! told apart before, everything is proved anew, and [`Taken::Anew`] says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fabric::Fabric;
use fabric::engine::EngineError;
use fabric::group::{GroupRule, RulePeer};
use fabric::index::{AclIndex, GroupIndex, VpcIndex};
use ipnet::{IpNet, Ipv4Net};
use model::{Model, NetworkAclId, SecurityGroupId, TrafficMatch};

use super::side::Side;
use super::{Look, Row, Totals};
use crate::reach::{Options, Reach};

/// What is another in a model, and nothing else is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The rules of a group.
    Rules(SecurityGroupId),
    /// The entries of a network ACL.
    Entries(NetworkAclId),
}

/// How an edit was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// So many rows (a class of receivers, from the senders of one VPC) were made again.
    Rows(usize),
    /// All of them were.
    Anew(Why),
}

/// Why everything was proved anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The model has no such group or list, or the fabric had none.
    Unknown,
    /// Other hosts stand for the internet.
    Hosts,
    /// The edit tells packets apart that were alike.
    Packets,
    /// The edit tells places apart that were alike.
    Places,
    /// A clone of the proof is in use.
    Shared,
}

/// What is counted of one class of receivers from one VPC.
#[derive(Debug, Default)]
struct Counted {
    pairs: u64,
    exposed: u64,
    /// Senders whose way is not plain.
    alone: Vec<usize>,
}

/// All pairs, counted, of a cloud that changes.
#[derive(Debug)]
pub struct Standing {
    options: Options,
    reach: Reach,
    sides: BTreeMap<VpcIndex, Side>,
    several: Vec<usize>,
    counted: BTreeMap<(VpcIndex, VpcIndex), HashMap<usize, Counted>>,
}

impl Standing {
    /// Proves and counts everything.
    pub fn of(fabric: &Fabric, options: Options) -> Result<Self, EngineError> {
        let reach = Reach::of(fabric, options)?;
        let (sides, several) = reach.sides();
        let mut standing = Self { options, reach, sides, several, counted: BTreeMap::new() };
        let all: BTreeSet<VpcIndex> = standing.sides.keys().copied().collect();
        standing.recount(|from, _| all.contains(&from), None);
        Ok(standing)
    }

    /// Who reaches whom, as of the last edit.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The cloud, as of the last edit.
    pub fn fabric(&self) -> &Fabric {
        self.reach.fabric()
    }

    /// The count, as of the last edit; what [`Reach::totals`] says.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        let mut alone = Beside::default();
        for (to, counted) in self.counted.values().flatten() {
            totals.pairs += counted.pairs;
            totals.exposed += counted.exposed;
            alone.0.extend(counted.alone.iter().map(|from| (*from, *to)));
        }
        self.reach.beside(&self.sides, &self.several, &mut alone);
        totals.asked_alone = alone.0.len() as u64;
        for (from, to) in alone.0 {
            let Some(between) = self.reach.between_classes(from, to) else { continue };
            totals.exposed += if between.request.is_empty() { 0 } else { self.reach.members(from, to) };
            totals.pairs += if between.both.is_empty() { 0 } else { self.reach.members(from, to) };
        }
        totals
    }

    /// Takes over an edit from the model that has it.
    pub fn take(&mut self, model: &Model, edit: &Edit) -> Result<Taken, EngineError> {
        let taken = match edit {
            Edit::Rules(group) => self.rules(model, group),
            Edit::Entries(acl) => self.entries(model, acl),
        };
        match taken {
            Ok(rows) => Ok(Taken::Rows(rows)),
            Err(why) => {
                // The fabric has the edit already, except where nobody could give it one.
                let compiled = matches!(why, Why::Unknown | Why::Shared).then(|| Fabric::compile(model));
                *self = Self::of(compiled.as_ref().unwrap_or(self.reach.fabric()), self.options)?;
                Ok(Taken::Anew(why))
            }
        }
    }

    fn rules(&mut self, model: &Model, id: &SecurityGroupId) -> Result<usize, Why> {
        let fabric = self.reach.fabric();
        let index = fabric.groups.find(id, |group| &group.id).ok_or(Why::Unknown)?;
        let before = (fabric.groups[index].ingress.clone(), fabric.groups[index].egress.clone());
        let (fabric, atoms, plain) = self.reach.change().ok_or(Why::Shared)?;
        let changed = fabric.take_rules(model, id).ok_or(Why::Unknown)?;
        if changed.are_hosts_others {
            return Err(Why::Hosts);
        }
        let group = &fabric.groups[index];
        let all = || group.ingress.iter().chain(&group.egress);
        if !all().all(|rule| atoms.know(rule.traffic)) {
            return Err(Why::Packets);
        }
        plain.take_rules(fabric, atoms, index);
        let blocks: BTreeSet<Ipv4Net> = all().flat_map(blocks).collect();
        let group = &self.reach.fabric().groups[index];
        let (ingress, egress) = (group.ingress != before.0, group.egress != before.1);
        if blocks.into_iter().any(|block| self.reach.are_split(block)) {
            return Err(Why::Places);
        }
        Ok(self.touched_by_group(index, ingress, egress))
    }

    fn touched_by_group(&mut self, group: GroupIndex, ingress: bool, egress: bool) -> usize {
        let carry = self.sides.iter().filter(|(_, side)| side.carries(group));
        let vpcs: BTreeSet<VpcIndex> = carry.map(|(vpc, _)| *vpc).collect();
        let mut rows = 0;
        if egress {
            vpcs.iter().for_each(|vpc| self.sort_again(*vpc));
            rows += self.recount(|from, _| vpcs.contains(&from), None);
        }
        if ingress {
            // What these VPCs send has been counted just now.
            rows += self.recount(|from, to| vpcs.contains(&to) && !(egress && vpcs.contains(&from)), Some(group));
        }
        rows
    }

    fn entries(&mut self, model: &Model, id: &NetworkAclId) -> Result<usize, Why> {
        let ephemeral = self.options.ephemeral;
        let (fabric, atoms, plain) = self.reach.change().ok_or(Why::Shared)?;
        let changed = fabric.take_entries(model, id).ok_or(Why::Unknown)?;
        if changed.are_hosts_others {
            return Err(Why::Hosts);
        }
        let list = &fabric.acls[changed.index];
        let all = || list.ingress.iter().chain(&list.egress);
        let is_known = |traffic: TrafficMatch| atoms.know(traffic) && atoms.know_answers(traffic, ephemeral);
        if !all().all(|entry| is_known(entry.traffic)) {
            return Err(Why::Packets);
        }
        let blocks: BTreeSet<Ipv4Net> = all().filter_map(|entry| ipv4(entry.cidr_block)).collect();
        let are_parts_others = plain.take_entries(fabric, changed.index);
        if blocks.into_iter().any(|block| self.reach.are_split(block)) {
            return Err(Why::Places);
        }
        if are_parts_others {
            let all: Vec<VpcIndex> = self.sides.keys().copied().collect();
            all.into_iter().for_each(|vpc| self.sort_again(vpc));
        }
        Ok(self.touched_by_list(changed.index))
    }

    fn touched_by_list(&mut self, acl: AclIndex) -> usize {
        let fabric = self.reach.fabric();
        let vpcs: BTreeSet<VpcIndex> =
            fabric.subnets.values().filter(|subnet| subnet.acl == acl).map(|subnet| subnet.vpc).collect();
        self.recount(|from, to| vpcs.contains(&from) || vpcs.contains(&to), None)
    }

    /// Sorts the interfaces of a VPC by what their groups let out, and by what lists know them by, once more.
    fn sort_again(&mut self, vpc: VpcIndex) {
        let Some(side) = self.sides.remove(&vpc) else { return };
        let reach = &self.reach;
        let side = Side::of(reach.fabric(), reach.plain(), side.members, |set| reach.lets_everything_out(set));
        self.sides.insert(vpc, side);
    }

    /// Makes the rows again from and to certain VPCs, of all receivers or of those that carry a group. How many.
    fn recount(&mut self, is_touched: impl Fn(VpcIndex, VpcIndex) -> bool, carrying: Option<GroupIndex>) -> usize {
        let (reach, sides) = (&self.reach, &self.sides);
        let mut blocks = Vec::new();
        for (to, receivers) in sides {
            let positions = receivers.by_groups_of(carrying);
            for (from, senders) in sides {
                if is_touched(*from, *to) && (from == to || reach.fabric().are_joined(*from, *to)) {
                    blocks.push(((*from, *to), senders, receivers, positions.clone()));
                }
            }
        }
        let rows = blocks.iter().map(|(.., positions)| positions.len()).sum();
        let count = |part: usize, parts: usize| -> Vec<_> {
            let one = |((from, to), senders, receivers, positions): &((VpcIndex, VpcIndex), &Side, &Side, Vec<usize>)| {
                let own: Vec<usize> = positions.iter().copied().skip(part).step_by(parts).collect();
                let mut tally = Tally { reach, found: HashMap::new() };
                if !own.is_empty() {
                    reach.block(senders, receivers, (*from, *to), &own, &mut tally);
                }
                ((*from, *to), tally.found)
            };
            blocks.iter().map(one).collect()
        };
        let parts = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // A thread costs more than a few rows.
        let found: Vec<_> = match rows < 256 {
            true => count(0, 1),
            false => std::thread::scope(|scope| {
                let count = &count;
                let threads: Vec<_> = (0..parts).map(|part| scope.spawn(move || count(part, parts))).collect();
                // Half a count would be a wrong one.
                let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<_>>| {
                    thread.join().unwrap_or_else(|why| std::panic::resume_unwind(why))
                };
                threads.into_iter().flat_map(join).collect()
            }),
        };
        for (pair, _, receivers, positions) in &blocks {
            let counted = self.counted.entry(*pair).or_default();
            positions.iter().for_each(|position| drop(counted.remove(&receivers.members[*position].class)));
        }
        for (pair, found) in found {
            self.counted.entry(pair).or_default().extend(found);
        }
        rows
    }
}

/// The IPv4 blocks that a rule names.
fn blocks(rule: &GroupRule) -> Vec<Ipv4Net> {
    match &rule.peer {
        RulePeer::Block(block) => ipv4(*block).into_iter().collect(),
        RulePeer::PrefixList { blocks, .. } => blocks.iter().filter_map(|block| ipv4(*block)).collect(),
        RulePeer::Group { .. } => Vec::new(),
    }
}

fn ipv4(block: IpNet) -> Option<Ipv4Net> {
    match block {
        IpNet::V4(block) => Some(block),
        IpNet::V6(_) => None,
    }
}

/// Pairs whose way is not plain.
#[derive(Default)]
struct Beside(Vec<(usize, usize)>);

impl Look for Beside {
    fn alone(&mut self, from: usize, to: usize) {
        self.0.push((from, to));
    }
}

/// Counts what it sees, by receivers.
struct Tally<'r> {
    reach: &'r Reach,
    found: HashMap<usize, Counted>,
}

impl Look for Tally<'_> {
    fn any(&mut self, row: &Row<'_>) {
        let counted = self.found.entry(row.to).or_default();
        counted.exposed += row.request().map(|from| self.reach.members(from, row.to)).sum::<u64>();
        counted.pairs += row.both().map(|from| self.reach.members(from, row.to)).sum::<u64>();
    }

    fn alone(&mut self, from: usize, to: usize) {
        self.found.entry(to).or_default().alone.push(from);
    }
}
