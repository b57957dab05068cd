//! Connection tracking (ctnetlink): list, delete, age and mark entries.
//!
//! include/uapi/linux/netfilter/nfnetlink_conntrack.h; numbers are in network order.

use std::net::IpAddr;
use std::time::Duration;

use crate::error::{Error, Malformed};
use crate::message::{Attributes, Batch, Body, DUMP, Message};
use crate::socket::Socket;

const SUBSYSTEM: u16 = 1 << 8;
const NEW: u16 = SUBSYSTEM;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
const GET_STATISTICS: u16 = SUBSYSTEM | 5;

const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const STATUS: u16 = 3;
const PROTOCOL_DETAILS: u16 = 4;
const TIMEOUT: u16 = 7;
const MARK: u16 = 8;
const COUNTERS_ORIGINAL: u16 = 9;
const COUNTERS_REPLY: u16 = 10;
const ID: u16 = 12;
const ZONE: u16 = 18;
const MARK_MASK: u16 = 21;
const LABELS: u16 = 22;

pub use crate::nft::ct_status as status;
pub use crate::nft::dump::Count;

/// What tells two flows between the same hosts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer4 {
    /// TCP, UDP, SCTP …
    Ports {
        /// Of the sender.
        source: u16,
        /// Of the receiver.
        destination: u16,
    },
    /// ICMP and ICMPv6.
    Icmp {
        /// Echo identifier.
        id: u16,
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// A protocol that conntrack does not look into.
    Other,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// IP protocol.
    pub protocol: u8,
    /// Ports or ICMP fields.
    pub layer4: Layer4,
}

impl Tuple {
    /// A TCP (6), UDP (17) … direction.
    pub fn ports(protocol: u8, source: (IpAddr, u16), destination: (IpAddr, u16)) -> Tuple {
        let layer4 = Layer4::Ports { source: source.1, destination: destination.1 };
        Tuple { source: source.0, destination: destination.0, protocol, layer4 }
    }

    fn write(&self, body: &mut Body<'_>, kind: u16) {
        const ICMPV6: u8 = 58;
        body.nest(kind, |body| {
            body.nest(1, |body| {
                for (address, v4, v6) in [(self.source, 1, 3), (self.destination, 2, 4)] {
                    match address {
                        IpAddr::V4(address) => body.bytes(v4, &address.octets()),
                        IpAddr::V6(address) => body.bytes(v6, &address.octets()),
                    };
                }
            });
            body.nest(2, |body| {
                body.u8(1, self.protocol);
                match self.layer4 {
                    Layer4::Ports { source, destination } => {
                        body.be16(2, source).be16(3, destination);
                    }
                    Layer4::Icmp { id, kind, code } => {
                        let first = if self.protocol == ICMPV6 { 7 } else { 4 };
                        body.be16(first, id).u8(first + 1, kind).u8(first + 2, code);
                    }
                    Layer4::Other => {}
                }
            });
        });
    }

    /// Reads `CTA_TUPLE_*`.
    fn parse(tuple: Attributes<'_>) -> Result<Tuple, Malformed> {
        let addresses = tuple.get(1).ok_or(Malformed("tuple's addresses"))?.nested();
        let address = |v4, v6| addresses.get(v4).or(addresses.get(v6)).and_then(|a| a.address());
        let details = tuple.get(2).ok_or(Malformed("tuple's protocol"))?.nested();
        let half = |kind| details.get(kind).and_then(|a| a.be16());
        let byte = |kind| details.get(kind).and_then(|a| a.u8());
        let icmp = |first| Some(Layer4::Icmp { id: half(first)?, kind: byte(first + 1)?, code: byte(first + 2)? });
        let ports = half(2).zip(half(3)).map(|(source, destination)| Layer4::Ports { source, destination });
        Ok(Tuple {
            source: address(1, 3).ok_or(Malformed("tuple's source"))?,
            destination: address(2, 4).ok_or(Malformed("tuple's destination"))?,
            protocol: byte(1).ok_or(Malformed("tuple's protocol"))?,
            layer4: ports.or_else(|| icmp(4)).or_else(|| icmp(7)).unwrap_or(Layer4::Other),
        })
    }

    fn family(&self) -> u8 {
        if self.source.is_ipv4() { 2 } else { 10 }
    }
}

/// States of a tracked TCP connection (`enum tcp_conntrack`).
#[expect(missing_docs, reason = "the kernel's names")]
pub mod tcp_state {
    pub const NONE: u8 = 0;
    pub const SYN_SENT: u8 = 1;
    pub const SYN_RECV: u8 = 2;
    pub const ESTABLISHED: u8 = 3;
    pub const FIN_WAIT: u8 = 4;
    pub const CLOSE_WAIT: u8 = 5;
    pub const LAST_ACK: u8 = 6;
    pub const TIME_WAIT: u8 = 7;
    pub const CLOSE: u8 = 8;
}

/// A tracked connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// As its first packet.
    pub original: Tuple,
    /// As its answers: differs from the mirror image where addresses are translated.
    pub reply: Tuple,
    /// Zone.
    pub zone: u16,
    /// Bits of [`status`].
    pub status: u32,
    /// Mark.
    pub mark: u32,
    /// Time left, whole seconds.
    pub timeout: Duration,
    /// See [`tcp_state`].
    pub tcp_state: Option<u8>,
    /// Label bits as the kernel keeps them; see [`crate::nft::build::labels`].
    pub labels: [u8; 16],
    /// Identifies the entry while it lives.
    pub id: u32,
    /// Sent by the originator, where accounting is on.
    pub sent: Count,
    /// Sent by the other side, where accounting is on.
    pub received: Count,
}

