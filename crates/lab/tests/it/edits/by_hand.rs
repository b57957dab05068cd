//! Edits that people make, one by one: what the plan says, what stays, what is another.

use lab::Action;
use model::operation::delete_vpc_peering_connection;
use model::{InstanceState, Model, tag};

use super::{apply, check_edit, empty};

const SHOP: &str = "outside: { office: 203.0.113.7 }
vpcs:
  shop:
    cidr: 10.0.0.0/16
    subnets:
      public: { az: a, cidr: /24, route: igw }
      spare:  { az: c, cidr: /24, route: igw }
      inside: { az: a, cidr: /24, route: nat@public }
security_groups:
  web: [ tcp/80 from anywhere, tcp/22 from office ]
  db:  [ tcp/3306 from sg:web ]
acls:
  strict: [ 100 allow all from anywhere, 100 allow out all to anywhere ]
instances:
  web:  { subnet: public, sg: web, public_ip: eip, listen: tcp/80, count: 2 }
  db:   { subnet: inside, sg: db, listen: tcp/3306 }
";

pub struct Edited {
    pub before: Model,
    pub after: Model,
    pub plan: Vec<String>,
}

/// Makes `first` by an edit what `second` says, holds it to the law, and keeps what was before.
pub fn edited(first: &str, second: &str) -> Edited {
    let mut before = empty(1);
    apply(first, &mut before).unwrap_or_else(|e| panic!("{e}"));
    let mut after = before.clone();
    let plan = super::read(second).plan(&before).unwrap_or_else(|e| panic!("{e}"));
    check_edit(&mut after, second).unwrap_or_else(|e| panic!("{e}"));
    let plan = plan.iter().map(ToString::to_string).collect();
    Edited { before, after, plan }
}

/// The shop with one piece replaced.
fn shop(from: &str, to: &str) -> Edited {
    assert_eq!(SHOP.matches(from).count(), 1, "{from}");
    edited(SHOP, &SHOP.replace(from, to))
}

pub fn instance<'m>(model: &'m Model, name: &str) -> &'m model::Instance {
    let is_up = |i: &&model::Instance| !matches!(i.state, InstanceState::Terminated | InstanceState::ShuttingDown);
    model.instances.values().filter(is_up).find(|i| tag::name(&i.tags) == Some(name)).unwrap()
}

fn public(model: &Model, name: &str) -> Option<std::net::Ipv4Addr> {
    let interface = model.interfaces_of(&instance(model, name).id)[0];
    model.public_ip_of(interface, interface.primary_address())
}

fn private(model: &Model, name: &str) -> std::net::Ipv4Addr {
    model.interfaces_of(&instance(model, name).id)[0].primary_address()
}

/// Whether an instance is the same as before.
pub fn stays(edit: &Edited, name: &str) -> bool {
    instance(&edit.before, name).id == instance(&edit.after, name).id
}

#[test]
fn moving_an_instance_replaces_it_and_keeps_its_elastic_address() {
    let edit = shop("web:  { subnet: public,", "web:  { subnet: spare,");
    assert_eq!(
        edit.plan,
        [
            "-/+ instance web-1: private address: 10.0.0.4 → 10.0.1.4, subnet: public → spare",
            "-/+ instance web-2: private address: 10.0.0.5 → 10.0.1.5, subnet: public → spare",
        ]
    );
    assert!(!stays(&edit, "web-1") && stays(&edit, "db"));
    assert_eq!(public(&edit.before, "web-1"), public(&edit.after, "web-1"));
}

#[test]
fn a_private_address_that_is_written_replaces_the_instance_and_moves_who_is_in_the_way() {
    let edit = shop("db:   { subnet: inside, sg: db,", "db:   { subnet: inside, sg: db, private_ip: 10.0.2.99,");
    assert_eq!(edit.plan, ["-/+ instance db: private address: 10.0.2.4 → 10.0.2.99"]);
    let more = "  late: { subnet: public, sg: db, private_ip: 10.0.0.4 }\n";
    let edit = edited(SHOP, &format!("{SHOP}{more}"));
    assert_eq!(edit.plan, ["-/+ instance web-1: private address: 10.0.0.4 → 10.0.0.7", "+ instance late"]);
    assert!(stays(&edit, "web-2"));
    assert_eq!(private(&edit.after, "late").to_string(), "10.0.0.4");
}

