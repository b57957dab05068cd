//! Lans of a lab file: what becomes of them in the model, what an edit of them is, and that a written one reads back.

use std::collections::BTreeMap;

use lab::{Lab, load};
use model::guest::Listener;
use model::lan::*;
use model::operation::set_lans;
use model::{Context, Model, Region, Table, Timestamp};
use proptest::prelude::*;

use crate::texts::One;

fn read(text: &str) -> Lab {
    load("lab.yaml", &One(text.to_owned())).unwrap_or_else(|e| panic!("{text}\n{e}"))
}

fn empty() -> Model {
    Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()))
}

fn made(text: &str) -> Model {
    let mut model = empty();
    read(text).apply(&mut model).unwrap_or_else(|e| panic!("{text}\n{e}"));
    model
}

/// A lan called `l`.
fn lan(text: &str) -> Lan {
    made(&format!("lans:\n  l:\n{text}")).lans["l"].clone()
}

/// The links of a lan with a hub, a switch, a router with eth0 and serial0, another, and two hosts.
fn links(sentences: &[&str]) -> Vec<Link> {
    let links: String = sentences.iter().map(|sentence| format!("      - {sentence}\n")).collect();
    lan(&format!(
        "    hubs: [hub-1]
    switches: [sw-1, sw-2]
    routers: {{ r-1: {{ interfaces: {{ eth0: 10.0.1.1/24, serial0: [] }} }}, r-2: {{ interfaces: {{ serial0: [] }} }} }}
    hosts: {{ pc-1: 10.0.1.10/24, pc-2: 10.0.1.11/24, pc-3: 10.0.1.12/24 }}
    links:\n{links}"
    ))
    .links
}

/// Every change of an edit, as `plan` prints them; applied, nothing is left.
fn edit(before: &str, after: &str) -> Vec<String> {
    let mut model = made(before);
    let lab = read(after);
    let changes = lab.apply(&mut model).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(lab.plan(&model).unwrap(), vec![], "a plan after apply is empty");
    assert_eq!(model.lans, made(after).lans, "what is there is what a fresh start makes");
    changes.iter().map(ToString::to_string).collect()
}

const CLASSROOM: &str = "vpcs: { v: { cidr: 10.0.0.0/16, subnets: { a: { cidr: /24 } } } }
lans:
  classroom:
    hubs: { hub-1: 10M }
    switches: [sw-1]
    routers: { r-1: { interfaces: { eth0: 10.0.1.1/24, eth1: 10.0.2.1/24 } } }
    hosts:
      pc-1: 10.0.1.10/24
      pc-2: { address: 10.0.2.10/24, gateway: 10.0.2.1 }
    links:
      - pc-1, r-1:eth0 -- hub-1
      - pc-2, r-1:eth1 -- sw-1
";

