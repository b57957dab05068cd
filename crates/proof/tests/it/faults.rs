//! Mistakes: AWS would accept each, and those of every kind change what flows somewhere.

use std::collections::{BTreeMap, BTreeSet};

use fabric::Fabric;
use model::Model;
use proof::fault::{Fault, faults, same_traffic};
use proof::{Options, Place, Reach};

use crate::support::{cloud, example};

const EXAMPLES: [&str; 5] = ["shop", "three-tier", "bastion", "peering", "middlebox"];

/// Mistakes of a cloud that change what flows, by kind.
fn felt(model: &Model) -> BTreeMap<&'static str, Vec<Fault>> {
    let before = Fabric::compile(model);
    let reach = Reach::of(&before, Options::default()).unwrap();
    let mut felt: BTreeMap<&'static str, Vec<Fault>> = BTreeMap::new();
    for fault in faults(model) {
        let mut broken = model.clone();
        if fault.apply(&mut broken).is_err() {
            continue;
        }
        let after = Fabric::compile(&broken);
        let reach_after = Reach::of(&after, Options::default()).unwrap();
        let is_same = same_traffic((&before, &reach), (&after, &reach_after));
        assert_eq!(is_same, pair_by_pair((&before, &reach), (&after, &reach_after)), "{}", fault.text);
        if !is_same {
            felt.entry(fault.change.kind()).or_default().push(fault);
        }
    }
    felt
}

/// Whether the same flows between everybody in both, asked of every pair.
fn pair_by_pair(one: (&Fabric, &Reach), two: (&Fabric, &Reach)) -> bool {
    let key = |fabric: &Fabric, place: Place| match place {
        Place::Interface(interface) => fabric.interfaces[interface].id.to_string(),
        Place::Ipv6(index) => format!("{} (IPv6)", fabric.interfaces[index].id),
        Place::Outside(_, address) | Place::Internet(address) => address.to_string(),
    };
    let other: BTreeMap<String, _> = two.1.indices().map(|(index, place)| (key(two.0, place), index)).collect();
    let own = one.1.indices().map(|(index, place)| (index, other.get(&key(one.0, place)).copied()));
    let both: Vec<_> = own.filter_map(|(index, too)| Some((index, too?))).collect();
    let is_same = |(from, from_too), (to, to_too)| one.1.between(from, to) == two.1.between(from_too, to_too);
    both.iter().all(|from| both.iter().all(|to| is_same(*from, *to)))
}

#[test]
fn every_kind_of_mistake_is_felt_in_some_example() {
    let mut kinds = BTreeSet::new();
    for name in EXAMPLES {
        kinds.extend(felt(&example(&format!("examples/{name}.yaml")).0).into_keys());
    }
    kinds.extend(felt(&cloud("eip.yaml", EIP).0).into_keys());
    let all = [
        "denying-entry",
        "detached-gateway",
        "lost-address",
        "lost-nat-gateway",
        "lost-route",
        "lost-rule",
        "source-dest-check",
        "stopped",
        "swapped-acl",
        "swapped-route-table",
        "wrong-group",
        "wrong-rule",
        "wrong-target",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
}

/// An elastic address, which the examples do without.
const EIP: &str = "
vpcs:
  v:
    cidr: 10.0.0.0/16
    subnets:
      front: { az: a, cidr: 10.0.0.0/24, route: igw }
security_groups:
  web:
    - tcp/80 from anywhere
instances:
  web-1: { subnet: front, sg: web, public_ip: eip }
";

#[test]
fn the_mistakes_of_a_cloud_are_the_same_every_time() {
    let (one, two) = (
        example("examples/bastion.yaml").0,
        example("examples/bastion.yaml").0,
    );
    assert_eq!(faults(&one), faults(&two));
    let text: Vec<String> = faults(&one)
        .iter()
        .map(|fault| format!("{}: {}", fault.subject, fault.text))
        .collect();
    for wanted in [
        "sg db: the rule `tcp/3306 from sg:web` says `tcp/3307 from sg:web`",
        "sg db: the rule `tcp/3306 from sg:web` says `tcp/3306 from sg:bastion`",
        "acl internal: entry 99 denies tcp/1024-65535 in: answers are lost",
        "bastion: it is stopped",
    ] {
        assert!(
            text.iter().any(|line| line == wanted),
            "{wanted}: {text:#?}"
        );
    }
}
