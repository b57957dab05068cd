//! Every pair of interfaces at once: for each class that receives and each atom, a row of bits says which classes of
//! senders get through. Rows are made from what groups admit, what lists let pass and where routes lead, each decided once
//! for all whom it treats alike; none is kept longer than it is looked at.
//!
//! Start at [`Reach::rows`] and [`Reach::totals`]. `side` has what is asked of one VPC's interfaces again and again.

mod side;
mod standing;

use std::collections::{BTreeMap, HashMap};

use fabric::group::GroupRule;
use fabric::index::{GroupSetIndex, InterfaceIndex, RowIndex, SubnetIndex, VpcIndex};
use fabric::{Direction, Family};
use model::TrafficMatch;

use crate::bits::Bits;
use crate::place::Place;
use crate::plain::{Passing, Way, way};
use crate::reach::Reach;
use crate::runs::Runs;
use side::{Matches, Member, Side};

pub use standing::{Edit, Standing, Taken, Why};

/// What a matrix comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Ordered pairs of interfaces of which one gets an answer from the other to something.
    pub pairs: u64,
    /// The same for requests alone: what arrives is exposed.
    pub exposed: u64,
    /// Class pairs whose way is not a plain one, which were asked one by one.
    pub asked_alone: u64,
}

/// Who reaches one class of receivers.
pub struct Row<'m> {
    /// The receivers, by their position in [`Reach::classes`].
    pub to: usize,
    senders: &'m [Member],
    request: &'m Bits,
    both: &'m Bits,
}

impl Row<'_> {
    /// Classes of senders whose requests arrive; in no particular order, and always in the same.
    pub fn request(&self) -> impl Iterator<Item = usize> + '_ {
        self.request.iter().map(|position| self.senders[position].class)
    }

    /// Those of them that get their answers too.
    pub fn both(&self) -> impl Iterator<Item = usize> + '_ {
        self.both.iter().map(|position| self.senders[position].class)
    }
}

/// Who looks at rows.
pub trait Look {
    /// A row of one atom, by its position in [`Reach::atoms`]; not empty.
    fn row(&mut self, atom: usize, row: &Row<'_>) {
        let _ = (atom, row);
    }
    /// The rows of all atoms as one: who reaches the receivers with anything.
    fn any(&mut self, row: &Row<'_>) {
        let _ = row;
    }
    /// A pair of classes whose way is not plain: [`Reach::between_classes`] knows.
    fn alone(&mut self, from: usize, to: usize);
}

/// Senders whose packets routes and lists treat alike.
struct Net {
    senders: Bits,
    /// What they let pass; `None`: the way is not plain.
    passing: Option<Passing>,
}

/// By atom, whom the groups of a receiver admit.
type Admitted = Vec<(usize, Bits)>;

/// What the groups of senders let out to all receivers alike, and to some of them.
struct Outward<'a> {
    /// By atom.
    to_all: Vec<Bits>,
    to_some: Vec<(Bits, &'a Runs, &'a Bits)>,
}

impl Reach {
    /// Shows every row that is not empty, between all interfaces of all VPCs that know each other's private addresses.
    pub fn rows(&self, look: &mut impl Look) {
        let (sides, several) = self.sides();
        for (to, receivers) in &sides {
            for (from, senders) in &sides {
                if from == to || self.fabric().are_joined(*from, *to) {
                    self.block(senders, receivers, (*from, *to), &receivers.by_groups, look);
                }
            }
        }
        self.beside(&sides, &several, look);
    }

