//! Links, addresses, routes, rules and neighbours on a real kernel, read back.

use netlink::rtnl::address::{self, Address};
use netlink::rtnl::link::{self, BridgeSettings, Ipv4Conf, LinkKind, LinkSpec, Target};
use netlink::rtnl::qdisc::{self, Netem, Qdisc};
use netlink::rtnl::neighbour::{self, Neighbour, Parameter};
use netlink::rtnl::route::{self, Query, Route, RouteKind};
use netlink::rtnl::rule::{self, Rule};
use netlink::rtnl::Family;
use netlink::{Batch, Error, Protocol, Socket};
use std::os::fd::AsFd;

use crate::common::{self, Namespace, configure, in_own_namespaces, ip};

/// A veth with its far end, `eth0`, born in `namespace`.
fn veth(batch: &mut Batch, index: u32, namespace: &Namespace) {
    let near = LinkSpec {
        index: Some(index),
        mac: Some([2, 0, 0, 0, 1, index as u8]),
        mtu: Some(9001),
        group: Some(77),
        up: Some(true),
        ipv6_address_generation: Some(false),
        ipv4: vec![(Ipv4Conf::ProxyArp, 1), (Ipv4Conf::RpFilter, 2), (Ipv4Conf::SendRedirects, 0)],
        ..LinkSpec::named(format!("v{index}"))
    };
    let far = LinkSpec {
        index: Some(10),
        mac: Some([2, 0, 0, 0, 2, index as u8]),
        mtu: Some(9001),
        namespace: Some(namespace.as_fd()),
        ..LinkSpec::named("eth0")
    };
    link::create(batch, &near, &LinkKind::Veth(far));
}

#[test]
fn a_veth_is_born_with_its_peer_in_another_namespace() {
    in_own_namespaces("rtnetlink::a_veth_is_born_with_its_peer_in_another_namespace", || {
        let far = Namespace::new();
        let mut socket = Socket::open(Protocol::Route).expect("socket");
        let mut batch = Batch::new();
        veth(&mut batch, 100, &far);
        socket.execute(&batch).expect("create");

        let near = link::get(&mut socket, Target::Name("v100")).expect("near end");
        assert_eq!((near.index, near.mtu, near.group, near.mac), (100, 9001, 77, Some([2, 0, 0, 0, 1, 100])));
        assert_eq!((near.kind.as_deref(), near.peer, near.is_up()), (Some("veth"), Some(10), true));
        assert!(near.peer_namespace.is_some(), "the peer is elsewhere");
        let settings = link::ipv4_settings(&mut socket, Target::Index(100)).expect("settings");
        let read = |key: Ipv4Conf| settings.iter().find(|(at, _)| *at == key as u16).map(|(_, value)| *value);
        assert_eq!(
            [read(Ipv4Conf::ProxyArp), read(Ipv4Conf::RpFilter), read(Ipv4Conf::SendRedirects), read(Ipv4Conf::AcceptLocal)],
            [Some(1), Some(2), Some(0), Some(0)]
        );

        let mut inside = far.socket(Protocol::Route);
        let peers = link::dump(&mut inside).expect("dump");
        let eth0 = peers.iter().find(|link| link.name == "eth0").expect("eth0");
        assert_eq!((eth0.index, eth0.mac, eth0.peer, eth0.is_up()), (10, Some([2, 0, 0, 0, 2, 100]), Some(100), false));
        configure(&mut inside, 10, "10.0.0.5/24");
        let v6 = address::dump(&mut socket, Some(Family::V6), Some(100)).expect("addresses");
        assert_eq!(v6, [], "address generation is off");
        let v4 = address::dump(&mut inside, Some(Family::V4), Some(10)).expect("addresses");
        assert_eq!(v4.iter().map(|a| a.address.to_string()).collect::<Vec<_>>(), ["10.0.0.5/24"]);
    });
}

