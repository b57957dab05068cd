//! Domains of lans as pictures: well-formed, everything in them once, nothing on top of anything else, and every link with its
//! number. Set `VPCLAB_PICTURES` to a directory to look at them.

use std::collections::{BTreeMap, BTreeSet};

use diagram::domains::{Domains, svg};
use model::Origin;
use model::lan::{Device, End, Framing, Host, Interface, Lan, Link, Repeater, Router, Switch};

use crate::xml::{self, Document, points};

/// A lan out of `name kind` and `a -- b`.
fn lan(devices: &[(&str, &str)], links: &[(&str, &str)]) -> Lan {
    let mut lan = Lan::default();
    for (name, kind) in devices {
        let interfaces = BTreeMap::from([("eth0".to_owned(), Interface { addresses: vec!["10.0.0.1/24".parse().expect("a block")], ..Interface::default() })]);
        let device = match *kind {
            "hub" => Device::Hub(Repeater::default()),
            "repeater" => Device::Repeater(Repeater::default()),
            "switch" => Device::Switch(Switch::default()),
            "bridge" => Device::Bridge(Switch::default()),
            "router" => Device::Router(Router::default()),
            _ => Device::Host(Host { interfaces, ..Host::default() }),
        };
        lan.devices.insert((*name).to_owned(), device);
    }
    let mut ports: BTreeMap<String, usize> = BTreeMap::new();
    let mut end = |name: &str| {
        let port = ports.entry(name.to_owned()).or_default();
        *port += 1;
        match name.strip_prefix("vpc:") {
            Some(vpc) => End::Vpc(vpc.to_owned()),
            None => End::Device { device: name.to_owned(), interface: format!("eth{}", *port - 1) },
        }
    };
    for (a, b) in links {
        lan.links.push(Link {
            a: end(a),
            b: end(b),
            rate_bits_per_second: 100_000_000,
            half_duplex: false,
            delay_nanoseconds: 500,
            loss_per_million: 0,
            duplicate_per_million: 0,
            reorder_per_million: 0,
            queue_frames: 100,
            mtu_bytes: 1_500,
            cable: None,
            framing: Framing::Ethernet,
            up: true,
            announce: Vec::new(),
            origin: Origin::default(),
        });
    }
    lan
}

/// Links that devices of some kinds join; what the simulator counts, said once more.
fn joined(lan: &Lan, joins: &[&str]) -> Vec<Vec<usize>> {
    let device = |end: &End| if let End::Device { device, .. } = end { Some(device.clone()) } else { None };
    let mut groups: Vec<Vec<usize>> = (0..lan.links.len()).map(|link| vec![link]).collect();
    for (name, _) in lan.devices.iter().filter(|(_, device)| joins.contains(&device.kind())) {
        let is_at = |link: &usize| [&lan.links[*link].a, &lan.links[*link].b].iter().any(|end| device(end).as_ref() == Some(name));
        let (at, mut others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.iter().any(is_at));
        let mut one: Vec<usize> = at.into_iter().flatten().collect();
        one.sort_unstable();
        others.extend((!one.is_empty()).then_some(one));
        groups = others;
    }
    groups.sort();
    groups
}

fn drawn<'m>(name: &'m str, lan: &'m Lan) -> Domains<'m> {
    Domains { name, lan, collision: joined(lan, &["hub", "repeater"]), broadcast: joined(lan, &["hub", "repeater", "switch", "bridge"]) }
}

fn named(prefix: &str, kind: &'static str, count: usize) -> Vec<(String, &'static str)> {
    (1..=count).map(|number| (format!("{prefix}-{number}"), kind)).collect()
}

/// Lans of all shapes by name.
fn lans() -> Vec<(String, Lan)> {
    let mut all = vec![
        ("three".to_owned(), lan(&[("pc-1", "host"), ("pc-2", "host"), ("hub-1", "hub")], &[("pc-1", "hub-1"), ("pc-2", "hub-1")])),
        ("cable".to_owned(), lan(&[("pc-1", "host"), ("pc-2", "host")], &[("pc-1", "pc-2")])),
        ("unlinked".to_owned(), lan(&[("pc-1", "host"), ("sw-1", "switch"), ("pc-2", "host")], &[("pc-1", "sw-1")])),
        ("nothing".to_owned(), Lan::default()),
        (
            "routers".to_owned(),
            lan(
                &[("r-1", "router"), ("r-2", "router"), ("r-3", "router"), ("pc-1", "host"), ("sw-1", "switch")],
                &[("r-1", "r-2"), ("r-2", "r-3"), ("r-3", "r-1"), ("r-1", "sw-1"), ("pc-1", "sw-1"), ("r-2", "vpc:shop"), ("r-3", "vpc:shop")],
            ),
        ),
        (
            "loops".to_owned(),
            lan(
                &[("sw-1", "switch"), ("sw-2", "switch"), ("sw-3", "switch"), ("hub-1", "hub"), ("rep-1", "repeater"), ("br-1", "bridge"), ("pc-1", "host"), ("gate", "router")],
                &[
                    ("sw-1", "sw-2"), ("sw-2", "sw-3"), ("sw-3", "sw-1"), ("sw-1", "sw-2"), ("hub-1", "sw-3"), ("hub-1", "rep-1"), ("rep-1", "br-1"),
                    ("br-1", "sw-1"), ("pc-1", "hub-1"), ("gate", "sw-1"), ("gate", "sw-2"), ("gate", "hub-1"),
                ],
            ),
        ),
    ];
    // Sixty devices: four switches and two hubs with hosts, behind three routers.
    let mut devices: Vec<(String, &str)> = [named("sw", "switch", 4), named("hub", "hub", 2), named("r", "router", 3), named("pc", "host", 51)].concat();
    devices.push(("a-host-with-a-name-that-goes-on-for-long".to_owned(), "host"));
    let mut links: Vec<(String, String)> = Vec::new();
    for number in 1..=51 {
        let at = [("sw", 1), ("sw", 2), ("sw", 3), ("hub", 1), ("hub", 2), ("sw", 4)][number % 6];
        links.push((format!("pc-{number}"), format!("{}-{}", at.0, at.1)));
    }
    for (a, b) in [("sw-1", "hub-1"), ("sw-1", "r-1"), ("sw-2", "r-1"), ("sw-3", "r-2"), ("hub-2", "r-3"), ("sw-4", "r-3"), ("r-1", "r-2"), ("r-2", "r-3"), ("r-3", "r-1")] {
        links.push((a.to_owned(), b.to_owned()));
    }
    links.push(("a-host-with-a-name-that-goes-on-for-long".to_owned(), "sw-3".to_owned()));
    let borrowed = |all: &[(String, String)]| all.iter().map(|(a, b)| (a.clone(), b.clone())).collect::<Vec<_>>();
    let links = borrowed(&links);
    let devices: Vec<(&str, &str)> = devices.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let links: Vec<(&str, &str)> = links.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    all.push(("sixty".to_owned(), lan(&devices, &links)));
    all
}

