//! IPv6 inside a lab that is up: neighbour discovery answered by the fabric, and a lab brought back to its plan.
#![cfg(target_os = "linux")]

use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::Fabric;
use fabric::engine::{Engine as _, Outcome, PacketProbe, Probe, Sender, Traffic};
use ipnet::IpNet;
use linux::runtime::lab::Lab;
use linux::{Options, naming};
use model::operation::*;
use model::*;
use netlink::rtnl::{self, route};
use netlink::{Batch, Protocol};
use rustix::net::{RecvFlags, SendFlags};
use sandbox::SocketSpec;
use wire::ethernet::Mac;
use wire::{EtherType, Ethernet, Icmpv6, Ipv6, protocol};

use crate::bench::{Bench, Cloud, cloud};

const WEB: &str = "2001:db8:a:1::10";
const SECOND: &str = "2001:db8:a:1::11";
const HOST: &str = "2001:db8:ffff::1";

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// The cloud of the bench with IPv6 in its public subnet, and a host outside that speaks it.
fn dual() -> Cloud {
    let mut cloud = cloud();
    let m = &mut cloud.model;
    let interface = m.network_interfaces[&cloud.web].clone();
    let block = NewVpcBlock::Ipv6("2001:db8:a::/56".parse().unwrap());
    associate_vpc_cidr_block(m, AssociateVpcCidrBlock { vpc_id: interface.vpc_id.clone(), block }).unwrap();
    let block = "2001:db8:a:1::/64".parse().unwrap();
    associate_subnet_cidr_block(m, AssociateSubnetCidrBlock { subnet_id: interface.subnet_id.clone(), ipv6_cidr_block: block }).unwrap();
    m.advance_to(Timestamp(3_000));
    let own = vec![v6(WEB), v6(SECOND)];
    let assign = AssignIpv6Addresses { network_interface_id: cloud.web.clone(), ipv6_addresses: own, ipv6_address_count: 0 };
    assign_ipv6_addresses(m, assign).unwrap();
    let anywhere = Peer::Ipv6("::/0".parse().unwrap());
    let igw = m.internet_gateways.keys().next().unwrap().clone();
    let tables: Vec<RouteTableId> = m.route_tables.iter().filter(|(_, table)| table.tags.get("Name").is_some_and(|name| name == "rt-pub")).map(|(id, _)| id.clone()).collect();
    for table in tables {
        let destination = Destination::Ipv6("::/0".parse().unwrap());
        let route = CreateRoute { route_table_id: table, destination, target: RouteTarget::InternetGateway(igw.clone()), origin: Origin::default() };
        create_route(m, route).unwrap();
    }
    let group_id = interface.groups[0].clone();
    let rules = vec![RuleSpecification::new(TrafficMatch::All, anywhere)];
    authorize_security_group_egress(m, AuthorizeSecurityGroup { group_id, rules }).unwrap();
    let host = OutsideHost { addresses: vec![IpAddr::V6(v6(HOST))], origin: Origin::default() };
    set_outside_host(m, "six", host).unwrap();
    m.advance_to(Timestamp(4_000));
    cloud
}

fn namespace(cloud: &Cloud, interface: &NetworkInterfaceId) -> String {
    naming::instance_namespace(cloud.model.network_interfaces[interface].instance_id().unwrap())
}

fn reaches(bench: &mut Bench, from: &NetworkInterfaceId, port: u16) -> bool {
    let traffic = Traffic::Tcp { source_port: 40_000 + port, destination_port: port };
    let probe = PacketProbe::new(Sender::Interface(from.clone()), IpAddr::V6(v6(HOST)), traffic);
    matches!(bench.engine.probe(&Probe::Packet(probe).into()).unwrap().outcome, Outcome::Allowed(_))
}

/// Asks with an ICMPv6 message from a guest, as its kernel does: again each second until an answer of a type comes, so often at
/// most. Who sent its frame, and its bytes.
fn ask(socket: &OwnedFd, ends: (Mac, Ipv6Addr, Ipv6Addr), message: &Icmpv6, wanted: u8, times: u32) -> Option<(Mac, Ipv6Addr, Vec<u8>)> {
    (0..times).find_map(|_| ask_once(socket, ends, message, wanted))
}

