//! A cloud written as a lab file and made again is the same cloud: by what would change, and by who reaches whom.

use std::collections::BTreeMap;

use fabric::Fabric;
use iam::Account;
use lab::{Lab, load};
use model::{Context, Model, Region, Timestamp};
use proof::{Between, Options, Place, Reach};

use crate::dumps;
use crate::texts::BesideExamples;

fn made(lab: &Lab, seed: u64) -> Model {
    let mut model = Model::new("000000000000", lab.region(), Context::seeded(seed, Timestamp::default()));
    lab.apply(&mut model).unwrap_or_else(|e| panic!("{e}"));
    model
}

/// The model written and read, and made in an empty cloud with other ids.
fn again(model: &Model) -> (String, Lab, Model) {
    again_with(model, &Account::new(&model.account_id))
}

/// The same with the account whose roles its instances have.
fn again_with(model: &Model, account: &Account) -> (String, Lab, Model) {
    let text = lab::export_with(model, account, "again").text;
    let lab = load("again.yaml", &BesideExamples(text.clone())).unwrap_or_else(|e| panic!("{text}\n{e}"));
    let twin = made(&lab, 77);
    (text, lab, twin)
}

/// Who reaches whom, by primary addresses: ids differ and names may.
fn reach(model: &Model) -> BTreeMap<(String, String), Between> {
    let fabric = Fabric::compile(model);
    let reach = Reach::of(&fabric, Options::default()).unwrap();
    let key = |place: Place| match place {
        Place::Interface(index) => {
            let interface = &fabric.interfaces[index];
            format!("{} {}", fabric.vpcs[interface.vpc].blocks[0], interface.addresses[0].private)
        }
        _ => place.name(&fabric),
    };
    let places: Vec<_> = reach.indices().collect();
    let pairs = places.iter().flat_map(|from| places.iter().map(move |to| (*from, *to)));
    pairs.map(|((from, source), (to, target))| ((key(source), key(target)), reach.between(from, to))).collect()
}

fn examples() -> Vec<(String, Model, Account)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let name = path.to_string_lossy().into_owned();
            let lab = load(&name, &BesideExamples(std::fs::read_to_string(&path).unwrap())).unwrap_or_else(|e| panic!("{e}"));
            let model = made(&lab, 1);
            let account = lab.identities(&model.account_id).unwrap_or_else(|e| panic!("{e}"));
            all.push((name, model, account));
        }
    }
    assert!(all.len() >= 5);
    all
}

