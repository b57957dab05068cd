//! Transit gateways in lab files: what they become, what an edit does to them, and that they are written as they were read.

use std::collections::BTreeSet;

use lab::{Lab, load};
use model::transit_gateway::AttachedTo;
use model::{Context, Model, Region, RouteTarget, Timestamp, TransitGatewayAttachmentId, tag};

use crate::texts::One;

fn read(text: &str) -> Lab {
    load("lab.yaml", &One(text.to_owned())).unwrap_or_else(|e| panic!("{text}\n{e}"))
}

fn empty(seed: u64) -> Model {
    Model::new("000000000000", Region::default(), Context::seeded(seed, Timestamp::default()))
}

fn made(text: &str) -> Model {
    let mut model = empty(1);
    read(text).apply(&mut model).unwrap_or_else(|e| panic!("{text}\n{e}"));
    model
}

fn refused(text: &str) -> String {
    match load("lab.yaml", &One(text.to_owned())) {
        Ok(lab) => lab.apply(&mut empty(1)).expect_err(text).render(false),
        Err(error) => error.render(false),
    }
}

const VPCS: &str = "vpcs:
  core: { cidr: 10.0.0.0/16, subnets: { core-a: { az: a, cidr: /24 }, core-b: { az: a, cidr: /24 }, core-c: { az: c, cidr: /24 } } }
  app:  { cidr: 10.1.0.0/16, subnets: { app-a: { az: a, cidr: /24, route: tgw hub } } }
  dev:  { cidr: 10.2.0.0/16, subnets: { dev-a: { az: a, cidr: /24, route: to-hub } }, route_tables: { to-hub: { routes: { 10.0.0.0/8: tgw hub } } } }
";

/// The three VPCs with these transit gateways below them.
fn lab(gateways: &str) -> String {
    format!("{VPCS}transit_gateways:\n{gateways}")
}

/// Name of what is attached, as somebody at `gateway` sees it.
fn called(model: &Model, gateway: &str, id: &TransitGatewayAttachmentId) -> String {
    let attachment = &model.transit_gateway_attachments[id];
    let of = |id| tag::name(&model.transit_gateways[id].tags).unwrap().to_owned();
    match &attachment.to {
        AttachedTo::Vpc { vpc_id, .. } => tag::name(&model.vpcs[vpc_id].tags).unwrap().to_owned(),
        AttachedTo::Peering { accepter } => Some(of(accepter)).filter(|name| name != gateway).unwrap_or_else(|| of(&attachment.transit_gateway_id)),
    }
}

/// A gateway's tables: `NAME: whom it serves | whom it knows | routes`.
fn tables(model: &Model, name: &str) -> Vec<String> {
    let gateway = model.transit_gateways.values().find(|gateway| tag::name(&gateway.tags) == Some(name)).unwrap();
    let of = model.transit_gateway_route_tables.values().filter(|table| table.transit_gateway_id == gateway.id);
    let names = |ids: &BTreeSet<_>| {
        let names: BTreeSet<String> = ids.iter().map(|id| called(model, name, id)).collect();
        names.into_iter().collect::<Vec<_>>().join(" ")
    };
    let mut all: Vec<String> = of
        .map(|table| {
            let routes = table.routes.iter().map(|(block, to)| format!("{block}={}", to.as_ref().map_or("-".to_owned(), |to| called(model, name, to))));
            let own = if gateway.default_route_table.as_ref() == Some(&table.id) { "default" } else { tag::name(&table.tags).unwrap() };
            format!("{own}: {} | {} | {}", names(&table.associations), names(&table.propagations), routes.collect::<Vec<_>>().join(" "))
        })
        .collect();
    all.sort();
    all
}

/// The subnets of each attachment of a VPC.
fn attached(model: &Model) -> Vec<String> {
    let mut all = Vec::new();
    for attachment in model.transit_gateway_attachments.values() {
        if let AttachedTo::Vpc { subnet_ids, .. } = &attachment.to {
            let subnets: BTreeSet<&str> = subnet_ids.iter().map(|id| tag::name(&model.subnets[id].tags).unwrap()).collect();
            all.push(subnets.into_iter().collect::<Vec<_>>().join(" "));
        }
    }
    all.sort();
    all
}

