//! rtnetlink: links, addresses, routes, rules, neighbours. Each kind has a value, functions that push
//! requests for it into a [`Batch`](crate::Batch), and a dump.
//!
//! Everything here is in the machine's byte order, addresses excepted (include/uapi/linux/rtnetlink.h).

pub mod address;
pub mod link;
pub mod neighbour;
pub mod qdisc;
pub mod route;
pub mod rule;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::message::{Attributes, HEADER};

/// The address family of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`.
    V6,
}

impl Family {
    /// `AF_*`.
    pub const fn number(self) -> u8 {
        match self {
            Family::V4 => 2,
            Family::V6 => 10,
        }
    }

    /// The family of an address.
    pub const fn of(address: &IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// 0.0.0.0 or ::.
    const fn unspecified(self) -> IpAddr {
        match self {
            Family::V4 => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        }
    }

    fn from_number(number: u8) -> Option<Family> {
        match number {
            2 => Some(Family::V4),
            10 => Some(Family::V6),
            _ => None,
        }
    }
}

/// An address as attributes hold it.
fn octets(address: IpAddr) -> ([u8; 16], usize) {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(address) => {
            bytes[..4].copy_from_slice(&address.octets());
            (bytes, 4)
        }
        IpAddr::V6(address) => (address.octets(), 16),
    }
}

fn put_address(body: &mut crate::Body<'_>, kind: u16, address: IpAddr) {
    let (bytes, length) = octets(address);
    body.bytes(kind, &bytes[..length]);
}

/// A prefix from a length in the fixed header and an attribute that is left out for length 0.
fn prefix(family: Family, attribute: Option<crate::message::Attribute<'_>>, length: u8) -> Option<IpNet> {
    let address = attribute.map_or(Some(family.unspecified()), |attribute| attribute.address())?;
    IpNet::new(address, length).ok()
}

/// What a message asks for, in words, read from its bytes: `new link web-1`, `new route 10.0.0.0/16`.
pub(crate) fn describe(message: &[u8]) -> Option<String> {
    let kind = u16::from_ne_bytes([*message.get(4)?, *message.get(5)?]);
    let payload = message.get(HEADER..)?;
    let byte = |at: usize| payload.get(at).copied().unwrap_or(0);
    let attributes = |header: usize| Attributes::new(payload.get(header..).unwrap_or(&[]));
    let verb = match kind & 3 {
        0 => "new",
        1 => "delete",
        2 => "get",
        _ => "set",
    };
    let (noun, subject) = match kind {
        16..=19 => {
            let index = payload.get(4..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes);
            let name = attributes(16).get(3).map(|name| name.string());
            ("link", name.or((index != 0).then(|| format!("#{index}"))))
        }
        20..=22 => {
            ("address", attributes(8).get(2).and_then(|local| local.address()).map(|local| format!("{local}/{}", byte(1))))
        }
        24..=26 => {
            let destination = attributes(12).get(1).and_then(|destination| destination.address());
            let table = attributes(12).get(15).and_then(|table| table.u32()).unwrap_or(u32::from(byte(4)));
            let destination = destination.map_or("default".into(), |destination| format!("{destination}/{}", byte(1)));
            ("route", Some(format!("{destination} table {table}")))
        }
        28..=30 => ("neighbour", attributes(12).get(1).and_then(|address| address.address()).map(|a| a.to_string())),
        32..=34 => ("rule", attributes(12).get(6).and_then(|p| p.u32()).map(|priority| format!("priority {priority}"))),
        36..=38 => ("qdisc", attributes(20).get(1).map(|name| name.string())),
        64..=67 => ("neighbour table", attributes(4).get(1).map(|name| name.string())),
        _ => return None,
    };
    Some(subject.map_or_else(|| format!("{verb} {noun}"), |subject| format!("{verb} {noun} {subject}")))
}