#[test]
fn another_block_replaces_a_subnet_and_what_lives_in_it() {
    let edit = shop("inside: { az: a, cidr: /24,", "inside: { az: a, cidr: 10.0.77.0/24,");
    assert_eq!(
        edit.plan,
        ["-/+ subnet inside: block: 10.0.2.0/24 → 10.0.77.0/24", "-/+ instance db: private address: 10.0.2.4 → 10.0.77.4",]
    );
    assert!(stays(&edit, "web-1"));
    let edit = shop("inside: { az: a,", "inside: { az: c,");
    assert_eq!(edit.plan[0], "-/+ subnet inside: zone: ap-northeast-2a → ap-northeast-2c");
    assert_eq!(edit.plan[1], "-/+ instance db: subnet inside is replaced");
}

#[test]
fn another_primary_block_replaces_the_vpc_and_all_in_it_but_keeps_elastic_addresses() {
    let edit = shop("cidr: 10.0.0.0/16", "cidr: 10.9.0.0/16");
    assert_eq!(edit.plan[0], "-/+ vpc shop: primary block: 10.0.0.0/16 → 10.9.0.0/16");
    assert!(edit.plan.contains(&"-/+ security group web: vpc shop is replaced".to_owned()), "{:#?}", edit.plan);
    assert!(edit.plan.iter().all(|line| line.starts_with("-/+")), "{:#?}", edit.plan);
    assert_eq!(public(&edit.before, "web-2"), public(&edit.after, "web-2"));
    let of_nat = |model: &Model| {
        model.nat_gateways.values().find(|n| n.state.as_str() == "available").and_then(|n| n.allocation_id.clone())
    };
    assert_eq!(of_nat(&edit.before), of_nat(&edit.after));
}

#[test]
fn a_nat_gateway_in_another_subnet_is_another_one() {
    let with = |subnet: &str| {
        SHOP.replace("nat@public }", "nat@out }")
            .replace("security_groups:", &format!("    nat_gateways: {{ out: {{ subnet: {subnet} }} }}\nsecurity_groups:"))
    };
    let edit = edited(&with("public"), &with("spare"));
    assert_eq!(edit.plan, ["-/+ nat gateway out: private address: 10.0.0.6 → 10.0.1.4, subnet: public → spare"]);
    assert_eq!(edit.before.addresses.keys().collect::<Vec<_>>(), edit.after.addresses.keys().collect::<Vec<_>>());
    assert!(stays(&edit, "db"));
}

#[test]
fn counts_grow_and_shrink_at_the_end() {
    let edit = shop("count: 2", "count: 3");
    assert_eq!(edit.plan, ["+ instance web-3", "+ elastic address web-3"]);
    assert!(stays(&edit, "web-1") && stays(&edit, "web-2"));
    let edit = shop("count: 2", "count: 1");
    assert_eq!(edit.plan, ["- elastic address web-2", "- instance web-2"]);
    assert_eq!(edit.after.addresses.len(), 2, "its address was given back");
    assert!(stays(&edit, "web-1"));
}

#[test]
fn a_new_name_is_a_new_thing() {
    let edit = shop("  db:   {", "  data: {");
    assert_eq!(edit.plan, ["- instance db", "+ instance data"]);
    assert_eq!(private(&edit.before, "db"), private(&edit.after, "data"), "the address is free for it");
    let edit = edited(SHOP, &SHOP.replace("strict:", "open:"));
    assert_eq!(edit.plan, ["- network ACL strict", "+ network ACL open"]);
    let edit =
        edited(SHOP, &SHOP.replace("sg:web", "sg:front").replace("sg: web", "sg: front").replace("  web: [", "  front: ["));
    assert_eq!(
        edit.plan,
        [
            "- security group web",
            "+ security group front",
            "~ security group db: + tcp/3306 from sg:front",
            "~ security group db: - tcp/3306 from sg:web",
            "~ instance web-1: security groups: web → front",
            "~ instance web-2: security groups: web → front",
        ]
    );
    assert!(stays(&edit, "web-1"));
}

#[test]
fn a_place_and_an_instance_can_change_names() {
    let edit = edited(
        SHOP,
        &SHOP.replace("office: 203", "db: 203").replace("from office", "from db").replace("  db:   {", "  office: {"),
    );
    assert_eq!(edit.plan, ["- instance db", "- outside place office", "+ outside place db", "+ instance office"]);
}