/// Destinations that a VPC's table leads to transit gateways.
fn led(model: &Model, vpc: &str, table: &str) -> Vec<String> {
    let is_meant = |t: &&model::RouteTable| tag::name(&model.vpcs[&t.vpc_id].tags) == Some(vpc) && tag::name(&t.tags).unwrap_or("(main)") == table;
    let table = model.route_tables.values().find(is_meant).unwrap();
    let to = table.routes.iter().filter(|route| matches!(route.target, RouteTarget::TransitGateway(_)));
    let mut all: Vec<String> = to.map(|route| route.destination.to_string()).collect();
    all.sort();
    all
}

#[test]
fn a_list_of_vpcs_is_attached_by_the_first_subnet_of_each_zone_and_the_default_table_knows_all() {
    let model = made(&lab("  hub: [core, app, dev]\n"));
    assert_eq!(attached(&model), ["app-a", "core-a core-c", "dev-a"]);
    assert_eq!(tables(&model, "hub"), ["default: app core dev | app core dev | "]);
    assert_eq!(led(&model, "app", "app-tgw-hub"), ["0.0.0.0/0"], "`route: tgw hub` of a subnet");
    assert_eq!(led(&model, "dev", "to-hub"), ["10.0.0.0/8"]);
    let gateway = model.transit_gateways.values().next().unwrap();
    assert!(gateway.origin.to_string().contains("lab.yaml:6"), "{}", gateway.origin);
    assert!(gateway.state.is_available());
}

#[test]
fn attachments_say_their_subnets_and_tables_whom_they_serve_and_know() {
    let gateways = "  hub:
    asn: 64600
    description: the hub
    security_group_referencing: true
    attachments: { core: [core-b, core-c], app: , dev: { subnets: dev-a, security_group_referencing: false, tags: { of: dev } } }
    route_tables:
      spokes: { associations: [app, vpc dev], propagations: core, routes: { 10.9.0.0/16: blackhole, 0.0.0.0/0: core } }
      default: { propagations: [app], tags: { of: hub } }
      spare:
";
    let model = made(&lab(gateways));
    assert_eq!(attached(&model), ["app-a", "core-b core-c", "dev-a"]);
    assert_eq!(tables(&model, "hub"), ["default: core | app | ", "spare:  |  | ", "spokes: app dev | core | 0.0.0.0/0=core 10.9.0.0/16=-"]);
    let gateway = model.transit_gateways.values().next().unwrap();
    assert_eq!((gateway.settings.amazon_side_asn, gateway.settings.description.as_str(), gateway.security_group_referencing), (64_600, "the hub", true));
    let none = made(&lab("  hub: { attachments: [core, app, dev], default_route_table: false, route_tables: { only: { associations: core, propagations: [app] } } }\n"));
    assert_eq!(tables(&none, "hub"), ["only: core | app | "], "whom no table names, none serves");
    let bare = made(&lab("  hub: { attachments: [core, app, dev], route_tables: { default: { associations: [], propagations: [] } } }\n"));
    assert_eq!(tables(&bare, "hub"), ["default:  |  | "]);
}

const PEERED: &str = "  hub: { attachments: [core, app, dev], peerings: [rim], route_tables: { default: { routes: { 10.1.0.0/16: tgw rim } } } }
  rim: { attachments: { app: app-a }, route_tables: { default: { routes: { 10.0.0.0/16: hub, 10.2.0.0/16: tgw hub } } } }
";

#[test]
fn a_peering_is_written_at_one_gateway_and_known_to_the_tables_of_both() {
    let model = made(&lab(PEERED));
    assert_eq!(tables(&model, "hub"), ["default: app core dev rim | app core dev | 10.1.0.0/16=rim"]);
    assert_eq!(tables(&model, "rim"), ["default: app hub | app | 10.0.0.0/16=hub 10.2.0.0/16=hub"]);
    let peering = model.transit_gateway_attachments.values().find(|attachment| attachment.vpc_id().is_none()).unwrap();
    assert_eq!(tag::name(&peering.tags), Some("hub-rim"));
    assert!(peering.origin.to_string().contains("lab.yaml:6"), "{}", peering.origin);
}

#[test]
fn routes_lead_every_table_of_an_attached_vpc_to_what_its_gateway_knows() {
    let gateways = "  hub:
    attachments: [core, app, dev]
    routes: true
    route_tables:
      spokes: { associations: [dev], propagations: [core], routes: { 10.9.0.0/16: blackhole, 172.16.0.0/12: app } }
";
    let model = made(&lab(gateways));
    assert_eq!(led(&model, "core", "(main)"), ["10.1.0.0/16", "10.2.0.0/16"]);
    assert_eq!(led(&model, "app", "app-tgw-hub"), ["0.0.0.0/0", "10.0.0.0/16", "10.2.0.0/16"]);
    assert_eq!(led(&model, "dev", "to-hub"), ["10.0.0.0/16", "10.0.0.0/8", "172.16.0.0/12"], "nothing leads to a blackhole, and dev's table does not know app");
}

