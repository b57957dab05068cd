//! What looks wrong is found where it is, and nothing is found in labs that are as they should be.

use proof::lint::{Check, lint};
use proof::{Options, Reach};

use crate::support::{cloud, example};

/// Findings of a lab as `check subject`.
fn found(text: &str) -> Vec<String> {
    let (model, fabric) = cloud("lab.yaml", text);
    let reach = Reach::of(&fabric, Options::default()).unwrap();
    lint(&model, &fabric, &reach)
        .into_iter()
        .map(|finding| format!("{} {}", finding.check.as_str(), finding.subject))
        .collect()
}

/// A lab with a public and an internal subnet, and more.
fn lab(more: &str) -> String {
    format!(
        "vpcs:\n  v:\n    cidr: 10.0.0.0/16\n    subnets:\n      \
         front: {{ az: a, cidr: 10.0.0.0/24, route: igw }}\n      back: {{ az: a, cidr: 10.0.1.0/24 }}\n{more}"
    )
}

#[test]
fn a_lab_as_it_should_be_has_no_findings() {
    for path in [
        "examples/shop.yaml",
        "examples/bastion.yaml",
        "examples/dual-stack.yaml",
        "examples/three-tier.yaml",
    ] {
        let (model, fabric) = example(path);
        let reach = Reach::of(&fabric, Options::default()).unwrap();
        let findings = lint(&model, &fabric, &reach);
        assert!(findings.is_empty(), "{path}: {findings:#?}");
    }
}

#[test]
fn each_kind_of_finding_is_found() {
    let instance = "instances:\n  one: { subnet: front, sg: g, public_ip: true }\n  two: { subnet: back, sg: g }\n";
    let cases: Vec<(Check, String, &str)> = vec![
        (
            Check::AdminOpen,
            lab(&format!("security_groups:\n  g: [tcp/22 from anywhere]\n{instance}")),
            "admin-port-open one",
        ),
        (
            Check::DatabaseOpen,
            lab(&format!("security_groups:\n  g: [tcp/3000-4000 from anywhere]\n{instance}")),
            "database-open one",
        ),
        (
            Check::OverruledEntry,
            lab("acls:\n  strict:\n    vpc: v\n    rules: [100 allow tcp/1-1024 from anywhere, 200 deny tcp/22 from 10.0.0.0/8]\n"),
            "overruled-acl-entry acl strict in #200 deny tcp/22 10.0.0.0/8",
        ),
        (
            Check::RedundantEntry,
            lab(
                "acls:\n  strict:\n    vpc: v\n    rules: [100 allow tcp from 10.0.0.0/9, 110 allow tcp from 10.128.0.0/9, 200 allow tcp/22 from 10.0.0.0/8]\n",
            ),
            "redundant-acl-entry acl strict in #200 allow tcp/22 10.0.0.0/8",
        ),
        (
            Check::MemberlessPeer,
            lab(&format!("security_groups:\n  g: [tcp/80 from sg:h]\n  h: []\n{instance}")),
            "rule-for-nobody sg g tcp/80 from sg:h",
        ),
        (
            Check::RedundantRule,
            lab(&format!("security_groups:\n  g: [tcp/80 from 10.0.0.0/8, tcp/1-100 from anywhere]\n{instance}")),
            "redundant-rule sg g tcp/80 from 10.0.0.0/8",
        ),
        (
            Check::IdleNatGateway,
            "vpcs:\n  v:\n    cidr: 10.0.0.0/16\n    igw: true\n    subnets:\n      front: { az: a, cidr: 10.0.0.0/24, route: igw }\n    nat_gateways:\n      n: { subnet: front }\n".to_owned(),
            "idle-nat-gateway nat n",
        ),
        (Check::UnusedGroup, lab("security_groups:\n  g: [tcp/80 from anywhere]\n"), "unused-group sg g"),
        (
            Check::UselessPublicAddress,
            lab("security_groups:\n  g: []\ninstances:\n  one: { subnet: back, sg: g, public_ip: true }\n"),
            "useless-public-address one",
        ),
        (
            Check::NotPublic,
            "vpcs:\n  v:\n    cidr: 10.0.0.0/16\n    subnets:\n      public-a: { az: a, cidr: /24 }\n".to_owned(),
            "public-subnet-without-internet subnet public-a",
        ),
        (
            Check::PeeringWithoutRoute,
            "vpcs:\n  a:\n    cidr: 10.1.0.0/16\n  b:\n    cidr: 10.2.0.0/16\npeerings:\n  ab: [a, b]\n".to_owned(),
            "peering-without-route pcx ab",
        ),
    ];
    for (check, text, wanted) in cases {
        let findings = found(&text);
        assert!(
            findings.iter().any(|finding| finding == wanted),
            "{}: {findings:?}",
            check.as_str()
        );
    }
}

