//! Sets, maps and verdict maps, and their elements.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::expr::Expr;
use super::terms::Verdict;

/// What the elements of a map hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetData {
    /// A value of this many bytes.
    Bytes(u32),
    /// A verdict.
    Verdict,
    /// The name of a counter.
    Counter,
}

/// A set or map to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Name, unique in its table.
    pub name: String,
    /// Bytes of each field of the key; one field: an ordinary key. In the key itself every field is
    /// padded to 4 bytes, see [`concat()`].
    pub fields: Vec<u32>,
    /// Elements are ranges. With several fields each field is a range of its own.
    pub interval: bool,
    /// Elements never change after the transaction that creates it.
    pub constant: bool,
    /// Rules may change it ([`Expr::DynamicSet`]).
    pub dynamic: bool,
    /// Elements may expire, after this long unless they say otherwise (zero: never).
    pub timeout: Option<Duration>,
    /// At most this many elements.
    pub size: Option<u32>,
    /// What its elements hold; none: a set.
    pub data: Option<SetData>,
    /// Every element carries these (counter, limit, connlimit).
    pub expressions: Vec<Expr>,
    /// nft(8)'s number of the key type, only so that `nft list` can show it; 0 shows nothing useful.
    pub key_type: u32,
    /// For nft(8) too: the key is in the machine's order, as names of devices are to it.
    pub key_is_native: bool,
}

impl Set {
    /// A set with a key of these fields, bytes each.
    pub fn new(name: impl Into<String>, fields: impl Into<Vec<u32>>) -> Set {
        Set {
            name: name.into(),
            fields: fields.into(),
            interval: false,
            constant: false,
            dynamic: false,
            timeout: None,
            size: None,
            data: None,
            expressions: Vec::new(),
            key_type: 0,
            key_is_native: false,
        }
    }

    /// A map to values of this many bytes.
    pub fn map(name: impl Into<String>, fields: impl Into<Vec<u32>>, value: u32) -> Set {
        Set { data: Some(SetData::Bytes(value)), ..Set::new(name, fields) }
    }

    /// A verdict map.
    pub fn verdict_map(name: impl Into<String>, fields: impl Into<Vec<u32>>) -> Set {
        Set { data: Some(SetData::Verdict), ..Set::new(name, fields) }
    }

    /// Elements are ranges.
    #[must_use]
    pub fn interval(self) -> Set {
        Set { interval: true, ..self }
    }

    /// Elements never change.
    #[must_use]
    pub fn constant(self) -> Set {
        Set { constant: true, ..self }
    }

    /// Rules may add elements, at most `size`, each for `timeout` (zero: for good).
    #[must_use]
    pub fn dynamic(self, size: u32, timeout: Duration) -> Set {
        Set { dynamic: true, size: Some(size), timeout: (!timeout.is_zero()).then_some(timeout), ..self }
    }

    /// Bytes of a key: its fields, each padded to 4 when there are several.
    pub fn key_length(&self) -> u32 {
        match &self.fields[..] {
            [one] => *one,
            many => many.iter().map(|field| field.next_multiple_of(4)).sum(),
        }
    }
}

/// What an element of a map holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A value.
    Bytes(Vec<u8>),
    /// A verdict.
    Verdict(Verdict),
    /// The name of a counter.
    Counter(String),
}

/// The part of a set's keys that an element covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// One key.
    Exact(Vec<u8>),
    /// From the first to the last, both included; in a set of several fields, field by field.
    Range(Vec<u8>, Vec<u8>),
    /// Every key that no other element covers.
    CatchAll,
}

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// What it covers.
    pub key: Key,
    /// What it holds, in a map.
    pub data: Option<Data>,
    /// How long it lasts, other than the set's default.
    pub timeout: Option<Duration>,
    /// How much of that is left, if some has passed already (to age or to restore an element).
    pub expires: Option<Duration>,
    /// Expressions of its own (counter …).
    pub expressions: Vec<Expr>,
}