#[test]
fn rules_move_between_groups_and_entries_get_other_numbers() {
    let edit =
        edited(SHOP, &SHOP.replace(", tcp/22 from office ]", " ]").replace("from sg:web ]", "from sg:web, tcp/22 from office ]"));
    assert_eq!(
        edit.plan,
        ["~ security group web: - tcp/22 from 203.0.113.7/32", "~ security group db: + tcp/22 from 203.0.113.7/32"]
    );
    let edit = shop("[ 100 allow all from anywhere,", "[ 200 allow all from anywhere,");
    assert_eq!(
        edit.plan,
        ["~ network ACL strict: - 100 allow all from 0.0.0.0/0", "~ network ACL strict: + 200 allow all from 0.0.0.0/0"]
    );
    let edit = shop("  db:  [ tcp/3306 from sg:web ]", "  db:  { description: the database, rules: [ tcp/3306 from sg:web ] }");
    assert_eq!(edit.plan, ["-/+ security group db: description: db → the database"]);
    assert!(stays(&edit, "db"), "an instance outlives its group");
}

#[test]
fn a_route_leads_elsewhere() {
    let edit = shop("route: nat@public }", "route: igw }");
    assert_eq!(
        edit.plan,
        [
            "- route table shop-nat-public",
            "- nat gateway nat-public",
            "- elastic address nat-public",
            "~ subnet inside: route table: shop-nat-public → shop-public",
        ]
    );
    assert!(stays(&edit, "db"));
    let edit = shop("route: nat@public }", "route: none }");
    assert!(edit.plan.contains(&"~ subnet inside: route table: shop-nat-public → (main)".to_owned()), "{:?}", edit.plan);
    let closed = SHOP.replace("igw }", "none }").replace("nat@public }", "none }").replace("public_ip: eip, ", "");
    let edit = edited(SHOP, &closed);
    assert!(edit.plan.contains(&"- internet gateway shop-igw".to_owned()), "{:?}", edit.plan);
    assert_eq!((edit.after.addresses.len(), edit.after.internet_gateways.len()), (0, 0));
}

#[test]
fn public_addresses_come_change_and_go_in_place() {
    let with = |public: &str| SHOP.replace("public_ip: eip", public);
    for steps in [
        ["public_ip: true", "public_ip: eip"],
        ["public_ip: eip", "listen_also"],
        ["public_ip: false", "public_ip: true"],
        ["public_ip: eip", "public_ip: true"],
    ] {
        let [from, to] = steps.map(|public| if public == "listen_also" { with("public_ip: false") } else { with(public) });
        let edit = edited(&from, &to);
        assert!(stays(&edit, "web-1") && stays(&edit, "web-2"), "{steps:?}");
        assert!(!edit.plan.is_empty());
    }
    let one = |public: &str| with(public).replace(", count: 2", "");
    let edit = edited(&one("public_ip: eip"), &one("public_ip: 52.95.110.9"));
    let was = public(&edit.before, "web").unwrap();
    assert_eq!(edit.plan, [format!("~ elastic address web: address: {was} → 52.95.110.9")]);
    assert_eq!(public(&edit.after, "web").map(|a| a.to_string()).as_deref(), Some("52.95.110.9"));
}

#[test]
fn what_runs_changes_in_place_and_what_ran_at_first_boot_does_not() {
    let edit = shop("listen: tcp/3306", "listen: [tcp/3306, udp/53], run: sleep 9");
    assert_eq!(edit.plan, ["~ instance db: + listens on udp/53", "~ instance db: what runs in it"]);
    assert!(stays(&edit, "db"));
    let edit = shop("listen: tcp/3306", "listen: tcp/3306, user_data: echo first");
    assert_eq!(edit.plan, ["-/+ instance db: user data"]);
    let edit = shop("listen: tcp/3306", "listen: tcp/3306, stopped: true, type: m5.large");
    assert!(stays(&edit, "db"));
    assert_eq!(instance(&edit.after, "db").state, InstanceState::Stopped);
}

