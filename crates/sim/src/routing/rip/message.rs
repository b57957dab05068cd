//! Messages of RIP version 2 (RFC 2453 4), over UDP port 520: a command, a version, and at most 25 entries of 20 bytes.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use wire::Malformed;

use crate::routing::bytes::{address, block, half, word};

/// Entries of a message.
pub const MOST_ENTRIES: usize = 25;
/// A metric that means: it cannot be reached.
pub const INFINITY: u32 = 16;
/// Family of an entry that is a route: IPv4.
const FAMILY_IPV4: u16 = 2;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Asks for routes.
    Request = 1,
    /// Tells routes.
    Response = 2,
}

/// An entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Address family; 2 is IPv4, 0 in a request stands for everything, 0xffff is authentication.
    pub family: u16,
    /// Set by whoever brought the route into RIP.
    pub tag: u16,
    /// A network.
    pub address: Ipv4Addr,
    /// Its mask.
    pub mask: Ipv4Addr,
    /// To whom packets go; the sender if unspecified.
    pub next_hop: Ipv4Addr,
    /// Hops; 16 is infinity.
    pub metric: u32,
}

impl Entry {
    /// A route.
    pub fn route(to: Ipv4Net, metric: u32) -> Self {
        let (address, mask) = (to.network(), to.netmask());
        Self { family: FAMILY_IPV4, tag: 0, address, mask, next_hop: Ipv4Addr::UNSPECIFIED, metric }
    }

    /// Stands in a request for the whole table (RFC 2453 3.9.1).
    pub fn everything() -> Self {
        let none = Ipv4Addr::UNSPECIFIED;
        Self { family: 0, tag: 0, address: none, mask: none, next_hop: none, metric: INFINITY }
    }

    /// Where it leads. Nothing if it is no route to a network, or its metric is none (RFC 2453 3.9.2).
    pub fn destination(&self) -> Option<Ipv4Net> {
        let [first, ..] = self.address.octets();
        let is_net = self.family == FAMILY_IPV4 && (1..=INFINITY).contains(&self.metric);
        let is_odd =
            first == 127 || self.address.is_multicast() || first == 0 && !self.address.is_unspecified() || first >= 240;
        block(self.address, self.mask).filter(|_| is_net && !is_odd)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is for.
    pub command: Command,
    /// What it tells or asks for.
    pub entries: Vec<Entry>,
}

impl Message {
    /// Reads a message. Errors: it is cut, of another version or command, or not a whole number of entries.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = "RIP";
        let wrong = |field, value| Malformed::Field { header, field, value };
        if bytes.len() < 4 {
            return Err(Malformed::Truncated { header, have: bytes.len(), need: 4 });
        }
        let command = match bytes[0] {
            1 => Command::Request,
            2 => Command::Response,
            other => return Err(wrong("command", other.into())),
        };
        if bytes[1] != 2 {
            return Err(wrong("version", bytes[1].into()));
        }
        let body = &bytes[4..];
        if !body.len().is_multiple_of(20) || body.len() / 20 > MOST_ENTRIES {
            return Err(wrong("length", bytes.len() as u32));
        }
        let entry = |bytes: &[u8]| Entry {
            family: half(bytes, 0),
            tag: half(bytes, 2),
            address: address(bytes, 4),
            mask: address(bytes, 8),
            next_hop: address(bytes, 12),
            metric: word(bytes, 16),
        };
        Ok(Self { command, entries: body.chunks_exact(20).map(entry).collect() })
    }

    /// Its bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + 20 * self.entries.len());
        out.extend_from_slice(&[self.command as u8, 2, 0, 0]);
        for entry in &self.entries {
            out.extend_from_slice(&entry.family.to_be_bytes());
            out.extend_from_slice(&entry.tag.to_be_bytes());
            for address in [entry.address, entry.mask, entry.next_hop] {
                out.extend_from_slice(&address.octets());
            }
            out.extend_from_slice(&entry.metric.to_be_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let addresses = (any::<u32>(), any::<u32>(), any::<u32>());
        (any::<u16>(), any::<u16>(), addresses, any::<u32>()).prop_map(|(family, tag, (address, mask, next_hop), metric)| {
            let [address, mask, next_hop] = [address, mask, next_hop].map(Ipv4Addr::from);
            Entry { family, tag, address, mask, next_hop, metric }
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(is_request: bool, entries in prop::collection::vec(entry(), 0..=MOST_ENTRIES)) {
            let command = if is_request { Command::Request } else { Command::Response };
            let message = Message { command, entries };
            prop_assert_eq!(Message::parse(&message.emit()), Ok(message));
        }

        #[test]
        fn what_was_read_is_written(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some([command, version, zero @ ..]) = bytes.get_mut(..4) {
                (*command, *version) = (*command % 4, 2);
                zero.fill(0);
            }
            if let Ok(message) = Message::parse(&bytes) {
                prop_assert_eq!(message.emit(), bytes);
                message.entries.iter().for_each(|entry| _ = entry.destination());
            }
        }
    }

    #[test]
    fn a_message_is_written_as_the_rfc_draws_it() {
        let message = Message { command: Command::Response, entries: vec![Entry::route("10.1.2.0/24".parse().unwrap(), 3)] };
        let bytes = [2, 2, 0, 0, 0, 2, 0, 0, 10, 1, 2, 0, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 3];
        assert_eq!(message.emit(), bytes);
    }

    #[test]
    fn only_networks_within_reach_are_destinations() {
        let table = [
            ("10.0.0.0", "255.0.0.0", 1, Some("10.0.0.0/8")),
            ("0.0.0.0", "0.0.0.0", 16, Some("0.0.0.0/0")),
            ("10.1.2.3", "255.255.0.0", 2, Some("10.1.0.0/16")),
            ("10.0.0.0", "255.0.255.0", 1, None),
            ("10.0.0.0", "255.0.0.0", 0, None),
            ("10.0.0.0", "255.0.0.0", 17, None),
            ("127.0.0.0", "255.0.0.0", 1, None),
            ("224.0.0.0", "240.0.0.0", 1, None),
        ];
        for (address, mask, metric, wanted) in table {
            let (address, mask) = (address.parse().unwrap(), mask.parse().unwrap());
            let entry = Entry { address, mask, metric, ..Entry::route(Ipv4Net::default(), 1) };
            assert_eq!(entry.destination(), wanted.map(|net| net.parse().unwrap()), "{address} {mask} {metric}");
        }
    }
}
