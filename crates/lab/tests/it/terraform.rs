//! Plans and states as Terraform 1.11 wrote them (AWS provider 3.39), against the lab file of the same cloud. The state is
//! of an emulated account; its NAT gateway was given an address inside its subnet, where the emulator gave none.

use std::collections::BTreeMap;

use fabric::Fabric;
use lab::aws::{DumpFile, Import, NoteKind};
use lab::{Files, load, terraform};
use model::{Context, Model, Timestamp};
use proof::{Between, Options, Place, Reach};

const PLAN: &str = include_str!("../terraform/shop.plan.json");
const STATE: &str = include_str!("../terraform/shop.state.json");
/// A VPC with an IPv6 block that Amazon chooses, subnets cut out of it, and instances that are given addresses (AWS
/// provider 5.100).
const IPV6: &str = include_str!("../terraform/ipv6.plan.json");

/// The shop of the plan, written by hand. Addresses are those that the plan's are taken to be.
const LAB: &str = "
region: ap-northeast-2
vpcs:
  shop:
    cidr: 10.0.0.0/16
    subnets:
      public-0: { az: a, cidr: 10.0.0.0/24, route: igw, public_ips: true }
      public-1: { az: c, cidr: 10.0.1.0/24, route: igw, public_ips: true }
      app-a: { az: a, cidr: 10.0.10.0/24, route: nat@public-0 }
      app-c: { az: c, cidr: 10.0.11.0/24, route: nat@public-0 }
      db-a: { az: a, cidr: 10.0.20.0/24, route: none, acl: db }
    security_groups:
      web: [tcp/443 from anywhere]
      app: [tcp/8080 from sg:web]
      db: { egress: false, rules: [tcp/5432 from sg:app] }
    acls:
      db: [100 allow tcp/5432 from 10.0.0.0/16, 100 allow out all to 10.0.0.0/16]
instances:
  web-0: { subnet: public-0, sg: web, private_ip: 10.0.0.4 }
  web-1: { subnet: public-1, sg: web, private_ip: 10.0.1.4 }
  app-a: { subnet: app-a, sg: app, private_ip: 10.0.10.4 }
  app-c: { subnet: app-c, sg: app, private_ip: 10.0.11.4 }
  db: { subnet: db-a, sg: db, private_ip: 10.0.20.10 }
";

struct One(&'static str);

impl Files for One {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        Ok((name.to_owned(), self.0.to_owned()))
    }
}

fn read(text: impl Into<String>) -> Result<Import, lab::Diagnostics> {
    terraform::read(DumpFile { name: "plan.json".to_owned(), text: text.into() }, Timestamp(0))
}

/// The plan with one text in place of another, which must be there.
fn edited(from: &str, to: &str) -> String {
    assert!(PLAN.contains(from), "{from}");
    PLAN.replace(from, to)
}

/// Who reaches whom, by names of instances.
fn reach(model: &Model) -> BTreeMap<(String, String), Between> {
    let fabric = Fabric::compile(model);
    let reach = Reach::of(&fabric, Options::default()).unwrap();
    let key = |place: Place| match place {
        Place::Interface(index) => {
            let id = &fabric.interfaces[index].id;
            let instance = model.network_interfaces[id].instance_id();
            instance.map_or_else(|| "no instance".to_owned(), |instance| model.instances[instance].tags["Name"].clone())
        }
        _ => place.name(&fabric),
    };
    let places: Vec<_> = reach.indices().collect();
    let pairs = places.iter().flat_map(|from| places.iter().map(move |to| (*from, *to)));
    pairs.map(|((from, source), (to, target))| ((key(source), key(target)), reach.between(from, to))).collect()
}

fn is_open(model: &Model, from: &str, to: &str) -> bool {
    !reach(model)[&(from.to_owned(), to.to_owned())].both.is_empty()
}

