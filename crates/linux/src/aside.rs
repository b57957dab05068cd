//! Questions aside: packets by which a command learns what became of a user's own traffic. They carry a mark, so that flow logs
//! do not count them and captures do not show them; everything else treats them as any packet.

/// The differentiated services field of such a packet (RFC 2474, section 6: code points `xxxx11` are for local use). Who answers
/// an echo request repeats it.
pub(crate) const DS_FIELD: u8 = 0b1111_1100;
/// The code point in it; the other two bits are congestion's (RFC 3168).
const CODE_POINT: u8 = 0b1111_1100;

/// Where the field is: offset from the network header, the bits of it, and what they are in such a packet.
pub(crate) fn field(is_ipv6: bool) -> (u32, [u8; 2], [u8; 2]) {
    let bits = |byte: u8| u16::from(byte).rotate_left(4).to_be_bytes();
    match is_ipv6 {
        // Between version and flow label.
        true => (0, bits(CODE_POINT), bits(DS_FIELD & CODE_POINT)),
        false => (0, [0, CODE_POINT], [0, DS_FIELD & CODE_POINT]),
    }
}

/// Whether a frame of Ethernet is such a packet.
pub(crate) fn is_aside(frame: &[u8]) -> bool {
    let Some(&[kind_high, kind_low, first, second]) = frame.get(12..16) else { return false };
    let is_ipv6 = match u16::from_be_bytes([kind_high, kind_low]) {
        0x0800 => false,
        0x86dd => true,
        _ => return false,
    };
    let (_, mask, value) = field(is_ipv6);
    [first & mask[0], second & mask[1]] == value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_told_by_its_code_point_in_both_families() {
        let frame = |kind: u16, start: [u8; 2]| [[0; 12].as_slice(), &kind.to_be_bytes(), &start, &[0; 18]].concat();
        for (kind, start, expected) in [
            (0x0800, [0x45, 0xfc], true),
            (0x0800, [0x45, 0xff], true), // congestion was marked on the way
            (0x0800, [0x45, 0x00], false),
            (0x0800, [0x45, 0xb8], false), // expedited forwarding
            (0x86dd, [0x6f, 0xc0], true),
            (0x86dd, [0x6f, 0xf0], true),
            (0x86dd, [0x60, 0x00], false),
            (0x0806, [0x45, 0xfc], false),
        ] {
            assert_eq!(is_aside(&frame(kind, start)), expected, "{kind:#x} {start:x?}");
        }
        assert!(!is_aside(&[0; 15]));
    }
}