#[test]
fn every_example_written_and_read_changes_nothing() {
    for (name, model, account) in examples() {
        let (text, lab, twin) = again_with(&model, &account);
        let changes = lab.plan(&model).unwrap_or_else(|e| panic!("{text}\n{e}"));
        assert_eq!(changes, vec![], "{name}:\n{text}");
        assert_eq!(reach(&model), reach(&twin), "{name}:\n{text}");
        assert_eq!(lab::export_with(&model, &account, "x").unsaid, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_is_written_of_what_was_read_is_the_same_text() {
    for (name, model, account) in examples() {
        let (text, _, twin) = again_with(&model, &account);
        assert_eq!(lab::export_with(&twin, &account, "again").text, text, "{name}");
    }
}

#[test]
fn a_dump_made_into_a_lab_reaches_the_same() {
    let import = dumps::read(dumps::files()).unwrap_or_else(|e| panic!("{e}"));
    let (text, _, twin) = again(&import.model);
    let (imported, made) = (reach(&import.model), reach(&twin));
    // The addresses that stand for a part of the internet come from blocks that something names. Those of S3 are other
    // ones in a lab, and it says so.
    let is_of_block = |(from, to): &&(String, String)| [from, to].iter().any(|place| place.starts_with("internet ("));
    let named = |reach: &BTreeMap<(String, String), Between>| reach.keys().filter(|pair| !is_of_block(pair)).cloned().collect::<Vec<_>>();
    assert_eq!(named(&imported), named(&made), "{text}");
    for (pair, between) in imported.iter().filter(|(pair, _)| made.contains_key(*pair)) {
        assert_eq!(between, &made[pair], "{pair:?}\n{text}");
    }
    let changed = lab::export(&import.model, "again").changed;
    assert!(changed.iter().any(|line| line.contains("com.amazonaws.ap-northeast-2.s3")), "{changed:#?}");
    let open = |from: &str, to: &str| !imported[&(from.to_owned(), to.to_owned())].both.is_empty();
    assert!(open("internet", "10.10.0.0/16 10.10.0.10"), "the dump is not trivially closed");
    assert!(open("10.10.0.0/16 10.10.2.10", "10.20.0.0/16 10.20.0.10"), "a group of the other side of a peering resolves (SG-13)");
    assert!(!open("10.10.0.0/16 10.10.0.10", "10.20.0.0/16 10.20.0.10"));
}

#[test]
fn what_cannot_be_said_is_listed() {
    let import = dumps::read(dumps::files()).unwrap();
    let exported = lab::export(&import.model, "shop");
    assert!(exported.changed.iter().any(|line| line.contains("`web 1`") && line.contains("`web-1`")), "{:#?}", exported.changed);
    assert!(exported.changed.iter().any(|line| line.contains("`public-2`")), "two subnets have one name: {:#?}", exported.changed);
    let mut model = import.model;
    let vpc = model.vpcs.keys().next().unwrap().clone();
    let id: model::VpnGatewayId = "vgw-1".parse().unwrap();
    let (vpc_id, tags, origin) = (Some(vpc), Default::default(), Default::default());
    let gateway = model::gateway::VpnGateway { id: id.clone(), vpc_id, detached_vpc_id: None, tags, origin };
    model.vpn_gateways.insert(id, gateway);
    let exported = lab::export(&model, "shop");
    assert!(exported.unsaid.iter().any(|line| line.starts_with("vgw-1:")), "{:#?}", exported.unsaid);
    assert!(exported.text.contains("#   vgw-1:"), "the file says so too");
}

#[test]
fn a_group_without_egress_rules_stays_closed() {
    let text = "vpcs: { v: { cidr: 10.0.0.0/16, subnets: { s: { cidr: /24 } }, security_groups: { db: { egress: false, rules: [tcp/1 from anywhere] } } } }";
    let model = made(&load("a.yaml", &BesideExamples(text.to_owned())).unwrap(), 1);
    let db = |model: &Model| model.security_groups.values().find(|group| group.group_name == "db").unwrap().egress.len();
    assert_eq!(db(&model), 0);
    assert_eq!(db(&again(&model).2), 0);
    assert_eq!(model.region, Region::default());
}

const ONE: &str = "vpcs: { v: { cidr: 10.0.0.0/16, subnets: { s: { cidr: /24 } } } }
instances: { web: { subnet: s } }
";

fn of(text: &str) -> Lab {
    load("lab.yaml", &BesideExamples(text.to_owned())).unwrap_or_else(|e| panic!("{text}\n{e}"))
}

#[test]
fn a_policy_about_an_id_that_the_file_makes_anew_is_listed() {
    let model = made(&of(ONE), 1);
    let (web, subnet) = (model.instances.keys().next().unwrap(), model.subnets.keys().next().unwrap());
    let policies = format!(
        "iam:
  policies:
    stop: [allow ec2:Describe*, 'deny ec2:StopInstances on arn:aws:ec2:*:*:instance/{web}']
    all: ['deny ec2:StopInstances on arn:aws:ec2:*:*:instance/*', 'deny ec2:StopInstances on arn:aws:ec2:*:*:instance/i-00000000000000000']
  users:
    dev: {{ inline: {{ run: ['allow ec2:RunInstances on arn:aws:ec2:*:*:subnet/{subnet}'] }} }}
"
    );
    let account = of(&format!("{ONE}{policies}")).identities(&model.account_id).unwrap_or_else(|e| panic!("{e}"));
    let exported = lab::export_with(&model, &account, "lab");
    let [deny, allow] = exported.unsaid.as_slice() else { panic!("{:#?}", exported.unsaid) };
    assert!(deny.starts_with(&format!("policy stop, statement 2: its Deny is about {web} (web), which gets another id")), "{deny}");
    assert!(allow.starts_with(&format!("user dev: run, statement 1: its Allow is about {subnet}, which gets another id")), "{allow}");
    assert!(exported.text.contains("#   policy stop, statement 2: its Deny"), "the file says so too: {}", exported.text);
}

#[test]
fn what_lies_beside_networks_is_listed_or_written() {
    use model::operation::*;
    let mut model = made(&of(ONE), 1);
    assert_eq!(lab::export(&model, "lab").unsaid, [""; 0], "the disk of a launch is as every launch makes it");
    let root = model.ebs_volumes.keys().next().unwrap().clone();
    let subnet = model.subnets.keys().next().unwrap().clone();
    let snapshot = CreateSnapshot { volume_id: root.clone(), description: String::new(), tags: Default::default(), origin: Default::default() };
    let snapshot = create_snapshot(&mut model, snapshot).unwrap();
    let reservation = CreateSubnetCidrReservation {
        subnet_id: subnet,
        cidr: "10.0.0.128/28".parse().unwrap(),
        kind: model::subnet_cidr_reservation::ReservationType::Explicit,
        description: String::new(),
        tags: Default::default(),
    };
    let reservation = create_subnet_cidr_reservation(&mut model, reservation).unwrap();
    let mut loose = model.ebs_volumes[&root].clone();
    (loose.id, loose.attachments) = ("vol-00000000000000001".parse().unwrap(), Vec::new());
    model.ebs_volumes.insert(loose.id.clone(), loose);
    model.ebs_volumes.get_mut(&root).unwrap().spec.size_gib += 100;
    let template = model::LaunchTemplate {
        id: "lt-00000000000000001".parse().unwrap(),
        name: "front".to_owned(),
        default_version: 1,
        latest_version: 1,
        versions: BTreeMap::new(),
        create_time: Timestamp(0),
        tags: Default::default(),
        origin: Default::default(),
    };
    model.launch_templates.insert(template.id.clone(), template);
    let pair = model::KeyPair {
        id: "key-00000000000000001".parse().unwrap(),
        key_name: "laptop".to_owned(),
        key_fingerprint: String::new(),
        public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhlbGxvaGVsbG9oZWxsb2hlbGxvaGVsbG9oZWxsb2hl me".to_owned(),
        create_time: Timestamp(0),
        tags: Default::default(),
        origin: Default::default(),
    };
    model.key_pairs.insert(pair.key_name.clone(), pair);
    model.instances.values_mut().next().unwrap().disable_api_termination = true;
    let exported = lab::export(&model, "lab");
    for wanted in [
        format!("{root}: that the disk of i-"),
        "vol-00000000000000001: a volume of".to_owned(),
        format!("{snapshot}: a snapshot of {root}"),
        format!("{reservation}: that 10.0.0.128/28 of subnet-"),
        "lt-00000000000000001 (front): a launch template".to_owned(),
    ] {
        assert!(exported.unsaid.iter().any(|line| line.starts_with(&wanted)), "{wanted}: {:#?}", exported.unsaid);
    }
    assert!(exported.unsaid.iter().any(|line| line.ends_with(": that it is protected from termination")), "{:#?}", exported.unsaid);
    assert_eq!(exported.unsaid.len(), 6, "{:#?}", exported.unsaid);
    assert!(made(&of(&exported.text), 2).key_pairs.contains_key("laptop"), "a key pair that no instance has is in the file: {}", exported.text);
}
