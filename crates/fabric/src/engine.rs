//! What every engine can be asked, and what it answers: the door through which scenarios, claims and the command
//! line reach the proof, sim and linux engines alike.
//!
//! Ids, not indices, name things in probes, so that a probe outlives the fabric it was first asked of. An answer's
//! [`Component`]s belong to the fabric applied last.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use model::network_interface::MacAddress;
use model::{InternetGatewayId, Model, NetworkInterfaceId, RouteTableId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fabric::Fabric;
use crate::flow_log::Harvest;
use crate::reason::{Component, ExplanationCode, Reason};
use crate::route::NextHop;
use crate::walker::Explanation;

/// An engine: something that a fabric can be applied to and packets can be sent through.
pub trait Engine {
    /// Its name on the command line: `proof`, `sim`, `linux`.
    fn name(&self) -> &'static str;

    /// Takes over a new state of the cloud. Kept connections and tracked flows live on as SG-18, SG-23, NAT-18 and
    /// EIP-10 say. `fabric` is compiled from `model`, which is passed for the services inside VPCs (names, metadata).
    fn apply(&mut self, model: &Arc<Model>, fabric: &Arc<Fabric>) -> Result<(), EngineError>;

    /// Moves virtual time forward and ages all state to it; a moment in the past changes nothing.
    fn advance_to(&mut self, now: Timestamp) -> Result<(), EngineError>;

    /// Carries out one probe, to its end.
    fn probe(&mut self, request: &Request) -> Result<Answer, EngineError>;

    /// Carries out many probes; the answers are those of [`Engine::probe`] asked one after another, in the same order.
    fn probe_all(&mut self, requests: &[Request]) -> Vec<Result<Answer, EngineError>> {
        requests.iter().map(|request| self.probe(request)).collect()
    }

    /// Says why a request is answered or not, with everything that blocks it (RA-4); sends nothing and keeps nothing.
    /// Only engines that ask the stages can.
    fn explain(&mut self, probe: &PacketProbe) -> Result<Explanation, EngineError> {
        let _ = probe;
        Err(EngineError::Unsupported(Unsupported::Explanation))
    }

    /// What passed and was stopped at interfaces that a flow log watches, since it was asked before. Only engines that send
    /// packets can tell.
    fn flows(&mut self) -> Result<Harvest, EngineError> {
        Err(EngineError::Unsupported(Unsupported::FlowLogs))
    }

    /// Forgets every kept connection and all flow state.
    fn reset(&mut self) -> Result<(), EngineError>;
}

/// Why an engine gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine has no such ability; the scenario does not apply to it.
    #[error("this engine cannot do: {0}")]
    Unsupported(Unsupported),
    /// The probe names something that is not there.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The probe is contradictory.
    #[error("{0}")]
    BadProbe(String),
    /// The engine itself failed.
    #[error("{0}")]
    Failed(String),
}

/// Abilities that an engine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Unsupported {
    /// DNS queries.
    #[error("DNS queries")]
    Dns,
    /// HTTP requests, of which metadata is one use.
    #[error("HTTP requests")]
    Http,
    /// Commands inside guests.
    #[error("commands inside guests")]
    GuestCommand,
    /// Counting frames at a guest.
    #[error("captures")]
    Capture,
    /// Handing a packet to a gateway's outside.
    #[error("injecting at a gateway")]
    InjectAt,
    /// Containers behind an instance.
    #[error("containers")]
    Container,
    /// Kept connections.
    #[error("kept connections")]
    KeptConnection,
    /// Forged ICMP errors.
    #[error("forged ICMP errors")]
    IcmpError,
    /// Explanations.
    #[error("explanations")]
    Explanation,
    /// Counting what passes interfaces.
    #[error("flow logs")]
    FlowLogs,
    /// IPv6.
    #[error("IPv6")]
    Ipv6,
    /// Something else.
    #[error("{0}")]
    Other(&'static str),
}

/// One probe, and what is watched meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is sent.
    pub probe: Probe,
    /// Frames counted meanwhile.
    pub capture: Option<Capture>,
}

