//! The count of all pairs, kept while the cloud changes: an edit is taken over, and of the rows those are made again that it
//! touches. A group's rules touch the receivers that carry it (ingress) or whatever its VPC's interfaces send (egress); a
//! list's entries and a table's routes touch what their subnets' VPCs send and receive. Where an edit tells packets apart that
//! nobody told apart before, everything is proved anew, and [`Taken::Anew`] says so; where it tells places apart, or other
//! hosts stand for the internet, the classes follow it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;

use fabric::Fabric;
use fabric::engine::EngineError;
use fabric::group::{GroupRule, RulePeer};
use fabric::index::{GroupIndex, GroupSetIndex, InterfaceIndex, RowIndex, VpcIndex};
use fabric::route::{NextHop, Route};
use ipnet::{IpNet, Ipv4Net};
use model::{Model, NetworkAclId, RouteTableId, SecurityGroupId, SubnetId, TrafficMatch};

use super::side::{Member, Side};
use super::{Look, Row, Totals};
use crate::place::Place;
use crate::reach::{Change, Options, Reach};

/// What is another in a model, and nothing else is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edit {
    /// The rules of a group.
    Rules(SecurityGroupId),
    /// The entries of a network ACL.
    Entries(NetworkAclId),
    /// The routes of a table.
    Routes(RouteTableId),
    /// Which table a subnet uses.
    Association(SubnetId),
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
    /// The model has nothing of the kind, or the fabric had none.
    Unknown,
    /// The edit tells packets apart that were alike.
    Packets,
    /// A clone of the proof is in use.
    Shared,
    /// Somebody inside has an IPv6 address.
    Ipv6,
}

/// What is counted of one class of receivers from one VPC.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    pairs: u64,
    exposed: u64,
}

/// What an edit names that may tell places apart.
#[derive(Default)]
struct Named {
    blocks: BTreeSet<Ipv4Net>,
    targets: BTreeSet<InterfaceIndex>,
    are_hosts_others: bool,
    /// Where the addresses are cut by which lists and routes know interfaces.
    cuts: Vec<Ipv4Addr>,
}

/// Which rows an edit touches.
#[derive(Default)]
struct Touched {
    /// All from these VPCs, and all to these.
    from: BTreeSet<VpcIndex>,
    to: BTreeSet<VpcIndex>,
    /// And to those who carry a group, in these.
    carriers: Option<(GroupIndex, BTreeSet<VpcIndex>)>,
}

/// All pairs, counted, of a cloud that changes.
#[derive(Debug)]
pub struct Standing {
    options: Options,
    reach: Reach,
    sides: BTreeMap<VpcIndex, Side>,
    several: Vec<usize>,
    counted: BTreeMap<(VpcIndex, VpcIndex), HashMap<usize, Counted>>,
    /// The sum of what is counted, without those who are asked alone.
    plain: Totals,
    /// Those: senders by receiver.
    alone: BTreeMap<(VpcIndex, usize), Vec<usize>>,
}

impl Standing {
    /// Proves and counts everything.
    pub fn of(fabric: &Fabric, options: Options) -> Result<Self, EngineError> {
        let reach = Reach::of(fabric, options)?;
        let (sides, several) = reach.sides();
        let (counted, plain, alone) = (BTreeMap::new(), Totals::default(), BTreeMap::new());
        let mut standing = Self { options, reach, sides, several, counted, plain, alone };
        let from = standing.sides.keys().copied().collect();
        standing.recount(&Touched { from, ..Touched::default() });
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
        let mut totals = self.plain;
        let mut alone = Beside::default();
        for ((_, to), senders) in &self.alone {
            alone.0.extend(senders.iter().map(|from| (*from, *to)));
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
            _ if self.reach.fabric().ipv6_representative().is_some() => Err(Why::Ipv6),
            Edit::Rules(group) => self.rules(model, group),
            Edit::Entries(acl) => self.entries(model, acl),
            Edit::Routes(table) => self.routes(model, table),
            Edit::Association(subnet) => self.association(model, subnet),
        };
        match taken {
            Ok(touched) => Ok(Taken::Rows(self.recount(&touched))),
            Err(why) => {
                // The fabric has the edit already, except where nobody could give it one.
                let compiled = matches!(why, Why::Unknown | Why::Shared | Why::Ipv6).then(|| Fabric::compile(model));
                *self = Self::of(compiled.as_ref().unwrap_or(self.reach.fabric()), self.options)?;
                Ok(Taken::Anew(why))
            }
        }
    }

