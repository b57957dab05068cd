//! A lan that is linked to a VPC: the gateway that comes of it, what it tells which table, and what is wrong with it.

use lab::{Lab, load};
use model::route_table::RouteOrigin;
use model::{Context, Model, Region, RouteTarget, Timestamp, tag};

use crate::texts::One;

fn read(text: &str) -> Lab {
    load("lab.yaml", &One(text.to_owned())).unwrap_or_else(|e| panic!("{text}\n{e}"))
}

fn made(text: &str) -> Model {
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    read(text).apply(&mut model).unwrap_or_else(|e| panic!("{text}\n{e}"));
    model
}

fn refused(text: &str) -> String {
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    match load("lab.yaml", &One(text.to_owned())) {
        Ok(lab) => lab.apply(&mut model).expect_err(text).to_string(),
        Err(error) => error.to_string(),
    }
}

const BRANCH: &str = "vpcs:
  shop:
    cidr: 10.0.0.0/16
    subnets: { private: { az: a, cidr: 10.0.1.0/24 }, public: { az: a, cidr: 10.0.2.0/24, route: igw } }
    route_tables:
      own: { routes: {} }
lans:
  branch:
    switches: [sw-1, sw-2]
    routers:
      r-1: { interfaces: { eth0: 192.168.1.1/24, eth1: 192.168.2.1/30, eth2: 192.168.3.1/24 } }
      r-2: { interfaces: { eth0: [192.168.3.2/24, \"fd00::1/64\"], eth1: 192.168.4.1/24 } }
      apart: { interfaces: { eth0: 172.16.0.1/16 } }
    hosts: { desk: { address: 192.168.1.10/24, gateway: 192.168.1.1 } }
    links:
      - desk, r-1:eth0 -- sw-1
      - r-1:eth2, r-2:eth0 -- sw-2
      - r-1:eth1 -- vpc:shop 50M 10ms
";

/// Blocks that the named table takes from the virtual private gateway, and those that somebody wrote to lead there.
fn routes(model: &Model, table: &str) -> (Vec<String>, Vec<String>) {
    let of = |t: &&model::RouteTable| tag::name(&t.tags).unwrap_or("(main)") == table;
    let table = model.route_tables.values().find(of).unwrap();
    let to_lan = table.routes.iter().filter(|route| matches!(route.target, RouteTarget::VpnGateway(_)));
    let (told, written): (Vec<_>, Vec<_>) = to_lan.partition(|route| route.created_by == RouteOrigin::EnableVgwRoutePropagation);
    let text = |routes: Vec<&model::Route>| routes.into_iter().map(|route| route.destination.to_string()).collect();
    (text(told), text(written))
}

#[test]
fn a_link_makes_one_gateway_that_tells_every_table_the_networks_behind_the_router() {
    let model = made(BRANCH);
    let [gateway] = model.vpn_gateways.values().collect::<Vec<_>>()[..] else { panic!("{:?}", model.vpn_gateways) };
    assert_eq!(tag::name(&gateway.tags), Some("shop-vgw"));
    assert_eq!(gateway.vpc_id.as_ref(), model.vpcs.keys().next());
    let behind = ["192.168.1.0/24", "192.168.2.0/30", "192.168.3.0/24", "192.168.4.0/24"].map(str::to_owned);
    for table in ["(main)", "shop-public", "own"] {
        assert_eq!(routes(&model, table), (behind.to_vec(), vec![]), "{table}");
    }
    let twice = BRANCH.replace("eth2:", "eth3: [], eth2:") + "      - r-1:eth3 -- vpc:shop\n";
    assert_eq!(made(&twice).vpn_gateways.len(), 1, "two links, one gateway (VPN-1)");
}

#[test]
fn a_file_says_which_networks_are_told_and_which_tables_take_them() {
    let told = BRANCH.replace("50M 10ms", "50M announce 10.9.0.0/16, 192.168.1.0/24");
    let some = vec!["10.9.0.0/16".to_owned(), "192.168.1.0/24".to_owned()];
    assert_eq!(routes(&made(&told), "own"), (some.clone(), vec![]));
    let none = told.replace("own: { routes: {} }", "own: { propagation: false, routes: { 192.168.1.0/24: vpn } }");
    assert_eq!(routes(&made(&none), "own"), (vec![], vec!["192.168.1.0/24".to_owned()]));
    assert_eq!(routes(&made(&none), "(main)"), (some, vec![]));
    let hidden = BRANCH.replace("eth2: 192.168.3.1/24 }", "eth2: 192.168.3.1/24 }, nat: eth1");
    assert_eq!(routes(&made(&hidden), "own").0, ["192.168.2.0/30"], "what NAT hides nobody can send to");
}

#[test]
fn an_address_is_held_where_it_is_written_shared_or_may_be_lent() {
    let held = |text: &str| {
        let lan = &made(text).lans["branch"];
        lan.ipv4_held().into_iter().map(|(first, last)| format!("{first}-{last}")).collect::<Vec<_>>()
    };
    let written = ["172.16.0.1", "192.168.1.1", "192.168.1.10", "192.168.2.1", "192.168.3.1", "192.168.3.2", "192.168.4.1"];
    let written: Vec<String> = written.iter().map(|own| format!("{own}-{own}")).collect();
    assert_eq!(held(BRANCH), written);
    let serving = BRANCH.replace("eth2: 192.168.3.1/24 }", "eth2: 192.168.3.1/24 }, serve: [dhcp 192.168.1.100-192.168.1.120]");
    assert_eq!(held(&serving), written, "nobody asks for a lease");
    let lent = serving.replace("gateway: 192.168.1.1 } }", "gateway: 192.168.1.1 }, pc: dhcp }").replace("- desk,", "- desk, pc,");
    assert!(held(&lent).contains(&"192.168.1.100-192.168.1.120".to_owned()), "{lent}");
    let balancer = "    balancers: { lb: { address: 192.168.1.2/24, virtual: 192.168.1.100, ports: tcp/80, to: desk } }\n    links:\n      - lb -- sw-1\n";
    let shared = BRANCH.replacen("    links:\n", balancer, 1);
    assert!(held(&shared).contains(&"192.168.1.100-192.168.1.100".to_owned()), "{shared}");
}

#[test]
fn a_table_that_serves_the_internet_gateway_takes_no_routes_of_lans() {
    let edge = BRANCH.replace("own: { routes: {} }", "own: { edge: igw, routes: {} }");
    assert_eq!(routes(&made(&edge), "own"), (vec![], vec![]));
    let wrong = refused(&edge.replace("edge: igw,", "edge: igw, propagation: true,"));
    assert!(wrong.contains("cannot take propagated routes") && wrong.contains("propagation: true"), "{wrong}");
}

#[test]
fn an_exported_lab_reads_back_as_it_was() {
    for text in [
        BRANCH.to_owned(),
        BRANCH.replace("own: { routes: {} }", "own: { main: true, propagation: false, routes: { 192.168.4.0/24: vpn } }"),
        BRANCH.replace("50M 10ms", "announce 10.9.0.0/16"),
    ] {
        let model = made(&text);
        let exported = lab::export(&model, "again");
        assert!(exported.unsaid.is_empty(), "{:?}", exported.unsaid);
        assert_eq!(read(&exported.text).plan(&made(&exported.text)).unwrap(), vec![]);
        let again = made(&exported.text);
        assert_eq!(again.lans["branch"].links.len(), model.lans["branch"].links.len());
        let own = routes(&model, "own");
        assert_eq!(routes(&again, "own"), own, "{}", exported.text);
        assert_eq!(routes(&again, "shop-public"), routes(&model, "shop-public"), "{}", exported.text);
    }
}

#[test]
fn an_edit_of_the_lan_is_an_edit_of_routes() {
    let mut model = made(BRANCH);
    let text = |changes: Vec<lab::Change>| changes.iter().map(ToString::to_string).collect::<Vec<_>>();
    let plan = text(read(&BRANCH.replace("192.168.4.1/24", "192.168.5.1/24")).apply(&mut model).unwrap());
    for line in [
        "~ route table (main): + propagated route 192.168.5.0/24",
        "~ route table own: - propagated route 192.168.4.0/24",
        "~ router r-2: eth1: 192.168.4.1/24 → 192.168.5.1/24",
    ] {
        assert!(plan.contains(&line.to_owned()), "{line} is not in {plan:#?}");
    }
    let unlinked = BRANCH.replace("      - r-1:eth1 -- vpc:shop 50M 10ms\n", "");
    let plan = text(read(&unlinked).apply(&mut model).unwrap());
    assert!(plan.contains(&"- vpn gateway shop-vgw".to_owned()), "{plan:#?}");
    assert!(model.vpn_gateways.is_empty());
    assert_eq!(routes(&model, "own"), (vec![], vec![]));
}

#[test]
fn what_is_wrong_with_a_link_to_a_vpc_is_pointed_at() {
    let with = |from: &str, to: &str| {
        assert!(BRANCH.contains(from), "{from}");
        refused(&BRANCH.replace(from, to))
    };
    for (error, line, words) in [
        (with("50M 10ms", "announce 10.9.0.1/16"), "lab.yaml:18:", "write `10.9.0.0/16`"),
        (with("desk, r-1:eth0 -- sw-1", "desk, r-1:eth0 -- sw-1 announce 10.9.0.0/16"), "lab.yaml:16:", "this link ends at none"),
    ] {
        assert!(error.contains(line) && error.contains(words), "{error}");
    }
    let apart = BRANCH.replace("      - r-1:eth1 -- vpc:shop 50M 10ms\n", "").replace("own: { routes: {} }", "own: { routes: { 192.168.1.0/24: vpn } }");
    let error = refused(&apart);
    assert!(error.contains("this VPC has no virtual private gateway") && error.contains("lab.yaml:6:") && error.contains("vpc:shop"), "{error}");
}

#[test]
fn hubs_in_a_circle_are_refused_at_the_link_that_closes_it() {
    let text = |links: &str| format!("lans:\n  l:\n    hubs: [h-1, h-2, h-3]\n    switches: [sw-1]\n    links:\n{links}");
    let circle = refused(&text("      - h-1 -- h-2\n      - h-2 -- h-3\n      - h-1 -- h-3\n"));
    assert!(circle.contains("lab.yaml:8:9") && circle.contains("in a circle"), "{circle}");
    let twice = refused(&text("      - h-1 -- h-2\n      - h-1 -- h-2\n"));
    assert!(twice.contains("lab.yaml:7:9"), "{twice}");
    for fine in ["      - h-1 -- h-2\n      - h-2 -- h-3\n      - h-1 -- h-3 down\n", "      - h-1 -- h-2\n      - h-2 -- sw-1\n      - h-1 -- sw-1\n"] {
        made(&text(fine));
    }
}

#[test]
fn a_link_that_is_down_tells_nothing() {
    let down = BRANCH.replace("50M 10ms", "50M 10ms down");
    assert_eq!(routes(&made(&down), "own"), (vec![], vec![]));
    let written = BRANCH.replace("50M 10ms", "50M down announce 10.9.0.0/16");
    assert_eq!(routes(&made(&written), "(main)"), (vec![], vec![]));
    let second = BRANCH.replace("eth2:", "eth3: [], eth2:").replace("50M 10ms", "down") + "      - r-1:eth3 -- vpc:shop\n";
    assert_eq!(routes(&made(&second), "own").0.len(), 4, "another link that is up tells it");
}

#[test]
fn a_lan_at_two_vpcs_with_addresses_in_common_is_refused_at_the_second_link() {
    let two = |block: &str, link: &str| {
        let vpcs = BRANCH.replace("vpcs:\n", &format!("vpcs:\n  test: {{ cidr: {block}, subnets: {{ t: {{ az: a, cidr: {} }} }} }}\n", block.replace("/16", "/24")));
        format!("{}      - {link} -- vpc:test\n", vpcs.replace("eth2: 192.168.3.1/24", "eth2: 192.168.3.1/24, eth3: []").replace("eth0: 172.16.0.1/16", "eth0: 172.16.0.1/16, eth1: []"))
    };
    let error = refused(&two("10.0.0.0/16", "r-1:eth3"));
    for words in ["lab.yaml:20:9", "to the VPC `test`", "another link to `shop`", "10.0.0.0/16", "a router has one way to an address", "hint: "] {
        assert!(error.contains(words), "{words}\n{error}");
    }
    // Other addresses; devices that are not joined; one of the two is down.
    made(&two("10.1.0.0/16", "r-1:eth3"));
    made(&two("10.0.0.0/16", "apart:eth1"));
    made(&two("10.0.0.0/16", "r-1:eth3").replace("50M 10ms", "50M down"));
}
