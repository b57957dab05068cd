//! The edges of the fabric on a real kernel: Ethernet, state over time and change, ceilings, and the services.

use std::time::Duration;

use linux::plan::Options;
use model::InstanceState;
use netlink::{Protocol, conntrack};

use crate::support::icmp::Echo;
use crate::support::{self, Lab, Seen, World, in_own_namespaces, tcp};

const WEB1: &str = "10.0.0.10";
const WEB1_PUBLIC: &str = "198.51.100.10";
const APP1: &str = "10.0.10.10";
const DB1: &str = "10.0.20.10";
const INET2: &str = "192.0.2.77";

#[test]
fn nobody_sends_as_somebody_else() {
    in_own_namespaces("edges::nobody_sends_as_somebody_else", || {
        let mut lab = Lab::of(&World::t3());
        // SC-114
        lab.drops();
        let mut batch = netlink::Batch::new();
        let device = linux::plan::device_index("eth0");
        let stolen = netlink::rtnl::address::Address {
            flags: netlink::rtnl::address::NO_PREFIX_ROUTE,
            ..netlink::rtnl::address::Address::new(device, "10.0.0.10/32".parse().expect("address"))
        };
        netlink::rtnl::address::add(&mut batch, &stolen);
        lab.netlink("web2", netlink::Protocol::Route).execute(&batch).expect("address");
        assert_eq!(lab.connect("web2", WEB1, 0, APP1, 8080, "app1").0, Seen::Silence);
        assert_eq!(lab.why(), ["check-out"]);
        assert_eq!(tcp(&mut lab, "internet", INET2, WEB1_PUBLIC, 443, "web1"), "192.0.2.77 > 10.0.0.10");
    });
}

#[test]
fn the_fabric_answers_arp() {
    in_own_namespaces("edges::the_fabric_answers_arp", || {
        // SC-113
        let mut world = World::t3();
        let [mac1, mac2] = ["web1", "web2"].map(|name| world.eni(name).mac_address.0);
        let lab = Lab::of(&world);
        let others = lab.listen_to_arp("web2");
        assert_eq!(lab.arping("web1", mac1, WEB1, "10.0.0.11"), Some(mac2), "the interface's own address");
        let router = lab.arping("web1", mac1, WEB1, "10.0.0.1").expect("the router answers");
        assert!(router != mac1 && router != mac2);
        assert_eq!(lab.arping("web1", mac1, WEB1, "10.0.0.99"), None, "nobody has it");
        assert_eq!(lab.arping("web1", mac1, WEB1, APP1), None, "another subnet");
        assert_eq!(lab.arping("web1", mac1, "10.0.0.77", "10.0.0.11"), None, "asked as somebody else");
        assert_eq!(lab.arping("web1", mac2, WEB1, "10.0.0.11"), None, "asked with another's hardware address");
        assert_eq!(others.requests(), 0, "no request reaches a neighbour (L2-1)");
    });
}

#[test]
fn only_unicast_and_only_ipv4() {
    in_own_namespaces("edges::only_unicast_and_only_ipv4", || {
        // SC-112
        let mut world = World::t3();
        world.allow_in("web", "icmp 0.0.0.0/0");
        let mut lab = Lab::of(&world);
        for target in ["10.0.0.255", "255.255.255.255", "224.0.0.1"] {
            lab.drops();
            let sent = lab.namespace("web1").enter(|| {
                let socket = std::net::UdpSocket::bind((WEB1, 0)).expect("bind");
                socket.set_broadcast(true).expect("broadcast");
                socket.send_to(b"all", (target, 9))
            });
            assert!(sent.is_ok(), "{target}: {sent:?}");
            std::thread::sleep(Duration::from_millis(5));
            assert_eq!(lab.why(), ["fabric-broadcast"], "{target}");
        }
    });
}