impl From<Probe> for Request {
    fn from(probe: Probe) -> Self {
        Self { probe, capture: None }
    }
}

/// Counts the frames that reach a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// At this interface, on the guest's side.
    pub at: NetworkInterfaceId,
    /// Which frames.
    pub filter: CaptureFilter,
}

/// Which frames a capture counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureFilter {
    /// ARP.
    Arp,
    /// ICMP.
    Icmp,
}

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sender {
    /// The guest behind an interface, through that interface.
    Interface(NetworkInterfaceId),
    /// A host on the internet, or behind a virtual private gateway, by address.
    Outside(IpAddr),
    /// A network namespace behind one more routed hop in the guest.
    Container(NetworkInterfaceId),
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// A request and its reply.
    Packet(PacketProbe),
    /// A packet on a kept connection, and its acknowledgement or answer.
    Kept {
        /// Name given by [`PacketProbe::keep`].
        connection: String,
        /// Who sends.
        side: Side,
    },
    /// A forged ICMP error about the last packet that `side` sent on a kept connection, as it arrived at the other side.
    IcmpError {
        /// Who sends the error.
        from: Sender,
        /// To whom.
        to: IpAddr,
        /// ICMP type.
        icmp_type: u8,
        /// ICMP code.
        code: u8,
        /// The kept connection.
        connection: String,
        /// Whose packet it quotes.
        side: Side,
    },
    /// A command inside a guest.
    Guest {
        /// In whose guest; an outside host may ping and trace.
        from: Sender,
        /// The command.
        command: GuestCommand,
    },
    /// A DNS query.
    Dns {
        /// Who asks.
        from: Sender,
        /// The name.
        name: String,
        /// `A`, `AAAA`, `PTR`…
        record_type: String,
        /// Whom.
        server: NameServer,
    },
    /// An HTTP request.
    Http {
        /// Who asks.
        from: Sender,
        /// `GET`, `PUT`…
        method: String,
        /// Address.
        url: String,
        /// Headers.
        headers: BTreeMap<String, String>,
    },
    /// No packet: the next hop that a table gives for an address.
    RouteLookup {
        /// The table.
        route_table: RouteTableId,
        /// The destination.
        destination: IpAddr,
    },
}

/// A request that a listener answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketProbe {
    /// Who sends.
    pub from: Sender,
    /// Source address; `None` = the sender's primary address of the family.
    pub source: Option<IpAddr>,
    /// Destination address.
    pub to: IpAddr,
    /// What is sent.
    pub traffic: Traffic,
    /// Hands the packet to this gateway's outside instead of sending it.
    pub inject_at: Option<InternetGatewayId>,
    /// What the receiver does with it. The fabric does not ask the guest's own listeners here: scenarios and claims
    /// about the network alone take [`ListenerState::Open`].
    pub listener: ListenerState,
    /// Keeps the connection under this name.
    pub keep: Option<String>,
    /// How many to open and keep at once, source ports counted up; 1 = just this one.
    pub connections: u32,
    /// A command's own question beside somebody's traffic: the linux engine counts it in no flow log and shows it in no capture.
    #[serde(default)]
    pub is_aside: bool,
}

impl PacketProbe {
    /// A single request to an open listener.
    pub fn new(from: Sender, to: IpAddr, traffic: Traffic) -> Self {
        Self { from, source: None, to, traffic, inject_at: None, listener: ListenerState::Open, keep: None, connections: 1, is_aside: false }
    }
}

/// What a probe carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// TCP.
    Tcp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
    },
    /// UDP.
    Udp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
    },
    /// ICMP, or ICMPv6 between IPv6 addresses; each probe has a fresh identifier.
    Icmp {
        /// Type.
        icmp_type: u8,
        /// Code.
        code: u8,
    },
    /// Another protocol by number.
    Other(u8),
}

/// Whether someone listens at the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListenerState {
    /// Answers.
    Open,
    /// Refuses: TCP reset, ICMP port unreachable.
    Closed,
}

/// A side of a kept connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Who opened it.
    Client,
    /// Who was asked.
    Server,
}

