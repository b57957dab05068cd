//! How a program ended, and what it saw on the way.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::time::{Span, Time};
use crate::trace::Reason;

/// What an ICMP error quotes of the packet that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted {
    /// Its IP protocol.
    pub protocol: u8,
    /// Who sent it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// From which port; of an ICMP echo its identifier.
    pub source_port: u16,
    /// To which port.
    pub destination_port: u16,
    /// Of TCP the sequence number, of an ICMP echo its count.
    pub sequence: u32,
}

/// An ICMP error that came, or that the host itself found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// When.
    pub at: Time,
    /// Who says so; the own address if the host itself does.
    pub from: IpAddr,
    /// Type of ICMP or ICMPv6, by the family of `from`.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The longest packet that would pass, bytes, if that is what it is about.
    pub mtu: Option<u32>,
    /// Hops that the error had left.
    pub ttl: u8,
    /// What it is about.
    pub about: Quoted,
}

impl IcmpError {
    /// Whether nobody listens on the port.
    pub fn is_port_unreachable(&self) -> bool {
        if self.from.is_ipv4() { (self.kind, self.code) == (3, 3) } else { (self.kind, self.code) == (1, 4) }
    }

    /// Whether the hops ran out on the way.
    pub fn is_time_exceeded(&self) -> bool {
        self.kind == if self.from.is_ipv4() { 11 } else { 3 }
    }

    /// What it means, in ping's words (RFC 792, 1122 and 1812; RFC 4443).
    pub fn meaning(&self) -> String {
        match (self.from.is_ipv4(), self.kind, self.code) {
            (true, 11, 0) | (false, 3, 0) => "time to live exceeded".to_owned(),
            (true, 11, 1) | (false, 3, 1) => "time exceeded: fragments are missing".to_owned(),
            (true, 3, 0) | (false, 1, 0) => "destination network unreachable: no route".to_owned(),
            (true, 3, 1) | (false, 1, 3) => "destination host unreachable: nobody answers for the address".to_owned(),
            (true, 3, 2) | (false, 4, 1) => "destination protocol unreachable".to_owned(),
            (true, 3, 3) | (false, 1, 4) => "destination port unreachable".to_owned(),
            (true, 3, 4) | (false, 2, 0) => match self.mtu {
                Some(mtu) => format!("fragmentation needed: the next link takes {mtu} bytes"),
                None => "fragmentation needed".to_owned(),
            },
            (true, 3, 9 | 10 | 13) | (false, 1, 1) => "administratively prohibited".to_owned(),
            (true, 3, _) | (false, 1, _) => format!("destination unreachable (code {})", self.code),
            (true, 12, _) | (false, 4, _) => format!("a field of the header makes no sense (code {})", self.code),
            (_, kind, code) => format!("ICMP type {kind} code {code}"),
        }
    }
}

/// How a refusal was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// A TCP segment with RST, from this address, with so many hops left.
    Reset {
        /// Who.
        from: IpAddr,
        /// Hops that it had left.
        ttl: u8,
    },
    /// An ICMP port unreachable.
    Icmp(IcmpError),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum End {
    /// It goes on.
    #[default]
    Running,
    /// There was an answer; [`Outcome::replies`] has it.
    Answered,
    /// Somebody said that nobody listens.
    Refused(RefusedBy),
    /// Somebody said that it does not get there.
    Unreachable(IcmpError),
    /// Nobody said anything in time.
    Nothing,
    /// It did what it should, and there is no question of an answer.
    Done,
    /// The host could not do it.
    Failed(Reason),
    /// It was taken back.
    Cancelled,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Answered => f.write_str("answered"),
            Self::Refused(RefusedBy::Reset { from, .. }) => write!(f, "refused by {from} with RST"),
            Self::Refused(RefusedBy::Icmp(error)) => write!(f, "refused by {} with ICMP port unreachable", error.from),
            Self::Unreachable(error) => write!(f, "{} says: {}", error.from, error.meaning()),
            Self::Nothing => f.write_str("no answer"),
            Self::Done => f.write_str("done"),
            Self::Failed(reason) => write!(f, "failed: {}", reason.sentence()),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// When it came.
    pub at: Time,
    /// Who answered.
    pub from: SocketAddr,
    /// To which of the own addresses.
    pub to: SocketAddr,
    /// Which question it answers, counted from 0.
    pub sequence: u32,
    /// Hops that it had left.
    pub ttl: u8,
    /// Bytes of its payload.
    pub bytes: u32,
    /// How long it took.
    pub rtt: Span,
    /// Of an answer of ARP, the Ethernet address.
    pub mac: Option<wire::Mac>,
}

/// A step of a route: what the probes with one TTL met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hop {
    /// Hops that the probes could take.
    pub ttl: u8,
    /// For each probe, who answered after how long.
    pub answers: Vec<Option<(IpAddr, Span)>>,
    /// What was said other than that the hops ran out.
    pub error: Option<IcmpError>,
    /// Whether the destination itself answered.
    pub is_destination: bool,
}

/// How a program ended, or how it is with it so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// When it began.
    pub started: Time,
    /// When its end was clear.
    pub ended: Option<Time>,
    /// Questions that it sent.
    pub sent: u32,
    /// Answers that it got.
    pub replies: Vec<Reply>,
    /// ICMP errors that it got.
    pub errors: Vec<IcmpError>,
    /// Of a traceroute, what it found.
    pub hops: Vec<Hop>,
    /// Its own end of the last connection or socket.
    pub local: Option<SocketAddr>,
    /// Addresses that it found out: of a name, or its host's own from a lease.
    pub addresses: Vec<IpAddr>,
    /// Bytes of data that it sent.
    pub bytes_sent: u64,
    /// Bytes of data that it got.
    pub bytes_received: u64,
    /// The first bytes that it got, at most [`Outcome::KEPT`].
    pub data: Vec<u8>,
}

impl Outcome {
    /// Bytes of data that are kept.
    pub const KEPT: usize = 65_536;
    /// ICMP errors that are kept.
    pub const ERRORS: usize = 16;

    /// Notes an ICMP error; of many the first ones and the last.
    pub fn note_error(&mut self, error: &IcmpError) {
        self.errors.truncate(Self::ERRORS - 1);
        self.errors.push(*error);
    }

    /// Notes data that came.
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes_received += bytes.len() as u64;
        let room = Self::KEPT.saturating_sub(self.data.len()).min(bytes.len());
        self.data.extend_from_slice(&bytes[..room]);
    }
}
