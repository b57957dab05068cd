//! IPv6 comes to a lab that runs, changes and goes, in place.

use std::net::Ipv6Addr;

use model::Model;

use super::by_hand::{Edited, edited, instance, stays};

const PLAIN: &str = "vpcs:
  shop:
    cidr: 10.0.0.0/16
    subnets:
      public: { az: a, cidr: /24, route: igw }
      inside: { az: a, cidr: /24, route: nat@public }
security_groups:
  web: [ tcp/80 from anywhere, tcp/22 from subnet:inside ]
instances:
  web: { subnet: public, sg: web, public_ip: true, listen: tcp/80 }
  db:  { subnet: inside, sg: web }
";

/// The same with IPv6 in the VPC and in one subnet or both.
fn dual(subnets: &[&str]) -> String {
    let mut text = PLAIN.replace("cidr: 10.0.0.0/16", "cidr: 10.0.0.0/16\n    ipv6: true");
    for subnet in subnets {
        text = text.replace(&format!("{subnet}: {{ az: a,"), &format!("{subnet}: {{ az: a, ipv6: true,"));
    }
    text
}

fn addresses(model: &Model, name: &str) -> Vec<Ipv6Addr> {
    model.interfaces_of(&instance(model, name).id)[0].ipv6_addresses.clone()
}

fn text(addresses: &[Ipv6Addr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

fn all_stay(edit: &Edited) -> bool {
    ["web", "db"].iter().all(|name| stays(edit, name))
}

#[test]
fn ipv6_comes_to_a_lab_that_runs_and_everything_stays() {
    let edit = edited(PLAIN, &dual(&["public"]));
    assert_eq!(
        edit.plan,
        [
            "~ vpc shop: + IPv6 block 2406:da12::/56",
            "~ subnet public: IPv6 addresses at launch: off → on",
            "~ subnet public: IPv6 block: none → 2406:da12::/64",
            "~ security group default: + out all to ::/0",
            "~ security group web: + out all to ::/0",
            "~ network ACL default: + 101 allow all from ::/0",
            "~ network ACL default: + out 101 allow all to ::/0",
            "~ instance web: IPv6 addresses: none → 2406:da12::10",
            "~ route table shop-public: + route ::/0 igw",
        ]
    );
    assert!(all_stay(&edit));
    let edit = edited(&dual(&["public"]), PLAIN);
    assert!(edit.plan.contains(&"~ instance web: IPv6 addresses: 2406:da12::10 → none".to_owned()), "{:?}", edit.plan);
    assert!(edit.after.vpcs.values().all(|vpc| vpc.ipv6_blocks().next().is_none()));
    assert!(all_stay(&edit));
}

#[test]
fn what_was_chosen_stays_with_those_who_have_it() {
    let first = dual(&["public"]);
    let second = dual(&["public", "inside"]).replace("instances:\n", "instances:\n  early: { subnet: public, sg: web }\n");
    // Names are asked in the order of the file, and those who run come first.
    let edit = edited(&first, &second);
    assert_eq!(addresses(&edit.before, "web"), addresses(&edit.after, "web"));
    assert_eq!(text(&addresses(&edit.after, "early")), ["2406:da12::11"]);
    assert_eq!(text(&addresses(&edit.after, "db")), ["2406:da12:0:1::10"]);
    // A VPC of another name, before it in the file, takes another block.
    let third = second.replace("vpcs:\n", "vpcs:\n  lobby: { cidr: 10.9.0.0/16, ipv6: true }\n").replace("  web: [", "  web: { vpc: shop, rules: [").replace("inside ]", "inside ] }");
    let edit = edited(&second, &third);
    assert!(edit.plan.contains(&"+ vpc lobby: 10.9.0.0/16, 2406:da12:0:100::/56".to_owned()), "{:?}", edit.plan);
    assert_eq!(addresses(&edit.before, "web"), addresses(&edit.after, "web"));
}

#[test]
fn blocks_and_addresses_that_are_written_take_the_place_of_others() {
    let pinned = dual(&["public"]).replace("ipv6: true\n", "ipv6: 2001:db8:0:100::/56\n").replace("ipv6: true,", "ipv6: 2001:db8:0:105::/64,");
    let edit = edited(&dual(&["public"]), &pinned);
    assert_eq!(text(&addresses(&edit.after, "web")), ["2001:db8:0:105::10"]);
    assert!(all_stay(&edit));
    let with = |ipv6: &str| pinned.replace("public_ip: true,", &format!("public_ip: true, ipv6: {ipv6},"));
    let edit = edited(&pinned, &with("\"::80\""));
    assert_eq!(edit.plan, ["~ instance web: IPv6 addresses: 2001:db8:0:105::10 → 2001:db8:0:105::80"]);
    // The first address is the one that others are told; an order that is written is kept.
    let edit = edited(&with("[\"::1:1\", \"::1:2\"]"), &with("[\"::1:2\", \"::1:1\"]"));
    assert_eq!(text(&addresses(&edit.after, "web")), ["2001:db8:0:105::1:2", "2001:db8:0:105::1:1"]);
    let edit = edited(&with("2"), &with("false"));
    assert_eq!((addresses(&edit.before, "web").len(), addresses(&edit.after, "web").len()), (2, 0));
}

#[test]
fn an_egress_only_gateway_comes_with_the_first_route_and_goes_with_the_last() {
    let both = dual(&["public", "inside"]);
    let out = both.replace("route: nat@public", "route: [nat@public, eigw]");
    let edit = edited(&both, &out);
    assert_eq!(
        edit.plan,
        [
            "- route table shop-nat-public",
            "+ egress-only internet gateway shop-eigw",
            "~ subnet inside: route table: shop-nat-public → shop-nat-public-eigw",
            "+ route table shop-nat-public-eigw",
        ]
    );
    let edit = edited(&out, &both);
    assert!(edit.plan.contains(&"- egress-only internet gateway shop-eigw".to_owned()), "{:?}", edit.plan);
    assert!(edit.after.egress_only_internet_gateways.is_empty() && all_stay(&edit));
}

#[test]
fn two_vpcs_exchange_their_blocks() {
    let with = |a: &str, b: &str| {
        format!("vpcs:\n  a: {{ cidr: 10.1.0.0/16, ipv6: {a}, subnets: {{ s: {{ cidr: /24, ipv6: true }} }} }}\n  b: {{ cidr: 10.2.0.0/16, ipv6: {b}, subnets: {{ s: {{ cidr: /24, ipv6: true }} }} }}\ninstances: {{ i: {{ subnet: a/s }}, j: {{ subnet: b/s }} }}\n")
    };
    let (one, two) = ("2001:db8:0:100::/56", "2001:db8:0:200::/56");
    let edit = edited(&with(one, two), &with(two, one));
    assert!(text(&addresses(&edit.after, "i"))[0].starts_with("2001:db8:0:200::"), "{:?}", edit.plan);
    assert!(stays(&edit, "i") && stays(&edit, "j"));
    let peered = format!("{}peerings: {{ ab: {{ vpcs: [a, b], routes: true }} }}\n", with("true", two));
    let edit = edited(&with("true", two), &peered);
    assert!(edit.plan.contains(&format!("~ route table a/(main): + route {two} peering ab")), "{:?}", edit.plan);
}
