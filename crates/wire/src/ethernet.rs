//! Ethernet II frames (IEEE 802.3), without the frame check sequence.

use std::fmt;
use std::str::FromStr;

use crate::read::{Malformed, octets, split, u16_at};

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// Broadcast and multicast: the lowest bit of the first byte.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Text that is no Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ethernet address like 02:00:00:00:00:01")]
pub struct NotAMac;

impl FromStr for Mac {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Mac, NotAMac> {
        let mut mac = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut mac {
            let part = parts.next().filter(|part| part.len() == 2).ok_or(NotAMac)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| NotAMac)?;
        }
        parts.next().is_none().then_some(Mac(mac)).ok_or(NotAMac)
    }
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: EtherType = EtherType(0x0800);
    /// ARP.
    pub const ARP: EtherType = EtherType(0x0806);
    /// IPv6.
    pub const IPV6: EtherType = EtherType(0x86dd);
    /// An 802.1Q tag.
    pub const VLAN: EtherType = EtherType(0x8100);
}

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            EtherType::IPV4 => f.write_str("IPv4"),
            EtherType::ARP => f.write_str("ARP"),
            EtherType::IPV6 => f.write_str("IPv6"),
            EtherType::VLAN => f.write_str("802.1Q"),
            EtherType(other) => write!(f, "{other:#06x}"),
        }
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ethernet {
    /// Receiver.
    pub destination: Mac,
    /// Sender.
    pub source: Mac,
    /// What follows.
    pub ether_type: EtherType,
}

impl Ethernet {
    /// Bytes of the header.
    pub const LENGTH: usize = 14;

    /// Reads the header; the rest may end with padding.
    pub fn parse(frame: &[u8]) -> Result<(Ethernet, &[u8]), Malformed> {
        let (header, rest) = split("Ethernet", frame, Ethernet::LENGTH)?;
        let ethernet = Ethernet {
            destination: Mac(octets(header, 0)),
            source: Mac(octets(header, 6)),
            ether_type: EtherType(u16_at(header, 12)),
        };
        Ok((ethernet, rest))
    }

    /// Appends the header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.destination.0);
        out.extend_from_slice(&self.source.0);
        out.extend_from_slice(&self.ether_type.0.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_write() {
        let mac: Mac = "02:0a:ff:00:00:9c".parse().unwrap();
        assert_eq!((mac.to_string().as_str(), mac.is_group()), ("02:0a:ff:00:00:9c", false));
        for wrong in ["", "02:0a:ff:00:00", "02:0a:ff:00:00:9c:1", "02:0a:ff:00:00:9g", "2:a:ff:0:0:9c", "+2:0a:ff:00:00:9c0"] {
            assert_eq!(wrong.parse::<Mac>(), Err(NotAMac), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_header_comes_back(destination: [u8; 6], source: [u8; 6], ether_type: u16, payload: Vec<u8>) {
            let header = Ethernet { destination: Mac(destination), source: Mac(source), ether_type: EtherType(ether_type) };
            let mut frame = Vec::new();
            header.emit(&mut frame);
            frame.extend_from_slice(&payload);
            proptest::prop_assert_eq!(Ethernet::parse(&frame), Ok((header, &payload[..])));
        }
    }
}