#[test]
fn every_key_arrives_in_the_model() {
    let lan = made(include_str!("../../../../fuzz/seeds/lab/keys").split("expect:").next().unwrap()).lans["l"].clone();
    let rate = |name: &str| lan.devices[name].shared_rate();
    assert_eq!([rate("h1"), rate("h2"), rate("h3"), rate("rp")], [Some(10_000_000), Some(100_000_000), Some(10_000_000), Some(10_000_000)]);
    let Device::Switch(switch) = &lan.devices["s1"] else { panic!("{:?}", lan.devices["s1"]) };
    assert_eq!((switch.ageing_seconds, switch.table_entries, switch.priority), (60, 8, 4096));
    assert_eq!((switch.spanning_tree, switch.igmp_snooping), (true, false));
    assert_eq!(lan.devices["b1"].kind(), "bridge");
    let Device::Router(router) = &lan.devices["r1"] else { panic!("{:?}", lan.devices["r1"]) };
    assert_eq!(router.interfaces.keys().collect::<Vec<_>>(), ["eth0", "eth1", "s0", "wan"]);
    assert_eq!(router.interfaces["eth1"].addresses, vec!["10.9.2.1/24".parse().unwrap(), "fd00::1/64".parse().unwrap()]);
    assert!(router.interfaces["wan"].dhcp && router.interfaces["s0"].addresses.is_empty());
    let routes: Vec<String> = router.routes.iter().map(ToString::to_string).collect();
    assert_eq!(routes, ["10.9.3.0/24 via 10.9.2.2", "default via 10.9.1.254", "10.9.4.0/24 dev s0"]);
    assert_eq!(router.protocols.iter().collect::<Vec<_>>(), [&RoutingProtocol::Rip, &RoutingProtocol::Ospf]);
    assert_eq!(router.nat_interface.as_deref(), Some("wan"));
    let filter: Vec<String> = router.filter.iter().map(ToString::to_string).collect();
    assert_eq!(filter, ["deny tcp/23", "allow tcp/80,443 from 10.9.1.0/24 to 10.9.2.7 in eth0 out eth1"]);
    let Service::Dhcp(dhcp) = &router.serve[0] else { panic!("{:?}", router.serve) };
    assert_eq!((dhcp.lease_seconds, dhcp.gateway, dhcp.dns.len()), (3_600, Some([10, 9, 1, 1].into()), 1));
    let Device::Host(host) = &lan.devices["p2"] else { panic!("{:?}", lan.devices["p2"]) };
    assert_eq!(host.gateways, [std::net::IpAddr::from([10, 9, 1, 1]), "fd00::1".parse().unwrap()]);
    assert_eq!(host.listen, [Listener::Tcp(80), Listener::Udp(53)]);
    assert_eq!(host.interfaces["eth0"].mac.map(|mac| mac.to_string()).as_deref(), Some("02:00:00:00:00:0b"));
    let Device::Host(host) = &lan.devices["p3"] else { panic!("{:?}", lan.devices["p3"]) };
    assert!(host.interfaces["eth0"].dhcp);
    assert_eq!(host.serve[1], Service::Application { protocol: Application::Telnet, port: 2323 });
    let Device::Balancer(balancer) = &lan.devices["lb"] else { panic!("{:?}", lan.devices["lb"]) };
    assert_eq!((balancer.virtual_address.to_string().as_str(), balancer.to.as_slice()), ("10.9.1.100", ["p1".to_owned(), "p2".to_owned()].as_slice()));
    assert_eq!(lan.vpcs().collect::<Vec<_>>(), [(7, "v")]);
    assert!(!lan.links.last().unwrap().up);
}

#[test]
fn everything_knows_the_line_where_it_is_written() {
    let lan = made(CLASSROOM).lans["classroom"].clone();
    let lines = |name: &str| lan.devices[name].origin().line;
    assert_eq!((lan.origin.line, lines("hub-1"), lines("pc-2"), lan.links[3].origin.line), (3, 4, 9, 12));
}

#[test]
fn a_link_without_words_has_the_usual_ones() {
    let link = &links(&["pc-1 -- sw-1"])[0];
    assert_eq!((link.rate_bits_per_second, link.half_duplex, link.delay_nanoseconds), (100_000_000, false, 500));
    assert_eq!((link.queue_frames, link.mtu_bytes, link.framing, link.up), (100, 1500, Framing::Ethernet, true));
    assert_eq!((link.loss_per_million, link.duplicate_per_million, link.reorder_per_million, link.cable), (0, 0, 0, None));
}

#[test]
fn a_link_at_a_hub_has_its_rate_and_is_half_duplex() {
    let links = links(&["pc-1 -- hub-1", "hub-1 -- sw-1", "pc-2 -- sw-1"]);
    let kinds: Vec<_> = links.iter().map(|link| (link.rate_bits_per_second, link.half_duplex)).collect();
    assert_eq!(kinds, [(10_000_000, true), (10_000_000, true), (100_000_000, false)]);
}

#[test]
fn a_cable_sets_the_delay_unless_one_is_written() {
    let links = links(&["pc-1 -- sw-1 utp 100m", "pc-2 -- sw-1 fiber 2km", "pc-3 -- sw-1 coax 50m 3us", "sw-1 -- sw-2 utp"]);
    let delays: Vec<u64> = links.iter().map(|link| link.delay_nanoseconds).collect();
    assert_eq!(delays, [570, 10_100, 3_000, 570]);
}