/// A command inside a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestCommand {
    /// ICMP echo.
    Ping {
        /// Destination.
        to: IpAddr,
        /// How many.
        count: u32,
        /// TTL to send with.
        ttl: Option<u8>,
        /// ICMP payload in bytes; 56 if not given.
        size: Option<u32>,
        /// Whether to forbid fragmentation.
        dont_fragment: bool,
        /// Whether a broadcast destination is meant.
        broadcast: bool,
    },
    /// ICMP echo with rising TTL.
    Traceroute {
        /// Destination.
        to: IpAddr,
    },
    /// ARP requests.
    Arping {
        /// Address asked for.
        to: IpAddr,
        /// How many.
        count: u32,
    },
    /// The addresses that the guest itself has on the interface.
    IpAddr,
    /// A time query.
    Ntp {
        /// Server.
        to: IpAddr,
    },
    /// A renewal of the DHCP lease.
    DhcpRenew,
}

/// Whom a DNS query asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameServer {
    /// A server by address.
    Address(IpAddr),
    /// The public DNS, for an internet host.
    Public,
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The outcome.
    pub outcome: Outcome,
    /// What a capture counted.
    pub captured: Option<u32>,
}

/// The outcome of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// The request reached the receiver and the reply reached the sender.
    Allowed(Arrival),
    /// Nothing came back.
    Dropped(Drop),
    /// The sender got a TCP reset or an ICMP port unreachable.
    Refused {
        /// Who sent it; `None` when the engine cannot tell.
        at: Option<Component>,
    },
    /// Any other observable.
    Observed(Observation),
}

/// A request that arrived and was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Source as the receiver saw it.
    pub source: IpAddr,
    /// Destination as the receiver saw it.
    pub destination: IpAddr,
    /// Source port as the receiver saw it; `None` without ports.
    pub source_port: Option<u16>,
    /// IP TTL as the receiver saw it.
    pub ttl: Option<u8>,
    /// Middleboxes passed, request first, then reply; `None` when the engine cannot tell.
    pub via: Option<Vec<NetworkInterfaceId>>,
    /// What the request passed; `None` when the engine cannot tell.
    pub path: Option<Vec<Reason>>,
}

/// A request or reply that vanished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drop {
    /// On the way there or back; the receiver must have seen the request in the second case.
    pub leg: Leg,
    /// What dropped it; `None` when the engine cannot tell.
    pub at: Option<Component>,
    /// AWS's code; `None` where RA-8 has none, or the engine cannot tell.
    pub code: Option<ExplanationCode>,
    /// The whole reason, where the engine has one.
    pub reason: Option<Reason>,
}

/// The two ways of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leg {
    /// From the sender.
    Forward,
    /// Back to it.
    Return,
}

/// What a probe showed that is neither arrival nor loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Observation {
    /// Echo replies, and the last ICMP error that came instead.
    Ping {
        /// How many replies came.
        replies: u32,
        /// The error.
        icmp_error: Option<IcmpErrorSeen>,
    },
    /// Hops in order, the destination last if it was reached; `None` = a hop that did not answer.
    Traceroute {
        /// The addresses that answered.
        hops: Vec<Option<IpAddr>>,
    },
    /// ARP replies.
    Arping {
        /// How many.
        replies: u32,
        /// From this address.
        mac: Option<MacAddress>,
    },
    /// Addresses with prefix length.
    Addresses(Vec<IpNet>),
    /// A DNS answer.
    Dns {
        /// Response code by its number (RFC 1035).
        response_code: u8,
        /// Record data as text, in the order of the message.
        answers: Vec<String>,
    },
    /// An HTTP answer.
    Http {
        /// Status code.
        status: u16,
        /// Headers, names in lower case.
        headers: BTreeMap<String, String>,
        /// Body.
        body: String,
    },
    /// Where a table leads.
    NextHop(Option<NextHop>),
    /// The command ran.
    Done,
}

/// An ICMP error that a guest received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IcmpErrorSeen {
    /// Who sent it.
    pub from: IpAddr,
    /// Type.
    pub icmp_type: u8,
    /// Code.
    pub code: u8,
    /// Next-hop MTU in bytes.
    pub mtu: Option<u16>,
}
