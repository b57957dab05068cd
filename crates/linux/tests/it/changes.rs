//! Changes between plans: they lead where they should, touch no more than they must, and the kernel takes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fabric::Fabric;
use linux::diff::{Changes, TableChanges};
use linux::plan::{ElementKey, Options, Plan, Table};
use model::InstanceState;
use netlink::nft::dump;
use netlink::rtnl::{Family, address, link, neighbour, route, rule};
use netlink::{Protocol, Socket};
use proptest::prelude::*;

use crate::support::{Lab, World, in_own_namespaces};

fn plan(world: &World) -> Plan {
    Plan::new(&Fabric::compile(&world.model), Options::default()).expect("plan")
}

/// Something that people do to a cloud.
fn step(world: &mut World, number: u8, round: usize) {
    match number % 18 {
        0 => world.allow_in("app", &format!("tcp {} 10.0.0.0/8", 9000 + round)),
        1 => world.revoke_in("app", "tcp 8080 sg-web"),
        2 => world.allow_in("web", "icmp 8 0.0.0.0/0"),
        3 => world.clear_out("db"),
        4 => world.check("app1", false),
        5 => world.check("app1", true),
        6 => world.groups("db1", &["db", "app"]),
        7 => world.eip("198.51.100.10", "web2", "10.0.0.11"),
        8 => world.eip("198.51.100.10", "web1", "10.0.0.10"),
        9 => world.state("app1", InstanceState::Stopped),
        10 => world.state("app1", InstanceState::Running),
        11 => world.route("db", "0.0.0.0/0", "nat-a"),
        12 => world.unroute("pub", "0.0.0.0/0"),
        13 => world.route("app", "10.0.20.0/24", "eni-app1"),
        14 => {
            world.acl("app", "app-a");
            world.entry("app", &format!("in {} allow all 10.0.0.0/16", 100 + round));
        }
        15 => {
            let name = format!("new{round}");
            world.instance(&name, "app-a", &format!("10.0.10.{}", 100 + round), "app");
            world.masquerade(&name);
        }
        16 => {
            world.model.network_interfaces.remove(&"eni-db1".parse().expect("id"));
            world.model.instances.remove(&"i-db1".parse().expect("id"));
            world.model.guests.remove(&"i-db1".parse().expect("id"));
        }
        _ => {
            let status = match round % 2 {
                0 => model::peering::PeeringStatus::Deleted,
                _ => model::peering::PeeringStatus::Active,
            };
            world.model.vpc_peering_connections.values_mut().for_each(|p| p.status = status);
        }
    }
}

fn steps(world: &mut World, numbers: &[u8]) {
    for (round, number) in numbers.iter().enumerate() {
        // Without its interface there is nothing left to do to it.
        let gone = !world.model.instances.contains_key(&"i-db1".parse().expect("id"));
        if !(gone && matches!(number % 18, 6)) {
            step(world, *number, round);
        }
    }
}

/// What a kernel would hold after the changes. It forgets with a device all that hangs on it.
fn carried_out(mut plan: Plan, changes: &Changes) -> Plan {
    for key in &changes.gone_namespaces {
        assert!(plan.namespaces.remove(key).is_some(), "{key}");
        plan.links.retain(|_, link| link.near.namespace != *key && link.far.namespace != *key);
    }
    for (key, is_instance) in &changes.new_namespaces {
        let fresh = plan.namespaces.entry(key.clone()).or_default();
        Arc::make_mut(fresh).is_instance = *is_instance;
    }
    for link in &changes.gone_links {
        plan.links.remove(&(link.near.namespace.clone(), link.near.name.clone()));
        for end in [&link.near, &link.far] {
            let Some(namespace) = plan.namespaces.get_mut(&end.namespace).map(Arc::make_mut) else { continue };
            namespace.addresses.retain(|address| address.device != end.name);
            namespace.routes.retain(|route| route.device() != Some(end.name.as_str()));
            namespace.neighbours.retain(|(device, _), _| *device != end.name);
        }
    }
    for link in &changes.new_links {
        let before = plan.links.insert((link.near.namespace.clone(), link.near.name.clone()), link.clone());
        assert!(before.is_none(), "{link:?} is there already");
    }
    for (key, inside) in &changes.inside {
        let namespace = Arc::make_mut(plan.namespaces.get_mut(key).expect("namespace"));
        namespace.sysctls.extend(inside.sysctls.clone());
        namespace.addresses.retain(|address| !inside.addresses.gone.contains(address));
        namespace.addresses.extend(inside.addresses.new.clone());
        namespace.routes.retain(|route| !inside.routes.gone.contains(route));
        for route in inside.routes.new.iter().chain(&inside.replaced_routes) {
            namespace.routes.retain(|other| other.key() != route.key());
            namespace.routes.insert(route.clone());
        }
        namespace.rules.retain(|rule| !inside.rules.gone.contains(rule));
        namespace.rules.extend(inside.rules.new.clone());
        for (device, address, _) in &inside.neighbours.gone {
            namespace.neighbours.remove(&(device.clone(), *address));
        }
        for (device, address, mac) in &inside.neighbours.new {
            namespace.neighbours.insert((device.clone(), *address), *mac);
        }
        for (name, changes) in &inside.tables {
            if changes.is_gone {
                namespace.tables.remove(name);
            } else {
                assert_eq!(changes.is_new, !namespace.tables.contains_key(name));
                change_table(namespace.tables.entry(name.clone()).or_default(), changes);
            }
        }
    }
    plan
}

