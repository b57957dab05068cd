//! Packets that a rule's `log group` sent up: bind to a group, receive, read.
//!
//! include/uapi/linux/netfilter/nfnetlink_log.h. One socket may bind several groups; a group of a
//! namespace has one socket.

use std::time::Duration;

use crate::conntrack::Connection;
use crate::error::Error;
use crate::message::{Batch, Body, Message};
use crate::socket::{Receipt, Socket};

const SUBSYSTEM: u16 = 4 << 8;
const PACKET: u16 = SUBSYSTEM;
const CONFIG: u16 = SUBSYSTEM | 1;

const COMMAND: u16 = 1;
const BIND: u8 = 1;
const UNBIND: u8 = 2;
const BIND_FAMILY: u8 = 3;

/// How a group is listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The number that rules name.
    pub group: u16,
    /// Bytes of each packet, at most 65,531.
    pub copy: u32,
    /// This many packets are collected before they are sent up …
    pub threshold: u32,
    /// … or this long, in steps of 10 ms.
    pub timeout: Duration,
    /// With what conntrack knows about each packet, where the kernel can
    /// (`CONFIG_NETFILTER_NETLINK_GLUE_CT`).
    pub connection: bool,
}

impl Config {
    /// The first 128 bytes of each packet, 32 packets or 20 ms at a time.
    pub fn new(group: u16) -> Config {
        Config { group, copy: 128, threshold: 32, timeout: Duration::from_millis(20), connection: false }
    }
}

fn config(batch: &mut Batch, family: u8, group: u16, body: impl FnOnce(&mut Body<'_>)) {
    let [high, low] = group.to_be_bytes();
    batch.push(CONFIG, 0, |inner| body(inner.raw(&[family, 0, high, low])));
}

/// Binds the socket to a group. `EBUSY`: another socket has it.
pub fn bind(socket: &mut Socket, wanted: &Config) -> Result<(), Error> {
    const COPY_PACKET: u8 = 2;
    const WITH_CONNECTION: u16 = 4;
    // Kernels before 3.8 log nothing of a family that is not bound. Newer ones need no binding, and
    // refuse it where another logger is bound: no reason to fail.
    let mut families = Batch::new();
    for family in [2, 10] {
        config(&mut families, family, 0, |body| {
            body.u8(COMMAND, BIND_FAMILY);
        });
    }
    socket.execute_all(&families)?;

    let mut batch = Batch::new();
    config(&mut batch, 0, wanted.group, |body| {
        body.u8(COMMAND, BIND);
    });
    config(&mut batch, 0, wanted.group, |body| {
        // struct nfulnl_msg_config_mode is packed: range, mode, padding.
        let [a, b, c, d] = wanted.copy.to_be_bytes();
        body.bytes(2, &[a, b, c, d, COPY_PACKET, 0]);
        body.be32(3, 128 << 10).be32(5, wanted.threshold.max(1));
        body.be32(4, u32::try_from(wanted.timeout.as_millis().div_ceil(10)).unwrap_or(u32::MAX).max(1));
    });
    socket.execute(&batch)?;

    let mut flags = Batch::new();
    config(&mut flags, 0, wanted.group, |body| {
        body.be16(6, if wanted.connection { WITH_CONNECTION } else { 0 });
    });
    match socket.execute(&flags) {
        Err(error) if error.errno() == Some(libc::EOPNOTSUPP) => Ok(()),
        other => other,
    }
}

/// Gives a group up.
pub fn unbind(socket: &mut Socket, group: u16) -> Result<(), Error> {
    let mut batch = Batch::new();
    config(&mut batch, 0, group, |body| {
        body.u8(COMMAND, UNBIND);
    });
    socket.execute(&batch)
}

/// A logged packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The group it was logged to.
    pub group: u16,
    /// `NFPROTO_*` of the chain.
    pub family: u8,
    /// EtherType.
    pub protocol: u16,
    /// Hook number (0 prerouting … 4 postrouting; netdev: 0 ingress, 1 egress).
    pub hook: u8,
    /// The rule's prefix.
    pub prefix: String,
    /// From the network header on, as much as was asked for.
    pub payload: Vec<u8>,
    /// Index of the receiving device.
    pub iif: Option<u32>,
    /// Index of the sending device.
    pub oif: Option<u32>,
    /// The packet's mark, 0 if none.
    pub mark: u32,
    /// Source in the link-layer header.
    pub source_mac: Option<[u8; 6]>,
    /// The link-layer header as received.
    pub link_header: Vec<u8>,
    /// When it was received, since 1970; packets from here have no such time.
    pub time: Option<Duration>,
    /// What conntrack knows, if asked for.
    pub connection: Option<Connection>,
    /// `enum ip_conntrack_info`: 0 established, 1 related, 2 new, 3 and 4 the same in reply direction.
    pub connection_info: Option<u32>,
}

impl Logged {
    /// Reads `NFULNL_MSG_PACKET`. `None`: the message is something else.
    pub fn parse(message: &Message<'_>) -> Option<Logged> {
        if message.kind != PACKET {
            return None;
        }
        let (header, attributes) = message.split(4).ok()?;
        let mut logged = Logged {
            group: u16::from_be_bytes([header[2], header[3]]),
            family: header[0],
            protocol: 0,
            hook: 0,
            prefix: String::new(),
            payload: Vec::new(),
            iif: None,
            oif: None,
            mark: 0,
            source_mac: None,
            link_header: Vec::new(),
            time: None,
            connection: None,
            connection_info: None,
        };
        for attribute in attributes {
            let value = attribute.value;
            match attribute.kind {
                1 => {
                    logged.protocol = attribute.be16().unwrap_or(0);
                    logged.hook = value.get(2).copied().unwrap_or(0);
                }
                2 => logged.mark = attribute.be32().unwrap_or(0),
                3 => {
                    let word = |at: usize| value.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
                    logged.time = word(0)
                        .zip(word(8))
                        .and_then(|(seconds, micros)| Duration::from_secs(seconds).checked_add(Duration::from_micros(micros)));
                }
                4 => logged.iif = attribute.be32(),
                5 => logged.oif = attribute.be32(),
                8 if attribute.be16() == Some(6) => {
                    logged.source_mac = value.get(4..10).and_then(|mac| mac.try_into().ok());
                }
                9 => logged.payload = value.to_vec(),
                10 => logged.prefix = attribute.string(),
                16 => logged.link_header = value.to_vec(),
                18 => logged.connection = Connection::parse(attribute.nested()).ok(),
                19 => logged.connection_info = attribute.be32(),
                _ => {}
            }
        }
        Some(logged)
    }
}

/// Waits up to `wait` for packets and appends what is there; `Duration::ZERO` never blocks.
pub fn receive(socket: &mut Socket, wait: Duration, packets: &mut Vec<Logged>) -> Result<Receipt, Error> {
    socket.receive(wait, |message| packets.extend(Logged::parse(&message)))
}
