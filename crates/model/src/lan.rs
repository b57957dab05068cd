//! Small networks beside the cloud: hubs, switches, routers, hosts and the links between them. AWS knows none of it; the
//! words are those of IEEE 802.3, 802.1D and the RFCs.
//!
//! This is what was written, with every default filled in; what frames do in it, the simulator shows. Start at [`Lan`].
//! A sentence such as a link, a route or a rule of a filter displays as a lab file writes it (`text`); which values are
//! none is said in `check`, what is wrong with a whole lan in `problem`. The operation is [`crate::operation::set_lans`].

mod check;
mod device;
mod domain;
mod link;
mod problem;
mod text;
mod unit;
mod vpn;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

pub use check::{
    LEAST_MTU_BYTES, MILLION, MOST_DELAY_NANOSECONDS, MOST_MTU_BYTES, MOST_RATE_BITS_PER_SECOND, address_problem, delay_problem,
    gateway_problem, loss_problem, mac_problem, mtu_problem, rate_problem,
};
pub use domain::Port;
pub use problem::{Fault, Place, Problem, Unknown};
pub use unit::{BitsPerSecond, Nanoseconds, PerMillion};

use crate::claim::Traffic;
use crate::guest::Listener;
use crate::network_interface::MacAddress;
use crate::Origin;

/// Rate of a hub and a repeater, bits per second: 10BASE-T.
pub const HUB_RATE_BITS_PER_SECOND: u64 = 10_000_000;
/// Rate of a link without a hub at an end, bits per second: 100BASE-TX.
pub const LINK_RATE_BITS_PER_SECOND: u64 = 100_000_000;
/// Rate of a serial line, bits per second: one channel of a telephone line.
pub const SERIAL_RATE_BITS_PER_SECOND: u64 = 64_000;
/// Delay of a link of which neither delay nor length is written, nanoseconds: about a hundred metres of copper.
pub const LINK_DELAY_NANOSECONDS: u64 = 500;
/// Length of a cable of which only the kind is written, centimetres.
pub const CABLE_CENTIMETRES: u64 = 10_000;
/// Frames that wait at one end of a link before it drops.
pub const QUEUE_FRAMES: u32 = 100;
/// Largest packet of a link, bytes: Ethernet's (RFC 894).
pub const LINK_MTU_BYTES: u32 = 1500;
/// Time after which a switch forgets an address, seconds (IEEE 802.1D table 7-5).
pub const AGEING_SECONDS: u32 = 300;
/// Addresses that a switch remembers.
pub const TABLE_ENTRIES: u32 = 1024;
/// Priority of a bridge among others (IEEE 802.1D table 17-2).
pub const BRIDGE_PRIORITY: u16 = 32768;
/// Time for which a DHCP server lends an address, seconds.
pub const LEASE_SECONDS: u32 = 86_400;
/// Interface of a host of which none is named.
pub const FIRST_INTERFACE: &str = "eth0";

/// A small network. The names of its devices are unique in the lab, among instances and outside places too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lan {
    /// Devices by name.
    pub devices: BTreeMap<String, Device>,
    /// Links in the order in which they are written. It numbers the ports of hubs, switches, bridges and repeaters.
    pub links: Vec<Link>,
    /// Where it was written.
    pub origin: Origin,
}

/// A node of a lan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Device {
    /// Repeats every bit to all other ports: one collision domain.
    Hub(Repeater),
    /// A hub of two ports.
    Repeater(Repeater),
    /// Learns addresses and forwards frames.
    Switch(Switch),
    /// A switch of two ports.
    Bridge(Switch),
    /// Forwards packets.
    Router(Router),
    /// Sends and receives packets.
    Host(Host),
    /// Spreads connections to one address over several hosts (an L4 switch).
    Balancer(Balancer),
}

/// A hub or a repeater: half duplex, one rate at all ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Repeater {
    /// Rate, bits per second.
    pub rate_bits_per_second: u64,
    /// Where it was written.
    pub origin: Origin,
}

