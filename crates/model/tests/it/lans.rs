//! Lans: what is refused and where, what a signal takes, who hears whom, and how things print.

use std::collections::BTreeMap;

use model::guest::Listener;
use model::lan::*;
use model::operation::*;
use model::{Context, Model, Origin, OutsideHost, Region, Table, Tags, Timestamp};

fn empty() -> Model {
    Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp::default()))
}

fn interface(addresses: &[&str]) -> Interface {
    Interface { addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(), ..Interface::default() }
}

fn host(address: &str) -> Host {
    Host { interfaces: [("eth0".to_owned(), interface(&[address]))].into(), ..Host::default() }
}

fn end(device: &str, interface: &str) -> End {
    End::Device { device: device.to_owned(), interface: interface.to_owned() }
}

fn link(a: End, b: End) -> Link {
    Link {
        a,
        b,
        rate_bits_per_second: LINK_RATE_BITS_PER_SECOND,
        half_duplex: false,
        delay_nanoseconds: LINK_DELAY_NANOSECONDS,
        loss_per_million: 0,
        duplicate_per_million: 0,
        reorder_per_million: 0,
        queue_frames: QUEUE_FRAMES,
        mtu_bytes: LINK_MTU_BYTES,
        announce: Vec::new(),
        cable: None,
        framing: Framing::Ethernet,
        up: true,
        origin: Origin::default(),
    }
}

/// Two hosts and a router at a switch; the router's `wan` leads to a VPC.
fn lan() -> Lan {
    let router = Router {
        interfaces: [("eth0".to_owned(), interface(&["10.0.1.1/24"])), ("wan".to_owned(), interface(&["10.0.9.1/30"]))].into(),
        ..Router::default()
    };
    let devices = [
        ("pc-1", Device::Host(host("10.0.1.10/24"))),
        ("pc-2", Device::Host(host("10.0.1.11/24"))),
        ("r-1", Device::Router(router)),
        ("sw-1", Device::Switch(Switch::default())),
    ];
    Lan {
        devices: devices.map(|(name, device)| (name.to_owned(), device)).into(),
        links: vec![
            link(end("pc-1", "eth0"), end("sw-1", "port1")),
            link(end("pc-2", "eth0"), end("sw-1", "port2")),
            link(end("r-1", "eth0"), end("sw-1", "port3")),
        ],
        origin: Origin::default(),
    }
}

fn named(lan: Lan) -> BTreeMap<String, Lan> {
    [("room".to_owned(), lan)].into()
}

fn changed(change: impl FnOnce(&mut Lan)) -> Lan {
    let mut lan = lan();
    change(&mut lan);
    lan
}

fn as_host(lan: &mut Lan) -> &mut Host {
    match lan.devices.get_mut("pc-1") {
        Some(Device::Host(host)) => host,
        other => panic!("{other:?}"),
    }
}

