//! The law of edits: whatever is edited in whatever cloud, what a standing proof says then is what a proof made anew says.
#![allow(clippy::unwrap_used)]

mod support;

// The same clouds on which the engines are compared.
#[path = "../../conformance/src/fuzz/clouds.rs"]
mod clouds;

use fabric::Fabric;
use model::{Model, Peer, PortRange, SecurityGroupRule, TrafficMatch};
use proof::matrix::{Edit, Standing, Taken, Why};
use proof::{Options, Place, Reach};

/// Edits of each cloud.
const EDITS: usize = 12;

fn many() -> u64 {
    std::env::var("VPCLAB_LAW_CLOUDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40)
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// What the rules of a cloud speak of, and now and then something that none does.
fn traffic(dice: &mut Dice, known: &[TrafficMatch]) -> TrafficMatch {
    match dice.below(5) {
        0 => TrafficMatch::Tcp(PortRange::one(1 + dice.below(65_000) as u16)),
        1 => TrafficMatch::All,
        _ => dice.of(known),
    }
}

fn peer(dice: &mut Dice, known: &[Peer]) -> Peer {
    const MORE: [&str; 4] = ["0.0.0.0/0", "10.0.0.0/25", "203.0.113.0/24", "10.0.0.0/8"];
    match dice.below(4) {
        0 => Peer::Ipv4(MORE[dice.below(MORE.len())].parse().unwrap()),
        _ => dice.of(known),
    }
}

/// Edits a group's rules.
fn rules(dice: &mut Dice, model: &mut Model) -> Option<Edit> {
    let all: Vec<SecurityGroupRule> =
        model.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress)).cloned().collect();
    let mut peers: Vec<Peer> = all.iter().map(|rule| rule.peer.clone()).collect();
    peers.extend(model.security_groups.keys().map(|id| Peer::SecurityGroup(id.clone())));
    let known: Vec<TrafficMatch> = all.iter().map(|rule| rule.traffic).collect();
    let id = dice.of(&model.security_groups.keys().cloned().collect::<Vec<_>>());
    let mut new = all.first()?.clone();
    (new.traffic, new.peer) = (traffic(dice, &known), peer(dice, &peers));
    let group = model.security_groups.get_mut(&id)?;
    let rules = if dice.below(3) == 0 { &mut group.egress } else { &mut group.ingress };
    match dice.below(3) {
        0 if !rules.is_empty() => drop(rules.remove(dice.below(rules.len()))),
        1 if !rules.is_empty() => {
            let at = dice.below(rules.len());
            rules[at] = new;
        }
        _ => rules.push(new),
    }
    Some(Edit::Rules(id))
}

/// Edits a list's entries.
fn entries(dice: &mut Dice, model: &mut Model) -> Option<Edit> {
    let all: Vec<_> = model.network_acls.values().flat_map(|acl| acl.ingress.iter().chain(&acl.egress)).cloned().collect();
    let groups = model.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
    let known: Vec<TrafficMatch> = groups.map(|rule| rule.traffic).collect();
    let id = dice.of(&model.network_acls.keys().cloned().collect::<Vec<_>>());
    let acl = model.network_acls.get_mut(&id)?;
    let entries = if dice.below(2) == 0 { &mut acl.egress } else { &mut acl.ingress };
    match dice.below(3) {
        0 if !entries.is_empty() => drop(entries.remove(dice.below(entries.len()))),
        1 if !entries.is_empty() => {
            let at = dice.below(entries.len());
            entries[at].allow ^= true;
        }
        _ => {
            let mut new = dice.of(&all);
            new.traffic = traffic(dice, &known);
            new.cidr_block = dice.of(&["0.0.0.0/0", "10.0.0.0/25", "10.0.0.0/8"]).parse().unwrap();
            new.allow = dice.below(2) == 0;
            new.rule_number = entries.first().map_or(100, |first| first.rule_number.saturating_sub(1));
            entries.insert(0, new);
        }
    }
    Some(Edit::Entries(id))
}

/// What differs between a standing proof and one made anew.
fn differences(standing: &Standing, fabric: &Fabric) -> Vec<String> {
    let (own, anew) = (standing.reach(), Reach::of(fabric, Options::default()).unwrap());
    let mut differ = Vec::new();
    let (said, counted) = (standing.totals(), anew.totals());
    if (said.pairs, said.exposed) != (counted.pairs, counted.exposed) {
        differ.push(format!("said {said:?}, counted {counted:?}"));
    }
    assert_eq!(own.places(), anew.places());
    for (from, source) in anew.indices() {
        for (to, place) in anew.indices() {
            if own.between(from, to) != anew.between(from, to) {
                let name = |place: Place| place.name(fabric);
                differ.push(format!("{} -> {}", name(source), name(place)));
            }
        }
    }
    differ
}