/// A switch or a bridge (IEEE 802.1D).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Switch {
    /// Time after which an address that is not heard of is forgotten, seconds.
    pub ageing_seconds: u32,
    /// Addresses that it remembers at most.
    pub table_entries: u32,
    /// Whether it runs the spanning tree protocol.
    pub spanning_tree: bool,
    /// Its priority in the spanning tree; the lowest becomes the root.
    pub priority: u16,
    /// Whether it sends multicast only where somebody joined (RFC 4541).
    pub igmp_snooping: bool,
    /// Where it was written.
    pub origin: Origin,
}

/// A router.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Router {
    /// Interfaces by name.
    pub interfaces: BTreeMap<String, Interface>,
    /// Routes beside those of its interfaces.
    pub routes: Vec<StaticRoute>,
    /// Routing protocols that it speaks at all its interfaces.
    pub protocols: BTreeSet<RoutingProtocol>,
    /// The interface whose address hides what goes out there (RFC 3022, with ports).
    pub nat_interface: Option<String>,
    /// Rules for what it forwards: the first that matches a connection's first packet decides, none lets it pass; what
    /// belongs to a connection that passed, passes.
    pub filter: Vec<FilterRule>,
    /// What it serves.
    pub serve: Vec<Service>,
    /// Where it was written.
    pub origin: Origin,
}

/// A host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Interfaces by name; most hosts have `eth0` alone.
    pub interfaces: BTreeMap<String, Interface>,
    /// Default gateways: at most one for IPv4 and one for IPv6.
    pub gateways: Vec<IpAddr>,
    /// Routes beside those of its interfaces and gateways.
    pub routes: Vec<StaticRoute>,
    /// Name servers that it asks.
    pub dns: Vec<IpAddr>,
    /// Ports that answer with the host's name.
    pub listen: Vec<Listener>,
    /// What it serves.
    pub serve: Vec<Service>,
    /// Where it was written.
    pub origin: Origin,
}

/// An L4 switch: connections to its virtual address are spread over hosts, in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balancer {
    /// Interfaces by name; most balancers have `eth0` alone.
    pub interfaces: BTreeMap<String, Interface>,
    /// Default gateways: at most one for IPv4 and one for IPv6.
    pub gateways: Vec<IpAddr>,
    /// The address that clients know.
    pub virtual_address: IpAddr,
    /// Ports that it spreads.
    pub ports: Vec<Listener>,
    /// Hosts that serve, by name, in their order.
    pub to: Vec<String>,
    /// Where it was written.
    pub origin: Origin,
}

/// An interface of a router, a host or a balancer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// Addresses, each with the length of its network's prefix; the first of a family is the one it speaks with.
    pub addresses: Vec<IpNet>,
    /// Its MAC address; `None` = the simulator gives one.
    pub mac: Option<MacAddress>,
    /// Whether it asks a DHCP server for its address.
    pub dhcp: bool,
    /// Where it was written.
    pub origin: Origin,
}

/// A route that somebody wrote. It has a next hop, an interface, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticRoute {
    /// Block that it leads to, without bits behind the prefix; `0.0.0.0/0` and `::/0` are written `default`.
    pub destination: IpNet,
    /// Next hop.
    pub via: Option<IpAddr>,
    /// Interface.
    pub interface: Option<String>,
    /// Where it was written.
    pub origin: Origin,
}

/// A routing protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoutingProtocol {
    /// RIP version 2 (RFC 2453).
    Rip,
    /// OSPF version 2, one area (RFC 2328).
    Ospf,
}

/// A rule of a router's stateful filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterRule {
    /// Whether what matches passes.
    pub allow: bool,
    /// Protocol and ports.
    pub traffic: Traffic,
    /// Where it comes from; `None` = anywhere.
    pub from: Option<IpNet>,
    /// Where it goes; `None` = anywhere.
    pub to: Option<IpNet>,
    /// The interface where it comes in; `None` = any.
    pub in_interface: Option<String>,
    /// The interface where it goes out; `None` = any.
    pub out_interface: Option<String>,
    /// Where it was written.
    pub origin: Origin,
}