    /// Counts all pairs, on as many processors as there are.
    pub fn totals(&self) -> Totals {
        let (sides, several) = self.sides();
        let parts = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut counted: Vec<Count<'_>> = std::thread::scope(|scope| {
            let count = |part: usize| {
                let sides = &sides;
                scope.spawn(move || {
                    let mut count = Count { reach: self, totals: Totals::default(), alone: Vec::new() };
                    for (to, receivers) in sides {
                        for (from, senders) in sides {
                            if from == to || self.fabric().are_joined(*from, *to) {
                                let own: Vec<usize> = receivers.by_groups.iter().copied().skip(part).step_by(parts).collect();
                                self.block(senders, receivers, (*from, *to), &own, &mut count);
                            }
                        }
                    }
                    count
                })
            };
            let threads: Vec<_> = (0..parts).map(count).collect();
            // Half a count would be a wrong one.
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|why| std::panic::resume_unwind(why))).collect()
        });
        let mut beside = Count { reach: self, totals: Totals::default(), alone: Vec::new() };
        self.beside(&sides, &several, &mut beside);
        counted.push(beside);
        let mut totals = Totals::default();
        for Count { totals: part, alone, .. } in counted {
            totals.pairs += part.pairs;
            totals.exposed += part.exposed;
            totals.asked_alone += alone.len() as u64;
            for (from, to) in alone {
                let Some(between) = self.between_classes(from, to) else { continue };
                totals.exposed += if between.request.is_empty() { 0 } else { self.members(from, to) };
                totals.pairs += if between.both.is_empty() { 0 } else { self.members(from, to) };
            }
        }
        totals
    }

    /// Ordered pairs of members of two classes.
    fn members(&self, from: usize, to: usize) -> u64 {
        let members = |class: usize| self.classes()[class].members.len() as u64;
        members(from) * (members(to) - u64::from(from == to))
    }

    /// The classes of each VPC's interfaces, and those whose system has several.
    fn sides(&self) -> (BTreeMap<VpcIndex, Side>, Vec<usize>) {
        let fabric = self.fabric();
        let (mut of_vpc, mut several): (BTreeMap<VpcIndex, Vec<Member>>, _) = (BTreeMap::new(), Vec::new());
        for (class, first) in self.classes().iter().map(|class| &class.members).enumerate() {
            let Place::Interface(interface) = self.places()[first[0].as_usize()] else { continue };
            match self.is_alone(interface) {
                true => of_vpc.entry(fabric.interfaces[interface].vpc).or_default().push(Member { class, interface }),
                false => several.push(class),
            }
        }
        let side = |(vpc, members)| (vpc, Side::of(fabric, self.plain(), members, |set| self.lets_everything_out(set)));
        (of_vpc.into_iter().map(side).collect(), several)
    }

    /// Pairs with somebody whose system has several interfaces.
    fn beside(&self, sides: &BTreeMap<VpcIndex, Side>, several: &[usize], look: &mut impl Look) {
        for class in sides.values().flat_map(|side| &side.members).map(|member| member.class) {
            for other in several {
                look.alone(class, *other);
                look.alone(*other, class);
            }
        }
        several.iter().for_each(|one| several.iter().for_each(|other| look.alone(*one, *other)));
    }

    fn lets_everything_out(&self, set: GroupSetIndex) -> bool {
        let everything = |rule: &GroupRule| rule.anywhere == Some(Family::V4) && rule.traffic == TrafficMatch::All;
        self.fabric().rules_of(set, Direction::Egress).any(|(_, rule)| everything(rule))
    }

    /// The rows from one VPC to another, or to itself, of some receivers, by their positions.
    fn block(
        &self,
        from: &Side,
        to: &Side,
        (source_vpc, vpc): (VpcIndex, VpcIndex),
        receivers: &[usize],
        look: &mut impl Look,
    ) {
        let (fabric, plain, bound) = (self.fabric(), self.plain(), from.members.len());
        let (mut senders_by, mut receivers_by) = (Matches::new(from), Matches::new(to));
        let outward = self.outward(from, to, &mut receivers_by);
        // Receivers with the same groups come one after another, so only the rows of one set are kept.
        let mut admitted: Option<(Option<GroupSetIndex>, Admitted)> = None;
        let mut nets: HashMap<(SubnetIndex, u32), Vec<Net>> = HashMap::new();
        let none = || Bits::none(bound);
        let (mut request, mut both, mut out, mut any_request, mut any_both) = (none(), none(), none(), none(), none());
        for position in receivers.iter().copied() {
            let receiver = &to.members[position];
            let interface = &fabric.interfaces[receiver.interface];
            if !interface.status.is_running() {
                continue;
            }
            let subnet = interface.subnet;
            let net = (subnet, plain.part(interface.primary_address()));
            let ways = nets.entry(net).or_insert_with(|| self.nets(from, receiver.interface, (source_vpc, vpc)));
            for other in ways.iter().filter(|net| net.passing.is_none()) {
                other.senders.iter().for_each(|position| look.alone(from.members[position].class, receiver.class));
            }
            let mut to_this: BTreeMap<usize, Bits> = BTreeMap::new();
            for (_, atoms, senders) in outward.to_some.iter().filter(|(receivers, ..)| receivers.contains(position)) {
                for atom in atoms.iter() {
                    to_this.entry(atom).or_insert_with(|| outward.to_all[atom].clone()).add(senders);
                }
            }
            any_request.clear();
            any_both.clear();
            let set = interface.group_set;
            let (_, rows) = match admitted.take().filter(|(of, _)| *of == set) {
                Some(same) => admitted.insert(same),
                None => admitted.insert((set, self.admitted(set, bound, &mut senders_by))),
            };
            for (atom, senders) in rows.iter() {
                out.copy(to_this.get(atom).unwrap_or(&outward.to_all[*atom]));
                out.keep(senders);
                if out.is_empty() {
                    continue;
                }
                request.clear();
                both.clear();
                for (net, passing) in ways.iter().filter_map(|net| Some((net, net.passing.as_ref()?))) {
                    if passing.request.contains(*atom) {
                        request.add(&net.senders);
                    }
                    if passing.both.contains(*atom) {
                        both.add(&net.senders);
                    }
                }
                request.keep(&out);
                both.keep(&out);
                if !request.is_empty() {
                    look.row(*atom, &Row { to: receiver.class, senders: &from.members, request: &request, both: &both });
                    any_request.add(&request);
                    any_both.add(&both);
                }
            }
            if !any_request.is_empty() {
                look.any(&Row { to: receiver.class, senders: &from.members, request: &any_request, both: &any_both });
            }
        }
    }

    /// What senders' groups let out to the receivers of a VPC.
    fn outward<'a>(&'a self, from: &'a Side, to: &Side, receivers_by: &mut Matches<'_>) -> Outward<'a> {
        let (fabric, plain) = (self.fabric(), self.plain());
        let mut outward = Outward { to_all: vec![from.unrestricted.clone(); plain.atoms()], to_some: Vec::new() };
        for (set, senders) in &from.restricted {
            for (_, rule) in fabric.rules_of(*set, Direction::Egress) {
                let Some(atoms) = plain.covered(rule.traffic) else { continue };
                let receivers = receivers_by.peer(&rule.peer);
                if *receivers == to.running {
                    atoms.iter().for_each(|atom| outward.to_all[atom].add(senders));
                } else if !receivers.is_empty() {
                    outward.to_some.push(((*receivers).clone(), atoms, senders));
                }
            }
        }
        outward
    }

    /// For each atom the senders that some rule of a set of groups admits.
    fn admitted(&self, set: Option<GroupSetIndex>, bound: usize, senders_by: &mut Matches<'_>) -> Admitted {
        let plain = self.plain();
        let Some(set) = set else {
            return (0..plain.atoms()).map(|atom| (atom, Bits::all(bound))).collect();
        };
        let mut rows: BTreeMap<usize, Bits> = BTreeMap::new();
        for (_, rule) in self.fabric().rules_of(set, Direction::Ingress) {
            let senders = senders_by.peer(&rule.peer);
            if let Some(atoms) = plain.covered(rule.traffic).filter(|_| !senders.is_empty()) {
                atoms.iter().for_each(|atom| rows.entry(atom).or_insert_with(|| Bits::none(bound)).add(&senders));
            }
        }
        rows.into_iter().collect()
    }

    /// Senders by what routes and lists make of their packets to one receiver, and of its answers.
    fn nets(
        &self,
        from: &Side,
        receiver: InterfaceIndex,
        (source_vpc, vpc): (VpcIndex, VpcIndex),
    ) -> Vec<Net> {
        let (fabric, plain) = (self.fabric(), self.plain());
        let receiver = &fabric.interfaces[receiver];
        let destination = receiver.primary_address();
        let mut found: Vec<Net> = Vec::new();
        for senders in from.nets.values() {
            // Whoever is in a net stands for all of it.
            let Some(position) = senders.iter().next() else { continue };
            let sender = &fabric.interfaces[from.members[position].interface];
            let (subnet, source) = (sender.subnet, sender.primary_address());
            let there = way(fabric, subnet, (source, destination), vpc);
            let back = way(fabric, receiver.subnet, (destination, source), source_vpc);
            let passing = match (there, back) {
                (Way::Nowhere, _) => continue,
                (Way::Other, _) | (_, Way::Other) => None,
                (Way::Straight, back) => Some(plain.lists(fabric, (subnet, source), (receiver.subnet, destination), back)),
            };
            match found.iter_mut().find(|net| net.passing == passing) {
                Some(net) => net.senders.add(senders),
                None => found.push(Net { senders: senders.clone(), passing }),
            }
        }
        found
    }
}

/// Counts what it sees.
struct Count<'r> {
    reach: &'r Reach,
    totals: Totals,
    alone: Vec<(usize, usize)>,
}

impl Look for Count<'_> {
    fn any(&mut self, row: &Row<'_>) {
        self.totals.exposed += row.request().map(|from| self.reach.members(from, row.to)).sum::<u64>();
        self.totals.pairs += row.both().map(|from| self.reach.members(from, row.to)).sum::<u64>();
    }

    fn alone(&mut self, from: usize, to: usize) {
        self.alone.push((from, to));
    }
}