#[test]
fn after_every_edit_a_standing_proof_says_what_one_made_anew_says() {
    let (mut rows, mut packets, mut places, mut hosts, mut others) = (0, 0, 0, 0, 0);
    let mut moved = 0;
    for seed in 1..=many() {
        let text = clouds::lab(seed);
        let (mut model, fabric) = support::cloud("random.yaml", &text);
        let mut standing = Standing::of(&fabric, Options::default()).unwrap();
        assert_eq!(differences(&standing, &fabric), [""; 0], "seed {seed}, before any edit\n{text}");
        let mut dice = Dice(seed);
        for number in 0..EDITS {
            let edit = match dice.below(3) {
                0 => entries(&mut dice, &mut model),
                _ => rules(&mut dice, &mut model),
            };
            let Some(edit) = edit else { continue };
            let before = standing.totals().exposed;
            let taken = standing.take(&model, &edit).unwrap();
            match taken {
                Taken::Rows(_) => rows += 1,
                Taken::Anew(Why::Packets) => packets += 1,
                Taken::Anew(Why::Places) => places += 1,
                Taken::Anew(Why::Hosts) => hosts += 1,
                Taken::Anew(_) => others += 1,
            }
            let fabric = Fabric::compile(&model);
            assert!(*standing.fabric() == fabric, "seed {seed}, edit {number} {edit:?}: another fabric than is compiled");
            let differ = differences(&standing, &fabric);
            assert!(differ.is_empty(), "seed {seed}, edit {number} {edit:?}, {taken:?}:\n{}\n{text}", differ.join("\n"));
            moved += usize::from(matches!(taken, Taken::Rows(_)) && before != standing.totals().exposed);
        }
    }
    println!("rows {rows} (of which {moved} changed a count); anew for packets {packets}, places {places}, hosts {hosts}");
    assert_eq!(others, 0);
    // Edits that nobody notices would prove nothing.
    assert!(rows > 2 * many() as usize && moved > many() as usize / 4, "{rows} {moved}");
    assert!(packets > 0 && hosts > 0, "{packets} {hosts}");
}

/// Many who are alike, which random clouds seldom have.
const FLEET: &str = "vpcs:\n  v:\n    cidr: 10.0.0.0/16\n    subnets:\n      a: { az: a, cidr: 10.0.0.0/24 }\n      b: { az: a, cidr: 10.0.1.0/24 }\n\
                     security_groups:\n  web: [ tcp/80 from anywhere ]\n  db: [ tcp/3306 from sg:web ]\n\
                     instances:\n  web: { subnet: a, sg: web, count: 20 }\n  db: { subnet: b, sg: db, count: 5 }\n";

#[test]
fn a_block_that_parts_a_fleet_is_noticed_and_one_that_does_not_costs_nothing() {
    let (mut model, fabric) = support::cloud("fleet.yaml", FLEET);
    let mut standing = Standing::of(&fabric, Options::default()).unwrap();
    let id = model.security_groups.values().find(|group| group.group_name == "db").unwrap().id.clone();
    for (block, taken) in [("10.0.0.0/29", Taken::Anew(Why::Places)), ("10.7.0.0/16", Taken::Rows(1))] {
        let group = model.security_groups.get_mut(&id).unwrap();
        let mut rule = group.ingress[0].clone();
        rule.peer = Peer::Ipv4(block.parse().unwrap());
        group.ingress.push(rule);
        assert_eq!(standing.take(&model, &Edit::Rules(id.clone())).unwrap(), taken, "{block}");
        assert_eq!(differences(&standing, &Fabric::compile(&model)), [""; 0], "{block}");
    }
}

#[test]
fn what_nobody_has_and_what_somebody_else_holds_is_proved_anew() {
    let (mut model, fabric) = support::cloud("fleet.yaml", FLEET);
    let mut standing = Standing::of(&fabric, Options::default()).unwrap();
    let id = model.security_groups.values().find(|group| group.group_name == "db").unwrap().id.clone();
    let clone = standing.reach().clone();
    model.security_groups.get_mut(&id).unwrap().ingress.clear();
    assert_eq!(standing.take(&model, &Edit::Rules(id.clone())).unwrap(), Taken::Anew(Why::Shared));
    assert_eq!(differences(&standing, &Fabric::compile(&model)), [""; 0]);
    // Whoever holds the clone still asks about the cloud as it was.
    assert!(clone.totals().exposed > standing.totals().exposed);
}
