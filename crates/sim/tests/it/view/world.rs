//! A small network of nodes that do what they are told: two stations at a switch, a router, and a server behind it.
//!
//! ```text
//! pc-1 ── sw-1 ── r-1 ── web-1
//! pc-3 ──┘
//! ```

use std::net::{IpAddr, Ipv4Addr};

use sim::{Context, FrameId, LinkSpec, Node, NodeId, Reason, Simulator, Table, Time, Verb};
use wire::tcp::Flags;
use wire::{Arp, EtherType, Ethernet, Icmpv4, Ipv4, Mac, Tcp, Udp};

pub const PC_1: (Mac, Ipv4Addr) = (Mac([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(10, 0, 0, 1));
pub const PC_3: (Mac, Ipv4Addr) = (Mac([2, 0, 0, 0, 0, 3]), Ipv4Addr::new(10, 0, 0, 3));
pub const R_1: Mac = Mac([2, 0, 0, 0, 1, 1]);
pub const R_2: Mac = Mac([2, 0, 0, 0, 1, 2]);
pub const WEB_1: (Mac, Ipv4Addr) = (Mac([2, 0, 0, 0, 0, 2]), Ipv4Addr::new(10, 0, 1, 2));

/// Sends what it is told; delivers IP packets that are for it.
pub struct Station(pub Mac);

impl Node for Station {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        let destination = context.bytes(frame)[..6].to_vec();
        if destination == self.0.0 {
            context.trace(port, Verb::Deliver, Reason::OwnAddress, frame);
        } else if destination != [0xff; 6] {
            context.trace(port, Verb::Drop, Reason::OtherMac, frame);
        }
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        let mut arp = Table::new("arp", &["address", "mac"]);
        arp.row(["10.0.0.254".to_owned(), R_1.to_string()]);
        vec![arp, Table::new("sockets", &["local", "state"])]
    }
}

/// Floods, and knows where the router is.
pub struct Switch;

impl Node for Switch {
    fn kind(&self) -> &'static str {
        "switch"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        let bytes = context.bytes(frame).to_vec();
        context.trace(port, Verb::Learn, Reason::SourceMac, frame);
        if bytes[..6] == R_1.0 {
            context.trace(1, Verb::Forward, Reason::KnownMac, frame);
            return context.forward(1, frame);
        }
        let reason = if bytes[0] & 1 == 1 { Reason::BroadcastMac } else { Reason::UnknownMac };
        context.trace(port, Verb::Flood, reason, frame);
        for other in (0..context.ports()).filter(|other| *other != port) {
            context.forward(other, frame);
        }
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        Vec::new()
    }
}

/// Sends IPv4 packets on by the other port.
pub struct Router;

impl Node for Router {
    fn kind(&self) -> &'static str {
        "router"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId) {
        let bytes = context.bytes(frame).to_vec();
        let Some((mut header, payload)) = Ipv4::parse(&bytes[14..]).ok().filter(|_| bytes[..6] == R_1.0) else {
            return context.trace(port, Verb::Drop, Reason::OtherMac, frame);
        };
        if header.ttl == 1 {
            return context.trace(port, Verb::Drop, Reason::TimeExceeded, frame);
        }
        header.ttl -= 1;
        context.trace_value(1, Verb::Forward, Reason::Route, frame, 1 + 24);
        let new = context.make(frame, |out| {
            Ethernet { destination: WEB_1.0, source: R_2, ether_type: EtherType::IPV4 }.emit(out);
            out.extend_from_slice(&header.packet(payload));
        });
        context.send(1, new);
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        Vec::new()
    }
}

/// The network, nothing sent yet. Ports: sw-1 has eth0 (pc-1), eth1 (r-1), eth2 (pc-3); r-1 has eth0 (sw-1), eth1 (web-1).
pub fn world() -> Simulator {
    world_with(LinkSpec::default())
}

/// With another link between router and server.
pub fn world_with(last: LinkSpec) -> Simulator {
    let mut sim = Simulator::new(1, sim::Bounds::default());
    let pc_1 = sim.add("pc-1", Station(PC_1.0));
    let sw_1 = sim.add("sw-1", Switch);
    let r_1 = sim.add("r-1", Router);
    let web_1 = sim.add("web-1", Station(WEB_1.0));
    let pc_3 = sim.add("pc-3", Station(PC_3.0));
    sim.join(pc_1, sw_1, LinkSpec::default());
    sim.join(sw_1, r_1, LinkSpec::default());
    sim.join(r_1, web_1, last);
    sim.join(sw_1, pc_3, LinkSpec::default());
    sim
}

/// Lets a station send bytes and waits until nothing is under way.
pub fn send(sim: &mut Simulator, from: &str, bytes: &[u8]) {
    let node = sim.find(from).expect("a node");
    sim.with(node, |_: &mut Station, context| {
        let frame = context.make(FrameId::NONE, |out| out.extend_from_slice(bytes));
        context.send(0, frame);
    })
    .expect("a station");
    sim.run_quiet(Time::NEVER, 10_000);
}

pub fn arp_request() -> Vec<u8> {
    Arp::request(PC_1.0, PC_1.1, Ipv4Addr::new(10, 0, 0, 254)).frame()
}

/// A frame to the router with an IPv4 packet to the server.
pub fn to_web(protocol: u8, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    Ethernet { destination: R_1, source: PC_1.0, ether_type: EtherType::IPV4 }.emit(&mut frame);
    frame.extend_from_slice(&Ipv4 { ttl, ..Ipv4::new(PC_1.1, WEB_1.1, protocol) }.packet(payload));
    frame
}

pub fn echo(ttl: u8) -> Vec<u8> {
    to_web(1, ttl, &Icmpv4::Echo { reply: false, id: 7, sequence: 1, data: vec![0x61; 56] }.message())
}

pub fn udp(port: u16, data: &[u8]) -> Vec<u8> {
    to_web(17, 64, &Udp { source_port: 40_000, destination_port: port }.datagram(PC_1.1.into(), WEB_1.1.into(), data))
}

pub fn tcp(port: u16, flags: Flags, data: &[u8]) -> Vec<u8> {
    let tcp = Tcp {
        source_port: 40_000,
        destination_port: port,
        sequence: 1_000,
        acknowledgement: 0,
        flags,
        window: 65_535,
        urgent: 0,
        options: Vec::new(),
    };
    to_web(6, 64, &tcp.segment(PC_1.1.into(), WEB_1.1.into(), data))
}

/// Addresses of the stations by name.
pub fn addresses(name: &str) -> Vec<IpAddr> {
    [("pc-1", PC_1.1), ("pc-3", PC_3.1), ("web-1", WEB_1.1)]
        .into_iter()
        .filter(|(known, _)| *known == name)
        .map(|(_, address)| address.into())
        .collect()
}

pub fn node(sim: &Simulator, name: &str) -> NodeId {
    sim.find(name).expect("a node")
}