#[test]
fn lost_answers_are_told_from_lost_requests() {
    let text = lab(
        "acls:\n  strict:\n    vpc: v\n    rules: [100 allow tcp/80 from anywhere, 100 allow out all to anywhere]\n\
         security_groups:\n  g: [tcp/80 from anywhere]\n\
         instances:\n  one: { subnet: front, sg: g }\n  two: { subnet: back, sg: g }\n",
    );
    let text = text.replace(
        "front: { az: a, cidr: 10.0.0.0/24, route: igw }",
        "front: { az: a, cidr: 10.0.0.0/24, route: igw, acl: strict }",
    );
    assert_eq!(found(&text), ["answer-lost subnet front -> subnet back"]);
}

#[test]
fn an_answer_that_leaves_by_another_interface_is_no_fault_of_a_list() {
    let text = lab(
        "security_groups:\n  g: [tcp/80 from anywhere]\n\
         instances:\n  one: { subnet: back, sg: g }\n  two: { interfaces: [{ subnet: front, sg: g }, { subnet: front, sg: g }] }\n",
    );
    let (model, fabric) = cloud("lab.yaml", &text);
    let reach = Reach::of(&fabric, Options::default()).unwrap();
    let findings = lint(&model, &fabric, &reach);
    let lost: Vec<_> = findings.iter().filter(|finding| finding.check == Check::AnswerLost).collect();
    assert!(!lost.is_empty(), "{findings:?}");
    for finding in lost {
        assert!(finding.hint.contains("source/dest check") && !finding.hint.contains("ACL"), "{}: {}", finding.subject, finding.hint);
    }
}

#[test]
fn an_entry_that_some_packet_gets_to_is_no_finding() {
    for entries in [
        // The hole between the two blocks.
        "100 allow tcp from 10.0.0.0/10, 110 allow tcp from 10.128.0.0/9, 200 allow tcp/22 from 10.0.0.0/8",
        // UDP.
        "100 allow tcp from anywhere, 200 deny all from anywhere",
        // One port.
        "100 allow tcp/1-21 from anywhere, 110 allow tcp/23-1024 from anywhere, 200 deny tcp/20-30 from anywhere",
    ] {
        let findings = found(&lab(&format!(
            "acls:\n  strict:\n    vpc: v\n    rules: [{entries}]\n"
        )));
        assert!(
            !findings.iter().any(|finding| finding.contains("acl-entry")),
            "{entries}: {findings:?}"
        );
    }
}

#[test]
fn what_is_found_can_all_be_removed_together() {
    let lint_of = |rules: &str| {
        let text = lab(&format!("security_groups:\n  g: [{rules}]\ninstances:\n  one: {{ subnet: back, sg: g }}\n"));
        let mut redundant: Vec<String> = found(&text).into_iter().filter(|f| f.starts_with("redundant-rule")).collect();
        redundant.iter_mut().for_each(|f| *f = f.replace("redundant-rule sg g tcp/", ""));
        redundant
    };
    // Either the halves or the whole, not all three.
    let halves = ["80 from 10.0.0.0/25", "80 from 10.0.0.128/25"];
    assert_eq!(lint_of("tcp/80 from 10.0.0.0/25, tcp/80 from 10.0.0.128/25, tcp/80 from 10.0.0.0/24"), halves);
    assert_eq!(lint_of("tcp/80 from 10.0.0.0/24, tcp/80 from 10.0.0.0/25, tcp/80 from 10.0.0.128/25"), halves);
    // Several together, in ports and in blocks.
    assert_eq!(lint_of("tcp/80-90 from 10.0.0.0/24, tcp/1-85 from 10.0.0.0/25, tcp/82-99 from 10.0.0.0/25, tcp/80-100 from 10.0.0.128/25"), ["80-90 from 10.0.0.0/24"]);
    assert!(lint_of("tcp/80-90 from 10.0.0.0/24, tcp/1-85 from 10.0.0.0/25, tcp/87-99 from 10.0.0.0/25, tcp/80-100 from 10.0.0.128/25").is_empty());
}