#[test]
fn a_serial_line_is_slow_unless_a_rate_is_written() {
    let rate = |sentence: &str| links(&[sentence])[0].rate_bits_per_second;
    assert_eq!(rate("r-1:serial0 -- r-2 ppp"), 64_000);
    assert_eq!(rate("r-1:serial0 -- r-2:serial0 hdlc 1.544M"), 1_544_000);
}

#[test]
fn ports_are_numbered_in_the_order_of_the_links() {
    let links = links(&["pc-1 -- sw-1", "sw-1, pc-2 -- hub-1", "pc-3 -- sw-1"]);
    let ends: Vec<String> = links.iter().flat_map(|link| [link.a.to_string(), link.b.to_string()]).collect();
    assert_eq!(ends, ["pc-1:eth0", "sw-1:port1", "sw-1:port2", "hub-1:port1", "pc-2:eth0", "hub-1:port2", "pc-3:eth0", "sw-1:port3"]);
}

#[test]
fn a_lan_needs_no_vpc() {
    let model = made("lans: { l: { hosts: { pc-1: 10.0.1.10/24, pc-2: 10.0.1.11/24 }, links: [pc-1 -- pc-2] } }");
    assert!(model.vpcs.is_empty() && model.lans["l"].links.len() == 1);
}

#[test]
fn plans_see_every_edit() {
    let plan = |from: &str, to: &str| {
        assert!(CLASSROOM.contains(from), "{from}");
        edit(CLASSROOM, &CLASSROOM.replace(from, to))
    };
    assert_eq!(plan("hub-1: 10M", "hub-1: 100M"), ["~ hub hub-1: rate: 10M → 100M"]);
    assert_eq!(plan("pc-1: 10.0.1.10/24", "pc-1: 10.0.1.20/24"), ["~ host pc-1: eth0: 10.0.1.10/24 → 10.0.1.20/24"]);
    assert_eq!(plan("pc-1: 10.0.1.10/24", "pc-1: { address: 10.0.1.10/24, listen: tcp/80 }"), ["~ host pc-1: + listens on tcp/80"]);
    assert_eq!(plan("sw-1]", "sw-1, sw-2]"), ["+ switch sw-2"]);
    assert_eq!(plan("[sw-1]", "{ sw-1: { spanning_tree: true } }"), ["~ switch sw-1: spanning tree: off → on"]);
    assert_eq!(plan("- pc-1, r-1", "- pc-1 -- sw-1\n      - r-1"), ["~ lan classroom: - pc-1 -- hub-1", "~ lan classroom: + pc-1 -- sw-1"]);
    assert_eq!(plan("gateway: 10.0.2.1 }", "gateway: 10.0.2.9 }"), ["~ host pc-2: gateway: 10.0.2.1 → 10.0.2.9"]);
    assert_eq!(plan("switches: [sw-1]", "repeaters: [sw-1]"), ["- switch sw-1", "+ repeater sw-1: 10M"]);
}

#[test]
fn a_lan_comes_and_goes() {
    let without = CLASSROOM.split("lans:").next().unwrap();
    let came = edit(without, CLASSROOM);
    assert!(came.contains(&"+ lan classroom: 5 devices, 4 links".to_owned()), "{came:?}");
    assert!(came.contains(&"+ host pc-2: 10.0.2.10/24".to_owned()), "{came:?}");
    assert!(edit(CLASSROOM, without).contains(&"- lan classroom".to_owned()));
}

#[test]
fn a_second_link_between_the_same_two_is_another_link() {
    let lab = |links: &str| format!("lans: {{ l: {{ switches: [a, b], links: [{links}] }} }}");
    assert_eq!(edit(&lab("a -- b"), &lab("a -- b, a -- b")), ["~ lan l: + a -- b (2)"]);
    assert_eq!(edit(&lab("a -- b, a -- b"), &lab("a -- b")), ["~ lan l: - a -- b (2)"]);
}