/// Ages every connection of a namespace by so many seconds, as the virtual clock does.
fn age(lab: &mut Lab, place: &str, seconds: u64) {
    let socket = lab.netlink(place, Protocol::Netfilter);
    let batch = linux::runtime::clock::aging(&conntrack::dump(socket).expect("dump"), Duration::from_secs(seconds));
    socket.execute_all(&batch).expect("aged");
}

#[test]
fn a_nat_gateway_forgets() {
    in_own_namespaces("edges::a_nat_gateway_forgets", || {
        let mut lab = Lab::of(&World::t3());
        let (seen, kept) = lab.connect("app1", APP1, 0, INET2, 443, "internet");
        let Seen::Open { port, .. } = seen else { panic!("{seen:?}") };
        assert!(port >= 1024, "NAT-5");
        let mut kept = kept.expect("open");
        // SC-061
        age(&mut lab, "nat/nat-a", 349);
        assert!(kept.client_says() && kept.server_says());
        lab.drops();
        age(&mut lab, "nat/nat-a", 350);
        assert!(kept.client_is_cut());
        let said = lab.why();
        assert!(said.contains(&"nat-no-entry".to_owned()), "{said:?}");
        assert!(std::io::Write::write(&mut kept.client, b"x").is_err(), "a reset came (NAT-12)");
        // SC-062
        let (_, kept) = lab.connect("app1", APP1, 0, INET2, 443, "internet");
        let mut kept = kept.expect("open");
        age(&mut lab, "nat/nat-a", 400);
        lab.drops();
        assert!(kept.server_is_cut());
        assert_eq!(lab.why(), ["nat-inbound"]);
    });
}

#[test]
fn udp_is_known_for_half_a_minute() {
    in_own_namespaces("edges::udp_is_known_for_half_a_minute", || {
        // SC-042
        let mut lab = Lab::of(&World::t3());
        let server = lab.namespace("internet").enter(|| std::net::UdpSocket::bind((INET2, 5000)).expect("bind"));
        let client = lab.namespace("web1").enter(|| std::net::UdpSocket::bind((WEB1, 0)).expect("bind"));
        for socket in [&server, &client] {
            socket.set_read_timeout(Some(support::PATIENCE)).expect("timeout");
        }
        client.send_to(b"ask", (INET2, 5000)).expect("send");
        let mut buffer = [0; 16];
        let (_, peer) = server.recv_from(&mut buffer).expect("request");
        assert_eq!(peer.ip().to_string(), WEB1_PUBLIC);
        server.send_to(b"answer", peer).expect("send");
        assert!(client.recv_from(&mut buffer).is_ok());
        age(&mut lab, "vpc/vpc-a", 40);
        lab.drops();
        server.send_to(b"late", peer).expect("send");
        client.set_read_timeout(Some(support::SILENCE)).expect("timeout");
        assert!(client.recv_from(&mut buffer).is_err());
        assert_eq!(lab.why(), ["sg-in"]);
    });
}

#[test]
fn the_check_may_change_under_a_connection() {
    in_own_namespaces("edges::the_check_may_change_under_a_connection", || {
        let mut world = World::t3();
        let mut lab = Lab::of(&world);
        let (_, kept) = lab.connect("web1", WEB1, 0, APP1, 8080, "app1");
        let mut kept = kept.expect("open");
        for check in [false, true] {
            world.check("app1", check);
            lab.apply(&world.model);
            lab.drops();
            assert!(kept.client_says() && kept.server_says(), "{check}: {:?}", lab.why());
        }
    });
}

#[test]
fn an_address_that_changes_hands_brings_no_state() {
    in_own_namespaces("edges::an_address_that_changes_hands_brings_no_state", || {
        let mut world = World::t3();
        let mut lab = Lab::of(&world);
        let (_, kept) = lab.connect("web1", WEB1, 41_000, APP1, 8080, "app1");
        assert!(kept.is_some());
        // app1 goes; app3 gets its address, and groups that admit nobody.
        world.model.network_interfaces.remove(&"eni-app1".parse().expect("id"));
        world.model.instances.remove(&"i-app1".parse().expect("id"));
        world.model.guests.remove(&"i-app1".parse().expect("id"));
        world.group("empty", "a", &[]);
        world.instance("app3", "app-a", APP1, "empty");
        lab.apply(&world.model);
        lab.drops();
        let mut kept = kept.expect("open");
        assert!(kept.client_is_cut());
        assert_eq!(lab.why(), ["sg-in-empty"]);
    });
}