/// Something that a host or a router serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// Addresses (RFC 2131).
    Dhcp(DhcpService),
    /// Names (RFC 1035), each with its addresses.
    Dns(BTreeMap<String, Vec<IpAddr>>),
    /// A small protocol at a port.
    Application {
        /// Which.
        protocol: Application,
        /// At which port: [`Application::port`] where none is written.
        port: u16,
    },
}

/// What a DHCP server lends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpService {
    /// Lowest address.
    pub first: Ipv4Addr,
    /// Highest address, not below `first`, in the block of one of the server's interfaces.
    pub last: Ipv4Addr,
    /// The gateway that it tells, if any.
    pub gateway: Option<Ipv4Addr>,
    /// The name servers that it tells.
    pub dns: Vec<Ipv4Addr>,
    /// For how long, seconds.
    pub lease_seconds: u32,
}

/// A small protocol that a host may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Application {
    /// Sends back what it gets, TCP and UDP (RFC 862).
    Echo,
    /// A page for every GET (RFC 9112).
    Http,
    /// The same inside TLS records.
    Https,
    /// Takes mail (RFC 5321).
    Smtp,
    /// Files over two connections (RFC 959).
    Ftp,
    /// Files over UDP (RFC 1350).
    Tftp,
    /// A few objects (RFC 3416).
    Snmp,
    /// A login line (RFC 854).
    Telnet,
}

/// A link between two ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The end that is written first.
    pub a: End,
    /// The other end.
    pub b: End,
    /// Rate, bits per second.
    pub rate_bits_per_second: u64,
    /// Whether one side at a time speaks: always so at a hub or repeater, never otherwise.
    pub half_duplex: bool,
    /// Time from one end to the other, nanoseconds.
    pub delay_nanoseconds: u64,
    /// Frames lost, of a million.
    pub loss_per_million: u32,
    /// Frames that arrive twice, of a million.
    pub duplicate_per_million: u32,
    /// Frames that a later one overtakes, of a million.
    pub reorder_per_million: u32,
    /// Frames that wait at each end before it drops.
    pub queue_frames: u32,
    /// Largest packet, bytes.
    pub mtu_bytes: u32,
    /// The cable, where one is named; its delay is already in `delay_nanoseconds`.
    pub cable: Option<Cable>,
    /// How packets are framed.
    pub framing: Framing,
    /// Whether it carries anything at the start.
    pub up: bool,
    /// At a VPC: the networks that this side tells instead of those that [`Lan::announced`] finds; none, if those.
    #[serde(default)]
    pub announce: Vec<Ipv4Net>,
    /// Where it was written.
    pub origin: Origin,
}

/// Where a link ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum End {
    /// At a device of the lan.
    Device {
        /// Its name.
        device: String,
        /// Its interface. Hubs, switches, bridges and repeaters have `port1`, `port2` … in the order of the links.
        interface: String,
    },
    /// At a VPC: what is behind this end is what lies behind the VPC's virtual private gateway.
    Vpc(String),
}

/// How packets become frames on a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// Ethernet.
    #[default]
    Ethernet,
    /// PPP in HDLC-like framing (RFC 1661, RFC 1662): a serial line between two interfaces.
    Ppp,
    /// HDLC as Cisco's routers write it: a serial line between two interfaces.
    Hdlc,
}

/// A cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cable {
    /// What it is made of.
    pub kind: CableKind,
    /// How long it is, centimetres.
    pub length_centimetres: u64,
}

/// What a cable is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CableKind {
    /// Unshielded twisted pair.
    Utp,
    /// Glass.
    Fiber,
    /// Coaxial.
    Coax,
}
