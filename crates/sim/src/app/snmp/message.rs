//! Messages of SNMP version 2c (RFC 3416) in the Basic Encoding Rules of ASN.1 (X.690), definite lengths only.

use std::fmt;

/// The name of an object: `1.3.6.1.2.1.1.5.0`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(pub Vec<u32>);

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

impl std::str::FromStr for Oid {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim_start_matches('.').split('.').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// A value of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Asked for.
    Null,
    /// INTEGER.
    Integer(i32),
    /// OCTET STRING.
    Text(Vec<u8>),
    /// OBJECT IDENTIFIER.
    Name(Oid),
    /// Counter32.
    Counter(u32),
    /// TimeTicks, hundredths of a second.
    Ticks(u32),
    /// There is no such object.
    NoSuchObject,
    /// Nothing comes after the name.
    EndOfView,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(bytes) if bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') => {
                write!(f, "\"{}\"", String::from_utf8_lossy(bytes))
            }
            Self::Text(bytes) => {
                let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                f.write_str(&parts.join(":"))
            }
            Self::Name(name) => write!(f, "{name}"),
            Self::Counter(number) => write!(f, "{number}"),
            Self::Ticks(ticks) => write!(f, "{}.{:02} s", ticks / 100, ticks % 100),
            Self::NoSuchObject => f.write_str("no such object"),
            Self::EndOfView => f.write_str("nothing more"),
        }
    }
}

/// What a message does (RFC 3416, 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pdu {
    /// GetRequest.
    Get = 0xa0,
    /// GetNextRequest.
    GetNext = 0xa1,
    /// Response.
    Response = 0xa2,
    /// SetRequest.
    Set = 0xa3,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The word that lets one in; it goes in the open.
    pub community: Vec<u8>,
    /// What it does.
    pub pdu: Pdu,
    /// Comes back in the response.
    pub id: i32,
    /// What went wrong; 0 for nothing.
    pub error: i32,
    /// With which object, counted from 1.
    pub index: i32,
    /// Objects and values.
    pub bindings: Vec<(Oid, Value)>,
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const NULL: u8 = 0x05;
const NAME: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const COUNTER: u8 = 0x41;
const TICKS: u8 = 0x43;
const NO_SUCH_OBJECT: u8 = 0x80;
const END_OF_VIEW: u8 = 0x82;
/// Version 2c.
const VERSION: i32 = 1;

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [head, content.to_vec()].concat()
}

/// The fewest bytes of two's complement (X.690, 8.3.2).
fn integer(tag: u8, number: i64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let is_spare = |at: usize| matches!((bytes[at], bytes[at + 1] & 0x80), (0, 0) | (0xff, 0x80));
    let from = (0..7).find(|at| !is_spare(*at)).unwrap_or(7);
    element(tag, &bytes[from..])
}

fn name(name: &Oid) -> Vec<u8> {
    // The first two arcs are one number (X.690, 8.19.4).
    let (first, rest) = match &name.0[..] {
        [a, b, rest @ ..] => (a.saturating_mul(40).saturating_add(*b), rest),
        [a] => (a.saturating_mul(40), &[][..]),
        [] => (0, &[][..]),
    };
    let mut content = Vec::new();
    for arc in std::iter::once(&first).chain(rest) {
        let groups = (1..5).rev().filter(|group| arc >> (group * 7) != 0);
        content.extend(groups.map(|group| (arc >> (group * 7)) as u8 & 0x7f | 0x80));
        content.push(*arc as u8 & 0x7f);
    }
    element(NAME, &content)
}

/// Content of the element with this tag at the beginning, and what follows.
fn read(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = read_any(bytes)?;
    (found == tag).then_some((content, rest))
}

fn read_any(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, first, rest @ ..] = bytes else { return None };
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn read_number(content: &[u8]) -> Option<i64> {
    let first = *content.first().filter(|_| content.len() <= 5)?;
    let sign = if first & 0x80 != 0 { -1 } else { 0 };
    Some(content.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte)))
}

fn read_integer(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (content, rest) = read(INTEGER, bytes)?;
    Some((read_number(content)?.try_into().ok()?, rest))
}

fn read_name(content: &[u8]) -> Option<Oid> {
    let mut arcs = Vec::new();
    let mut arc: u32 = 0;
    for byte in content {
        arc = arc.checked_mul(128)? | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(std::mem::take(&mut arc));
        }
    }
    let is_whole = content.last().is_some_and(|byte| byte & 0x80 == 0);
    let first = *arcs.first().filter(|_| is_whole)?;
    let (a, b) = if first < 80 { (first / 40, first % 40) } else { (2, first - 80) };
    Some(Oid([&[a, b], &arcs[1..]].concat()))
}

impl Value {
    fn emit(&self) -> Vec<u8> {
        match self {
            Self::Null => element(NULL, &[]),
            Self::Integer(number) => integer(INTEGER, (*number).into()),
            Self::Text(bytes) => element(OCTETS, bytes),
            Self::Name(oid) => name(oid),
            Self::Counter(number) => integer(COUNTER, (*number).into()),
            Self::Ticks(ticks) => integer(TICKS, (*ticks).into()),
            Self::NoSuchObject => element(NO_SUCH_OBJECT, &[]),
            Self::EndOfView => element(END_OF_VIEW, &[]),
        }
    }