#[test]
fn an_instance_like_another_follows_it() {
    let with = |sg: &str| format!("{}  twin: {{ like: db, tags: {{ role: copy }} }}\n", SHOP.replace("sg: db,", sg));
    let edit = edited(&with("sg: db,"), &with("sg: [db, web],"));
    assert_eq!(edit.plan, ["~ instance db: security groups: db → db, web", "~ instance twin: security groups: db → db, web"]);
}

#[test]
fn two_things_exchange_addresses() {
    let with = |a: &str, b: &str| {
        format!(
            "{SHOP}  one: {{ subnet: spare, sg: db, private_ip: {a}, public_ip: 52.95.110.1 }}\n  two: {{ subnet: spare, sg: db, private_ip: {b}, public_ip: 52.95.110.2 }}\n"
        )
    };
    let (here, there) = (with("10.0.1.10", "10.0.1.11"), with("10.0.1.11", "10.0.1.10"));
    let edit = edited(&here, &there);
    assert_eq!(edit.plan.iter().filter(|line| line.starts_with("-/+")).count(), 2);
    let swapped = here.replace("110.1 }", "110.X }").replace("110.2 }", "110.1 }").replace("110.X }", "110.2 }");
    let edit = edited(&here, &swapped);
    assert!(stays(&edit, "one") && stays(&edit, "two"), "{:?}", edit.plan);
    let places = |a: &str, b: &str| SHOP.replace("{ office: 203.0.113.7 }", &format!("{{ office: {a}, home: {b} }}"));
    edited(&places("203.0.113.7", "203.0.113.8"), &places("203.0.113.8", "203.0.113.7"));
}

#[test]
fn new_subnets_go_around_those_that_stay_or_all_are_carved_anew() {
    let with = |subnets: &str| {
        format!("vpcs: {{ v: {{ cidr: 10.0.0.0/24, subnets: {{ {subnets} }} }} }}\ninstances: {{ i: {{ subnet: b }} }}\n")
    };
    let edit = edited(&with("a: { cidr: /26 }, b: { cidr: /26 }"), &with("n: { cidr: /26 }, b: { cidr: /26 }, c: { cidr: /26 }"));
    assert_eq!(edit.plan, ["- subnet a", "+ subnet n: 10.0.0.0/26", "+ subnet c: 10.0.0.128/26"]);
    assert!(stays(&edit, "i"));
    // b in the middle leaves no /25 free.
    let edit = edited(&with("a: { cidr: /26 }, b: { cidr: /26 }"), &with("b: { cidr: /26 }, n: { cidr: /25 }"));
    assert_eq!(edit.plan, ["- subnet a", "+ subnet n: 10.0.0.128/25"]);
    let edit = edited(
        &with("a: { cidr: /26 }, x: { cidr: /26 }, b: { cidr: /26 }"),
        &with("x: { cidr: /26 }, b: { cidr: /26 }, n: { cidr: /25 }"),
    );
    assert!(edit.plan.contains(&"-/+ subnet b: block: 10.0.0.128/26 → 10.0.0.64/26".to_owned()), "{:?}", edit.plan);
}

#[test]
fn peerings_and_blocks_come_and_go() {
    let two = |more: &str, blocks: &str| {
        format!(
            "vpcs:\n  a: {{ cidr: [10.1.0.0/16{blocks}], subnets: {{ s: {{ cidr: /24 }} }} }}\n  b: {{ cidr: 10.2.0.0/16, subnets: {{ s: {{ cidr: /24 }} }} }}\ninstances: {{ i: {{ subnet: a/s }}, j: {{ subnet: b/s }} }}\n{more}"
        )
    };
    let peered = two("peerings: { ab: { vpcs: [a, b], routes: true } }\n", "");
    let edit = edited(&peered, &two("", ""));
    assert_eq!(edit.plan[0], "- peering ab");
    edited(&two("", ""), &peered);
    let edit = edited(&peered, &two("peerings: { ab: { vpcs: [b, a], routes: true } }\n", ", 10.3.0.0/16"));
    assert!(edit.plan.contains(&"~ vpc a: + block 10.3.0.0/16".to_owned()), "{:?}", edit.plan);
    assert!(edit.plan.contains(&"-/+ peering ab: between: a and b → b and a".to_owned()), "{:?}", edit.plan);
    edited(&two("", ", 10.3.0.0/16"), &peered);
}