#[test]
fn an_exported_lab_reads_back_as_it_was() {
    let hub = |more: &str| lab(&format!("  hub:\n    attachments: [core, app, dev]\n{more}"));
    for text in [
        lab("  hub: [core, app, dev]\n"),
        lab(PEERED),
        hub("    asn: 4200000000\n    vpn_ecmp: false\n    dns_support: false\n    auto_accept: true\n    tags: { of: \"net: work\" }\n"),
        hub("    default_route_table: false\n    route_tables: { one: { associations: [core], propagations: [app] }, two: , \"no\": { associations: app } }\n"),
        hub("    route_tables: { default: { associations: [core], propagations: [], routes: { 0.0.0.0/0: core, \"::/0\": blackhole }, tags: { a: b } } }\n"),
        lab("  hub: [core, app, dev]\n  core: { peerings: { hub: { tags: { a: b } } } }\n").replace("hub: [core, app, dev]", "hub: { attachments: [core, app, dev], route_tables: { default: { routes: { 10.7.0.0/16: vpc core, 10.8.0.0/16: tgw core } } } }"),
        lab("  hub: [core, app, dev]\n  alone:\n"),
    ] {
        let model = made(&text);
        let exported = lab::export(&model, "again");
        assert_eq!(exported.unsaid, Vec::<String>::new(), "{}", exported.text);
        let again = made(&exported.text);
        assert_eq!(read(&exported.text).plan(&model).unwrap(), vec![], "{}", exported.text);
        assert_eq!(read(&text).plan(&again).unwrap(), vec![], "{}", exported.text);
        assert_eq!(lab::export(&again, "again").text, exported.text);
        for gateway in model.transit_gateways.values().map(|gateway| tag::name(&gateway.tags).unwrap()) {
            assert_eq!(tables(&again, gateway), tables(&model, gateway), "{}", exported.text);
        }
        assert_eq!(attached(&again), attached(&model), "{}", exported.text);
        let settings = |model: &Model| model.transit_gateways.values().map(|own| (own.tags.clone(), own.settings.amazon_side_asn, own.settings.dns_support)).collect::<BTreeSet<_>>();
        assert_eq!(settings(&again), settings(&model), "{}", exported.text);
    }
}

/// What one edit plans, and the cloud before and after.
fn edited(first: &str, second: &str) -> (Model, Model, Vec<String>) {
    let before = made(first);
    let mut after = before.clone();
    let plan = read(second).apply(&mut after).unwrap_or_else(|e| panic!("{second}\n{e}"));
    assert_eq!(read(second).plan(&after).unwrap(), vec![], "a plan after apply is empty");
    let fresh = made(second);
    for gateway in fresh.transit_gateways.values().map(|gateway| tag::name(&gateway.tags).unwrap()) {
        assert_eq!(tables(&after, gateway), tables(&fresh, gateway));
    }
    assert_eq!(attached(&after), attached(&fresh));
    (before, after, plan.iter().map(ToString::to_string).collect())
}

#[test]
fn an_edit_makes_the_smallest_change_and_keeps_ids() {
    let hub = |more: &str| lab(&format!("  hub:\n    attachments: {{ core: core-a, app: , dev: }}\n{more}"));
    let plain = hub("");
    for (second, plan) in [
        (plain.replace("core: core-a", "core: [core-b, core-c]"), vec!["~ transit gateway attachment hub/core: - subnet core-a", "~ transit gateway attachment hub/core: + subnet core-b", "~ transit gateway attachment hub/core: + subnet core-c"]),
        (hub("    asn: 64600\n"), vec!["~ transit gateway hub: ASN: 64512 → 64600"]),
        (hub("    tags: { of: net }\n"), vec!["~ transit gateway hub: + tag of net"]),
        (hub("    route_tables: { default: { routes: { 10.9.0.0/16: blackhole } } }\n"), vec!["~ transit gateway route table hub/default: + route 10.9.0.0/16 blackhole"]),
        (hub("    route_tables: { default: { propagations: [core, app] } }\n"), vec!["~ transit gateway route table hub/default: - propagation dev"]),
        (
            hub("    route_tables: { spokes: { associations: [app], propagations: [core] } }\n"),
            vec!["~ transit gateway route table hub/default: - association app", "+ transit gateway route table hub/spokes"],
        ),
    ] {
        let (before, after, is) = edited(&plain, &second);
        assert_eq!(is, plan);
        assert!(before.transit_gateways.keys().eq(after.transit_gateways.keys()), "{plan:?}");
        assert!(before.transit_gateway_attachments.keys().eq(after.transit_gateway_attachments.keys()), "{plan:?}");
        // And back again.
        let (before, after, _) = edited(&second, &plain);
        assert!(before.transit_gateway_attachments.keys().eq(after.transit_gateway_attachments.keys()), "{plan:?}");
    }
}

