//! What looks wrong is found where it is, and nothing is found in labs that are as they should be.
#![allow(clippy::unwrap_used)]

mod support;

use proof::lint::{Check, lint};
use proof::{Options, Reach};
use support::{cloud, example};

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