#[test]
fn another_region_is_another_cloud() {
    let edit = edited(SHOP, &format!("region: us-east-1\n{SHOP}"));
    assert!(edit.plan.contains(&"-/+ vpc shop: region: us-east-1".to_owned()), "{:?}", edit.plan);
    assert_eq!(edit.after.region.0, "us-east-1");
}

#[test]
fn an_empty_lab_takes_everything_down() {
    let edit = edited(SHOP, "name: nothing\n");
    let first = edit.plan.iter().position(|line| line.starts_with("- vpc")).unwrap();
    assert!(edit.plan.iter().position(|line| line == "- instance db").unwrap() < first, "dependents first");
    assert!(edit.after.vpcs.is_empty() && edit.after.addresses.is_empty() && edit.after.network_interfaces.is_empty());
}

#[test]
fn what_the_file_did_not_make_goes_and_what_it_cannot_say_stays() {
    use model::operation::*;
    let mut model = empty(1);
    apply(SHOP, &mut model).unwrap();
    let subnet = model.subnets.values().next().unwrap().id.clone();
    let image = model::image::default_for(&model.region, model::instance_type::Architecture::X86_64);
    let stray = RunInstances { subnet_id: Some(subnet.clone()), disable_api_termination: true, ..RunInstances::of(image) };
    run_instances(&mut model, stray).unwrap();
    create_network_interface(&mut model, CreateNetworkInterface::in_subnet(subnet)).unwrap();
    allocate_address(&mut model, AllocateAddress::default()).unwrap();
    create_internet_gateway(&mut model, CreateInternetGateway::default()).unwrap();
    let db = instance(&model, "db").id.clone();
    monitor_instances(&mut model, std::slice::from_ref(&db), true).unwrap();
    modify_instance_attribute(
        &mut model,
        ModifyInstanceAttribute { disable_api_stop: Some(true), ..ModifyInstanceAttribute::of(db) },
    )
    .unwrap();
    let changes = apply(SHOP, &mut model).unwrap();
    assert!(changes.iter().all(|change| change.action == Action::Delete) && changes.len() == 4, "{changes:?}");
    assert!(instance(&model, "db").monitoring, "the file has no word for it");
    assert_eq!(apply(SHOP, &mut model).unwrap(), vec![]);
}

#[test]
fn lines_that_move_are_found_again_and_count_as_no_change() {
    let edit = edited(SHOP, &format!("# a comment\n\n{SHOP}"));
    assert_eq!(edit.plan, Vec::<String>::new());
    let line = |model: &Model| model.security_groups.values().find(|g| g.group_name == "db").unwrap().ingress[0].origin.line;
    assert_eq!(line(&edit.before) + 2, line(&edit.after));
    assert!(edit.after.generation > edit.before.generation, "answers that quote lines are old");
}

/// Two VPCs, peered or not, whose groups name each other or not (SG-13).
fn peered(peering: bool, rules: bool, name: &str) -> String {
    let (peering, route) = match peering {
        true => ("peerings: { between: [ shop, data ] }\n", "peering between"),
        false => ("", "igw"),
    };
    let (web, db) = if rules { (format!("tcp/22 from sg:data/{name}"), "tcp/5432 from sg:shop/web".to_owned()) } else { Default::default() };
    format!(
        "vpcs:
  shop:
    cidr: 10.1.0.0/16
    subnets: {{ shop-a: {{ az: a, cidr: /24, route: shop-routes }} }}
    route_tables: {{ shop-routes: {{ routes: {{ 10.2.0.0/16: {route} }} }} }}
  data:
    cidr: 10.2.0.0/16
    subnets: {{ data-a: {{ az: a, cidr: /24, route: data-routes }} }}
    route_tables: {{ data-routes: {{ routes: {{ 10.1.0.0/16: {route} }} }} }}
{peering}security_groups:
  web: {{ vpc: shop, rules: [ {web} ] }}
  {name}: {{ vpc: data, rules: [ {db} ] }}
instances:
  web: {{ subnet: shop-a, sg: web, listen: tcp/22 }}
  store: {{ subnet: data-a, sg: {name}, listen: tcp/5432 }}
"
    )
}

