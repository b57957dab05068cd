//! What changes in who reaches whom, from one lab to another.

use fabric::Fabric;
use model::Model;
use proof::diff::Connectivity;
use proof::fault::faults;
use proof::{Options, Reach};

use crate::support::{Proved, cloud, example};

fn diff(before: &Fabric, after: &Fabric) -> Connectivity {
    let [one, other] = [before, after].map(|fabric| Reach::of(fabric, Options::default()).unwrap());
    Connectivity::between((before, &one), (after, &other), Options::default()).unwrap()
}

/// Without its promises, which name what an edit may remove.
fn shop() -> String {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/shop.yaml"
    ))
    .unwrap();
    text.split("expect:").next().unwrap().to_owned()
}

/// The lines of the difference that some edits of the shop make, and its mirror image checked.
fn edited(edits: &[(&str, &str)]) -> Vec<String> {
    let (before, mut after) = (shop(), shop());
    for (from, to) in edits {
        assert_eq!(after.matches(from).count(), 1, "{from}");
        after = after.replace(from, to);
    }
    let [before, after] = [before, after].map(|text| cloud("shop.yaml", &text).1);
    let there = diff(&before, &after);
    assert_eq!(diff(&after, &before), there.clone().mirrored());
    let appear = there.appear.iter().map(|name| format!("+ {name}"));
    let vanish = there.vanish.iter().map(|name| format!("- {name}"));
    appear
        .chain(vanish)
        .chain(there.changes.iter().map(|c| c.to_string()))
        .collect()
}

#[test]
fn each_edit_shows_what_it_opens_and_closes() {
    assert_eq!(edited(&[]), Vec::<String>::new());
    assert_eq!(
        edited(&[(
            "tcp/3306 from sg:web",
            "tcp/3306,5432 from sg:web, sg:bastion"
        )]),
        [
            "bastion -> db-1 tcp/3306,5432: blocked -> OPEN",
            "web-1, web-2 -> db-1 tcp/5432: blocked -> OPEN"
        ]
    );
    assert_eq!(
        edited(&[("tcp/22 from sg:bastion", "tcp/22 from anywhere")]),
        [
            "internet, office -> web-1, web-2 tcp/22: blocked -> OPEN",
            "db-1 -> web-1, web-2 tcp/22: blocked -> OPEN",
            "web-1, web-2 -> web-1, web-2 tcp/22: blocked -> OPEN",
        ]
    );
    // A database in a public subnet, with a public address, and its group open to everybody.
    assert_eq!(
        edited(&[
            (
                "subnet: internal, sg: db,",
                "subnet: public-a, sg: db, public_ip: true,"
            ),
            ("tcp/3306 from sg:web", "tcp/3306 from anywhere"),
        ])[..2],
        [
            "internet, office -> db-1 tcp/3306: blocked -> OPEN",
            "bastion -> db-1 tcp/3306: blocked -> OPEN"
        ]
    );
    // Answers lost on a route: one way.
    let lost = edited(&[(
        "internal: { az: a, cidr: /27, route: nat@public-a }",
        "internal: { az: a, cidr: /27, route: none }",
    )]);
    assert_eq!(
        lost,
        ["db-1 -> internet, office tcp udp icmp/8,13: open -> blocked"]
    );
}

#[test]
fn places_that_come_and_go_are_said_to() {
    let lines = edited(&[("  web-2:   {", "  web-3:   {")]);
    assert_eq!(lines[..2], ["+ web-3", "- web-2"]);
    assert!(
        lines.contains(&"internet, office -> web-3 tcp/80,443: not there -> OPEN".to_owned()),
        "{lines:#?}"
    );
    assert!(
        lines.contains(&"internet, office -> web-2 tcp/80,443: open -> not there".to_owned()),
        "{lines:#?}"
    );
    // What never got through is not missed.
    assert!(
        !lines.iter().any(|line| line.contains("blocked")),
        "{lines:#?}"
    );
}