#[test]
fn a_plan_reaches_what_its_lab_file_reaches() {
    let lab = load("shop.yaml", &One(LAB)).unwrap_or_else(|e| panic!("{e}"));
    let mut model = Model::new("000000000000", lab.region(), Context::seeded(1, Timestamp(0)));
    lab.apply(&mut model).unwrap_or_else(|e| panic!("{e}"));
    let import = read(PLAN).unwrap_or_else(|e| panic!("{e}"));
    assert!(!import.is_incomplete(), "{:#?}", import.notes);
    assert!(import.notes.iter().any(|note| note.text.contains("aws_s3_bucket (1 ")), "{:#?}", import.notes);
    assert_eq!(reach(&import.model), reach(&model));
    assert!(is_open(&import.model, "app-c", "db") && !is_open(&import.model, "web-0", "db"));
    assert_eq!(import.model, read(PLAN).unwrap().model, "the same plan is the same cloud");
}

#[test]
fn a_state_has_the_ids_and_addresses_that_exist() {
    let import = read(STATE).unwrap_or_else(|e| panic!("{e}"));
    assert!(!import.is_incomplete(), "{:#?}", import.notes);
    let model = &import.model;
    assert_eq!((model.vpcs.len(), model.subnets.len(), model.instances.len()), (1, 5, 5));
    assert!(model.instances.keys().all(|id| STATE.contains(id.as_str())));
    assert!(is_open(model, "app-a", "db") && !is_open(model, "web-0", "db") && is_open(model, "app-a", "internet"));
}

#[test]
fn a_source_that_is_not_known_opens_nothing() {
    let before = read(PLAN).unwrap().model;
    assert!(is_open(&before, "web-0", "app-a") && is_open(&before, "app-a", "db"));
    // A local value has no expression in a plan.
    let own = "\"source_security_group_id\":{\"references\":[\"aws_security_group.app.id\",\"aws_security_group.app\"]}";
    let import = read(edited(own, "\"source_security_group_id\":{\"references\":[\"local.source\"]}")).unwrap();
    assert!(import.notes.iter().any(|note| note.kind == NoteKind::Unknown && note.text.contains("db_from_app.source_security_group_id")), "{:#?}", import.notes);
    assert!(!is_open(&import.model, "app-a", "db"));
    // One of two groups: which one, no plan tells.
    let choice = "\"source_security_group_id\":{\"references\":[\"aws_security_group.app.id\",\"aws_security_group.app\",\"aws_security_group.web.id\"]}";
    let import = read(edited(own, choice)).unwrap();
    assert!(import.is_incomplete() && !is_open(&import.model, "app-a", "db") && !is_open(&import.model, "web-0", "db"));
    // An inline rule whose group is not told.
    let inline = "\"ingress\":{\"references\":[\"aws_security_group.web.id\",\"aws_security_group.web\"]}";
    let import = read(edited(inline, "\"ingress\":{\"references\":[\"data.aws_security_group.web.id\"]}")).unwrap();
    assert!(import.is_incomplete() && !is_open(&import.model, "web-0", "app-a"));
}

#[test]
fn an_index_that_may_be_computed_is_not_guessed() {
    // Three web servers over two subnets: `aws_subnet.public[count.index % 2]`, or whatever it is; the plan says the same.
    let mut plan: serde_json::Value = serde_json::from_str(PLAN).unwrap();
    let all = plan["planned_values"]["root_module"]["resources"].as_array_mut().unwrap();
    let mut third = all.iter().find(|resource| resource["address"] == "aws_instance.web[1]").unwrap().clone();
    (third["address"], third["index"]) = ("aws_instance.web[2]".into(), 2.into());
    third["values"]["tags"]["Name"] = "web-2".into();
    all.push(third);
    let changes = plan["resource_changes"].as_array_mut().unwrap();
    let mut third = changes.iter().find(|change| change["address"] == "aws_instance.web[1]").unwrap().clone();
    (third["address"], third["index"]) = ("aws_instance.web[2]".into(), 2.into());
    changes.push(third);
    let import = read(plan.to_string()).unwrap_or_else(|e| panic!("{e}"));
    for number in 0..3 {
        let unknown = format!("aws_instance.web[{number}].subnet_id is not known");
        assert!(import.notes.iter().any(|note| note.kind == NoteKind::Unknown && note.text.starts_with(&unknown)), "{unknown}: {:#?}", import.notes);
    }
    let names: Vec<&str> = import.model.instances.values().filter_map(|instance| model::tag::name(&instance.tags)).collect();
    assert!(names.contains(&"db") && !names.iter().any(|name| name.starts_with("web")), "{names:?}");
}

