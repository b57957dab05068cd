//! What differs between IPv4 and IPv6 in rules: where addresses stand, how long they are, whose number ICMP has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fabric::Family;
use ipnet::IpNet;
use model::traffic::protocol;
use netlink::nft::build::Load;

/// The source address of a packet.
pub fn source(family: Family) -> Load {
    match family {
        Family::V4 => Load::SourceV4,
        Family::V6 => Load::SourceV6,
    }
}

/// Its destination address.
pub fn destination(family: Family) -> Load {
    match family {
        Family::V4 => Load::DestinationV4,
        Family::V6 => Load::DestinationV6,
    }
}

/// The family of a block.
pub fn of_block(block: &IpNet) -> Family {
    Family::of(block.addr())
}

/// The protocol number of ICMP, or of ICMPv6: neither is the other's (SG-10).
pub fn icmp(family: Family) -> u8 {
    match family {
        Family::V4 => protocol::ICMP,
        Family::V6 => protocol::ICMPV6,
    }
}

/// Bytes of an address.
pub fn length(family: Family) -> u32 {
    destination(family).length()
}

/// An address as packets have it.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// An address as a number.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// A number as an address; of IPv4 it has 32 bits.
pub fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from(number as u32).into(),
        Family::V6 => Ipv6Addr::from(number).into(),
    }
}