#[test]
fn gateways_attachments_and_tables_come_and_go() {
    let without = VPCS.replace(", route: tgw hub", "").replace("tgw hub", "blackhole");
    let (_, after, plan) = edited(&lab("  hub: [core, app, dev]\n"), &without);
    assert!(after.transit_gateways.is_empty() && after.transit_gateway_attachments.is_empty() && after.transit_gateway_route_tables.is_empty());
    let place = |line: &str| plan.iter().position(|own| own == line).unwrap_or_else(|| panic!("{line} is not in {plan:#?}"));
    assert!(place("- transit gateway attachment hub/app") < place("- transit gateway hub"), "dependents first");
    assert!(plan.contains(&"~ route table dev/to-hub: route 10.0.0.0/8: tgw hub → blackhole".to_owned()), "{plan:#?}");
    let (_, _, plan) = edited(&without, &lab(PEERED));
    for line in ["+ transit gateway hub", "+ transit gateway attachment hub/core: core-a, core-c", "+ transit gateway attachment hub/tgw rim"] {
        assert!(plan.contains(&line.to_owned()), "{line} is not in {plan:#?}");
    }
    let (before, after, plan) = edited(&lab(PEERED), &lab("  hub: [core, app, dev]\n  rim: [app]\n"));
    assert!(plan.contains(&"- transit gateway attachment hub/tgw rim".to_owned()), "{plan:#?}");
    assert!(before.transit_gateways.keys().eq(after.transit_gateways.keys()));
    let (_, _, plan) = edited(&lab("  hub: { attachments: [core, app, dev], default_route_table: false }\n"), &lab("  hub: [core, app, dev]\n"));
    assert!(plan.contains(&"-/+ transit gateway hub: default route table: off → on".to_owned()), "{plan:#?}");
}

#[test]
fn an_attachment_outlives_a_subnet_as_long_as_it_has_another() {
    let first = lab("  hub: [core, app, dev]\n");
    let attachment = |model: &Model, vpc: &str| {
        let own = model.transit_gateway_attachments.values().find(|own| called(model, "hub", &own.id) == vpc);
        own.unwrap().id.clone()
    };
    // core-c is made anew in another zone, core-a stays.
    let (before, after, plan) = edited(&first, &first.replace("core-c: { az: c", "core-c: { az: b"));
    assert_eq!(attachment(&before, "core"), attachment(&after, "core"), "{plan:#?}");
    // The only subnet of app's is made anew.
    let (before, after, plan) = edited(&first, &first.replace("app-a: { az: a", "app-a: { az: c"));
    assert!(plan.contains(&"-/+ transit gateway attachment hub/app: subnet app-a does not stay".to_owned()), "{plan:#?}");
    assert_ne!(attachment(&before, "app"), attachment(&after, "app"));
    assert_eq!(attachment(&before, "dev"), attachment(&after, "dev"));
    assert_eq!(led(&after, "app", "app-tgw-hub"), ["0.0.0.0/0"]);
    // A VPC that is replaced takes its attachment along.
    let (_, _, plan) = edited(&first, &first.replace("cidr: 10.2.0.0/16", "cidr: 10.3.0.0/16"));
    assert!(plan.contains(&"-/+ transit gateway attachment hub/dev: vpc dev is replaced".to_owned()), "{plan:#?}");
}

