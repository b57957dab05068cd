//! Trace events: which rule of which chain saw a packet whose `nftrace` is set, and what it decided.

use std::time::Duration;

use super::dump::verdict_of;
use super::terms::Verdict;
use super::{Family, SUBSYSTEM};
use crate::error::Error;
use crate::message::Message;
use crate::socket::{Receipt, Socket};

/// `NFNLGRP_NFTRACE`.
const GROUP: u32 = 9;
/// `NFT_MSG_TRACE`.
const TRACE: u16 = SUBSYSTEM | 17;

/// What a trace event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceKind {
    /// A rule matched to its end.
    Rule,
    /// A chain was left at its end, or by `return`.
    Return,
    /// A base chain's policy decided.
    Policy,
}

/// One step of one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEvent {
    /// The same for all steps of one packet in one namespace.
    pub id: u32,
    /// Family of the table.
    pub family: Option<Family>,
    /// Table.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// What this is about.
    pub kind: TraceKind,
    /// Handle of the rule; see [`super::dump::rules`].
    pub rule: Option<u64>,
    /// What was decided.
    pub verdict: Option<Verdict>,
    /// What the policy decided.
    pub policy: Option<Verdict>,
    /// Link-layer header, in a packet's first event of a chain.
    pub link_header: Vec<u8>,
    /// Network header and the start of what follows, there too.
    pub network_header: Vec<u8>,
    /// Transport header, there too.
    pub transport_header: Vec<u8>,
    /// Index of the receiving device.
    pub iif: Option<u32>,
    /// Index of the sending device.
    pub oif: Option<u32>,
    /// The packet's mark, if it is not 0.
    pub mark: Option<u32>,
}

impl TraceEvent {
    /// Reads a trace event. `None`: the message is something else, or nothing we know.
    pub fn parse(message: &Message<'_>) -> Option<TraceEvent> {
        if message.kind != TRACE {
            return None;
        }
        let (header, attributes) = message.split(4).ok()?;
        let word = |kind| attributes.get(kind).and_then(|a| a.be32());
        let bytes = |kind| attributes.get(kind).map(|a| a.value.to_vec()).unwrap_or_default();
        Some(TraceEvent {
            id: word(6)?,
            family: Family::from_number(header[0]),
            table: attributes.get(1)?.string(),
            chain: attributes.get(2)?.string(),
            kind: match word(4)? {
                1 => TraceKind::Policy,
                2 => TraceKind::Return,
                3 => TraceKind::Rule,
                _ => return None,
            },
            rule: attributes.get(3).and_then(|a| a.be64()),
            verdict: attributes.get(5).and_then(|verdict| verdict_of(verdict.nested())),
            policy: word(16).and_then(|code| Verdict::from_code(code as i32, None)),
            link_header: bytes(7),
            network_header: bytes(8),
            transport_header: bytes(9),
            iif: word(10),
            oif: word(12),
            mark: word(14),
        })
    }
}

/// Starts to listen. Use a socket for nothing else: events queue up on it.
pub fn subscribe(socket: &mut Socket) -> Result<(), Error> {
    socket.join(GROUP)
}

/// Waits up to `wait` for events and appends what is there.
pub fn receive(socket: &mut Socket, wait: Duration, events: &mut Vec<TraceEvent>) -> Result<Receipt, Error> {
    socket.receive(wait, |message| events.extend(TraceEvent::parse(&message)))
}
