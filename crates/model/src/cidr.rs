//! Arithmetic on blocks: canonical form, overlap, splitting, free space (VPC-1, SUB-1, SUB-2), and ranges with a meaning.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Ranges that RFC 1918 keeps for private use.
pub const RFC_1918: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
];

/// The shared range of RFC 6598.
pub const RFC_6598: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10);

/// Link-local addresses (RFC 3927), which no VPC may use (VPC-8).
pub const LINK_LOCAL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16);

/// Where Amazon-provided IPv6 blocks come from: what AWS announces for Seoul; nothing here leaves the machine.
pub const AMAZON_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2406, 0xda12, 0, 0, 0, 0, 0, 0), 36);

/// Addresses of a subnet that AWS keeps: +0, +1, +2, +3 and the last (SUB-2).
pub const RESERVED_PER_SUBNET: u32 = 5;

/// Whether two blocks share an address.
pub fn overlaps(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// How many addresses of a subnet of this size can be given out (SUB-4).
pub fn usable_addresses(block: Ipv4Net) -> u32 {
    ((1u64 << (32 - block.prefix_len())) as u32).saturating_sub(RESERVED_PER_SUBNET)
}

/// Lowest block of length `prefix_len` inside `within` that overlaps none of `taken`.
///
/// Returns `None` when the space is used up or `prefix_len` is shorter than that of `within`.
pub fn first_free(within: Ipv4Net, prefix_len: u8, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    if prefix_len < within.prefix_len() || prefix_len > 32 {
        return None;
    }
    let size = 1u64 << (32 - prefix_len);
    let end = u64::from(u32::from(within.broadcast()));
    let mut base = u64::from(u32::from(within.network()));
    while base + size - 1 <= end {
        let candidate = Ipv4Net::new_assert(Ipv4Addr::from(base as u32), prefix_len);
        // Skip past the blocker at once, so that the walk is bounded by the number of blocks taken.
        match taken.iter().filter(|t| overlaps(**t, candidate)).map(|t| u64::from(u32::from(t.broadcast()))).max() {
            None => return Some(candidate),
            Some(last) => base = (last + 1).next_multiple_of(size),
        }
    }
    None
}

/// The largest blocks that together are `within` without `taken`, in ascending order.
pub fn free_space(within: Ipv4Net, taken: &[Ipv4Net]) -> Vec<Ipv4Net> {
    if taken.iter().any(|t| t.contains(&within)) {
        return Vec::new();
    }
    if !taken.iter().any(|t| within.contains(t)) {
        return vec![within];
    }
    match within.subnets(within.prefix_len() + 1) {
        Ok(halves) => halves.flat_map(|half| free_space(half, taken)).collect(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn blocks_are_carved_in_order_and_skip_what_is_taken() {
        let within = net("192.168.0.0/24");
        let mut taken = vec![];
        for (length, expected) in [(26, "192.168.0.0/26"), (27, "192.168.0.64/27"), (26, "192.168.0.128/26")] {
            let block = first_free(within, length, &taken).unwrap();
            assert_eq!(block, net(expected));
            taken.push(block);
        }
        assert_eq!(free_space(within, &taken), [net("192.168.0.96/27"), net("192.168.0.192/26")]);
        assert_eq!(first_free(within, 25, &taken), None);
        assert_eq!(first_free(net("255.255.255.0/24"), 24, &[net("255.255.255.0/24")]), None);
    }

    #[test]
    fn usable_addresses_leave_out_the_reserved_five() {
        for (block, usable) in [("10.0.0.0/28", 11), ("10.0.0.0/24", 251), ("10.0.0.0/20", 4_091)] {
            assert_eq!(usable_addresses(net(block)), usable, "SUB-4 {block}");
        }
    }
}