fn as_router(lan: &mut Lan) -> &mut Router {
    match lan.devices.get_mut("r-1") {
        Some(Device::Router(router)) => router,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lan_is_kept_and_goes_when_it_is_not_among_the_new_ones() {
    let mut model = empty();
    let generation = model.generation;
    set_lans(&mut model, named(lan())).unwrap();
    assert_eq!((model.lans["room"].links.len(), model.generation), (3, generation + 1));
    set_lans(&mut model, Table::new()).unwrap();
    assert!(model.lans.is_empty());
}

#[test]
fn a_refused_lan_leaves_the_lab_as_it_was() {
    let mut model = empty();
    set_lans(&mut model, named(lan())).unwrap();
    let before = model.clone();
    let wrong = changed(|lan| lan.links.push(link(end("pc-9", "eth0"), end("sw-1", "port4"))));
    let error = set_lans(&mut model, named(wrong)).unwrap_err();
    assert_eq!(error.message, "lan `room`: no device of this lan is called `pc-9`");
    assert_eq!(error.hint.as_deref(), Some("devices: pc-1, pc-2, r-1, sw-1"));
    assert_eq!(model, before);
}

#[test]
fn names_are_those_of_the_whole_lab() {
    let mut model = empty();
    let place = || OutsideHost { addresses: vec!["203.0.113.7".parse().unwrap()], origin: Origin::default() };
    set_outside_host(&mut model, "pc-1", place()).unwrap();
    let refused = |model: &mut Model, lans| set_lans(model, lans).unwrap_err().message;
    assert_eq!(refused(&mut model, named(lan())), "`pc-1` of lan `room` is the name of an outside place");
    remove_outside_host(&mut model, "pc-1").unwrap();
    let twice = [("one".to_owned(), lan()), ("two".to_owned(), lan())].into();
    assert_eq!(refused(&mut model, twice), "lans `one` and `two` both have a device `pc-1`");
    set_lans(&mut model, named(lan())).unwrap();
    let error = set_outside_host(&mut model, "pc-1", place()).unwrap_err();
    assert_eq!(error.message, "`pc-1` is the name of a device of lan `room`");
}

#[test]
fn a_link_ends_at_a_vpc_that_is_there() {
    let lan = changed(|lan| lan.links.push(link(end("r-1", "wan"), End::Vpc("shop".to_owned()))));
    let mut model = empty();
    assert_eq!(set_lans(&mut model, named(lan.clone())).unwrap_err().code.as_str(), "InvalidVpcID.NotFound");
    let request = CreateVpc {
        cidr_block: "10.8.0.0/16".parse().unwrap(),
        tags: Tags::from([("Name".to_owned(), "shop".to_owned())]),
        ..CreateVpc::default()
    };
    create_vpc(&mut model, request).unwrap();
    set_lans(&mut model, named(lan)).unwrap();
    assert_eq!(model.lans["room"].vpcs().collect::<Vec<_>>(), [(3, "shop")]);
}

#[test]
fn each_problem_is_found_at_its_place() {
    type Change = fn(&mut Lan);
    let device = |name: &str| Place::Device(name.to_owned());
    let cases: Vec<(Change, Fault, Place)> = vec![
        (|l| drop(l.devices.insert("vpc".to_owned(), Device::Hub(Repeater::default()))), Fault::Name, device("vpc")),
        (|l| drop(l.devices.insert("tcp".to_owned(), Device::Hub(Repeater::default()))), Fault::Name, device("tcp")),
        (
            |l| drop(l.devices.insert("h".to_owned(), Device::Hub(Repeater { rate_bits_per_second: 0, ..Default::default() }))),
            Fault::Range,
            device("h"),
        ),
        (
            |l| drop(l.devices.insert("s".to_owned(), Device::Switch(Switch { table_entries: 0, ..Default::default() }))),
            Fault::Range,
            device("s"),
        ),
        (
            |l| drop(as_host(l).interfaces.insert("0".to_owned(), Interface::default())),
            Fault::Name,
            Place::Interface("pc-1".to_owned(), "0".to_owned()),
        ),
        (
            |l| drop(as_host(l).interfaces.insert("eth0".to_owned(), interface(&["10.0.1.255/24"]))),
            Fault::Address,
            Place::Address("pc-1".to_owned(), "eth0".to_owned(), 0),
        ),
        (
            |l| as_host(l).interfaces.get_mut("eth0").unwrap().mac = "03:00:00:00:00:01".parse().ok(),
            Fault::Address,
            Place::Mac("pc-1".to_owned(), "eth0".to_owned()),
        ),
        (
            |l| as_host(l).interfaces.get_mut("eth0").unwrap().dhcp = true,
            Fault::Conflict,
            Place::Interface("pc-1".to_owned(), "eth0".to_owned()),
        ),
        (|l| as_host(l).gateways = vec!["10.0.2.1".parse().unwrap()], Fault::Address, Place::Gateway("pc-1".to_owned(), 0)),
        (|l| as_host(l).listen = vec![Listener::Tcp(80), Listener::Tcp(80)], Fault::Conflict, Place::Listener("pc-1".to_owned(), 1)),
        (
            |l| as_host(l).serve = vec![Service::Application { protocol: Application::Http, port: 0 }],
            Fault::Address,
            Place::Service("pc-1".to_owned(), 0),
        ),
        (|l| as_router(l).nat_interface = Some("eth9".to_owned()), Fault::Unknown, Place::Nat("r-1".to_owned())),
        (
            |l| {
                let destination = "10.0.3.0/24".parse().unwrap();
                as_router(l).routes = vec![StaticRoute { destination, via: None, interface: None, origin: Origin::default() }];
            },
            Fault::Conflict,
            Place::Route("r-1".to_owned(), 0),
        ),
        (|l| l.links.push(link(end("pc-1", "eth0"), end("sw-1", "port4"))), Fault::Link, Place::A(3)),
        (|l| l.links.push(link(end("sw-1", "port4"), end("r-1", "eth7"))), Fault::Unknown, Place::B(3)),
        (|l| l.links.push(link(End::Vpc("v".to_owned()), end("sw-1", "port4"))), Fault::Link, Place::Link(3)),
        (|l| l.links[0].rate_bits_per_second = 0, Fault::Range, Place::Link(0)),
        (|l| l.links[0].rate_bits_per_second = MOST_RATE_BITS_PER_SECOND + 1, Fault::Range, Place::Link(0)),
        (|l| l.links[1].delay_nanoseconds = MOST_DELAY_NANOSECONDS + 1, Fault::Range, Place::Link(1)),
        (|l| l.links[1].loss_per_million = MILLION + 1, Fault::Range, Place::Link(1)),
        (|l| l.links[1].mtu_bytes = LEAST_MTU_BYTES - 1, Fault::Range, Place::Link(1)),
        (|l| l.links[1].queue_frames = 0, Fault::Range, Place::Link(1)),
        (|l| l.links[1].half_duplex = true, Fault::Conflict, Place::Link(1)),
        (|l| l.links[1].framing = Framing::Ppp, Fault::Link, Place::Link(1)),
    ];
    assert_eq!(lan().problems(), vec![]);
    for (change, fault, place) in cases {
        let found: Vec<_> = changed(change).problems().into_iter().map(|problem| (problem.fault, problem.place)).collect();
        assert_eq!(found, [(fault, place)]);
    }
}

#[test]
fn addresses_that_a_host_can_have_are_told_from_others() {
    for fine in ["10.0.1.10/24", "10.0.0.1/31", "10.0.0.0/31", "10.0.0.7/32", "fd00::1/64", "fe80::1/64", "169.254.1.1/16"] {
        assert_eq!(address_problem(fine.parse().unwrap()), None, "{fine}");
    }
    for wrong in ["10.0.1.0/24", "10.0.1.255/24", "0.0.0.0/0", "127.0.0.1/8", "224.0.0.5/24", "255.255.255.255/32", "fd00::/64", "::1/128", "ff02::1/64"] {
        assert!(address_problem(wrong.parse().unwrap()).is_some(), "{wrong}");
    }
}

#[test]
fn a_gateway_is_a_neighbour() {
    let own = ["10.0.1.10/24".parse().unwrap(), "fd00::10/64".parse().unwrap()];
    for (gateway, fine) in [("10.0.1.1", true), ("10.0.2.1", false), ("10.0.1.10", false), ("fd00::1", true), ("fe80::1", true), ("fd01::1", false)] {
        assert_eq!(gateway_problem(gateway.parse().unwrap(), &own).is_none(), fine, "{gateway}");
    }
}

#[test]
fn a_hundred_metres_take_as_long_as_the_cable_says() {
    let delay = |kind, length_centimetres| Cable { kind, length_centimetres }.delay_nanoseconds();
    assert_eq!(delay(CableKind::Utp, 10_000), 570);
    assert_eq!(delay(CableKind::Fiber, 10_000), 505);
    assert_eq!(delay(CableKind::Coax, 10_000), 433);
    assert_eq!(delay(CableKind::Utp, 100), 6);
    assert_eq!(delay(CableKind::Utp, u64::MAX), 1_051_464_412_201_444_442);
}

#[test]
fn a_broadcast_reaches_what_switches_join_and_ends_at_routers() {
    let lan = lan();
    assert_eq!(lan.broadcast_domains(), [vec![("pc-1", "eth0"), ("pc-2", "eth0"), ("r-1", "eth0")], vec![("r-1", "wan")]]);
}

#[test]
fn a_loop_is_closed_by_its_last_link_unless_somebody_runs_a_spanning_tree() {
    let ring = |spanning_tree: bool| {
        let switch = |on| Device::Switch(Switch { spanning_tree: on, ..Switch::default() });
        let devices = [("a", switch(spanning_tree)), ("b", switch(false)), ("c", switch(false))];
        let pair = |a, b| link(end(a, "port1"), end(b, "port2"));
        Lan {
            devices: devices.map(|(name, device)| (name.to_owned(), device)).into(),
            links: vec![pair("a", "b"), pair("b", "c"), pair("c", "a")],
            origin: Origin::default(),
        }
    };
    assert_eq!(ring(false).loops(), [2]);
    assert_eq!(ring(true).loops(), Vec::<usize>::new());
    let mut cut = ring(false);
    cut.links[1].up = false;
    assert_eq!(cut.loops(), Vec::<usize>::new());
}

#[test]
fn quantities_print_in_the_largest_unit_that_fits() {
    for (rate, text) in [(10_000_000, "10M"), (64_000, "64k"), (1_544_000, "1.544M"), (400_000_000_000, "400G"), (300, "300b"), (1_000_001, "1.000001M")] {
        assert_eq!(BitsPerSecond(rate).to_string(), text);
    }
    for (time, text) in [(5_000, "5us"), (1_500_000, "1.5ms"), (0, "0ns"), (10_000_000_000, "10s"), (567, "567ns")] {
        assert_eq!(Nanoseconds(time).to_string(), text);
    }
    for (share, text) in [(10_000, "1%"), (500, "0.05%"), (1_000_000, "100%"), (0, "0%"), (1, "0.0001%")] {
        assert_eq!(PerMillion(share).to_string(), text);
    }
}

#[test]
fn a_link_prints_what_does_not_go_without_saying() {
    let lan = lan();
    let plain = &lan.links[0];
    assert_eq!(lan.sentence(plain), "pc-1 -- sw-1");
    let all = Link {
        rate_bits_per_second: 1_000_000_000,
        cable: Some(Cable { kind: CableKind::Fiber, length_centimetres: 200_050 }),
        delay_nanoseconds: 3_000,
        loss_per_million: 10_000,
        duplicate_per_million: 1,
        reorder_per_million: 20_000,
        queue_frames: 7,
        mtu_bytes: 1_400,
        up: false,
        ..link(end("r-1", "eth0"), end("sw-1", "port3"))
    };
    let fiber = |length_centimetres| Cable { kind: CableKind::Fiber, length_centimetres }.to_string();
    assert_eq!([fiber(10_000), fiber(200_000), fiber(0), fiber(150)], ["fiber", "fiber 2km", "fiber 0m", "fiber 1.5m"]);
    let text = "r-1:eth0 -- sw-1 1G fiber 2000.5m 3us loss 1% duplicate 0.0001% reorder 2% queue 7 mtu 1400 down";
    assert_eq!(lan.sentence(&all), text);
}