#[test]
fn every_device_and_domain_is_drawn_once_apart_from_the_others_and_within_the_picture() {
    for (name, lan) in lans() {
        let drawn = drawn(&name, &lan);
        let text = svg(std::slice::from_ref(&drawn));
        if let Some(directory) = std::env::var_os("VPCLAB_PICTURES") {
            std::fs::write(std::path::Path::new(&directory).join(format!("domains-{name}.svg")), &text).expect("write");
        }
        assert!(text == svg(std::slice::from_ref(&drawn)) && text.contains("prefers-color-scheme:dark"), "{name}");
        for foreign in ["<script", "href", "url(", "@import", "<foreignObject", "onload"] {
            assert!(!text.contains(foreign), "{name}: {foreign}");
        }
        let document = Document::parse(&text).unwrap_or_else(|error| panic!("{name} is not well-formed: {error}"));
        let mut names: Vec<&str> = document.all().map(|one| one.name.as_str()).filter(|name| lan.devices.contains_key(*name)).collect();
        names.sort_unstable();
        assert_eq!(names, lan.devices.keys().map(String::as_str).collect::<Vec<_>>(), "{name}");
        let areas = document.all().filter(|one| one.name.starts_with("broadcast domain")).count();
        assert_eq!(areas, drawn.broadcast.len(), "{name}");
        let boxes: Vec<_> = document.all().collect();
        for one in &boxes {
            assert!(document.size.contains(one.rect), "{name}: {} leaves the picture", one.name);
            for text in &one.texts {
                assert!(one.rect.contains(text.rect), "{name}: `{}` leaves {}", text.text, one.name);
            }
            for inner in &one.boxes {
                assert!(one.rect.contains(inner.rect), "{name}: {} leaves {}", inner.name, one.name);
            }
            let is_within = |other: &xml::Box| one.boxes.iter().chain(&other.boxes).any(|inner| inner.name == one.name || inner.name == other.name);
            for other in boxes.iter().filter(|other| other.name != one.name && !is_within(other)) {
                assert!(!one.rect.overlaps(other.rect), "{name}: {} lies on {}", one.name, other.name);
            }
        }
    }
}

#[test]
fn every_link_has_a_line_with_the_number_of_its_collision_domain() {
    for (name, lan) in lans() {
        let drawn = drawn(&name, &lan);
        let text = svg(std::slice::from_ref(&drawn));
        for (number, domain) in drawn.collision.iter().enumerate() {
            // A link between two routers is drawn from its box to either.
            let end = format!(": collision domain {}</title>", number + 1);
            let shown: BTreeSet<&str> = text.lines().filter(|line| line.ends_with(&end)).map(str::trim).collect();
            assert_eq!(shown.len(), domain.len(), "{name}: {}", number + 1);
        }
    }
}

#[test]
fn no_line_runs_through_a_device_or_a_word() {
    for (name, lan) in lans() {
        let document = Document::parse(&svg(&[drawn(&name, &lan)])).expect("a picture");
        let cards: Vec<_> = document.all().filter(|one| lan.devices.contains_key(&one.name)).collect();
        for line in &document.lines {
            for point in points(line) {
                for card in &cards {
                    assert!(!card.rect.shrunk(1).holds(point), "{name}: a line runs through {} at {point:?}", card.name);
                }
                for one in document.all() {
                    let hit = one.texts.iter().find(|text| text.text.parse::<usize>().is_err() && text.rect.holds(point));
                    assert!(hit.is_none(), "{name}: a line runs through {hit:?}");
                }
            }
        }
    }
}

#[test]
fn several_lans_are_one_picture() {
    let lans = lans();
    let all: Vec<Domains<'_>> = lans.iter().map(|(name, lan)| drawn(name, lan)).collect();
    let document = Document::parse(&svg(&all)).expect("a picture");
    assert!(document.all_texts().any(|text| text.text.starts_with("three: 3 nodes")));
    assert!(document.all_texts().all(|text| document.size.contains(text.rect)));
}