    fn rules(&mut self, model: &Model, id: &SecurityGroupId) -> Result<Touched, Why> {
        let fabric = self.reach.fabric();
        let index = fabric.groups.find(id, |group| &group.id).ok_or(Why::Unknown)?;
        let before = (fabric.groups[index].ingress.clone(), fabric.groups[index].egress.clone());
        let Change { fabric, atoms, plain, .. } = self.reach.change().ok_or(Why::Shared)?;
        let changed = fabric.take_rules(model, id).ok_or(Why::Unknown)?;
        let group = &fabric.groups[index];
        let all = || group.ingress.iter().chain(&group.egress);
        if !all().all(|rule| atoms.know(rule.traffic)) {
            return Err(Why::Packets);
        }
        plain.take_rules(fabric, index);
        let (ingress, egress) = (group.ingress != before.0, group.egress != before.1);
        let blocks = all().flat_map(blocks).collect();
        let are_hosts_others = changed.are_hosts_others;
        let mut touched = self.adopt(Named { blocks, are_hosts_others, ..Named::default() })?;
        let carry = self.sides.iter().filter(|(_, side)| side.carries(index));
        let vpcs: BTreeSet<VpcIndex> = carry.map(|(vpc, _)| *vpc).collect();
        if egress {
            self.let_out(index, &vpcs, &mut touched);
        }
        touched.carriers = ingress.then_some((index, vpcs));
        Ok(touched)
    }

    /// What members of a group send, if not everything is let out before and after.
    fn let_out(&mut self, group: GroupIndex, vpcs: &BTreeSet<VpcIndex>, touched: &mut Touched) {
        let sets = self.reach.fabric().group_sets.iter().filter(|(_, set)| set.groups.contains(&group));
        let is_open: Vec<(GroupSetIndex, bool)> = sets.map(|(set, _)| (set, self.reach.lets_everything_out(set))).collect();
        for vpc in vpcs {
            let Some(side) = self.sides.get(vpc) else { continue };
            let was_open = |set: &GroupSetIndex| !side.restricted.contains_key(set);
            if is_open.iter().all(|(set, is_open)| *is_open && was_open(set)) {
                continue;
            }
            touched.from.insert(*vpc);
            if is_open.iter().any(|(set, is_open)| *is_open != was_open(set)) {
                self.sort_again(*vpc);
            }
        }
    }

    fn entries(&mut self, model: &Model, id: &NetworkAclId) -> Result<Touched, Why> {
        let ephemeral = self.options.ephemeral;
        let Change { fabric, atoms, plain, .. } = self.reach.change().ok_or(Why::Shared)?;
        let changed = fabric.take_entries(model, id).ok_or(Why::Unknown)?;
        let list = &fabric.acls[changed.index];
        let all = || list.ingress.iter().chain(&list.egress);
        let is_known = |traffic: TrafficMatch| atoms.know(traffic) && atoms.know_answers(traffic, ephemeral);
        if !all().all(|entry| is_known(entry.traffic)) {
            return Err(Why::Packets);
        }
        let blocks = all().filter_map(|entry| ipv4(entry.cidr_block)).collect();
        let cuts = plain.take_entries(fabric, changed.index);
        let are_hosts_others = changed.are_hosts_others;
        let touched = self.adopt(Named { blocks, cuts, are_hosts_others, ..Named::default() })?;
        let subnets = self.reach.fabric().subnets.values().filter(|subnet| subnet.acl == changed.index);
        Ok(touched.both_ways(subnets.map(|subnet| subnet.vpc)))
    }

    fn routes(&mut self, model: &Model, id: &RouteTableId) -> Result<Touched, Why> {
        let Change { fabric, plain, .. } = self.reach.change().ok_or(Why::Shared)?;
        let changed = fabric.take_routes(model, id).ok_or(Why::Unknown)?;
        let cuts = plain.take_routes(fabric, changed.index);
        let routes = &fabric.route_tables[changed.index].routes;
        let target = |route: &Route| match route.next_hop {
            NextHop::Interface(interface) => Some(interface),
            _ => None,
        };
        let blocks = routes.iter().filter_map(|route| ipv4(route.destination)).collect();
        let targets = routes.iter().filter_map(target).collect();
        let touched = self.adopt(Named { blocks, targets, cuts, are_hosts_others: changed.are_hosts_others })?;
        // Whoever is brought to a NAT gateway goes on by the table of its subnet, which is of the same VPC.
        let fabric = self.reach.fabric();
        let is_used = fabric.subnets.values().any(|subnet| subnet.route_table == changed.index);
        Ok(touched.both_ways(is_used.then(|| fabric.route_tables[changed.index].vpc)))
    }

    fn association(&mut self, model: &Model, id: &SubnetId) -> Result<Touched, Why> {
        let Change { fabric, .. } = self.reach.change().ok_or(Why::Shared)?;
        let changed = fabric.take_association(model, id).ok_or(Why::Unknown)?;
        Ok(Touched::default().both_ways([fabric.subnets[changed.index].vpc]))
    }

