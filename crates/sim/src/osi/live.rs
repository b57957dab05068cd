//! A frame of a protocol as the simulator makes it: two hosts, a switch, a router, and a program that speaks the protocol.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use wire::{EtherType, Gre, Icmpv4, Ipv4, Mac, dns, ntp};

use super::{Protocol, Topic};
use crate::app::{
    ConnectSpec, DatagramSpec, GetSpec, PingSpec, RawSpec, SmtpSpec, TelnetSpec, dhcp_client, dhcp_server, http, https, smtp,
    telnet,
};
use crate::device::{Switch, SwitchSettings};
use crate::host::{Host, HostSpec, InterfaceSpec, RouteSpec};
use crate::link::{Framing, LinkSpec};
use crate::simulator::Simulator;
use crate::time::{Span, Time};
use crate::trace::{Bounds, Reason, Verb};
use crate::view::layers::Side;
use crate::view::unit::{Unit, units};
use crate::view::{Filter, Layers, View};

/// An example: a frame on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Who sent it.
    pub node: String,
    /// One line about it.
    pub what: String,
    /// Its layers, as far as they are asked for.
    pub frame: Side,
    /// Its bytes without preamble, padding and check sequence, in hexadecimal.
    pub bytes: String,
}

/// The client and the server, with IPv4 and IPv6.
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 2);

const RIP_PORT: u16 = 520;

/// What the server has.
const PAGE: &str = "<p>안녕, hello</p>\n";

/// What the client does.
enum Act {
    Ping(IpAddr),
    /// It has no address yet, and gets one from the router.
    Lease,
    Get,
    SecureGet,
    Mail,
    Login,
    Connect(u16),
    Datagram(IpAddr, u16, Vec<u8>),
    Packet(IpAddr, u8, Vec<u8>),
}

impl Example {
    /// An example of a topic; nothing where no program of the simulator speaks the protocol.
    pub fn of(topic: Topic) -> Option<Self> {
        let (word, highest) = match topic {
            Topic::All => ("http", 7),
            Topic::Layer(layer) => ("http", layer.number()),
            Topic::Protocol(protocol) => (protocol.word, 7),
            // Nobody sends there.
            Topic::Port { port: 0, .. } => return None,
            Topic::Port { transport, port } => return at_port(transport, port),
        };
        let framing = match word {
            "ppp" => Framing::Ppp,
            "hdlc" => Framing::Hdlc,
            _ => Framing::Ethernet,
        };
        let protocol = Protocol::all().find(|protocol| protocol.word == word)?;
        let sim = run(act(protocol)?, framing);
        let ports: Vec<u16> = protocol.ports().iter().map(|port| port.port).collect();
        let fits = |units: &[Unit]| match word {
            "1000base-t" => true,
            "https" => units.iter().any(|unit| unit.protocol == "encrypted") && goes_to(units, &ports),
            "ascii" | "utf-8" => {
                units.iter().any(|unit| unit.field("written as").is_some_and(|written| is_written(written, word)))
            }
            _ => units.iter().any(|unit| unit.protocol == word),
        };
        found(&sim, highest, fits).or_else(|| found(&sim, highest, |units| goes_to(units, &ports)))
    }
}

/// A frame to a port: of the program that lives there if the simulator has it, else the beginning of a connection, or a
/// datagram.
fn at_port(transport: Option<u8>, port: u16) -> Option<Example> {
    let (tcp, udp) = (model::traffic::protocol::TCP, model::traffic::protocol::UDP);
    let is_at = |over| model::service::at(over, port).is_some();
    let over = transport.unwrap_or(if is_at(udp) && !is_at(tcp) { udp } else { tcp });
    let act = match model::service::at(over, port) {
        None if over == tcp => Act::Connect(port),
        None => Act::Datagram(SERVER.into(), port, b"hello".to_vec()),
        Some(_) if over == tcp => Act::Connect(port),
        Some(service) => match act(super::service(service.name)?.0)? {
            at_udp @ (Act::Datagram(..) | Act::Lease) => at_udp,
            _ => Act::Datagram(SERVER.into(), port, b"hello".to_vec()),
        },
    };
    found(&run(act, Framing::Ethernet), 7, |units| goes_to(units, &[port]))
}

