//! Every pair of interfaces at once: for each class that receives and each atom, a row of bits says which classes of
//! senders get through. Rows are made from what groups admit, what lists let pass and where routes lead, each decided once
//! for all whom it treats alike; none is kept longer than it is looked at.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use fabric::group::{GroupRule, RulePeer};
use fabric::index::{GroupIndex, GroupSetIndex, InterfaceIndex, RowIndex, SubnetIndex, VpcIndex};
use fabric::route::Route;
use fabric::stage::security_group;
use fabric::{Direction, Family};
use ipnet::IpNet;
use model::TrafficMatch;

use crate::bits::Bits;
use crate::place::Place;
use crate::plain::{Passing, Way, way};
use crate::reach::Reach;

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

/// Who reaches one class of receivers with one atom of traffic.
pub struct Row<'m> {
    /// The receivers, by their position in [`Reach::classes`].
    pub to: usize,
    /// The atom, by its position in [`Reach::atoms`].
    pub atom: usize,
    senders: &'m [Sender],
    request: &'m Bits,
    both: &'m Bits,
}

impl Row<'_> {
    /// Classes of senders whose requests arrive, ascending in no order but always the same.
    pub fn request(&self) -> impl Iterator<Item = usize> + '_ {
        self.request.iter().map(|position| self.senders[position].class)
    }

    /// Those of them that get their answers too.
    pub fn both(&self) -> impl Iterator<Item = usize> + '_ {
        self.both.iter().map(|position| self.senders[position].class)
    }
}

/// A class of one VPC's interfaces, as sender or receiver.
struct Sender {
    class: usize,
    /// Who stands for it.
    interface: InterfaceIndex,
}

/// Senders whose packets routes and lists treat alike.
struct Net {
    senders: Bits,
    /// What they let pass; `None`: the way is not plain.
    passing: Option<Passing>,
}

/// The interfaces of a VPC, by class, and what is asked of them again and again.
struct Side {
    senders: Vec<Sender>,
    by_group: HashMap<GroupIndex, Bits>,
    /// Those whose groups let everything out.
    unrestricted: Bits,
    restricted: BTreeMap<GroupSetIndex, Bits>,
    /// Those of one subnet that lists know by one part of the addresses.
    nets: BTreeMap<(SubnetIndex, u32), Bits>,
}