    fn read(tag: u8, content: &[u8]) -> Option<Self> {
        let unsigned = || read_number(content)?.try_into().ok();
        Some(match tag {
            NULL => Self::Null,
            INTEGER => Self::Integer(read_number(content)?.try_into().ok()?),
            OCTETS => Self::Text(content.to_vec()),
            NAME => Self::Name(read_name(content)?),
            COUNTER => Self::Counter(unsigned()?),
            TICKS => Self::Ticks(unsigned()?),
            // No such instance (0x81) says the same to who asks.
            NO_SUCH_OBJECT | 0x81 => Self::NoSuchObject,
            END_OF_VIEW => Self::EndOfView,
            _ => return None,
        })
    }
}

impl Message {
    /// As bytes.
    pub fn emit(&self) -> Vec<u8> {
        let binding = |(oid, value): &(Oid, Value)| element(SEQUENCE, &[name(oid), value.emit()].concat());
        let bindings: Vec<u8> = self.bindings.iter().flat_map(binding).collect();
        let numbers = [self.id, self.error, self.index].map(|number| integer(INTEGER, number.into())).concat();
        let pdu = element(self.pdu as u8, &[numbers, element(SEQUENCE, &bindings)].concat());
        let head = [integer(INTEGER, VERSION.into()), element(OCTETS, &self.community)].concat();
        element(SEQUENCE, &[head, pdu].concat())
    }

    /// Reads one; nothing if the bytes are none of this version, or have values of other types.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (message, _) = read(SEQUENCE, bytes)?;
        let (version, rest) = read_integer(message)?;
        let (community, rest) = read(OCTETS, rest)?;
        let (tag, pdu, _) = read_any(rest).filter(|_| version == VERSION)?;
        let pdu_kind = [Pdu::Get, Pdu::GetNext, Pdu::Response, Pdu::Set].into_iter().find(|kind| *kind as u8 == tag)?;
        let (id, rest) = read_integer(pdu)?;
        let (error, rest) = read_integer(rest)?;
        let (index, rest) = read_integer(rest)?;
        let (mut list, _) = read(SEQUENCE, rest)?;
        let mut bindings = Vec::new();
        while !list.is_empty() {
            let (binding, rest) = read(SEQUENCE, list)?;
            let (oid, value) = read(NAME, binding)?;
            let (tag, content, _) = read_any(value)?;
            bindings.push((read_name(oid)?, Value::read(tag, content)?));
            list = rest;
        }
        Some(Self { community: community.to_vec(), pdu: pdu_kind, id, error, index, bindings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_get_has_the_layout_of_rfc_3416() {
        let name: Oid = "1.3.6.1.2.1.1.5.0".parse().expect("a name");
        let (pdu, bindings) = (Pdu::Get, vec![(name, Value::Null)]);
        let message = Message { community: b"public".to_vec(), pdu, id: 258, error: 0, index: 0, bindings };
        let pdu = [
            &[0x02, 2, 1, 2, 0x02, 1, 0, 0x02, 1, 0, 0x30, 14, 0x30, 12][..],
            &[0x06, 8, 0x2b, 6, 1, 2, 1, 1, 5, 0, 0x05, 0],
        ]
        .concat();
        let expected = [&[0x30, 39, 0x02, 1, 1, 0x04, 6][..], b"public", &[0xa0, 26], &pdu].concat();
        assert_eq!(message.emit(), expected);
        assert_eq!(Message::parse(&expected), Some(message));
    }

    #[test]
    fn integers_take_as_few_bytes_as_they_can() {
        for (number, content) in [(0, &[0][..]), (127, &[127]), (128, &[0, 128]), (-1, &[255]), (-129, &[255, 127]), (65_536, &[1, 0, 0])] {
            assert_eq!(integer(INTEGER, number)[2..], *content, "{number}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::Integer),
            any::<Vec<u8>>().prop_map(Value::Text),
            any::<u32>().prop_map(Value::Counter),
            any::<u32>().prop_map(Value::Ticks),
            Just(Value::NoSuchObject),
            Just(Value::EndOfView),
        ]
    }

    proptest! {
        #[test]
        fn messages_come_back(
            community: Vec<u8>, id: i32, error: i32,
            bindings in prop::collection::vec((prop::collection::vec(any::<u32>(), 0..8), value()), 0..5),
        ) {
            let named = |(arcs, value): (Vec<u32>, Value)| (Oid([&[1, 3], &arcs[..]].concat()), value);
            let bindings = bindings.into_iter().map(named).collect();
            let message = Message { community, pdu: Pdu::Response, id, error, index: 1, bindings };
            prop_assert_eq!(Message::parse(&message.emit()), Some(message));
        }

        #[test]
        fn no_bytes_upset_the_reader(bytes: Vec<u8>, at in 0_usize..45) {
            let _ = Message::parse(&bytes);
            let bindings = vec![(Oid(vec![1, 3, 6, 1]), Value::Integer(-5))];
            let mut message = Message { community: b"public".to_vec(), pdu: Pdu::Get, id: 1, error: 0, index: 0, bindings }.emit();
            for (byte, change) in message.iter_mut().skip(at).zip(&bytes) {
                *byte ^= change;
            }
            let _ = Message::parse(&message);
        }
    }
}