fn change_table(table: &mut Table, changes: &TableChanges) {
    for chain in &changes.gone_chains {
        table.chains.remove(&chain.name);
    }
    for set in &changes.new_sets {
        assert!(!table.sets.contains_key(&set.name));
        table.set(set.clone(), []);
    }
    for chain in &changes.new_chains {
        assert!(!table.chains.contains_key(&chain.name));
        table.chain(chain.clone(), Vec::new());
    }
    for (set, added, removed) in &changes.elements {
        let elements = &mut table.sets.get_mut(&set.name).expect("set").1;
        for element in removed {
            assert!(elements.remove(&ElementKey::of(element)).is_some(), "{element:?} is not there");
        }
        for element in added {
            assert!(elements.insert(ElementKey::of(element), element.clone()).is_none(), "{element:?} is there already");
        }
    }
    for (name, _, rules) in &changes.rules {
        table.chains.get_mut(name).expect("chain").1 = Arc::new(rules.clone());
    }
    for name in &changes.gone_sets {
        table.sets.remove(name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn changes_lead_from_any_plan_to_any_other(before in prop::collection::vec(any::<u8>(), 0..6), after in prop::collection::vec(any::<u8>(), 0..6)) {
        let (mut old, mut new) = (World::p2(), World::p2());
        steps(&mut old, &before);
        steps(&mut new, &after);
        let fabrics = [&old, &new].map(|world| Fabric::compile(&world.model));
        let (old, new) = (plan(&old), plan(&new));
        // What a plan takes over from an earlier one is what it would have made itself.
        let renewed = Plan::renew(&old, &fabrics[0], &fabrics[1], Options::default()).expect("plan");
        prop_assert_eq!(&renewed, &new);
        let changes = Changes::between(&old, &new);
        let mut reached = carried_out(old, &changes);
        // A setting that the new plan does not mention stays as it was: nobody reads it any more.
        for (key, namespace) in &mut reached.namespaces {
            Arc::make_mut(namespace).sysctls.clone_from(&new.namespaces[key].sysctls);
        }
        prop_assert_eq!(&reached, &new);
        prop_assert!(Changes::between(&reached, &new).is_empty());
    }
}

/// Every table's changes with what they are called, and whether anything else changes.
fn table_changes(changes: &Changes) -> Vec<(String, &TableChanges)> {
    changes
        .inside
        .iter()
        .flat_map(|(key, inside)| inside.tables.iter().map(move |(name, table)| (format!("{key} {}", name.name), table)))
        .collect()
}

#[test]
fn one_rule_is_one_element() {
    let mut world = World::t3();
    let before = plan(&world);
    world.allow_in("web", "tcp 9000-9010 10.9.0.0/16");
    let changes = Changes::between(&before, &plan(&world));
    let tables = table_changes(&changes);
    let [(place, table)] = &tables[..] else { panic!("{tables:?}") };
    assert_eq!(place, "vpc/vpc-a vpc");
    let expected = TableChanges { elements: table.elements.clone(), ..TableChanges::default() };
    assert_eq!(**table, expected, "only elements change");
    let counts: Vec<_> = table.elements.iter().map(|(_, added, removed)| (added.len(), removed.len())).collect();
    assert_eq!(counts, [(1, 0)]);
    assert!(changes.new_links.is_empty() && changes.gone_links.is_empty());
}

#[test]
fn a_public_address_moves_by_its_elements_alone() {
    let mut world = World::t3();
    let before = plan(&world);
    world.eip("198.51.100.10", "web2", "10.0.0.11");
    let changes = Changes::between(&before, &plan(&world));
    let tables = table_changes(&changes);
    let [(place, table)] = &tables[..] else { panic!("{tables:?}") };
    assert_eq!(place, "igw/igw-a igw");
    let expected = TableChanges { elements: table.elements.clone(), ..TableChanges::default() };
    assert_eq!(**table, expected);
    assert!(table.elements.iter().all(|(_, added, removed)| (added.len(), removed.len()) == (1, 1)));
    assert_eq!(changes.inside.len(), 1, "the internet's route stays");
}

#[test]
fn equal_worlds_have_equal_plans() {
    assert_eq!(plan(&World::p2()), plan(&World::p2()));
    assert!(Changes::between(&plan(&World::p2()), &plan(&World::p2())).is_empty());
}

/// What a namespace holds, as lines.
fn held(lab: &mut Lab, place: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let rtnl: &mut Socket = lab.netlink(place, Protocol::Route);
    let names: BTreeMap<u32, String> = link::dump(rtnl).expect("links").into_iter().map(|l| (l.index, l.name)).collect();
    for link in link::dump(rtnl).expect("links") {
        lines.insert(format!("link {} {} {:?} {} {}", link.name, link.index, link.mac, link.mtu, link.group));
    }
    for address in address::dump(rtnl, Some(Family::V4), None).expect("addresses") {
        lines.insert(format!("address {} {}", address.address, names[&address.device]));
    }
    for route in route::dump(rtnl, Family::V4, None).expect("routes").into_iter().filter(|r| r.table != route::LOCAL) {
        lines.insert(format!("route {route:?}"));
    }
    for rule in rule::dump(rtnl, Family::V4).expect("rules") {
        lines.insert(format!("rule {rule:?}"));
    }
    let permanent = neighbour::state::PERMANENT;
    for n in neighbour::dump(rtnl, Family::V4, None, false).expect("neighbours").into_iter().filter(|n| n.state == permanent) {
        lines.insert(format!("neighbour {} {:?} {}", n.address, n.mac, names[&n.device]));
    }
    let nft = lab.netlink(place, Protocol::Netfilter);
    for table in dump::tables(nft).expect("tables") {
        for chain in dump::chains(nft, &table).expect("chains") {
            lines.insert(format!("{table:?} chain {} {:?}", chain.name, chain.hook));
        }
        for (at, rule) in dump::rules(nft, &table, None).expect("rules").into_iter().enumerate() {
            lines.insert(format!("{table:?} rule {at} {} {:?}", rule.chain, rule.expressions));
        }
        for set in dump::sets(nft, &table).expect("sets") {
            lines.insert(format!("{table:?} set {set}"));
            for element in dump::elements(nft, &table, &set).expect("elements") {
                lines.insert(format!("{table:?} {set} {:?} {:?} {:?}", element.key, element.last, element.data));
            }
        }
    }
    lines
}

#[test]
fn a_walk_through_changes_ends_where_a_fresh_lab_begins() {
    in_own_namespaces("changes::a_walk_through_changes_ends_where_a_fresh_lab_begins", || {
        let walks: [&[u8]; 3] = [
            &[0, 1, 4, 13, 9, 10, 5, 14, 17, 15, 7, 3, 11, 2],
            &[4, 6, 16, 12, 15, 15, 8, 17, 17, 1, 5, 14, 9],
            &[13, 4, 5, 9, 2, 14, 14, 10, 7, 8, 0, 0, 3],
        ];
        for walk in walks {
            let mut world = World::p2();
            let mut walked = Lab::of(&world);
            for (round, number) in walk.iter().enumerate() {
                step(&mut world, *number, round);
                walked.apply(&world.model);
            }
            assert_same(&mut walked, &mut Lab::of(&world), &format!("{walk:?}"));
        }
    });
}

/// Both labs hold the same.
fn assert_same(walked: &mut Lab, fresh: &mut Lab, what: &str) {
    // Rules of chains that came at another time are dumped in another order.
    let strip = |lines: BTreeSet<String>| -> BTreeSet<String> {
        let without_place = |line: String| match line.split_once(" rule ") {
            Some((table, rest)) if !line.starts_with("rule") => {
                format!("{table} rule {}", rest.split_once(' ').map_or(rest, |(_, rest)| rest))
            }
            _ => line,
        };
        lines.into_iter().map(without_place).collect()
    };
    for place in fresh.places() {
        let (walked, fresh) = (strip(held(walked, &place)), strip(held(fresh, &place)));
        let differences: Vec<_> = walked.symmetric_difference(&fresh).collect();
        assert!(differences.is_empty(), "{what} {place}: {differences:#?}");
    }
}

#[test]
fn a_change_that_was_cut_short_is_made_good() {
    in_own_namespaces("changes::a_change_that_was_cut_short_is_made_good", || {
        let world = World::p2();
        let mut lab = Lab::of(&world);
        let (_, kept) = lab.connect("web1", "10.0.0.10", 0, "10.0.10.10", 8080, "app1");
        let mut kept = kept.expect("open");
        // Another world is applied, but whoever did it dies before saying so …
        let mut other = World::p2();
        steps(&mut other, &[1, 4, 12, 7, 14, 3, 11]);
        lab.apply(&other.model);
        // … a link has gone and somebody left things lying about.
        let mut batch = netlink::Batch::new();
        link::delete(&mut batch, link::Target::Name("edb1"));
        let stray = route::Route::new(77, "10.99.0.0/16".parse().expect("block")).kind(route::RouteKind::Throw);
        route::add(&mut batch, &stray);
        rule::add(&mut batch, &rule::Rule::new(Family::V4, 99, 77));
        lab.netlink("vpc/vpc-a", Protocol::Route).execute(&batch).expect("damage");
        lab.believe(&world.model);
        lab.reconcile();
        assert_same(&mut lab, &mut Lab::of(&world), "reconciled");
        assert!(kept.client_says() && kept.server_says(), "connections live on");
        assert!(lab.tcp("app1", "10.0.10.10", "10.0.20.10", 5432, "db1").is_open());
    });
}