#[test]
fn lost_answers_are_those_that_every_pair_shows_one_by_one() {
    // What a pair by pair reading finds, and what the classes find, over clouds with every kind of mistake.
    for path in ["examples/shop.yaml", "examples/three-tier.yaml", "examples/peering.yaml", "examples/middlebox.yaml", "examples/why/b.yaml"] {
        let (model, _) = example(path);
        let mut lossy = 0;
        for fault in proof::fault::faults(&model) {
            let mut broken = model.clone();
            if fault.apply(&mut broken).is_err() {
                continue;
            }
            let fabric = fabric::Fabric::compile(&broken);
            let reach = Reach::of(&fabric, Options::default()).unwrap();
            let mut shown: std::collections::BTreeMap<String, proof::TrafficSet> = std::collections::BTreeMap::new();
            let answers = Options::default().ephemeral;
            let ports = proof::TrafficSet::of_any(&[model::TrafficMatch::Tcp(answers), model::TrafficMatch::Udp(answers)]);
            for (from, source) in reach.indices() {
                for (to, place) in reach.indices() {
                    let between = reach.between(from, to);
                    let mut lost = between.request.difference(&between.both);
                    if place.is_outside() {
                        lost = lost.difference(&ports);
                    }
                    let name = |place: proof::Place| match place {
                        proof::Place::Interface(index) => format!("subnet {}", fabric.subnets[fabric.interfaces[index].subnet].name),
                        proof::Place::Internet(_) => "internet".to_owned(),
                        proof::Place::Ipv6(_) => unreachable!("none of these files gives IPv6 addresses"),
                        proof::Place::Outside(host, _) => fabric.outside[host].name.clone(),
                    };
                    if !lost.is_empty() {
                        let known = shown.entry(format!("{} -> {}", name(source), name(place))).or_insert_with(proof::TrafficSet::empty);
                        *known = known.union(&lost);
                    }
                }
            }
            let wanted: Vec<(String, String)> = shown
                .into_iter()
                .map(|(pair, lost)| (pair, format!("requests arrive, and their answers are lost on the way back: {lost}")))
                .collect();
            let mut found: Vec<(String, String)> = lint(&broken, &fabric, &reach)
                .into_iter()
                .filter(|finding| finding.check == Check::AnswerLost)
                .map(|finding| (finding.subject, finding.text))
                .collect();
            found.sort();
            assert_eq!(found, wanted, "{path}: {}: {}", fault.subject, fault.text);
            lossy += usize::from(!found.is_empty());
        }
        assert!(lossy > 0, "{path}");
    }
}

/// A lan of two hosts at a switch and a router, with one piece of it replaced.
fn classroom(from: &str, to: &str) -> String {
    let lan = "lans:
  room:
    switches: { sw-1: , sw-2: }
    routers: { r-1: { interfaces: { eth0: 10.0.1.1/24, eth1: 10.0.2.1/24 } } }
    hosts:
      pc-1: { address: 10.0.1.10/24, gateway: 10.0.1.1, mac: 02:00:00:00:00:01 }
      pc-2: { address: 10.0.1.11/24 }
      pc-3: { address: 10.0.2.10/24, gateway: 10.0.2.1 }
    links:
      - pc-1, pc-2, r-1:eth0 -- sw-1
      - pc-3, r-1:eth1 -- sw-2
";
    assert!(lan.contains(from), "{from}");
    lan.replacen(from, to, 1)
}