/// What shows a protocol at work.
fn act(protocol: &Protocol) -> Option<Act> {
    let server = IpAddr::V4(SERVER);
    let group = |last| IpAddr::V4(Ipv4Addr::new(224, 0, 0, last));
    Some(match protocol.word {
        "icmpv6" | "ipv6" | "ndp" => Act::Ping(SERVER_V6.into()),
        "1000base-t" | "ethernet" | "arp" | "ipv4" | "icmp" | "ppp" | "hdlc" => Act::Ping(server),
        "http" | "tcp" | "socket" | "ascii" | "utf-8" => Act::Get,
        "https" | "tls" => Act::SecureGet,
        "smtp" => Act::Mail,
        "telnet" => Act::Login,
        "dns" | "udp" => Act::Datagram(server, 53, dns::Query::new(1, "www.example.com", dns::Kind::A).emit().ok()?),
        "ntp" => Act::Datagram(
            server,
            123,
            ntp::Request::new(ntp::Timestamp::from_unix(std::time::Duration::ZERO)).emit().to_vec(),
        ),
        "tftp" => Act::Datagram(server, 69, b"\0\x01boot.img\0octet\0".to_vec()),
        "snmp" => Act::Datagram(server, 161, SNMP_GET.to_vec()),
        "syslog" => Act::Datagram(server, 514, b"<14>1 - pc-1 demo - - - it works".to_vec()),
        "dhcp" => Act::Lease,
        // A request for the whole table (RFC 2453 3.9.1): one entry of family 0 and metric 16.
        "rip" => Act::Datagram(group(9), RIP_PORT, [&[1, 2, 0, 0][..], &[0; 19], &[16]].concat()),
        "igmp" => Act::Packet(group(251), 2, report([224, 0, 0, 251])),
        "gre" => Act::Packet(server, wire::protocol::GRE, tunnelled()),
        _ => {
            let over_tcp = protocol.ports().into_iter().find(|port| port.transport == "tcp");
            Act::Connect(over_tcp?.port)
        }
    })
}

/// A question for sysDescr.0 with the community `public` (RFC 1157, section 4.1.2).
const SNMP_GET: [u8; 40] = [
    0x30, 0x26, 0x02, 0x01, 0x01, 0x04, 0x06, b'p', b'u', b'b', b'l', b'i', b'c', 0xa0, 0x19, 0x02, 0x01, 0x01, 0x02, 0x01,
    0x00, 0x02, 0x01, 0x00, 0x30, 0x0e, 0x30, 0x0c, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x02, 0x01, 0x01, 0x01, 0x00, 0x05, 0x00,
];

/// A membership report (RFC 2236, section 2).
fn report(group: [u8; 4]) -> Vec<u8> {
    let mut message = [&[0x16, 0, 0, 0][..], &group].concat();
    let checksum = wire::checksum::of(&message).to_be_bytes();
    message[2..4].copy_from_slice(&checksum);
    message
}

/// An echo request between two other networks.
fn tunnelled() -> Vec<u8> {
    let mut bytes = Vec::new();
    Gre { protocol: EtherType::IPV4, key: None, sequence: None }.emit(&mut bytes);
    let echo = Icmpv4::Echo { reply: false, id: 1, sequence: 1, data: Vec::new() }.message();
    let (source, destination) = (Ipv4Addr::new(192, 168, 1, 1), Ipv4Addr::new(192, 168, 2, 1));
    bytes.extend_from_slice(&Ipv4::new(source, destination, wire::protocol::ICMP).packet(&echo));
    bytes
}

fn mac(number: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, number])
}