fn ask_once(socket: &OwnedFd, (mac, from, to): (Mac, Ipv6Addr, Ipv6Addr), message: &Icmpv6, wanted: u8) -> Option<(Mac, Ipv6Addr, Vec<u8>)> {
    let ip = Ipv6 { hop_limit: 255, ..Ipv6::new(from, to, protocol::ICMPV6) }.packet(&message.message(from, to));
    let group = to.octets();
    let ethernet = Ethernet { destination: Mac([0x33, 0x33, group[12], group[13], group[14], group[15]]), source: mac, ether_type: EtherType::IPV6 };
    let mut frame = Vec::new();
    ethernet.emit(&mut frame);
    frame.extend(ip);
    rustix::net::send(socket, &frame, SendFlags::empty()).unwrap();
    let until = Instant::now() + Duration::from_secs(1);
    let mut buffer = [0; 2_048];
    while Instant::now() < until {
        let Ok((length, _)) = rustix::net::recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) else {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        };
        let Ok((link, ip)) = Ethernet::parse(&buffer[..length]) else { continue };
        let Ok((header, payload)) = Ipv6::parse(ip) else { continue };
        if header.next_header == protocol::ICMPV6 && payload.first() == Some(&wanted) {
            // The kernel of a guest believes nothing else.
            let (source, destination) = (header.source, header.destination);
            let again = Icmpv6::parse(payload).unwrap().message(source, destination);
            assert_eq!((header.hop_limit, destination, &again[..]), (255, from, payload), "hop limit, receiver, checksum");
            return Some((link.source, source, payload.to_vec()));
        }
    }
    None
}

#[test]
fn the_fabric_answers_for_routers_and_neighbours_by_their_own_hardware_addresses() {
    let cloud = dual();
    let mut bench = Bench::up(&cloud.model);
    let mac = Mac(cloud.model.network_interfaces[&cloud.web].mac_address.0);
    let spec = SocketSpec { nonblocking: true, ..SocketSpec::packet(namespace(&cloud, &cloud.web), "eth0") };
    let socket = bench.engine.lab().client().open_socket(spec).unwrap();
    let own = v6(WEB);
    let option = [vec![1, 1], mac.0.to_vec()].concat();
    let solicited = |target: Ipv6Addr| Icmpv6::Other { kind: 135, code: 0, rest: [0; 4], data: [target.octets().to_vec(), option.clone()].concat() };
    let group = v6("ff02::1:ff00:1");
    let router = Mac(linux::plan::ROUTER_MAC);
    // The router by both its addresses; an interface of the subnet; nobody.
    for (target, expected) in [("fe80::1", Some(router)), ("2001:db8:a:1::1", Some(router)), (SECOND, Some(mac)), ("2001:db8:a:1::99", None)] {
        let times = if expected.is_some() { 30 } else { 2 };
        let answer = ask(&socket, (mac, own, group), &solicited(v6(target)), 136, times);
        let told = answer.as_ref().map(|(sender, source, payload)| (*sender, *source, Mac(payload[26..32].try_into().unwrap())));
        assert_eq!(told, expected.map(|mac| (mac, v6(target), mac)), "{target}");
    }
    let link_local = v6("fe80::1234");
    let solicitation = Icmpv6::Other { kind: 133, code: 0, rest: [0; 4], data: option };
    let (sender, source, payload) = ask(&socket, (mac, link_local, v6("ff02::2")), &solicitation, 134, 30).unwrap();
    assert_eq!((sender, source, &payload[4..8]), (router, v6("fe80::1"), &[64, 0, 7, 8][..]), "a router for half an hour");
}

/// What becomes of packets of a host outside for everybody on its link (RFC 4291, 2.7.1).
fn to_all_nodes(bench: &mut Bench) -> Vec<Outcome> {
    let traffic = [
        Traffic::Icmp { icmp_type: 128, code: 0 },
        Traffic::Udp { source_port: 40_000, destination_port: 53 },
        Traffic::Tcp { source_port: 40_001, destination_port: 80 },
    ];
    let probe = |traffic| Probe::Packet(PacketProbe::new(Sender::Outside(v6(HOST).into()), v6("ff02::1").into(), traffic));
    traffic.into_iter().map(|traffic| bench.engine.probe(&probe(traffic).into()).unwrap().outcome).collect()
}

