//! Cutting an IPv4 packet for a link that takes less (RFC 791 3.2).

use crate::cloud::bytes::ETHERNET;
use crate::frame::FrameId;
use crate::node::Context;
use crate::trace::{Reason, Verb};

/// The fragments of a packet, each at most `mtu` bytes; the packet itself if it fits. What cannot be cut (IPv6, an MTU below
/// 28 bytes) stays whole.
pub fn cut(ip: &[u8], mtu: u32) -> Vec<Vec<u8>> {
    let header_length = usize::from(ip.first().map_or(0, |byte| byte & 0xf)) * 4;
    let total = match ip.get(2..4) {
        Some(length) => usize::from(u16::from_be_bytes([length[0], length[1]])).min(ip.len()),
        None => ip.len(),
    };
    let room = (mtu as usize).saturating_sub(header_length) / 8 * 8;
    if ip.first().is_none_or(|byte| byte >> 4 != 4) || total <= mtu as usize || room == 0 || header_length < 20 {
        return vec![ip.to_vec()];
    }
    let flags = u16::from_be_bytes([ip[6], ip[7]]);
    let (offset, more) = (flags & 0x1fff, flags & 0x2000);
    let payload = &ip[header_length..total];
    let pieces = payload.chunks(room);
    let last = pieces.len() - 1;
    let cut = |(index, piece): (usize, &[u8])| {
        let mut out = ip[..header_length].to_vec();
        out[2..4].copy_from_slice(&((header_length + piece.len()) as u16).to_be_bytes());
        let more = if index < last { 0x2000 } else { more };
        let place = offset + (index * room / 8) as u16;
        out[6..8].copy_from_slice(&(flags & 0xc000 | more | place).to_be_bytes());
        out[10..12].fill(0);
        let sum = wire::checksum::of(&out);
        out[10..12].copy_from_slice(&sum.to_be_bytes());
        out.extend_from_slice(piece);
        out
    };
    pieces.enumerate().map(cut).collect()
}

/// Sends a frame of one's own, in fragments where its packet is longer than `mtu`.
pub fn send(context: &mut Context<'_>, port: u16, frame: FrameId, mtu: u32) {
    if context.bytes(frame).len() <= ETHERNET + mtu as usize {
        return context.send(port, frame);
    }
    let (ethernet, ip) = context.bytes(frame).split_at(ETHERNET);
    let (ethernet, fragments) = (ethernet.to_vec(), cut(ip, mtu));
    context.trace_value(port, Verb::Fragment, Reason::Fragmented, frame, fragments.len() as u32);
    for fragment in fragments {
        let piece = context.make(frame, |out| {
            out.extend_from_slice(&ethernet);
            out.extend_from_slice(&fragment);
        });
        context.send(port, piece);
    }
    context.release(frame);
}