/// Two hosts, each in a network of its own; the last link frames as it is said.
fn run(act: Act, framing: Framing) -> Simulator {
    let mut sim = Simulator::new(1, Bounds { events: 10_000, frame_bytes: 1 << 20 });
    let interface = |name: &str, number, addresses: [&str; 2]| InterfaceSpec {
        name: name.to_owned(),
        mac: mac(number),
        addresses: addresses.iter().filter_map(|text| text.parse().ok()).collect(),
        mtu: 0,
    };
    let gateway = |all: &str, via: &str| {
        Some(RouteSpec { destination: all.parse().ok()?, via: Some(via.parse().ok()?), interface: 0, metric: 0 })
    };
    let host = |number, addresses, via: [&str; 2]| HostSpec {
        interfaces: vec![interface("eth0", number, addresses)],
        routes: [gateway("0.0.0.0/0", via[0]), gateway("::/0", via[1])].into_iter().flatten().collect(),
        ..HostSpec::default()
    };
    let mut client = host(1, ["10.0.0.1/24", "2001:db8::1/64"], ["10.0.0.254", "2001:db8::ff"]);
    // What is for a group stays on the link: a gateway has no part in it.
    let is_to_group = matches!(&act, Act::Datagram(to, ..) | Act::Packet(to, ..) if to.is_multicast());
    if let Act::Lease = act {
        client.interfaces = vec![interface("eth0", 1, ["", ""])];
    }
    if is_to_group || matches!(act, Act::Lease) {
        client.routes.clear();
    }
    let pc = sim.add("pc-1", Host::new(client));
    let switch = sim.add("sw-1", Switch::new(SwitchSettings::default()));
    let router = sim.add(
        "r-1",
        Host::new(HostSpec {
            interfaces: vec![
                interface("eth0", 3, ["10.0.0.254/24", "2001:db8::ff/64"]),
                interface("eth1", 4, ["10.0.1.254/24", "2001:db8:0:1::ff/64"]),
            ],
            forwarding: true,
            ..HostSpec::default()
        }),
    );
    let web =
        sim.add("web-1", Host::new(host(2, ["10.0.1.2/24", "2001:db8:0:1::2/64"], ["10.0.1.254", "2001:db8:0:1::ff"])));
    sim.join(pc, switch, LinkSpec::default());
    sim.join(switch, router, LinkSpec::default());
    sim.join(router, web, LinkSpec { framing, ..LinkSpec::default() });
    sim.with(web, |host: &mut Host, context| {
        host.run(context, http::Server::new(80, PAGE.as_bytes()));
        host.run(context, https::Server::new(443, "web-1", PAGE.as_bytes()));
        host.run(context, smtp::Server::new(25, "web-1"));
        host.run(context, telnet::Server::new(23, "web-1"))
    });
    if let Act::Lease = act {
        let pool = dhcp_server::Pool {
            interface: 0,
            first: CLIENT,
            last: Ipv4Addr::new(10, 0, 0, 99),
            gateway: Some(Ipv4Addr::new(10, 0, 0, 254)),
            name_servers: vec![SERVER],
            lease_seconds: 86_400,
        };
        sim.with(router, |host: &mut Host, context| host.run(context, dhcp_server::Server::new(vec![pool])));
    }
    let get = GetSpec { host: "web-1".to_owned(), ..GetSpec::new(SERVER.into(), 80) };
    sim.with(pc, |host: &mut Host, context| match act {
        Act::Ping(destination) => host.ping(context, PingSpec { count: 1, ..PingSpec::new(destination) }),
        Act::Lease => host.run(context, dhcp_client::Client::new(&[0], Some("pc-1"))),
        Act::Get => host.http_get(context, get),
        Act::SecureGet => host.run(context, https::Get::new(GetSpec { port: 443, ..get })),
        Act::Mail => {
            let mail = SmtpSpec::new(SERVER.into(), "a@pc-1", "b@web-1", "Subject: hello\n\nhi");
            host.run(context, smtp::Client::new(mail))
        }
        Act::Login => {
            let login = TelnetSpec::new(SERVER.into(), "guest", telnet::Server::PASSWORD);
            host.run(context, telnet::Client::new(login))
        }
        Act::Connect(port) => host.connect(context, ConnectSpec::new(SERVER.into(), port)),
        Act::Datagram(destination, port, payload) => {
            let interface = destination.is_multicast().then_some(0);
            // Routers speak from the port that they listen on (RFC 2453, 3.9).
            let source_port = (port == RIP_PORT).then_some(RIP_PORT);
            host.datagram(context, DatagramSpec { interface, source_port, ..DatagramSpec::new(destination, port, &payload) })
        }
        Act::Packet(destination, protocol, payload) => {
            // IGMP goes no further than the link, and routers on it are to look (RFC 2236 2).
            let router_alert = protocol == crate::routing::igmp::PROTOCOL;
            let ttl = router_alert.then_some(1);
            host.raw(context, RawSpec { ttl, router_alert, ..RawSpec::new(destination, protocol, &payload) })
        }
    });
    sim.run_until(Time::ZERO + Span::seconds(2), 10_000);
    sim
}

/// The first frame that was sent and fits, seen where it was sent.
fn found(sim: &Simulator, highest: u8, fits: impl Fn(&[Unit]) -> bool) -> Option<Example> {
    let view = View::new(sim);
    let event = view.events().iter().find(|event| {
        let is_sent = event.verb == Verb::Send && event.reason == Reason::Wire;
        is_sent && fits(&units(view.bytes(event.frame), view.framing(event.frame)))
    })?;
    let here = Filter::And(Filter::Frame(event.frame.0).into(), Filter::Node(event.node).into());
    let mut sides = Layers::new(&view, &here).hops.into_iter().flat_map(|hop| hop.outgoing);
    let mut frame = sides.find(|side| side.frame == event.frame.0)?;
    let above = frame.layers.iter().filter(|level| level.layer > highest && level.layer != 5);
    let names = above.flat_map(|level| level.headers.iter().map(|header| header.protocol));
    frame.carried = names.filter(|name| *name != "encoding").collect();
    frame.layers.retain(|level| level.layer <= highest);
    let bytes = view.bytes(event.frame);
    Some(Example {
        node: sim.name(event.node).to_owned(),
        what: crate::view::summary::summary(bytes, view.framing(event.frame)),
        frame,
        bytes: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// Whether a segment or datagram goes to one of these ports.
fn goes_to(units: &[Unit], ports: &[u16]) -> bool {
    let port = units.iter().find_map(|unit| unit.field("destination port"));
    port.and_then(|port| port.split(' ').next()?.parse().ok()).is_some_and(|port| ports.contains(&port))
}

fn is_written(written: &str, word: &str) -> bool {
    written.split(' ').next().is_some_and(|encoding| encoding.eq_ignore_ascii_case(word))
}
