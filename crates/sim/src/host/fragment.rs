//! Cutting packets and putting them together (RFC 791, RFC 815, RFC 8200 4.5), within bounds.

use std::net::IpAddr;

use crate::frame::FrameId;
use crate::node::Context;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};

use super::Host;
use super::deadlines::Alarm;
use super::packet::{Packet, Piece, seal_v4, word};

/// Pieces wait for so long (RFC 1122, 3.3.2; Linux's `ipfrag_time`).
pub const TIMEOUT: Span = Span::seconds(30);
/// Packets that wait for pieces.
pub const PENDING: usize = 64;
/// Longest packet that is put together, bytes.
const LONGEST: u32 = 65_535;

/// A packet of which pieces are missing.
#[derive(Debug)]
pub(crate) struct Pending {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub id: u32,
    port: u16,
    pub until: Time,
    /// The first piece, for its header and to be quoted.
    first: Option<FrameId>,
    /// How long the whole is, once the last piece came.
    pub total: Option<u32>,
    bytes: Vec<u8>,
    /// What came, sorted and apart, from (included) to (excluded).
    ranges: Vec<(u32, u32)>,
}

impl Pending {
    /// Bytes that came.
    pub fn have(&self) -> u32 {
        self.ranges.iter().map(|(from, to)| to - from).sum()
    }

    fn is_whole(&self) -> bool {
        self.first.is_some() && self.total.is_some_and(|total| self.ranges == [(0, total)])
    }

    /// Takes a range in; whether it lay over one that was there.
    fn insert(&mut self, (mut from, mut to): (u32, u32)) -> bool {
        let overlaps = self.ranges.iter().any(|(start, end)| from < *end && *start < to);
        self.ranges.retain(|&(start, end)| {
            let touches = from <= end && start <= to;
            if touches {
                (from, to) = (from.min(start), to.max(end));
            }
            !touches
        });
        let at = self.ranges.partition_point(|(start, _)| *start < from);
        self.ranges.insert(at, (from, to));
        overlaps
    }
}

/// The pieces of a frame's packet, each a frame of its own, none with a packet longer than `limit`.
pub(crate) fn cut(context: &mut Context<'_>, frame: FrameId, start: usize, limit: u32, id: u32) -> Vec<FrameId> {
    let bytes = context.bytes(frame);
    let is_v4 = bytes[start] >> 4 == 4;
    let header = if is_v4 { usize::from(bytes[start] & 15) * 4 } else { 40 };
    let more_header = if is_v4 { 0 } else { 8 };
    // A piece of a piece goes on where that began, and is followed by what followed that.
    let (base, more_after) = if is_v4 {
        let field = word(bytes, start + 6);
        (usize::from(field & 0x1fff) * 8, field & 0x2000 != 0)
    } else {
        (0, false)
    };
    let dont_fragment = if is_v4 { word(bytes, start + 6) & 0x4000 } else { 0 };
    let length = bytes.len() - start - header;
    let step = ((limit as usize).saturating_sub(header + more_header) & !7).max(8);
    let mut pieces = Vec::new();
    for at in (0..length).step_by(step) {
        let size = step.min(length - at);
        let more = at + size < length || more_after;
        let whole = context.bytes(frame);
        let mut piece = Vec::with_capacity(start + header + more_header + size);
        piece.extend_from_slice(&whole[..start + header]);
        let offset = base + at;
        if is_v4 {
            let field = (offset / 8) as u16 | u16::from(more) << 13 | dont_fragment;
            piece[start + 2..start + 4].copy_from_slice(&((header + size) as u16).to_be_bytes());
            piece[start + 6..start + 8].copy_from_slice(&field.to_be_bytes());
            seal_v4(&mut piece, start);
        } else {
            let protocol = std::mem::replace(&mut piece[start + 6], 44);
            piece[start + 4..start + 6].copy_from_slice(&((size + 8) as u16).to_be_bytes());
            piece.extend_from_slice(&[protocol, 0]);
            piece.extend_from_slice(&(offset as u16 | u16::from(more)).to_be_bytes());
            piece.extend_from_slice(&id.to_be_bytes());
        }
        let from = start + header + at;
        piece.extend_from_slice(&whole[from..from + size]);
        pieces.push(context.make(frame, |out| out.extend_from_slice(&piece)));
    }
    pieces
}