#[test]
fn what_clients_made_of_a_gateway_the_file_sets_right() {
    use model::operation::*;
    let text = lab("  hub: [core, app, dev]\n");
    let mut model = made(&text);
    let gateway = model.transit_gateways.keys().next().unwrap().clone();
    let table = model.transit_gateways[&gateway].default_route_table.clone().unwrap();
    let other = create_transit_gateway(&mut model, CreateTransitGateway::default()).unwrap();
    let attachment = model.transit_gateway_attachments.keys().next().unwrap().clone();
    disassociate_transit_gateway_route_table(&mut model, &table, &attachment).unwrap();
    create_transit_gateway_route(&mut model, &table, "10.9.0.0/16".parse().unwrap(), None).unwrap();
    let own = create_transit_gateway_route_table(&mut model, &gateway, model::Tags::new(), model::Origin::default()).unwrap();
    assert!(!model.transit_gateways[&other].state.is_available(), "it is being made");
    let plan: Vec<String> = read(&text).apply(&mut model).unwrap().iter().map(ToString::to_string).collect();
    assert!(plan.contains(&format!("- transit gateway {other}")) && plan.contains(&format!("- transit gateway route table {own}")), "{plan:#?}");
    assert_eq!(read(&text).plan(&model).unwrap(), vec![]);
    assert!(model.transit_gateways.keys().eq([&gateway]), "{:?}", model.transit_gateways);
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let hub = |more: &str| lab(&format!("  hub:\n    attachments: [core, app, dev]\n{more}"));
    let mistakes = [
        ("no such VPC", lab("  hub: [core, app, dve]\n")),
        ("no such subnet", lab("  hub: { attachments: { core: cor-a, app: , dev: } }\n")),
        ("subnet of another VPC", lab("  hub: { attachments: { core: app-a, app: , dev: } }\n")),
        ("two subnets in one zone", lab("  hub: { attachments: { core: [core-a, core-b], app: , dev: } }\n")),
        ("VPC without subnets", format!("{}transit_gateways: {{ hub: [core, app, dev, bare] }}\n", VPCS.replace("vpcs:\n", "vpcs:\n  bare: { cidr: 10.5.0.0/16 }\n"))),
        ("no private number", hub("    asn: 7\n")),
        ("two tables serve one", hub("    route_tables: { a: { associations: [app] }, b: { associations: [core, app] } }\n")),
        ("no default table", hub("    default_route_table: false\n    route_tables: { default: {} }\n")),
        ("association of what is not attached", lab("  hub: { attachments: [app, dev], route_tables: { a: { associations: [core] } } }\n")),
        ("association by a wrong name", hub("    route_tables: { a: { associations: [cores] } }\n")),
        ("route to a wrong name", hub("    route_tables: { default: { routes: { 10.0.0.0/8: ap } } }\n")),
        ("route to a gateway that is not peered", lab("  hub: { attachments: [core, app, dev], route_tables: { default: { routes: { 10.0.0.0/8: tgw rim } } } }\n  rim: [app]\n")),
        ("no target", hub("    route_tables: { default: { routes: { 10.0.0.0/8: igw, 10.1.0.0/16: peering rim, 10.2.0.0/16: vcp app } } }\n")),
        ("no block", hub("    route_tables: { default: { routes: { 10.0.0.1/8: app, ten: app } } }\n")),
        ("peering announces", lab(&PEERED.replace("rim: { attachments: { app: app-a }, route_tables: { default: {", "rim: { attachments: { app: app-a }, route_tables: { default: { propagations: [hub],"))),
        ("peered twice", lab("  hub: { attachments: [core, app, dev], peerings: [rim] }\n  rim: { peerings: hub }\n")),
        ("peered with itself", lab("  hub: { attachments: [core, app, dev], peerings: hub }\n")),
        ("peered with nobody", lab("  hub: { attachments: [core, app, dev], peerings: [rim] }\n")),
        ("one name for two", lab("  hub: { attachments: [core, app, dev], peerings: [core], route_tables: { default: { routes: { 10.9.0.0/16: core } } } }\n  core:\n")),
        ("route of a VPC that is not attached", lab("  hub: [core, app]\n")),
        ("route to no gateway", lab("  hob: [core, app, dev]\n")),
        ("route without a name", VPCS.replace("route: tgw hub", "route: tgw")),
        ("target without a name", VPCS.replace("10.0.0.0/8: tgw hub", "10.0.0.0/8: tgw")),
        ("in other words", VPCS.replace("10.0.0.0/8: tgw hub", "10.0.0.0/8: transit-gateway")),
        ("unknown key", hub("    atachments: [core]\n")),
        ("six of them", lab("  hub: [core, app, dev]\n  a: \n  b: \n  c: \n  d: \n  e: \n")),
    ];
    let text: String = mistakes.iter().map(|(what, text)| format!("## {what}\n{}\n", refused(text))).collect();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("mistakes", text) });
}