impl Reach {
    /// Calls `visit` with every row that is not empty, between all interfaces of all VPCs that know each other's private
    /// addresses; class pairs whose way is not plain come by `alone`, to be asked by [`Reach::between_classes`].
    pub fn rows(&self, mut visit: impl FnMut(&Row<'_>), mut alone: impl FnMut(usize, usize)) {
        let (sides, several) = self.sides();
        for (to, receivers) in &sides {
            for (from, senders) in &sides {
                if from == to || self.fabric().are_joined(*from, *to) {
                    self.block(senders, receivers, (*from, *to), &mut visit, &mut alone);
                }
            }
        }
        let plain = sides.values().flat_map(|side| &side.senders).map(|sender| sender.class);
        for class in plain {
            several.iter().for_each(|other| [(class, *other), (*other, class)].into_iter().for_each(|(a, b)| alone(a, b)));
        }
        several.iter().for_each(|one| several.iter().for_each(|other| alone(*one, *other)));
    }

    /// Counts all pairs.
    pub fn totals(&self) -> Totals {
        let classes = self.classes().len();
        // What is open to a class at all, whatever the atom.
        let mut open: BTreeMap<usize, (Bits, Bits)> = BTreeMap::new();
        let mut alone = Vec::new();
        self.rows(
            |row| {
                let (request, both) = open.entry(row.to).or_insert_with(|| (Bits::none(classes), Bits::none(classes)));
                row.request().for_each(|class| request.insert(class));
                row.both().for_each(|class| both.insert(class));
            },
            |from, to| alone.push((from, to)),
        );
        let members = |class: usize| self.classes()[class].members.len() as u64;
        let pairs = |from: usize, to: usize| members(from) * (members(to) - u64::from(from == to));
        let mut totals = Totals { asked_alone: alone.len() as u64, ..Totals::default() };
        for (to, (request, both)) in &open {
            totals.exposed += request.iter().map(|from| pairs(from, *to)).sum::<u64>();
            totals.pairs += both.iter().map(|from| pairs(from, *to)).sum::<u64>();
        }
        for (from, to) in alone {
            let Some(between) = self.between_classes(from, to) else { continue };
            totals.exposed += if between.request.is_empty() { 0 } else { pairs(from, to) };
            totals.pairs += if between.both.is_empty() { 0 } else { pairs(from, to) };
        }
        totals
    }

    /// The classes of each VPC's interfaces, and those whose system has several.
    fn sides(&self) -> (BTreeMap<VpcIndex, Side>, Vec<usize>) {
        let fabric = self.fabric();
        let (mut of_vpc, mut several): (BTreeMap<VpcIndex, Vec<Sender>>, _) = (BTreeMap::new(), Vec::new());
        for (class, first) in self.classes().iter().map(|class| &class.members).enumerate() {
            let Place::Interface(interface) = self.places()[first[0].as_usize()] else { continue };
            match self.is_alone(interface) {
                true => {
                    let sender = Sender { class, interface };
                    of_vpc.entry(fabric.interfaces[interface].vpc).or_default().push(sender);
                }
                false => several.push(class),
            }
        }
        (of_vpc.into_iter().map(|(vpc, senders)| (vpc, self.side(senders))).collect(), several)
    }

    fn side(&self, senders: Vec<Sender>) -> Side {
        let (fabric, bound) = (self.fabric(), senders.len());
        let mut side = Side {
            by_group: HashMap::new(),
            unrestricted: Bits::none(bound),
            restricted: BTreeMap::new(),
            nets: BTreeMap::new(),
            senders,
        };
        for (position, sender) in side.senders.iter().enumerate() {
            let interface = &fabric.interfaces[sender.interface];
            // Nobody sends from what does not run.
            if !interface.status.is_running() {
                continue;
            }
            for group in &interface.groups {
                side.by_group.entry(*group).or_insert_with(|| Bits::none(bound)).insert(position);
            }
            match interface.group_set.filter(|set| !self.lets_everything_out(*set)) {
                None => side.unrestricted.insert(position),
                Some(set) => side.restricted.entry(set).or_insert_with(|| Bits::none(bound)).insert(position),
            }
            let net = (interface.subnet, self.plain().part(interface.primary_address()));
            side.nets.entry(net).or_insert_with(|| Bits::none(bound)).insert(position);
        }
        side
    }

    fn lets_everything_out(&self, set: GroupSetIndex) -> bool {
        let everything = |rule: &GroupRule| rule.anywhere == Some(Family::V4) && rule.traffic == TrafficMatch::All;
        self.fabric().rules_of(set, Direction::Egress).any(|(_, rule)| everything(rule))
    }

    /// All rows from one VPC to another, or to itself.
    fn block(
        &self,
        from: &Side,
        to: &Side,
        (source_vpc, vpc): (VpcIndex, VpcIndex),
        visit: &mut impl FnMut(&Row<'_>),
        alone: &mut impl FnMut(usize, usize),
    ) {
        let (fabric, plain, bound) = (self.fabric(), self.plain(), from.senders.len());
        let mut ingress: HashMap<Option<GroupSetIndex>, Vec<(usize, Bits)>> = HashMap::new();
        let mut nets: HashMap<(SubnetIndex, u32), Vec<Net>> = HashMap::new();
        // Routes know more parts of the addresses than lists do; where some do, nobody's ways are another's.
        let by_sender = from.nets.keys().any(|(subnet, _)| self.routes_tell_apart(*subnet, vpc));
        let mut by_receiver: BTreeMap<SubnetIndex, bool> = BTreeMap::new();
        let (mut request, mut both, mut scratch) = (Bits::none(bound), Bits::none(bound), Bits::none(bound));
        for receiver in &to.senders {
            let interface = &fabric.interfaces[receiver.interface];
            if !interface.status.is_running() {
                continue;
            }
            let address = interface.primary_address();
            let net = (interface.subnet, plain.part(address));
            let subnet = interface.subnet;
            let apart = by_sender || *by_receiver.entry(subnet).or_insert_with(|| self.routes_tell_apart(subnet, source_vpc));
            let own;
            let ways = match apart {
                true => {
                    own = self.nets(from, receiver.interface, (source_vpc, vpc), true);
                    &own
                }
                false => nets.entry(net).or_insert_with(|| self.nets(from, receiver.interface, (source_vpc, vpc), false)),
            };
            for other in ways.iter().filter(|net| net.passing.is_none()) {
                other.senders.iter().for_each(|position| alone(from.senders[position].class, receiver.class));
            }
            let egress: Vec<(Bits, &Bits)> = from
                .restricted
                .iter()
                .map(|(set, senders)| (plain.rules(fabric, Some(*set), Direction::Egress, address), senders))
                .filter(|(atoms, _)| !atoms.is_empty())
                .collect();
            let admitted = ingress.entry(interface.group_set).or_insert_with(|| self.admitted(from, interface.group_set));
            for (atom, senders) in admitted.iter() {
                scratch.copy(&from.unrestricted);
                egress.iter().filter(|(atoms, _)| atoms.contains(*atom)).for_each(|(_, senders)| scratch.add(senders));
                scratch.keep(senders);
                if scratch.is_empty() {
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
                request.keep(&scratch);
                both.keep(&scratch);
                if !request.is_empty() {
                    let senders = &from.senders;
                    visit(&Row { to: receiver.class, atom: *atom, senders, request: &request, both: &both });
                }
            }
        }
    }

    /// For each atom the senders that some rule of a set of groups admits.
    fn admitted(&self, from: &Side, set: Option<GroupSetIndex>) -> Vec<(usize, Bits)> {
        let (fabric, plain, bound) = (self.fabric(), self.plain(), from.senders.len());
        let Some(set) = set else {
            let everybody = Bits::all(bound);
            return (0..plain.atoms()).map(|atom| (atom, everybody.clone())).collect();
        };
        let mut rows: BTreeMap<usize, Bits> = BTreeMap::new();
        for (_, rule) in fabric.rules_of(set, Direction::Ingress) {
            let senders = match &rule.peer {
                RulePeer::Group { group: Some(group), .. } => from.by_group.get(group).cloned(),
                RulePeer::Group { group: None, .. } => None,
                peer => {
                    let mut senders = Bits::none(bound);
                    for (position, sender) in from.senders.iter().enumerate() {
                        let address = fabric.interfaces[sender.interface].primary_address();
                        if security_group::peer_matches(fabric, peer, IpAddr::V4(address), true) {
                            senders.insert(position);
                        }
                    }
                    Some(senders)
                }
            };
            let Some((senders, atoms)) = senders.filter(|senders| !senders.is_empty()).zip(plain.covered(rule.traffic)) else {
                continue;
            };
            for atom in atoms.iter() {
                rows.entry(atom).or_insert_with(|| Bits::none(bound)).add(&senders);
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
        one_by_one: bool,
    ) -> Vec<Net> {
        let (fabric, plain) = (self.fabric(), self.plain());
        let receiver = &fabric.interfaces[receiver];
        let destination = receiver.primary_address();
        let mut found: Vec<Net> = Vec::new();
        let mut add = |senders: &Bits, position: usize| {
            let sender = &fabric.interfaces[from.senders[position].interface];
            let (subnet, source) = (sender.subnet, sender.primary_address());
            let there = way(fabric, subnet, (source, destination), vpc);
            let back = way(fabric, receiver.subnet, (destination, source), source_vpc);
            let passing = match (there, back) {
                (Way::Nowhere, _) => return,
                (Way::Other, _) | (_, Way::Other) => None,
                (Way::Straight, back) => Some(plain.lists(fabric, (subnet, source), (receiver.subnet, destination), back)),
            };
            match found.iter_mut().find(|net| net.passing == passing) {
                Some(net) => net.senders.add(senders),
                None => found.push(Net { senders: senders.clone(), passing }),
            }
        };
        for senders in from.nets.values() {
            let alike = if one_by_one { usize::MAX } else { 1 };
            for position in senders.iter().take(alike) {
                let mut one = Bits::none(from.senders.len());
                one.insert(position);
                add(if one_by_one { &one } else { senders }, position);
            }
        }
        found
    }

    /// Whether a subnet's routes treat the addresses of a VPC differently.
    fn routes_tell_apart(&self, subnet: SubnetIndex, vpc: VpcIndex) -> bool {
        let fabric = self.fabric();
        let table = &fabric.route_tables[fabric.subnets[subnet].route_table];
        let inside = |route: &Route| match route.destination {
            IpNet::V4(block) => {
                let own = fabric.vpcs[vpc].blocks.iter();
                own.clone().any(|own| own.contains(&block)) && !own.clone().any(|own| *own == block)
            }
            IpNet::V6(_) => false,
        };
        fabric.vpcs[vpc].blocks.len() > 1 || table.routes.iter().any(inside)
    }
}