impl Connection {
    /// Reads `CTA_*`, from a dump or inside a logged packet.
    pub fn parse(attributes: Attributes<'_>) -> Result<Connection, Malformed> {
        let tuple = |kind, what| Tuple::parse(attributes.get(kind).ok_or(Malformed(what))?.nested());
        let word = |kind| attributes.get(kind).and_then(|a| a.be32()).unwrap_or(0);
        let count = |kind| {
            let counters = attributes.get(kind).map(|a| a.nested()).unwrap_or_default();
            let word = |kind| counters.get(kind).and_then(|a| a.be64()).unwrap_or(0);
            Count { packets: word(1), bytes: word(2) }
        };
        let mut labels = [0; 16];
        if let Some(found) = attributes.get(LABELS) {
            let length = found.value.len().min(16);
            labels[..length].copy_from_slice(&found.value[..length]);
        }
        let tcp = attributes.get(PROTOCOL_DETAILS).and_then(|details| details.nested().get(1));
        Ok(Connection {
            original: tuple(TUPLE_ORIGINAL, "original tuple")?,
            reply: tuple(TUPLE_REPLY, "reply tuple")?,
            zone: attributes.get(ZONE).and_then(|a| a.be16()).unwrap_or(0),
            status: word(STATUS),
            mark: word(MARK),
            timeout: Duration::from_secs(u64::from(word(TIMEOUT))),
            tcp_state: tcp.and_then(|tcp| tcp.nested().get(1)).and_then(|state| state.u8()),
            labels,
            id: word(ID),
            sent: count(COUNTERS_ORIGINAL),
            received: count(COUNTERS_REPLY),
        })
    }
}

fn header(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

fn parse(message: &Message<'_>) -> Result<Connection, Malformed> {
    Connection::parse(message.split(4)?.1)
}

/// Every connection of the namespace, IPv4 and IPv6, sorted by its original tuple.
pub fn dump(socket: &mut Socket) -> Result<Vec<Connection>, Error> {
    let mut request = Batch::new();
    request.push(GET, DUMP, |body| {
        body.raw(&header(0));
    });
    let mut found = socket.dump(&request, |message| parse(&message).map(Some))?;
    found.sort();
    // A table that grows while it is read may show an entry twice.
    found.dedup_by_key(|connection| (connection.id, connection.original));
    Ok(found)
}

/// One connection by either of its tuples.
pub fn get(socket: &mut Socket, tuple: &Tuple, zone: u16) -> Result<Connection, Error> {
    let mut request = Batch::new();
    request.push(GET, 0, |body| select(body, tuple, zone));
    socket.get(&request, |message| parse(&message))
}

fn select(body: &mut Body<'_>, tuple: &Tuple, zone: u16) {
    tuple.write(body.raw(&header(tuple.family())), TUPLE_ORIGINAL);
    if zone != 0 {
        body.be16(ZONE, zone);
    }
}

/// Forgets the connection with this original tuple.
pub fn delete(batch: &mut Batch, tuple: &Tuple, zone: u16) {
    batch.push(DELETE, 0, |body| select(body, tuple, zone));
}

/// What to change of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// Time left from now, whole seconds; zero ends it at the next look.
    pub timeout: Option<Duration>,
    /// Mark, and the bits of it that change.
    pub mark: Option<(u32, u32)>,
}

/// Changes the connection with this original tuple; `ENOENT` if it is gone.
pub fn change(batch: &mut Batch, tuple: &Tuple, zone: u16, change: &Change) {
    batch.push(NEW, 0, |body| {
        select(body, tuple, zone);
        if let Some(timeout) = change.timeout {
            body.be32(TIMEOUT, u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX));
        }
        if let Some((mark, mask)) = change.mark {
            // The kernel clears the bits of the mask, then flips those of the mark: keep them inside.
            body.be32(MARK, mark & mask).be32(MARK_MASK, mask);
        }
    });
}

/// Forgets every connection of the namespace.
pub fn flush(batch: &mut Batch) {
    batch.push(DELETE, 0, |body| {
        body.raw(&header(0));
    });
}

/// How full the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Connections of this namespace.
    pub entries: u32,
    /// At most (`nf_conntrack_max`); beyond, new ones are dropped. 0: the kernel did not say.
    pub maximum: u32,
}

/// How full the table is.
pub fn usage(socket: &mut Socket) -> Result<Usage, Error> {
    let mut request = Batch::new();
    request.push(GET_STATISTICS, 0, |body| {
        body.raw(&header(0));
    });
    socket.get(&request, |message| {
        let (_, attributes) = message.split(4)?;
        let word = |kind| attributes.get(kind).and_then(|a| a.be32());
        Ok(Usage { entries: word(1).ok_or(Malformed("conntrack usage"))?, maximum: word(2).unwrap_or(0) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Messages;

    #[test]
    fn tuples_come_back() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let icmp = Layer4::Icmp { id: 77, kind: 8, code: 0 };
        for tuple in [
            Tuple::ports(6, (address("10.0.0.1"), 40000), (address("10.0.0.2"), 443)),
            Tuple { source: address("10.0.0.1"), destination: address("10.0.0.2"), protocol: 1, layer4: icmp },
            Tuple { source: address("fd00::1"), destination: address("fd00::2"), protocol: 58, layer4: icmp },
            Tuple { source: address("fd00::1"), destination: address("fd00::2"), protocol: 47, layer4: Layer4::Other },
        ] {
            let mut batch = Batch::new();
            delete(&mut batch, &tuple, 5);
            let message = Messages::new(batch.bytes()).next().expect("one message");
            let (_, attributes) = message.split(4).expect("header");
            assert_eq!(Tuple::parse(attributes.get(TUPLE_ORIGINAL).expect("tuple").nested()), Ok(tuple));
            assert_eq!(attributes.get(ZONE).and_then(|zone| zone.be16()), Some(5));
        }
    }
}