fn ends_outside(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Dropped(drop) if drop.at == Some(fabric::Component::Internet))
}

#[test]
fn a_host_outside_is_alone_on_its_link() {
    let outcomes = to_all_nodes(&mut Bench::up(&dual().model));
    assert!(outcomes.iter().all(ends_outside), "{outcomes:?}");
}

#[test]
fn a_host_outside_speaks_ipv6_where_no_vpc_does() {
    let mut cloud = cloud();
    let host = OutsideHost { addresses: vec![IpAddr::V6(v6(HOST))], origin: Origin::default() };
    set_outside_host(&mut cloud.model, "six", host).unwrap();
    let outcomes = to_all_nodes(&mut Bench::up(&cloud.model));
    assert!(outcomes.iter().all(ends_outside), "{outcomes:?}");
}

#[test]
fn a_lab_that_was_meddled_with_is_brought_back() {
    let cloud = dual();
    let mut bench = Bench::up(&cloud.model);
    assert!(reaches(&mut bench, &cloud.web, 443));
    let vpc = cloud.model.network_interfaces[&cloud.web].vpc_id.clone();
    let router = naming::router_namespace(&vpc);
    let stray: IpNet = "2001:db8:77::/48".parse().unwrap();
    {
        let lab = bench.engine.lab();
        let socket = lab.netlink(&router, Protocol::Route).unwrap();
        let mut batch = Batch::new();
        route::add(&mut batch, &route::Route::new(route::MAIN, stray).device(1));
        for found in route::dump(socket, rtnl::Family::V6, None).unwrap().iter().filter(|found| found.table == 1 && found.destination.prefix_len() == 128) {
            route::delete(&mut batch, found);
        }
        socket.execute(&batch).unwrap();
    }
    assert!(!reaches(&mut bench, &cloud.web, 444));

    let fabric = Arc::new(Fabric::compile(&cloud.model));
    let client = sandbox::Client::connect(bench.engine.lab().client().socket()).unwrap();
    let mut lab = Lab::recover(client, Options::default(), &fabric, &Default::default(), &Default::default()).unwrap();
    let routes = route::dump(lab.netlink(&router, Protocol::Route).unwrap(), rtnl::Family::V6, None).unwrap();
    assert!(routes.iter().all(|route| route.destination != stray), "{routes:?}");
    assert!(reaches(&mut bench, &cloud.web, 445));
    // What is right already stays: to bring back again changes no route.
    let client = sandbox::Client::connect(bench.engine.lab().client().socket()).unwrap();
    let mut again = Lab::recover(client, Options::default(), &fabric, &Default::default(), &Default::default()).unwrap();
    let mut after = route::dump(again.netlink(&router, Protocol::Route).unwrap(), rtnl::Family::V6, None).unwrap();
    let mut before = routes;
    before.sort();
    after.sort();
    assert_eq!(before, after);
}

#[test]
fn addresses_come_and_go_under_way() {
    let cloud = dual();
    let mut bench = Bench::up(&cloud.model);
    assert!(reaches(&mut bench, &cloud.web, 443));
    let mut without = cloud.model.clone();
    unassign_ipv6_addresses(&mut without, &cloud.web, &[v6(WEB), v6(SECOND)]).unwrap();
    bench.apply(&without);
    let host = Sender::Outside(IpAddr::V6(v6(HOST)));
    let to = |address: &str, bench: &mut Bench| {
        let probe = PacketProbe::new(host.clone(), IpAddr::V6(v6(address)), Traffic::Icmp { icmp_type: 128, code: 0 });
        bench.engine.probe(&Probe::Packet(probe).into()).unwrap().outcome
    };
    assert!(matches!(to(WEB, &mut bench), Outcome::Dropped(drop) if drop.at == Some(fabric::Component::Fabric)));
    bench.apply(&cloud.model);
    assert!(reaches(&mut bench, &cloud.web, 446));
}