#[test]
fn flows_have_a_ceiling() {
    in_own_namespaces("edges::flows_have_a_ceiling", || {
        // SG-31
        let world = World::t3();
        let options = Options { flows_per_interface: Some(5), ..Options::default() };
        let mut lab = Lab::with(&world.model, options);
        let mut kept = Vec::new();
        for _ in 0..5 {
            kept.push(lab.connect("web1", WEB1, 0, APP1, 8080, "app1").1.expect("open"));
        }
        assert_eq!(tcp(&mut lab, "web1", WEB1, APP1, 8080, "app1"), "Silence sg-out-limit");
        assert!(kept.iter_mut().all(support::Kept::client_says), "those that are known go on");
        assert_eq!(tcp(&mut lab, "app2", "10.0.10.11", DB1, 5432, "db1"), "10.0.10.11 > 10.0.20.10");
    });
}

#[test]
fn nobody_receives_at_an_interface_that_serves_nobody() {
    in_own_namespaces("edges::nobody_receives_at_an_interface_that_serves_nobody", || {
        let mut world = World::t3();
        world.instance("spare", "app-a", "10.0.10.50", "app");
        world.model.instances.remove(&"i-spare".parse().expect("id"));
        world.model.guests.remove(&"i-spare".parse().expect("id"));
        world.eni("spare").attachment = None;
        let mut lab = Lab::of(&world);
        assert_eq!(tcp(&mut lab, "web1", WEB1, "10.0.10.50", 8080, "app1"), "Silence eni");
        assert_eq!(tcp(&mut lab, "web1", WEB1, "10.0.10.50", 8081, "app1"), "Silence sg-in");
    });
}

#[test]
fn a_nat_gateway_takes_less_than_the_vpc() {
    in_own_namespaces("edges::a_nat_gateway_takes_less_than_the_vpc", || {
        // NAT-15
        let lab = Lab::of(&World::t3());
        let needed = lab.echo("app1", APP1, INET2, Echo { size: 8_900, dont_fragment: true, ..Echo::default() });
        let needed = needed.expect("fragmentation needed");
        assert_eq!((needed.kind, needed.code, needed.mtu), (3, 4, 8_500));
        assert_eq!(needed.source.to_string(), "10.0.0.200");
    });
}

#[test]
fn services_are_for_interfaces_and_for_nobody_else() {
    in_own_namespaces("edges::services_are_for_interfaces_and_for_nobody_else", || {
        let mut world = World::t3();
        world.clear_out("app");
        world.acl("app", "app-a");
        let mut lab = Lab::of(&world);
        // SC-054: no filter touches them
        for (address, port) in [("169.254.169.254", 80), ("10.0.0.2", 53), ("169.254.169.253", 53)] {
            assert!(lab.tcp("app1", APP1, address, port, "vpc/vpc-a").is_open(), "{address}:{port}");
        }
        for (address, port) in [("10.0.0.2", 53), ("169.254.169.123", 123)] {
            let answer = lab.udp("app1", APP1, address, port, "vpc/vpc-a");
            assert!(answer.is_open(), "{address}:{port} {answer:?}");
        }
        // DNS-2
        world.model.vpcs.values_mut().for_each(|vpc| vpc.enable_dns_support = false);
        lab.apply(&world.model);
        lab.drops();
        assert_eq!(lab.udp("app1", APP1, "10.0.0.2", 53, "vpc/vpc-a"), Seen::Silence);
        assert_eq!(lab.why(), ["resolver"]);
        // L2-6
        assert!(!lab.pings("app1", APP1, "10.0.10.1"));
        // Nobody else's port is open on the router.
        assert_eq!(lab.tcp("app1", APP1, "169.254.169.254", 81, "vpc/vpc-a"), Seen::Silence);
    });
}