impl Host {
    /// Takes a piece in. The whole, as a frame of the host's own, if it was the last that was missing.
    pub(crate) fn reassemble(
        &mut self,
        context: &mut Context<'_>,
        port: u16,
        frame: FrameId,
        packet: &Packet,
        piece: Piece,
    ) -> Option<FrameId> {
        let size = (packet.end - piece.at) as u32;
        let end = piece.offset + size;
        let longest = if packet.is_v4() { LONGEST - (packet.upper - packet.start) as u32 } else { LONGEST };
        if size == 0 || piece.more && !size.is_multiple_of(8) || end > longest {
            self.drop_frame(context, port, Reason::MalformedPacket, frame);
            return None;
        }
        let is_it = |pending: &Pending| {
            pending.id == piece.id
                && pending.protocol == piece.protocol
                && pending.source == packet.source
                && pending.destination == packet.destination
        };
        let at = match self.fragments.iter().position(is_it) {
            Some(at) => at,
            None => {
                if self.fragments.len() >= PENDING {
                    self.drop_frame(context, port, Reason::ReassemblyBound, frame);
                    return None;
                }
                let until = context.now() + TIMEOUT;
                self.deadlines.push(until, Alarm::Fragments);
                self.fragments.push(Pending {
                    source: packet.source,
                    destination: packet.destination,
                    protocol: piece.protocol,
                    id: piece.id,
                    port,
                    until,
                    first: None,
                    total: None,
                    bytes: Vec::new(),
                    ranges: Vec::new(),
                });
                self.fragments.len() - 1
            }
        };
        let pending = &mut self.fragments[at];
        let contradicts = pending.total.is_some_and(|total| end > total || !piece.more && end != total);
        let is_cut_short = !piece.more && pending.ranges.last().is_some_and(|(_, have)| *have > end);
        if contradicts || is_cut_short {
            self.drop_frame(context, port, Reason::MalformedPacket, frame);
            return None;
        }
        let overlaps = pending.insert((piece.offset, end));
        if overlaps && !packet.is_v4() {
            // RFC 5722: nothing of it is to be believed.
            let pending = self.fragments.swap_remove(at);
            pending.first.into_iter().for_each(|first| context.release(first));
            self.drop_frame(context, port, Reason::MalformedPacket, frame);
            return None;
        }
        if pending.bytes.len() < end as usize {
            pending.bytes.resize(end as usize, 0);
        }
        let part = &context.bytes(frame)[piece.at..packet.end];
        pending.bytes[piece.offset as usize..end as usize].copy_from_slice(part);
        if !piece.more {
            pending.total = Some(end);
        }
        if piece.offset == 0 && pending.first.is_none() {
            pending.first = Some(frame);
            context.hold(frame);
        }
        if !pending.is_whole() {
            context.trace_value(port, Verb::Wait, Reason::Fragmented, frame, piece.offset);
            return None;
        }
        let pending = self.fragments.swap_remove(at);
        let first = pending.first?;
        let mut whole = head_of(context.bytes(first), packet.start, packet.is_v4(), piece.protocol);
        whole.extend_from_slice(&pending.bytes);
        let length = whole.len() - packet.start;
        if packet.is_v4() {
            whole[packet.start + 2..packet.start + 4].copy_from_slice(&(length as u16).to_be_bytes());
            seal_v4(&mut whole, packet.start);
        } else {
            whole[packet.start + 4..packet.start + 6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
        }
        let made = context.make(first, |out| out.extend_from_slice(&whole));
        context.release(first);
        context.trace(port, Verb::Fragment, Reason::Reassembled, made);
        self.counters.reassembled += 1;
        Some(made)
    }

    /// Gives up what has waited too long, and says so to the sender if the first piece came (RFC 792).
    pub(crate) fn fragments_are_due(&mut self, context: &mut Context<'_>) {
        let now = context.now();
        while let Some(at) = self.fragments.iter().position(|pending| pending.until <= now) {
            let pending = self.fragments.remove(at);
            self.counters.dropped += 1;
            let frame = pending.first.unwrap_or(FrameId::NONE);
            let (have, source) = (pending.have(), pending.source);
            context.trace_text(pending.port, Verb::Drop, Reason::ReassemblyTimeout, frame, || {
                format!("{have} bytes of a packet from {source} came in {TIMEOUT}")
            });
            if let Some(first) = pending.first {
                self.reassembly_is_over(context, pending.port, first);
                context.release(first);
            }
        }
    }
}

/// The header of the whole: that of the first piece, without what says that it is one.
fn head_of(first: &[u8], start: usize, is_v4: bool, protocol: u8) -> Vec<u8> {
    let header = if is_v4 { usize::from(first[start] & 15) * 4 } else { 40 };
    let mut head = first[..start + header].to_vec();
    if is_v4 {
        head[start + 6..start + 8].copy_from_slice(&[0, 0]);
    } else {
        head[start + 6] = protocol;
    }
    head
}
