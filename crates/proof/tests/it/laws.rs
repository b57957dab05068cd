//! The law of the proof: whatever a cloud is, what is said of a pair of places at once is what the walker finds packet by
//! packet. Random clouds; every pair of places, every atom of traffic, every port that an answer may go to.

use std::collections::BTreeMap;

use fabric::Fabric;
use proof::matrix::{Look, Row};
use proof::{Options, Place, Reach, TrafficSet, reach};

use crate::clouds;
use crate::support;

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

/// Every fix that `why` proposes makes its packet allowed, on a cloud that was not used to find it: random clouds, of each
/// a few pairs of which a packet does not come through.
#[test]
fn every_fix_of_why_flips_the_verdict_on_random_clouds() {
    use fabric::walker::Verdict;
    use model::ProbePacket;
    use proof::Atoms;
    use proof::why::{Asker, Effort, Question, ask};

    let (mut denied, mut fixes) = (0, 0);
    for seed in 1..=many() / 2 {
        let text = clouds::lab(seed);
        let (model, fabric) = support::cloud("random.yaml", &text);
        let reach = Reach::of(&fabric, Options::default()).unwrap();
        let asker = Asker::new(&model, &fabric, Options::default());
        let pairs = reach.indices().flat_map(|from| reach.indices().map(move |to| (from, to)));
        let asked = pairs.filter(|((from, source), (to, place))| from != to && !(source.is_outside() && place.is_outside()));
        // Some pairs of each cloud, others in each: all of them take minutes.
        for (number, ((_, source), (_, place))) in asked.enumerate().filter(|(number, _)| (*number as u64 + seed).is_multiple_of(37)) {
            let packet = [ProbePacket::Tcp(443), ProbePacket::Udp(53), ProbePacket::ECHO][number % 3];
            let question = Question { from: source.sender(&fabric), to: place.end(&fabric), packet };
            let told = asker.why(&question, Effort { fixes: true }).unwrap();
            denied += usize::from(told.verdict != Verdict::Allowed);
            assert!(told.verdict != Verdict::Allowed || told.fixes.is_empty());
            for fix in &told.fixes {
                let mut changed = model.clone();
                for change in &fix.changes {
                    change.apply(&mut changed).unwrap_or_else(|e| panic!("seed {seed}: {change:?}: {e}\n{text}"));
                }
                let after = Fabric::compile(&changed);
                let atoms = Atoms::of(&after, Options::default().ephemeral);
                let answer = ask(&changed, &after, &question, atoms.reply_ports()).unwrap();
                let verdict = answer.explanation.verdict;
                assert_eq!(verdict, Verdict::Allowed, "seed {seed}: {:?} of {question:?}\n{text}", fix.edits);
                fixes += 1;
            }
        }
    }
    assert!(denied as u64 > many() / 2 && fixes > 20, "{fixes} fixes of {denied} packets that do not come through");
}

/// What changes from one random cloud to another is the mirror image of what changes the other way round.
#[test]
fn the_difference_of_two_random_clouds_is_mirrored() {
    use proof::diff::Connectivity;

    let mut changes = 0;
    let proved = |seed: u64| {
        let (_, fabric) = support::cloud("random.yaml", &clouds::lab(seed));
        let reach = Reach::of(&fabric, Options::default()).unwrap();
        (fabric, reach)
    };
    for seed in 1..=many() / 2 {
        let (one, other) = (proved(seed), proved(seed + 1_000));
        let [there, back] = [(&one, &other), (&other, &one)].map(|((before, was), (after, is))| {
            Connectivity::between((before, was), (after, is), Options::default()).unwrap()
        });
        assert_eq!(back, there.clone().mirrored(), "seeds {seed} and {}", seed + 1_000);
        assert_eq!(there.is_empty(), back.is_empty());
        changes += there.changes.len();
        let same = Connectivity::between((&one.0, &one.1), (&one.0, &one.1), Options::default()).unwrap();
        assert!(same.is_empty(), "seed {seed}: {same:?}");
    }
    assert!(changes as u64 > many(), "{changes}");
}