#[test]
fn a_name_passes_between_a_host_and_an_instance_and_an_outside_place() {
    let cloud = "vpcs: { v: { cidr: 10.0.0.0/16, subnets: { a: { cidr: /24 } } } }\n";
    let forms = ["lans: { l: { hosts: { x: 10.0.1.10/24 } } }", "instances: { x: { subnet: a } }", "outside: { x: 203.0.113.7 }"];
    for before in forms {
        for after in forms {
            let changes = edit(&format!("{cloud}{before}"), &format!("{cloud}{after}"));
            assert_eq!(changes.is_empty(), before == after, "{before} to {after}: {changes:?}");
        }
    }
}

#[test]
fn lans_written_and_read_are_the_same() {
    for text in [CLASSROOM, include_str!("../../../../fuzz/seeds/lab/keys").split("expect:").next().unwrap()] {
        let model = made(text);
        let written = lab::export(&model, "again").text;
        assert_eq!(bare(&made(&written).lans), bare(&model.lans), "{written}");
    }
}

#[test]
fn a_snapshot_has_the_lans() {
    let model = made(CLASSROOM);
    let snapshot = lab::snapshot::Snapshot {
        name: "l".to_owned(),
        source: "l.yaml".to_owned(),
        taken: Timestamp::default(),
        notes: Vec::new(),
        model: model.clone(),
        claims: Vec::new(),
        rights: Vec::new(),
        account: None,
    };
    let bytes = lab::snapshot::write(snapshot.clone()).unwrap();
    assert_eq!(lab::snapshot::read(&bytes).unwrap().model.lans, model.lans);
    let mut wrong = snapshot;
    wrong.model.lans.get_mut("classroom").unwrap().devices.remove("pc-1");
    let bytes = lab::snapshot::write(wrong).unwrap();
    assert!(matches!(lab::snapshot::read(&bytes), Err(lab::snapshot::Problem::Contradictory(why)) if why.contains("`pc-1`")));
}

/// Without places.
fn bare(lans: &Table<String, Lan>) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.remove("origin");
                map.values_mut().for_each(strip);
            }
            serde_json::Value::Array(all) => all.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(lans).unwrap();
    strip(&mut value);
    value
}

prop_compose! {
    /// A link between two switches, with any words that a link may have.
    fn any_link()(
        rate in 1..=MOST_RATE_BITS_PER_SECOND,
        delay in 0..=MOST_DELAY_NANOSECONDS,
        shares in prop::array::uniform3(0..=MILLION),
        queue in 1..=u32::MAX,
        mtu in LEAST_MTU_BYTES..=MOST_MTU_BYTES,
        cable in prop::option::of((prop_oneof![Just(CableKind::Utp), Just(CableKind::Fiber), Just(CableKind::Coax)], 0..1_000_000_u64)),
        up in any::<bool>(),
    ) -> Link {
        let end = |device: &str| End::Device { device: device.to_owned(), interface: "port1".to_owned() };
        Link {
            a: end("a"),
            b: end("b"),
            rate_bits_per_second: rate,
            half_duplex: false,
            delay_nanoseconds: delay,
            loss_per_million: shares[0],
            duplicate_per_million: shares[1],
            reorder_per_million: shares[2],
            queue_frames: queue,
            mtu_bytes: mtu,
            cable: cable.map(|(kind, length_centimetres)| Cable { kind, length_centimetres }),
            framing: Framing::Ethernet,
            up,
            announce: Vec::new(),
            origin: model::Origin::default(),
        }
    }
}

proptest! {
    #[test]
    fn any_link_written_and_read_is_the_same(link in any_link()) {
        let devices = ["a", "b"].map(|name| (name.to_owned(), Device::Switch(Switch::default())));
        let lan = Lan { devices: devices.into(), links: vec![link], origin: model::Origin::default() };
        let lans = Table::from(BTreeMap::from([("l".to_owned(), lan)]));
        let mut model = empty();
        set_lans(&mut model, lans.clone()).unwrap();
        let written = lab::export(&model, "again").text;
        prop_assert_eq!(bare(&made(&written).lans), bare(&lans), "{}", written);
    }
}