    /// Lets classes follow what an edit names. The rows of those that are others now.
    fn adopt(&mut self, named: Named) -> Result<Touched, Why> {
        let Change { fabric, places, classes, .. } = self.reach.change().ok_or(Why::Shared)?;
        if named.are_hosts_others {
            let interfaces = places.partition_point(|place| !place.is_outside());
            places.truncate(interfaces);
            places.extend(Place::hosts(fabric));
            classes.take_hosts(places);
        }
        let new = classes.part(fabric, places, named.blocks, named.targets);
        let is_cut = |block: &Ipv4Net| named.cuts.iter().any(|at| block.network() < *at && *at <= block.broadcast());
        let cut = fabric.vpcs.iter().filter(|(_, vpc)| vpc.blocks.iter().any(is_cut));
        let mut again: BTreeSet<VpcIndex> = cut.map(|(vpc, _)| vpc).collect();
        let mut touched = Touched::default();
        for class in new {
            let first = classes.classes[class].members[0];
            let Place::Interface(interface) = places[first.as_usize()] else { continue };
            let vpc = fabric.interfaces[interface].vpc;
            if let Some(side) = self.sides.get_mut(&vpc) {
                side.members.push(Member { class, interface });
            }
            again.insert(vpc);
            touched = touched.both_ways([vpc]);
        }
        again.into_iter().for_each(|vpc| self.sort_again(vpc));
        Ok(touched)
    }

    /// Sorts the interfaces of a VPC by what their groups let out, and by what lists and routes know them by, once more.
    fn sort_again(&mut self, vpc: VpcIndex) {
        let Some(side) = self.sides.remove(&vpc) else { return };
        let reach = &self.reach;
        let side = Side::of(reach.fabric(), reach.plain(), side.members, |set| reach.lets_everything_out(set));
        self.sides.insert(vpc, side);
    }

    /// Makes rows again. How many.
    fn recount(&mut self, touched: &Touched) -> usize {
        let (reach, sides) = (&self.reach, &self.sides);
        let mut blocks = Vec::new();
        for (to, receivers) in sides {
            for (from, senders) in sides {
                let positions = match &touched.carriers {
                    _ if touched.from.contains(from) || touched.to.contains(to) => receivers.by_groups.clone(),
                    Some((group, vpcs)) if vpcs.contains(to) => receivers.by_groups_of(*group),
                    _ => continue,
                };
                if from == to || reach.fabric().are_joined(*from, *to) {
                    blocks.push(((*from, *to), senders, receivers, positions));
                }
            }
        }
        let rows = blocks.iter().map(|(.., positions)| positions.len()).sum();
        let count = |part: usize, parts: usize| -> Vec<_> {
            let one = |((from, to), senders, receivers, positions): &((VpcIndex, VpcIndex), &Side, &Side, Vec<usize>)| {
                // Neighbours have the same groups, so each part is a run of them.
                let own = &positions[positions.len() * part / parts..positions.len() * (part + 1) / parts];
                let mut tally = Tally { reach, found: HashMap::new(), alone: HashMap::new() };
                if !own.is_empty() {
                    reach.block(senders, receivers, (*from, *to), own, &mut tally);
                }
                ((*from, *to), tally.found, tally.alone)
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
            for class in positions.iter().map(|position| receivers.members[*position].class) {
                let gone = counted.remove(&class).unwrap_or_default();
                self.plain.pairs -= gone.pairs;
                self.plain.exposed -= gone.exposed;
                self.alone.remove(&(pair.0, class));
            }
        }
        for (pair, found, alone) in found {
            self.plain.pairs += found.values().map(|counted| counted.pairs).sum::<u64>();
            self.plain.exposed += found.values().map(|counted| counted.exposed).sum::<u64>();
            self.counted.entry(pair).or_default().extend(found);
            self.alone.extend(alone.into_iter().map(|(to, senders)| ((pair.0, to), senders)));
        }
        rows
    }
}

impl Touched {
    /// And all rows from and to some VPCs.
    fn both_ways(mut self, vpcs: impl IntoIterator<Item = VpcIndex>) -> Self {
        for vpc in vpcs {
            self.from.insert(vpc);
            self.to.insert(vpc);
        }
        self
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
    /// Senders whose way is not plain.
    alone: HashMap<usize, Vec<usize>>,
}

impl Look for Tally<'_> {
    fn any(&mut self, row: &Row<'_>) {
        let counted = self.found.entry(row.to).or_default();
        counted.exposed += row.request().map(|from| self.reach.members(from, row.to)).sum::<u64>();
        counted.pairs += row.both().map(|from| self.reach.members(from, row.to)).sum::<u64>();
    }

    fn alone(&mut self, from: usize, to: usize) {
        self.alone.entry(to).or_default().push(from);
    }
}