impl Element {
    /// One key.
    pub fn new(key: impl Into<Vec<u8>>) -> Element {
        Element::of(Key::Exact(key.into()))
    }

    /// A range, both ends included.
    pub fn range(from: impl Into<Vec<u8>>, to: impl Into<Vec<u8>>) -> Element {
        Element::of(Key::Range(from.into(), to.into()))
    }

    /// All other keys.
    pub fn catch_all() -> Element {
        Element::of(Key::CatchAll)
    }

    /// An IPv4 or IPv6 prefix as a range, for an interval set.
    pub fn prefix(prefix: ipnet::IpNet) -> Element {
        let bytes = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        Element::range(bytes(prefix.network()), bytes(prefix.broadcast()))
    }

    fn of(key: Key) -> Element {
        Element { key, data: None, timeout: None, expires: None, expressions: Vec::new() }
    }

    /// Holds a value.
    #[must_use]
    pub fn value(self, value: impl Into<Vec<u8>>) -> Element {
        Element { data: Some(Data::Bytes(value.into())), ..self }
    }

    /// Holds a verdict.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Element {
        Element { data: Some(Data::Verdict(verdict)), ..self }
    }

    /// Holds a counter's name.
    #[must_use]
    pub fn counter(self, name: impl Into<String>) -> Element {
        Element { data: Some(Data::Counter(name.into())), ..self }
    }

    /// Lasts this long.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Element {
        Element { timeout: Some(timeout), ..self }
    }
}

/// A concatenated key: every field padded with zeros to 4 bytes.
///
/// ```
/// use netlink::nft::{Field, concat};
/// # use std::net::Ipv4Addr;
/// let key = concat(&[Field::from(Ipv4Addr::new(10, 0, 0, 1)), Field::byte(6), Field::port(443)]);
/// assert_eq!(key, [10, 0, 0, 1, 6, 0, 0, 0, 1, 187, 0, 0]);
/// ```
pub fn concat(fields: &[Field]) -> Vec<u8> {
    let mut key = Vec::with_capacity(fields.len() * 4);
    for field in fields {
        key.extend_from_slice(&field.0);
        key.resize(key.len().next_multiple_of(4), 0);
    }
    key
}

/// One field of a concatenated key, before padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(pub Vec<u8>);

impl Field {
    /// A protocol, an ICMP type.
    pub fn byte(value: u8) -> Field {
        Field(vec![value])
    }

    /// A port: 2 bytes, network order.
    pub fn port(value: u16) -> Field {
        Field(value.to_be_bytes().to_vec())
    }

    /// A mark, device index or group: 4 bytes in the machine's order, as the kernel keeps them.
    pub fn native(value: u32) -> Field {
        Field(value.to_ne_bytes().to_vec())
    }
}

impl From<Ipv4Addr> for Field {
    fn from(address: Ipv4Addr) -> Field {
        Field(address.octets().to_vec())
    }
}

impl From<Ipv6Addr> for Field {
    fn from(address: Ipv6Addr) -> Field {
        Field(address.octets().to_vec())
    }
}

impl From<[u8; 6]> for Field {
    fn from(mac: [u8; 6]) -> Field {
        Field(mac.to_vec())
    }
}

/// What follows the last key of a range: where a plain interval set's end marker goes. `None`: the
/// range reaches the last key, which needs no marker.
pub(crate) fn successor(key: &[u8]) -> Option<Vec<u8>> {
    let mut next = key.to_vec();
    for byte in next.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add(1);
        *byte = sum;
        if !carry {
            return Some(next);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_carries_and_ends() {
        assert_eq!(successor(&[10, 0, 0, 255]), Some(vec![10, 0, 1, 0]));
        assert_eq!(successor(&[255, 255]), None);
    }

    #[test]
    fn a_prefix_covers_its_first_and_last_address() {
        let element = Element::prefix("10.1.0.0/16".parse().unwrap());
        assert_eq!(element.key, Key::Range(vec![10, 1, 0, 0], vec![10, 1, 255, 255]));
    }
}