#[test]
fn a_peering_and_the_rules_that_need_it_come_and_go_together() {
    let (apart, together) = (peered(false, false, "db"), peered(true, true, "db"));
    let Edited { plan, .. } = edited(&apart, &together);
    for wanted in ["+ peering between", "~ security group shop/web: + tcp/22 from sg:data/db"] {
        assert!(plan.iter().any(|line| line == wanted), "{plan:#?}");
    }
    let Edited { plan, after, .. } = edited(&together, &apart);
    assert!(plan.iter().any(|line| line == "- peering between"), "{plan:#?}");
    assert!(after.security_groups.values().all(|group| group.ingress.is_empty() || group.is_default()));
}

#[test]
fn a_group_that_the_other_vpc_names_gets_another_name() {
    let Edited { plan, .. } = edited(&peered(true, true, "db"), &peered(true, true, "store"));
    assert!(plan.iter().any(|line| line == "- security group data/db"), "{plan:#?}");
    assert!(plan.iter().any(|line| line == "+ security group data/store"), "{plan:#?}");
}

#[test]
fn a_rule_that_names_a_group_of_a_vpc_that_is_not_peered_is_refused_where_it_stands() {
    let error = apply(&peered(false, true, "db"), &mut empty(1)).unwrap_err().to_string();
    assert!(error.contains("InvalidGroup.NotFound") && error.contains("add `peerings: { data-shop: [data, shop] }`"), "{error}");
    assert!(error.contains("tcp/22 from sg:data/db"), "{error}");
}

#[test]
fn a_peering_goes_only_together_with_the_rules_that_need_it() {
    let mut model = empty(1);
    apply(&peered(true, true, "db"), &mut model).unwrap();
    let before = model.clone();
    let error = apply(&peered(false, true, "db"), &mut model).unwrap_err().to_string();
    assert!(error.contains("no peering joins them"), "{error}");
    assert_eq!(model, before, "a refused edit changes nothing");
}

#[test]
fn a_peering_that_is_replaced_keeps_the_rules_that_need_it() {
    let first = peered(true, true, "db");
    let Edited { plan, before, after } = edited(&first, &first.replace("[ shop, data ]", "[ data, shop ]"));
    assert_eq!(plan, ["-/+ peering between: between: shop and data → data and shop"]);
    // Stale for a moment, and good again (SG-14).
    let rules = |model: &Model| -> Vec<_> {
        model.security_groups.values().flat_map(|group| group.ingress.iter().map(|rule| rule.id.clone())).collect()
    };
    assert_eq!(rules(&before), rules(&after));
}

#[test]
fn a_peered_vpc_that_is_replaced_has_its_groups_named_anew() {
    let first = peered(true, true, "db");
    let Edited { plan, .. } = edited(&first, &first.replace("10.2.", "10.4."));
    for wanted in ["-/+ vpc data", "-/+ peering between", "-/+ security group data/db"] {
        assert!(plan.iter().any(|line| line.starts_with(wanted)), "no {wanted}: {plan:#?}");
    }
}

#[test]
fn what_became_stale_by_hand_is_set_right_by_the_same_file() {
    let file = peered(true, true, "db");
    let mut model = empty(1);
    apply(&file, &mut model).unwrap();
    let peering = model.vpc_peering_connections.keys().next().unwrap().clone();
    delete_vpc_peering_connection(&mut model, &peering).unwrap();
    let plan: Vec<_> = super::read(&file).plan(&model).unwrap().iter().map(ToString::to_string).collect();
    assert!(plan.iter().any(|line| line == "+ peering between"), "{plan:#?}");
    check_edit(&mut model, &file).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_group_and_its_vpc_go_while_the_other_vpc_stays() {
    let file = "vpcs: { shop: { cidr: 10.1.0.0/16 }, data: { cidr: 10.2.0.0/16 } }
peerings: { between: [ shop, data ] }
security_groups:
  web: { vpc: shop, rules: [ tcp/22 from sg:data/db ] }
  db: { vpc: data, rules: [ tcp/5432 from sg:shop/web ] }
";
    let alone = "vpcs: { shop: { cidr: 10.1.0.0/16 } }\nsecurity_groups: { web: [ ] }\n";
    let Edited { plan, after, .. } = edited(file, alone);
    let rule = "~ security group shop/web: - tcp/22 from sg:data/db";
    for wanted in ["- vpc data", "- peering between", "- security group data/db", rule] {
        assert!(plan.iter().any(|line| line == wanted), "no {wanted}: {plan:#?}");
    }
    assert_eq!(after.vpcs.len(), 1);
}