/// A value under `/sys/class/net`: of the namespace in which it is mounted, so it is mounted anew.
fn bridge_value(name: &str, value: &str) -> String {
    let script = format!("mount -t sysfs none /sys && cat /sys/class/net/{name}/bridge/{value}");
    let output = std::process::Command::new("unshare").args(["-m", "sh", "-c", &script]).output().expect("unshare");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_bridge_is_what_was_asked_and_can_be_changed_in_place() {
    in_own_namespaces("rtnetlink::a_bridge_is_what_was_asked_and_can_be_changed_in_place", || {
        let mut socket = Socket::open(Protocol::Route).expect("socket");
        let asked = BridgeSettings { ageing_seconds: 60, spanning_tree: Some(4_096), multicast_snooping: false, most_learned: 8 };
        let mut batch = Batch::new();
        let spec = LinkSpec { index: Some(50), up: Some(true), ..LinkSpec::named("br0") };
        link::create(&mut batch, &spec, &LinkKind::BridgeWith(asked));
        socket.execute(&batch).expect("create");
        let seen = || ["ageing_time", "stp_state", "priority", "multicast_snooping"].map(|value| bridge_value("br0", value));
        assert_eq!(seen(), ["6000", "1", "4096", "0"]);
        let mut batch = Batch::new();
        link::change_bridge(&mut batch, 50, &BridgeSettings { ageing_seconds: 0, spanning_tree: None, multicast_snooping: true, ..asked });
        socket.execute(&batch).expect("change");
        assert_eq!(seen(), ["0", "0", "4096", "1"]);
    });
}

#[test]
fn ends_of_a_line_ask_nobody_for_addresses() {
    in_own_namespaces("rtnetlink::ends_of_a_line_ask_nobody_for_addresses", || {
        let far = Namespace::new();
        let (mut socket, mut other) = (Socket::open(Protocol::Route).expect("socket"), far.socket(Protocol::Route));
        let end = || LinkSpec { index: Some(7), mac: Some([2, 0, 0, 0, 0, 7]), ..LinkSpec::named("serial0") };
        let mut batch = Batch::new();
        link::create(&mut batch, &end(), &LinkKind::Veth(LinkSpec { namespace: Some(far.as_fd()), ..end() }));
        socket.execute(&batch).expect("create");
        for socket in [&mut socket, &mut other] {
            let mut batch = Batch::new();
            link::change(&mut batch, Target::Index(7), &LinkSpec { arp: Some(false), up: Some(true), ..LinkSpec::default() });
            socket.execute(&batch).expect("change");
        }
        configure(&mut socket, 7, "10.0.0.1/30");
        configure(&mut other, 7, "10.0.0.2/30");
        for socket in [&mut socket, &mut other] {
            while !link::get(socket, Target::Index(7)).expect("link").is_running() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        let (near, far) = (std::net::UdpSocket::bind("10.0.0.1:0").expect("near"), far.udp("10.0.0.2:9"));
        common::delivered(&near, "10.0.0.2:9", &far, b"over the line");
        let flags = link::get(&mut socket, Target::Index(7)).expect("link").flags;
        assert!(flags & link::NO_ARP != 0, "{flags:#x}");
    });
}

#[test]
fn a_discipline_is_set_and_replaced_or_is_not_in_this_kernel() {
    in_own_namespaces("rtnetlink::a_discipline_is_set_and_replaced_or_is_not_in_this_kernel", || {
        let mut socket = Socket::open(Protocol::Route).expect("socket");
        let mut batch = Batch::new();
        let near = LinkSpec { index: Some(7), ..LinkSpec::named("near") };
        link::create(&mut batch, &near, &LinkKind::Veth(LinkSpec::named("far")));
        socket.execute(&batch).expect("create");
        let netem = Netem { rate_bits_per_second: 10_000_000, delay_nanoseconds: 1_000_000, limit_packets: 100, ..Netem::default() };
        let tbf = |rate_bits_per_second| Qdisc::Tbf { rate_bits_per_second, burst_bytes: 1_518, queue_packets: 100 };
        for one in [tbf(10_000_000), tbf(64_000), tbf(100_000_000_000), Qdisc::Netem(netem), Qdisc::Pfifo { queue_packets: 5 }] {
            let mut batch = Batch::new();
            qdisc::set(&mut batch, 7, &one);
            match socket.execute(&batch) {
                Ok(()) => {}
                Err(Error::Refused(refusal)) => assert_eq!(refusal.errno, libc::ENOENT, "{one:?}: {refusal}"),
                Err(error) => panic!("{one:?}: {error}"),
            }
            if !matches!(one, Qdisc::Tbf { rate_bits_per_second: 10_000_000, .. }) {
                let mut batch = Batch::new();
                qdisc::clear(&mut batch, 7);
                // One that the kernel has not was not set.
                let _ = socket.execute(&batch);
            }
        }
    });
}

#[test]
fn a_refusal_names_its_message_across_pieces() {
    in_own_namespaces("rtnetlink::a_refusal_names_its_message_across_pieces", || {
        let mut socket = Socket::open(Protocol::Route).expect("socket");
        let mut batch = Batch::new();
        // 300 changes of the loopback, the 201st of a device that is not there: in the second piece.
        for at in 0..300 {
            link::set_up(&mut batch, Target::Name(if at == 200 { "nobody" } else { "lo" }), true);
        }
        let refusal = match socket.execute(&batch) {
            Err(Error::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        };
        assert_eq!((refusal.index, refusal.errno), (Some(200), libc::ENODEV));
        assert_eq!(refusal.request.as_deref(), Some("set link nobody"));
        let all = socket.execute_all(&batch).expect("every piece is sent");
        assert_eq!(all.iter().map(|refusal| refusal.index).collect::<Vec<_>>(), [Some(200)]);
        assert!(link::dump(&mut socket).expect("the socket is still in step").iter().any(|link| link.name == "lo"));
    });
}

#[test]
fn two_hundred_veths_come_and_go_by_group() {
    in_own_namespaces("rtnetlink::two_hundred_veths_come_and_go_by_group", || {
        let namespaces: Vec<Namespace> = (0..200).map(|_| Namespace::new()).collect();
        let mut socket = Socket::open(Protocol::Route).expect("socket");
        let mut batch = Batch::new();
        for (at, namespace) in namespaces.iter().enumerate() {
            veth(&mut batch, 1000 + at as u32, namespace);
        }
        socket.execute(&batch).expect("create");
        let count = |socket: &mut Socket| link::dump(socket).expect("dump").iter().filter(|l| l.group == 77).count();
        assert_eq!(count(&mut socket), 200);
        let mut batch = Batch::new();
        link::change(&mut batch, Target::Group(77), &LinkSpec { mtu: Some(1500), up: Some(false), ..LinkSpec::default() });
        socket.execute(&batch).expect("change the group");
        assert!(link::dump(&mut socket).expect("dump").iter().filter(|l| l.group == 77).all(|l| l.mtu == 1500 && !l.is_up()));
        let mut batch = Batch::new();
        link::delete(&mut batch, Target::Group(77));
        socket.execute(&batch).expect("delete the group");
        assert_eq!(count(&mut socket), 0);
    });
}

#[test]
fn a_device_is_renamed_enslaved_and_moved() {
    in_own_namespaces("rtnetlink::a_device_is_renamed_enslaved_and_moved", || {
        let far = Namespace::new();
        let other = Namespace::new();
        let mut socket = Socket::open(Protocol::Route).expect("socket");
        let mut batch = Batch::new();
        veth(&mut batch, 100, &far);
        link::create(&mut batch, &LinkSpec { index: Some(50), up: Some(true), ..LinkSpec::named("br0") }, &LinkKind::Bridge);
        link::change(&mut batch, Target::Index(100), &LinkSpec { name: Some("port1".into()), master: Some(50), ..LinkSpec::default() });
        socket.execute(&batch).expect("rename and enslave");
        let port = link::get(&mut socket, Target::Name("port1")).expect("renamed");
        assert_eq!((port.index, port.master), (100, Some(50)));

        let mut batch = Batch::new();
        let moved = LinkSpec { name: Some("eth9".into()), index: Some(33), namespace: Some(other.as_fd()), ..LinkSpec::default() };
        link::change(&mut batch, Target::Index(100), &moved);
        socket.execute(&batch).expect("move");
        assert!(link::get(&mut socket, Target::Index(100)).is_err());
        let arrived = link::get(&mut other.socket(Protocol::Route), Target::Name("eth9")).expect("arrived");
        assert_eq!(arrived.index, 33);
    });
}

#[test]
fn routes_of_every_kind_read_back_and_decide() {
    in_own_namespaces("rtnetlink::routes_of_every_kind_read_back_and_decide", || {
        let far = Namespace::new();
        let mut socket = Socket::open(Protocol::Route).expect("socket");
        let mut batch = Batch::new();
        link::set_up(&mut batch, Target::Name("lo"), true);
        veth(&mut batch, 100, &far);
        socket.execute(&batch).expect("create");
        configure(&mut far.socket(Protocol::Route), 10, "10.0.0.5/24");
        configure(&mut socket, 100, "10.0.0.1/24");

        let net = |text: &str| text.parse().expect("prefix");
        let routes = [
            Route { mtu: Some(1500), ..Route::new(1001, net("0.0.0.0/0")).via(ip("10.0.0.5")).device(100) },
            Route::new(1001, net("10.0.0.0/16")).kind(RouteKind::Throw),
            Route::new(1001, net("10.0.9.0/24")).kind(RouteKind::Blackhole),
            Route::new(1001, net("10.0.8.0/24")).kind(RouteKind::Unreachable),
            Route { preferred_source: Some(ip("10.0.0.1")), metric: Some(7), ..Route::new(1001, net("10.0.7.7/32")).device(100) },
            Route::new(1001, net("10.0.6.0/24")).kind(RouteKind::Local).device(1),
            Route { on_link: true, ..Route::new(1001, net("10.5.0.0/16")).via(ip("169.254.0.1")).device(100) },
        ];
        let v6 = [
            Route::new(1001, net("fd00::/64")).kind(RouteKind::Throw),
            Route::new(1001, net("fd00:1::/64")).device(100),
        ];
        let mut batch = Batch::new();
        for route in routes.iter().chain(&v6) {
            route::add(&mut batch, route);
        }
        socket.execute(&batch).expect("add");
        let read = route::dump(&mut socket, Family::V4, Some(1001)).expect("dump");
        assert_eq!(read.len(), routes.len(), "only the table asked for");
        for route in &routes {
            let found = read.iter().find(|found| found.destination == route.destination).expect("read back");
            let comparable = Route { scope: found.scope, ..route.clone() };
            assert_eq!(*found, comparable);
        }
        let v6_kinds: Vec<_> = route::dump(&mut socket, Family::V6, Some(1001)).expect("dump").iter().map(|r| r.kind).collect();
        assert_eq!(v6_kinds, [RouteKind::Throw, RouteKind::Unicast]);
        assert_eq!(route::dump(&mut socket, Family::V4, Some(4242)).expect("no such table"), []);

        let mut batch = Batch::new();
        let marked = Rule { mark: Some((0x70, 0xff)), ..Rule::new(Family::V4, 100, 1001) };
        let received = Rule { receiving: Some("v100".into()), source: Some(net("10.3.0.0/16")), ..Rule::new(Family::V6, 101, 1001) };
        let received = Rule { source: Some(net("fd00:3::/32")), ..received };
        rule::add(&mut batch, &marked);
        rule::add(&mut batch, &received);
        socket.execute(&batch).expect("rules");
        assert!(rule::dump(&mut socket, Family::V4).expect("dump").contains(&marked));
        assert!(rule::dump(&mut socket, Family::V6).expect("dump").contains(&received));

        let with_mark = |to: &str| Query { mark: Some(0x70), ..Query::to(ip(to)) };
        let by_table = route::get(&mut socket, &with_mark("10.5.1.1")).expect("route");
        assert_eq!((by_table.table, by_table.gateway), (1001, Some(ip("169.254.0.1"))));
        let thrown = route::get(&mut socket, &with_mark("10.0.0.5")).expect("route");
        assert_eq!((thrown.table, thrown.device), (route::MAIN, Some(100)), "throw leaves it to the next table");
        assert!(route::get(&mut socket, &with_mark("10.0.8.1")).is_err());

        let mut batch = Batch::new();
        let instead = Route::new(1001, net("10.5.0.0/16")).kind(RouteKind::Blackhole);
        route::replace(&mut batch, &instead);
        route::delete(&mut batch, &routes[0]);
        rule::delete(&mut batch, &received);
        socket.execute(&batch).expect("replace and delete");
        let read = route::dump(&mut socket, Family::V4, Some(1001)).expect("dump");
        assert_eq!(read.len(), routes.len() - 1);
        assert!(read.iter().any(|r| r.destination == instead.destination && r.kind == RouteKind::Blackhole));
        assert!(!rule::dump(&mut socket, Family::V6).expect("dump").contains(&received));
    });
}

#[test]
fn neighbours_are_permanent_and_proxies_listed_apart() {
    in_own_namespaces("rtnetlink::neighbours_are_permanent_and_proxies_listed_apart", || {
        let far = Namespace::new();
        let mut socket = Socket::open(Protocol::Route).expect("socket");
        let mut batch = Batch::new();
        veth(&mut batch, 100, &far);
        let known = Neighbour::permanent(100, ip("10.0.0.5"), [2, 9, 9, 9, 9, 9]);
        let answered = Neighbour::proxy(100, ip("10.0.0.77"));
        neighbour::replace(&mut batch, &known);
        neighbour::replace(&mut batch, &answered);
        neighbour::set_parameters(&mut batch, Family::V4, 100, &[Parameter::ProxyDelay(0), Parameter::MulticastProbes(1)]);
        socket.execute(&batch).expect("neighbours");
        assert_eq!(neighbour::dump(&mut socket, Family::V4, Some(100), false).expect("dump"), std::slice::from_ref(&known));
        let proxies = neighbour::dump(&mut socket, Family::V4, Some(100), true).expect("dump");
        assert_eq!(proxies.iter().map(|n| n.address).collect::<Vec<_>>(), [answered.address]);
        let delay = std::fs::read_to_string("/proc/sys/net/ipv4/neigh/v100/proxy_delay").map(|text| text.trim().to_owned());
        assert_eq!(delay.ok().as_deref(), Some("0"), "/proc shows the reader's namespace");
        let mut batch = Batch::new();
        neighbour::delete(&mut batch, &known);
        socket.execute(&batch).expect("delete");
        assert_eq!(neighbour::dump(&mut socket, Family::V4, Some(100), false).expect("dump"), []);
    });
}

#[test]
fn an_address_has_a_peer_and_its_flags() {
    in_own_namespaces("rtnetlink::an_address_has_a_peer_and_its_flags", || {
        let far = Namespace::new();
        let mut socket = Socket::open(Protocol::Route).expect("socket");
        let mut batch = Batch::new();
        veth(&mut batch, 100, &far);
        let pointed = Address { peer: Some(ip("10.0.0.5")), ..Address::new(100, "10.0.0.1/32".parse().unwrap()) };
        let quiet = Address {
            flags: address::NO_DUPLICATE_DETECTION | address::NO_PREFIX_ROUTE,
            ..Address::new(100, "fd00::1/64".parse().unwrap())
        };
        address::add(&mut batch, &pointed);
        address::add(&mut batch, &quiet);
        socket.execute(&batch).expect("add");
        let read = address::dump(&mut socket, None, Some(100)).expect("dump");
        assert_eq!(read.iter().map(|a| (a.address, a.peer)).collect::<Vec<_>>(), [(pointed.address, pointed.peer), (quiet.address, None)]);
        assert_eq!(read[1].flags & quiet.flags, quiet.flags);
        let mut batch = Batch::new();
        address::delete(&mut batch, &pointed);
        address::delete(&mut batch, &quiet);
        socket.execute(&batch).expect("delete");
        assert_eq!(address::dump(&mut socket, None, Some(100)).expect("dump"), []);
    });
}
