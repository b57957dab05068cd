//! The internet checksum (RFC 1071), its pseudo headers (RFC 768, 9293, 8200) and its update (RFC 1624).

use std::net::IpAddr;

/// A running sum. Feed it whole parts; only the last may have an odd number of bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum(u64);

impl Sum {
    /// Nothing summed yet.
    pub fn new() -> Sum {
        Sum(0)
    }

    /// Adds bytes as 16-bit words, an odd last byte padded with zero.
    #[must_use]
    #[inline]
    pub fn with(self, bytes: &[u8]) -> Sum {
        // Sums do not care for the order of bytes (RFC 1071, 2 (B)): 64 bits at a time as they lie there, turned at the end.
        // 2^64 counts as 1, so what is carried out of a word goes into the next one.
        let (blocks, rest) = bytes.as_chunks::<64>();
        let (mut sum, mut carries) = (0u64, 0u64);
        for block in blocks {
            let mut carry = false;
            for word in block.as_chunks::<8>().0 {
                (sum, carry) = sum.carrying_add(u64::from_ne_bytes(*word), carry);
            }
            carries += u64::from(carry);
        }
        let (words, rest) = rest.as_chunks::<8>();
        for word in words {
            let (more, carry) = sum.overflowing_add(u64::from_ne_bytes(*word));
            (sum, carries) = (more, carries + u64::from(carry));
        }
        // 2^32 counts as 1, too. What is left, 7 bytes at most, as if zeros followed.
        let mut sum = (sum >> 32) + (sum & 0xffff_ffff) + carries;
        let mut rest = rest;
        if let Some((long, after)) = rest.split_first_chunk() {
            (sum, rest) = (sum + u64::from(u32::from_ne_bytes(*long)), after);
        }
        sum += match *rest {
            [] => 0,
            [a] => u64::from(u16::from_ne_bytes([a, 0])),
            [a, b] => u64::from(u16::from_ne_bytes([a, b])),
            [a, b, c, ..] => u64::from(u32::from_ne_bytes([a, b, c, 0])),
        };
        Sum(self.0 + u64::from(fold(sum).to_be()))
    }

    /// Adds one 16-bit word.
    #[must_use]
    pub fn with_word(self, word: u16) -> Sum {
        Sum(self.0 + u64::from(word))
    }

    /// Adds what TCP, UDP and ICMPv6 sum beside themselves. Addresses of different families are a
    /// caller's mistake and sum to something that no receiver accepts.
    #[must_use]
    pub fn pseudo_header(self, source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> Sum {
        // 2^16 counts as 1, so words of 32 bits come to the same as their halves. Zeros do not change a sum, so the
        // layouts of IPv4 and IPv6 come to the same, too.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let long = |bits: u128, shift: u32| u64::from((bits >> shift) as u32);
        let address = |address: IpAddr| match address {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                long(bits, 96) + long(bits, 64) + long(bits, 32) + long(bits, 0)
            }
        };
        Sum(self.0 + address(source) + address(destination) + u64::from(protocol) + u64::from(length))
    }

    /// The checksum: the complement of the folded sum.
    pub fn finish(self) -> u16 {
        !fold(self.0)
    }

    /// True when what was summed, its checksum field included, is as it was sent.
    pub fn is_valid(self) -> bool {
        self.finish() == 0
    }
}

/// A sum in 16 bits, carries added at the low end.
fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + sum) as u16
}

/// The checksum of bytes.
pub fn of(bytes: &[u8]) -> u16 {
    Sum::new().with(bytes).finish()
}

/// The checksum after a 16-bit word changed (RFC 1624, equation 3).
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

/// True when a TCP, UDP or ICMPv6 segment carries the right checksum. UDP over IPv4 may carry none (0).
pub fn segment_is_valid(source: IpAddr, destination: IpAddr, protocol: u8, segment: &[u8]) -> bool {
    if protocol == crate::protocol::UDP && source.is_ipv4() && crate::read::u16_at(segment, 6) == 0 {
        return segment.len() >= 8;
    }
    Sum::new().pseudo_header(source, destination, protocol, segment.len()).with(segment).is_valid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071_sums_up() {
        // RFC 1071, section 3: 0001 f203 f4f5 f6f7 gives ddf2.
        assert_eq!(of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn the_example_of_rfc_1624_updates() {
        // RFC 1624, section 4.
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    proptest::proptest! {
        #[test]
        fn a_sum_is_that_of_16_bit_words(bytes: Vec<u8>) {
            let words = bytes.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two.get(1).copied().unwrap_or(0)));
            let mut sum: u32 = words.sum();
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            proptest::prop_assert_eq!(of(&bytes), !(sum as u16));
        }

        #[test]
        fn a_pseudo_header_is_summed_like_its_bytes(
            source: [u8; 16], destination: [u8; 16], is_v4: bool, protocol: u8, length: u16,
        ) {
            let octets = if is_v4 { 4 } else { 16 };
            let address = |bytes: [u8; 16]| match bytes {
                [a, b, c, d, ..] if is_v4 => IpAddr::from([a, b, c, d]),
                bytes => IpAddr::from(bytes),
            };
            let mut bytes = [&source[..octets], &destination[..octets]].concat();
            bytes.extend([0, protocol]);
            bytes.extend(length.to_be_bytes());
            let sum = Sum::new().pseudo_header(address(source), address(destination), protocol, usize::from(length));
            proptest::prop_assert_eq!(sum.finish(), of(&bytes));
        }

        #[test]
        fn what_carries_its_checksum_is_valid(mut bytes: Vec<u8>) {
            bytes.resize(bytes.len().next_multiple_of(2), 0);
            let checksum = of(&bytes);
            bytes.extend_from_slice(&checksum.to_be_bytes());
            proptest::prop_assert!(Sum::new().with(&bytes).is_valid());
        }

        #[test]
        fn an_update_equals_a_new_sum(words: [u16; 6], at in 0usize..6, new: u16) {
            let bytes = |words: [u16; 6]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
            let before = of(&bytes(words));
            let mut changed = words;
            changed[at] = new;
            // All-zero data has two representations of its sum; RFC 1624 keeps to one of them.
            proptest::prop_assume!(changed.iter().any(|word| *word != 0) && words.iter().any(|word| *word != 0));
            proptest::prop_assert_eq!(update(before, words[at], new), of(&bytes(changed)));
        }
    }
}
