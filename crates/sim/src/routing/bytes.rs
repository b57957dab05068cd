//! Fields in network order, read without a panic: zeros behind the end.

use std::net::Ipv4Addr;

pub(super) fn octets<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|slice| slice.try_into().ok()).unwrap_or([0; N])
}

pub(super) fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(octets(bytes, at))
}

pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(octets(bytes, at))
}

pub(super) fn address(bytes: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::from(octets::<4>(bytes, at))
}

/// The block that an address and a mask describe, without bits behind the prefix. Nothing if the mask has holes.
pub(super) fn block(address: Ipv4Addr, mask: Ipv4Addr) -> Option<ipnet::Ipv4Net> {
    ipnet::Ipv4Net::with_netmask(address, mask).ok().map(|net| net.trunc())
}