#[test]
fn a_stopped_instance_comes_back() {
    in_own_namespaces("edges::a_stopped_instance_comes_back", || {
        let mut world = World::t3();
        let mut lab = Lab::of(&world);
        world.state("app1", InstanceState::Stopped);
        lab.apply(&world.model);
        assert_eq!(tcp(&mut lab, "web1", WEB1, APP1, 8080, "app1"), "Silence eni");
        world.state("app1", InstanceState::Running);
        lab.apply(&world.model);
        assert_eq!(tcp(&mut lab, "web1", WEB1, APP1, 8080, "app1"), "10.0.0.10 > 10.0.10.10");
    });
}

/// Sends megabytes one way and says whether they came as they were.
fn carries(from: &mut std::net::TcpStream, to: &mut std::net::TcpStream) -> bool {
    use std::io::{Read, Write};
    let data: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    to.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
    std::thread::scope(|scope| {
        scope.spawn(|| from.write_all(&data).expect("written"));
        let mut received = vec![0; data.len()];
        to.read_exact(&mut received).is_ok() && received == data
    })
}

#[test]
fn bulk_data_arrives_whole() {
    in_own_namespaces("edges::bulk_data_arrives_whole", || {
        // Big segments are cut, checksummed and translated by different parts of the kernel.
        let mut lab = Lab::of(&World::p2());
        for (from, source, to, port, at) in [
            ("web1", WEB1, APP1, 8080, "app1"),
            ("internet", INET2, WEB1_PUBLIC, 443, "web1"),
            ("app1", APP1, INET2, 443, "internet"),
            ("app1", APP1, "10.1.0.10", 22, "bhost"),
            ("app1", APP1, WEB1_PUBLIC, 443, "web1"),
        ] {
            let (seen, kept) = lab.connect(from, source, 0, to, port, at);
            let mut kept = kept.unwrap_or_else(|| panic!("{from} {to}: {seen:?} {:?}", lab.why()));
            assert!(carries(&mut kept.client, &mut kept.server), "{from} to {to}: {:?}", lab.why());
            assert!(carries(&mut kept.server, &mut kept.client), "{to} back to {from}: {:?}", lab.why());
        }
    });
}

#[test]
fn big_datagrams_pass_gateways_in_pieces() {
    in_own_namespaces("edges::big_datagrams_pass_gateways_in_pieces", || {
        let mut world = World::t3();
        world.allow_in("web", "udp 5000 0.0.0.0/0");
        let mut lab = Lab::of(&world);
        for (from, source, to, at) in [
            ("internet", INET2, WEB1_PUBLIC, "web1"),
            ("web1", WEB1, INET2, "internet"),
            // NAT-14: fragments of UDP are forwarded
            ("app1", APP1, INET2, "internet"),
        ] {
            let bind = |place: &str, address: (&str, u16)| lab.namespace(place).enter(|| std::net::UdpSocket::bind(address).expect("bind"));
            let server = bind(at, (if at == "internet" { to } else { "0.0.0.0" }, 5000));
            let client = bind(from, (source, 0));
            for socket in [&server, &client] {
                socket.set_read_timeout(Some(support::PATIENCE)).expect("timeout");
            }
            let data: Vec<u8> = (0..20_000u32).map(|n| (n % 251) as u8).collect();
            client.send_to(&data, (to, 5000)).expect("send");
            let mut buffer = vec![0; 30_000];
            let (read, peer) = server.recv_from(&mut buffer).unwrap_or_else(|error| panic!("{from} {to}: {error}"));
            assert!(buffer[..read] == data[..]);
            server.send_to(&data, peer).expect("send");
            let read = client.recv(&mut buffer).unwrap_or_else(|error| panic!("{to} back to {from}: {error}"));
            assert!(buffer[..read] == data[..]);
        }
        assert_eq!(lab.why(), Vec::<String>::new());
    });
}
