//! Frames that were changed: bytes here and there, and then, mostly, checksums that are right again, so that what follows the
//! checksums is reached.

/// Numbers that a seed fixes (xorshift64*).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.bits() >> 33) as usize % bound }
    }
}

/// Changes a frame in one to four places; `other` lends bytes.
pub fn change(chance: &mut Chance, frame: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=chance.below(4) {
        let length = frame.len();
        // Headers of the outer layers are changed less often than what they carry.
        let first = if chance.below(4) == 0 { 0 } else { 34.min(length.saturating_sub(1)) };
        let at = first + chance.below(length - first.min(length));
        match chance.below(9) {
            0 | 1 if at < length => frame[at] ^= 1 << chance.below(8),
            2 if at < length => frame[at] = [0, 1, 2, 0x7f, 0x80, 0xc0, 0xfe, 0xff][chance.below(8)],
            3 if at < length => frame[at] = chance.bits() as u8,
            4 if at + 1 < length => {
                let word = [0, 1, 0x7fff, 0x8000, 0xffff, length as u16, (length as u16).wrapping_add(1), 4][chance.below(8)];
                frame[at..at + 2].copy_from_slice(&word.to_be_bytes());
            }
            5 => frame.truncate(at),
            6 => frame.extend((0..chance.below(64)).map(|_| chance.bits() as u8).collect::<Vec<_>>()),
            7 => {
                let end = (at + chance.below(16)).min(length);
                frame.drain(at.min(end)..end);
            }
            _ if !other.is_empty() => {
                let from = chance.below(other.len());
                let piece = &other[from..(from + 1 + chance.below(64)).min(other.len())];
                let end = (at + piece.len()).min(length);
                frame.splice(at.min(end)..end, piece.iter().copied());
            }
            _ => {}
        }
    }
    frame.truncate(9_000);
}

/// Makes lengths and checksums right again where it is known how: IPv4, IPv6 and what they carry, in Ethernet, PPP or HDLC.
pub fn mend(frame: &mut [u8], has_right_lengths: bool) {
    let start = match frame {
        [0xff, 3, 0, 0x21 | 0x57, ..] | [0x0f, 0, 8, 0, ..] => 4,
        _ => match frame.get(12..14) {
            Some([8, 0] | [0x86, 0xdd]) => 14,
            _ => return,
        },
    };
    let Some(packet) = frame.get_mut(start..) else { return };
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => mend_v4(packet, has_right_lengths),
        Some(6) => mend_v6(packet, has_right_lengths),
        _ => {}
    }
}

fn mend_v4(packet: &mut [u8], has_right_lengths: bool) {
    let header = usize::from(packet[0] & 15) * 4;
    if header < 20 || packet.len() < header {
        return;
    }
    if has_right_lengths {
        let length = packet.len() as u16;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
    }
    put(packet, 10, |packet| sum(0, &packet[..header]));
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]])).clamp(header, packet.len());
    let pseudo = sum_of(&packet[12..20]) + u32::from(packet[9]) + (total - header) as u32;
    let (protocol, is_whole) = (packet[9], packet[6] & 0x3f == 0 && packet[7] == 0);
    if is_whole {
        mend_inner(protocol, pseudo, &mut packet[header..total], has_right_lengths);
    }
}

fn mend_v6(packet: &mut [u8], has_right_lengths: bool) {
    if packet.len() < 40 {
        return;
    }
    if has_right_lengths {
        let length = (packet.len() - 40) as u16;
        packet[4..6].copy_from_slice(&length.to_be_bytes());
    }
    let end = (40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]))).min(packet.len());
    let pseudo = sum_of(&packet[8..40]) + u32::from(packet[6]) + (end - 40) as u32;
    let protocol = packet[6];
    mend_inner(protocol, pseudo, &mut packet[40..end], has_right_lengths);
}

fn mend_inner(protocol: u8, pseudo: u32, inner: &mut [u8], has_right_lengths: bool) {
    match protocol {
        1 | 2 if inner.len() >= 4 => put(inner, 2, |inner| sum(0, inner)),
        58 if inner.len() >= 4 => put(inner, 2, |inner| sum(pseudo, inner)),
        6 if inner.len() >= 20 => put(inner, 16, |inner| sum(pseudo, inner)),
        17 if inner.len() >= 8 => {
            if has_right_lengths {
                let length = inner.len() as u16;
                inner[4..6].copy_from_slice(&length.to_be_bytes());
            }
            put(inner, 6, |inner| sum(pseudo, inner));
        }
        // OSPF's own, without the authentication (RFC 2328, D.4).
        89 if inner.len() >= 24 => {
            if has_right_lengths {
                let length = inner.len() as u16;
                inner[2..4].copy_from_slice(&length.to_be_bytes());
            }
            let end = usize::from(u16::from_be_bytes([inner[2], inner[3]])).clamp(24, inner.len());
            put(inner, 12, |inner| sum(sum_of(&inner[..16]), &inner[24..end]));
        }
        _ => {}
    }
}

/// Clears a checksum, computes it, and puts it there.
fn put(bytes: &mut [u8], at: usize, compute: impl FnOnce(&[u8]) -> u16) {
    bytes[at..at + 2].copy_from_slice(&[0, 0]);
    let value = compute(bytes);
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

fn sum_of(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0))).fold(0, |sum, word| {
        let sum = sum + word;
        (sum & 0xffff) + (sum >> 16)
    })
}

/// The internet checksum (RFC 1071).
fn sum(start: u32, bytes: &[u8]) -> u16 {
    let mut sum = start + sum_of(bytes);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