#[test]
fn a_lan_as_it_should_be_has_no_findings() {
    assert_eq!(found(&classroom("lans:", "lans:")), Vec::<String>::new());
}

#[test]
fn each_kind_of_finding_of_a_lan_is_found() {
    let link = |more: &str| classroom("    links:\n", &format!("    links:\n      - {more}\n"));
    let balancer = |address: &str| {
        let lan = format!("    balancers: {{ lb: {{ address: 10.0.1.2/24, virtual: {address}, ports: tcp/80, to: pc-1 }} }}\n    links:\n      - lb -- sw-1\n");
        classroom("    links:\n", &lan)
    };
    let at_vpc = |vpc: &str, more: &str| {
        let lan = classroom("eth1: 10.0.2.1/24 }", "eth1: 10.0.2.1/24, eth2: [] }");
        lan.replacen("    links:\n", &format!("    links:\n      - r-1:eth2 -- vpc:shop{more}\n"), 1) + &format!("vpcs: {{ shop: {{ cidr: {vpc} }} }}\n")
    };
    assert_eq!(found(&at_vpc("10.9.0.0/16", "")), Vec::<String>::new());
    for (lab, finding) in [
        (at_vpc("10.0.0.0/16", ""), "overlapping-lan lan room"),
        (at_vpc("10.9.0.0/16", " announce 10.9.7.0/24"), "overlapping-lan lan room"),
        (classroom("10.0.1.11/24", "10.0.1.10/24"), "duplicate-address pc-2"),
        (balancer("10.0.1.11"), "duplicate-address lb"),
        (classroom("10.0.1.11/24", "10.0.1.11/24, mac: 02:00:00:00:00:01"), "duplicate-mac pc-2"),
        (link("sw-1 -- sw-1"), "loop-without-spanning-tree lan room"),
        (classroom("gateway: 10.0.2.1", "gateway: 10.0.2.2"), "nobodys-gateway pc-3"),
        (classroom("{ address: 10.0.1.11/24 }", "dhcp"), "no-dhcp-server pc-2"),
        (classroom("sw-2: }", "sw-2: , sw-3: }"), "unlinked-device sw-3"),
        (classroom("pc-3, r-1:eth1 -- sw-2", "pc-3, r-1:eth1 -- sw-2 utp 101m"), "long-cable link"),
        (classroom("    links:\n", "    hubs: { hub-1: 1G }\n    links:\n      - sw-1 -- hub-1\n"), "hub-too-fast hub-1"),
    ] {
        assert!(found(&lab).iter().all(|found| found == finding) && !found(&lab).is_empty(), "{finding}: {:?}\n{lab}", found(&lab));
    }
}

#[test]
fn what_is_no_mistake_of_a_lan_is_not_found() {
    let link = |more: &str| classroom("    links:\n", &format!("    links:\n      - {more}\n"));
    for lab in [
        // Behind two routers, or in two lans, an address may come twice.
        classroom("10.0.2.10/24, gateway: 10.0.2.1", "10.0.1.10/24"),
        classroom("lans:", "lans:\n  other: { hosts: { o-1: 10.0.1.10/24, o-2: 10.0.1.11/24 }, links: [o-1 -- o-2] }"),
        link("sw-1 -- sw-1 down"),
        classroom("sw-1: ,", "sw-1: { spanning_tree: true },").replacen("    links:\n", "    links:\n      - sw-1 -- sw-2\n      - sw-2 -- sw-1\n", 1),
        classroom("pc-2: { address: 10.0.1.11/24 }", "pc-2: dhcp").replacen("eth1: 10.0.2.1/24 }", "eth1: 10.0.2.1/24 }, serve: dhcp 10.0.1.100-10.0.1.199", 1),
        classroom("pc-3, r-1:eth1 -- sw-2", "pc-3, r-1:eth1 -- sw-2 fiber 2km"),
    ] {
        assert_eq!(found(&lab), Vec::<String>::new(), "{lab}");
    }
}
