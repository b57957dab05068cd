//! The law of the proof: whatever a cloud is, what is said of a pair of places at once is what the walker finds packet by
//! packet. Random clouds; every pair of places, every atom of traffic, every port that an answer may go to.
#![allow(clippy::unwrap_used)]

mod support;

// The same clouds on which the engines are compared.
#[path = "../../conformance/src/fuzz/clouds.rs"]
mod clouds;

use std::collections::BTreeMap;

use fabric::Fabric;
use proof::matrix::{Look, Row};
use proof::{Options, Place, Reach, TrafficSet, reach};

/// Clouds of a usual run; `VPCLAB_LAW_CLOUDS` makes it longer.
const CLOUDS: u64 = 40;

fn many() -> u64 {
    std::env::var("VPCLAB_LAW_CLOUDS").ok().and_then(|text| text.parse().ok()).unwrap_or(CLOUDS)
}

/// The pairs of which a cloud's proof says another thing than the walker.
fn differences(fabric: &Fabric, flows: &mut usize) -> Vec<String> {
    let reach = Reach::of(fabric, Options::default()).unwrap();
    let mut differ = Vec::new();
    for (from, source) in reach.indices() {
        for (to, place) in reach.indices() {
            if from == to || (source.is_outside() && place.is_outside()) {
                continue;
            }
            *flows += reach.atoms().len();
            let (said, found) = (reach.between(from, to), reach::walk(fabric, reach.atoms(), source, place).unwrap());
            if said != found {
                let name = |place: Place| place.name(fabric);
                differ.push(format!("{} -> {}: said {said:?}, found {found:?}", name(source), name(place)));
            }
        }
    }
    differ
}

#[test]
fn what_is_said_of_a_pair_is_what_the_walker_finds() {
    let mut flows = 0;
    for seed in 1..=many() {
        let text = clouds::lab(seed);
        let differ = differences(&support::cloud("random.yaml", &text).1, &mut flows);
        assert!(differ.is_empty(), "seed {seed}:\n{}\n{text}", differ.join("\n"));
    }
    println!("{flows} flows of {} clouds", many());
    // Clouds without anybody would prove nothing.
    assert!(flows > 500 * many() as usize, "{flows}");
}

#[test]
fn places_of_one_class_are_many_and_alike() {
    let text = "vpcs:\n  v:\n    cidr: 10.0.0.0/16\n    subnets:\n      a: { az: a, cidr: 10.0.0.0/24 }\n      b: { az: a, cidr: 10.0.1.0/24 }\n\
                security_groups:\n  web: [ tcp/80 from anywhere ]\n  db: [ tcp/3306 from sg:web, tcp/22 from 10.0.0.0/30 ]\n\
                instances:\n  web: { subnet: a, sg: web, count: 20 }\n  db: { subnet: b, sg: db, count: 5 }\n";
    let fabric = support::cloud("alike.yaml", text).1;
    let reach = Reach::of(&fabric, Options::default()).unwrap();
    let sizes: Vec<usize> = reach.classes().iter().map(|class| class.members.len()).collect();
    // No address of a subnet's first three is an instance's; the rest of `a` is alike, and so is `b`.
    assert_eq!(sizes.iter().sum::<usize>(), reach.places().len());
    assert_eq!(sizes.iter().filter(|size| **size > 1).collect::<Vec<_>>(), [&20, &5], "{sizes:?}");
    assert!(differences(&fabric, &mut 0).is_empty());
}

/// What two classes can say to each other, by request and both ways.
type Said = BTreeMap<(usize, usize), (TrafficSet, TrafficSet)>;

/// Writes down what rows say.
struct Notes<'r> {
    reach: &'r Reach,
    said: Said,
    any: BTreeMap<(usize, usize), bool>,
    alone: Vec<(usize, usize)>,
}

impl Look for Notes<'_> {
    fn row(&mut self, atom: usize, row: &Row<'_>) {
        let traffic = self.reach.atoms().iter().nth(atom).unwrap().traffic.clone();
        for from in row.request() {
            let entry = self.said.entry((from, row.to)).or_default();
            entry.0 = entry.0.union(&traffic);
        }
        for from in row.both() {
            let entry = self.said.entry((from, row.to)).or_default();
            entry.1 = entry.1.union(&traffic);
        }
    }

    fn any(&mut self, row: &Row<'_>) {
        self.any.extend(row.request().map(|from| ((from, row.to), false)));
        self.any.extend(row.both().map(|from| ((from, row.to), true)));
    }

    fn alone(&mut self, from: usize, to: usize) {
        self.alone.push((from, to));
    }
}

/// What rows say of every pair of classes.
fn by_rows(reach: &Reach) -> Said {
    let mut notes = Notes { reach, said: Said::new(), any: BTreeMap::new(), alone: Vec::new() };
    reach.rows(&mut notes);
    let Notes { mut said, any, alone, .. } = notes;
    let told: BTreeMap<_, _> = said.iter().map(|(pair, (_, both))| (*pair, !both.is_empty())).collect();
    assert_eq!(any, told, "the rows of all atoms as one");
    for (from, to) in alone {
        if let Some(between) = reach.between_classes(from, to) {
            said.insert((from, to), (between.request, between.both));
        }
    }
    said.retain(|(from, to), (request, _)| !request.is_empty() && reach.between_classes(*from, *to).is_some());
    said
}

#[test]
fn rows_say_what_is_said_of_each_pair() {
    let mut open = 0;
    for seed in 1..=many() {
        let text = clouds::lab(seed);
        let fabric = support::cloud("random.yaml", &text).1;
        let reach = Reach::of(&fabric, Options::default()).unwrap();
        let vpc = |class: usize| match reach.places()[reach.classes()[class].members[0].0 as usize] {
            Place::Interface(interface) => Some(fabric.interfaces[interface].vpc),
            _ => None,
        };
        let mut pairs = BTreeMap::new();
        for from in 0..reach.classes().len() {
            for to in 0..reach.classes().len() {
                let (Some(one), Some(other)) = (vpc(from), vpc(to)) else { continue };
                let is_inside = one == other || fabric.are_joined(one, other);
                let found = reach.between_classes(from, to).filter(|between| is_inside && !between.request.is_empty());
                pairs.extend(found.map(|between| ((from, to), (between.request, between.both))));
            }
        }
        let said: BTreeMap<_, _> = by_rows(&reach).into_iter().filter(|((from, to), _)| {
            let (Some(one), Some(other)) = (vpc(*from), vpc(*to)) else { return false };
            one == other || fabric.are_joined(one, other)
        }).collect();
        open += pairs.len();
        assert_eq!(said, pairs, "seed {seed}\n{text}");
        let members = |class: usize| reach.classes()[class].members.len() as u64;
        let answered = pairs.iter().filter(|(_, (_, both))| !both.is_empty()).map(|(pair, _)| pair);
        let counted: u64 = answered.map(|(from, to)| members(*from) * (members(*to) - u64::from(from == to))).sum();
        assert_eq!(reach.totals().pairs, counted, "seed {seed}\n{text}");
    }
    assert!(open > 5 * many() as usize, "{open}");
}