#[test]
fn a_list_or_route_that_is_not_known_lets_nothing_pass() {
    let subnets = "\"subnet_ids\":{\"references\":[\"module.db.subnet_ids\",\"module.db\"]}";
    let import = read(edited(subnets, "\"subnet_ids\":{\"references\":[\"local.subnets\"]}")).unwrap();
    assert!(import.is_incomplete() && !is_open(&import.model, "app-a", "db") && !is_open(&import.model, "internet", "web-0"));
    let gateway = "\"route\":{\"references\":[\"aws_internet_gateway.igw.id\",\"aws_internet_gateway.igw\"]}";
    let import = read(edited(gateway, "\"route\":{\"references\":[\"local.gateway\"]}")).unwrap();
    assert!(import.is_incomplete() && !is_open(&import.model, "internet", "web-0"));
}

#[test]
fn ipv6_blocks_and_addresses_that_aws_will_choose_are_free_ones() {
    let import = read(IPV6).unwrap_or_else(|e| panic!("{e}"));
    let model = &import.model;
    assert!(import.notes.iter().any(|note| note.text.starts_with("3 IPv6 blocks and 3 IPv6 addresses")), "{:#?}", import.notes);
    let blocks: BTreeMap<_, _> = model.subnets.values().filter_map(|subnet| Some((model::tag::name(&subnet.tags)?, subnet.ipv6_cidr_blocks.len()))).collect();
    assert_eq!(blocks, BTreeMap::from([("old", 0), ("private", 1), ("public", 1)]));
    let of_vpc = model.vpcs.values().next().and_then(|vpc| vpc.ipv6_blocks().next()).expect("a block");
    let mut all = std::collections::BTreeSet::new();
    let mut addresses_of = |name: &str| {
        let instance = model.instances.values().find(|instance| model::tag::name(&instance.tags) == Some(name)).expect("an instance");
        let own = model.network_interfaces.values().filter(|interface| interface.instance_id() == Some(&instance.id));
        let addresses: Vec<_> = own.flat_map(|interface| interface.ipv6_addresses.clone()).collect();
        assert!(addresses.iter().all(|address| of_vpc.contains(address) && all.insert(*address)), "{addresses:?}");
        addresses.len()
    };
    assert_eq!((addresses_of("web"), addresses_of("worker"), addresses_of("old")), (1, 2, 0));
    // A rule from the block that nobody knows yet lets nobody through.
    assert!(import.notes.iter().any(|note| note.kind == NoteKind::Unknown && note.text.contains("of_the_vpc")), "{:#?}", import.notes);
}

#[test]
fn errors_name_the_file_and_the_path() {
    for (text, wanted) in [
        ("", "plan.json"),
        ("[]", "no output of `terraform show -json`"),
        ("{\"format_version\":\"1.2\",\"values\":{\"root_module\":{\"resources\":[{\"mode\":\"managed\"}]}}}", "values.root_module.resources[0].address"),
    ] {
        let error = read(text).unwrap_err().render(false);
        assert!(error.contains(wanted) && error.contains("plan.json"), "{text}\n{error}");
    }
    let error = read(edited("\"cidr_block\":\"10.0.0.0/16\",\"enable_dns", "\"cidr_block\":\"10.0.0.0/99\",\"enable_dns")).unwrap_err().render(false);
    assert!(error.contains("planned_values.root_module.resources[") && error.contains("cidr_block") && error.contains("aws_vpc.shop"), "{error}");
}

#[test]
fn what_is_cut_off_is_an_error_and_no_panic() {
    for text in [PLAN, STATE] {
        for end in (0..text.trim_end().len()).step_by(101).filter(|end| text.is_char_boundary(*end)) {
            assert!(read(&text[..end]).is_err(), "{end}");
        }
    }
}