#[test]
fn a_block_that_one_side_names_is_asked_from_its_inside_on_both() {
    let lines = edited(&[("tcp/22 from office", "tcp/22 from 203.0.112.0/23")]);
    assert_eq!(
        lines,
        ["internet (203.0.112.1) -> bastion tcp/22: blocked -> OPEN"]
    );
    let lines = edited(&[(
        "tcp/22 from office",
        "tcp/22 from office, 8.8.8.0/24, 8.8.8.8",
    )]);
    assert_eq!(
        lines,
        ["internet (8.8.8.1), internet (8.8.8.8) -> bastion tcp/22: blocked -> OPEN"]
    );
    // Nested blocks, one of them on either side: what lies between the two is asked too.
    let lists = |block: &str| {
        cloud(
            "shop.yaml",
            &shop().replace("tcp/22 from office", &format!("tcp/22 from {block}")),
        )
        .1
    };
    let there = diff(&lists("8.8.8.0/25"), &lists("8.8.8.0/24"));
    let lines: Vec<String> = there.changes.iter().map(|c| c.to_string()).collect();
    assert_eq!(
        lines,
        ["internet (8.8.8.128) -> bastion tcp/22: blocked -> OPEN"]
    );
}

#[test]
fn a_reply_that_is_lost_is_one_way() {
    let bastion = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/bastion.yaml"
    ))
    .unwrap();
    let (from, to) = (
        "100 allow out tcp/1024-65535 to 192.168.0.0/24",
        "100 deny out tcp/1024-65535 to 192.168.0.0/24",
    );
    let [before, after] =
        [bastion.clone(), bastion.replace(from, to)].map(|text| cloud("bastion.yaml", &text).1);
    let lines: Vec<String> = diff(&before, &after)
        .changes
        .iter()
        .map(|c| c.to_string())
        .collect();
    assert!(
        lines.contains(&"web-1 -> db-1 tcp/3306: open -> ONE WAY".to_owned()),
        "{lines:#?}"
    );
}

/// Every mistake that the examples offer, there and back; and none is without lines that pairs confirm.
#[test]
fn the_way_back_is_the_mirror_image_for_every_mistake() {
    let mut changed = 0;
    for name in ["bastion", "peering", "shop"] {
        let (model, before) = example(&format!("examples/{name}.yaml"));
        let one = Reach::of(&before, Options::default()).unwrap();
        for fault in faults(&model) {
            let mut broken: Model = model.clone();
            if fault.apply(&mut broken).is_err() {
                continue;
            }
            let after = Fabric::compile(&broken);
            let there = diff(&before, &after);
            assert_eq!(
                diff(&after, &before),
                there.clone().mirrored(),
                "{name}: {}",
                fault.text
            );
            let other = Reach::of(&after, Options::default()).unwrap();
            let is_same = other.places() == one.places()
                && one.indices().all(|(from, _)| {
                    one.indices()
                        .all(|(to, _)| one.between(from, to) == other.between(from, to))
                });
            assert_eq!(there.is_empty(), is_same, "{name}: {}", fault.text);
            changed += usize::from(!there.is_empty());
        }
    }
    assert!(changed > 20, "{changed}");
}

#[test]
fn a_change_says_how_many_pairs_it_is_about() {
    let text = shop().replace(
        "  db-1: ",
        "  api: { subnet: internal, sg: web, count: 4 }\n  db-1: ",
    );
    let [before, after] = [
        text.clone(),
        text.replace("tcp/22 from sg:bastion", "tcp/22 from sg:web, sg:bastion"),
    ]
    .map(|text| cloud("shop.yaml", &text).1);
    let there = diff(&before, &after);
    let lines: Vec<String> = there
        .changes
        .iter()
        .map(|c| format!("{} {c}", c.pairs))
        .collect();
    assert_eq!(
        lines,
        ["30 6 places (api-1 … web-2) -> 6 places (api-1 … web-2) tcp/22: blocked -> OPEN"]
    );
    let proved = Proved::of(after);
    assert!(proved.both("api-1", "web-2").contains("22"));
}
