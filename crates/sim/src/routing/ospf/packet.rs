//! Packets of OSPF version 2 (RFC 2328 A.3), over IP protocol 89: a header of 24 bytes and one of five bodies.

use std::net::Ipv4Addr;

use wire::{Malformed, checksum};

use crate::routing::bytes::{address, half, word};

use super::lsa::{HEADER as LSA_HEADER, Header as LsaHeader, Key, Lsa};

/// Bytes of the header.
pub const HEADER: usize = 24;

/// First of a database description.
pub const INIT: u8 = 4;
/// More come.
pub const MORE: u8 = 2;
/// The sender leads.
pub const MASTER: u8 = 1;

/// Says who is there (A.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The network's mask.
    pub mask: Ipv4Addr,
    /// Seconds between two hellos.
    pub interval: u16,
    /// What the router can do.
    pub options: u8,
    /// The higher, the rather it is designated; 0 never.
    pub priority: u8,
    /// Seconds of silence after which it is gone.
    pub dead: u32,
    /// The designated router's address.
    pub designated: Ipv4Addr,
    /// The backup's.
    pub backup: Ipv4Addr,
    /// Routers that it heard of lately, by id.
    pub neighbors: Vec<Ipv4Addr>,
}

/// Says what is in a database (A.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The longest packet that the interface takes.
    pub mtu: u16,
    /// What the router can do.
    pub options: u8,
    /// [`INIT`], [`MORE`], [`MASTER`].
    pub flags: u8,
    /// Counts descriptions.
    pub sequence: u32,
    /// What there is.
    pub headers: Vec<LsaHeader>,
}

/// The five kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Type 1.
    Hello(Hello),
    /// Type 2.
    Description(Description),
    /// Type 3: asks for advertisements.
    Request(Vec<Key>),
    /// Type 4: brings advertisements.
    Update(Vec<Lsa>),
    /// Type 5: says which ones came.
    Acknowledgment(Vec<LsaHeader>),
}

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Who sends it.
    pub router: Ipv4Addr,
    /// In which area.
    pub area: Ipv4Addr,
    /// What it says.
    pub body: Body,
}

const NAME: &str = "OSPF";

fn wrong(field: &'static str, value: impl Into<u32>) -> Malformed {
    Malformed::Field { header: NAME, field, value: value.into() }
}

fn part(bytes: &[u8], need: usize) -> Result<(&[u8], &[u8]), Malformed> {
    bytes.split_at_checked(need).ok_or(Malformed::Truncated { header: NAME, have: bytes.len(), need })
}

fn lsa_headers(bytes: &[u8]) -> Result<Vec<LsaHeader>, Malformed> {
    if !bytes.len().is_multiple_of(LSA_HEADER) {
        return Err(wrong("length", bytes.len() as u32));
    }
    bytes.chunks_exact(LSA_HEADER).map(LsaHeader::parse).collect()
}

impl Body {
    fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Description(_) => 2,
            Self::Request(_) => 3,
            Self::Update(_) => 4,
            Self::Acknowledgment(_) => 5,
        }
    }

    fn parse(kind: u8, bytes: &[u8]) -> Result<Self, Malformed> {
        match kind {
            1 => {
                let (own, rest) = part(bytes, 20)?;
                if !rest.len().is_multiple_of(4) {
                    return Err(wrong("length", bytes.len() as u32));
                }
                Ok(Self::Hello(Hello {
                    mask: address(own, 0),
                    interval: half(own, 4),
                    options: own[6],
                    priority: own[7],
                    dead: word(own, 8),
                    designated: address(own, 12),
                    backup: address(own, 16),
                    neighbors: (0..rest.len() / 4).map(|at| address(rest, 4 * at)).collect(),
                }))
            }
            2 => {
                let (own, rest) = part(bytes, 8)?;
                let (mtu, options, flags, sequence) = (half(own, 0), own[2], own[3], word(own, 4));
                if flags > INIT | MORE | MASTER {
                    return Err(wrong("flags", flags));
                }
                Ok(Self::Description(Description { mtu, options, flags, sequence, headers: lsa_headers(rest)? }))
            }
            3 => {
                if !bytes.len().is_multiple_of(12) {
                    return Err(wrong("length", bytes.len() as u32));
                }
                let key = |own: &[u8]| {
                    let kind = u8::try_from(word(own, 0)).map_err(|_| wrong("LSA type", word(own, 0)))?;
                    Ok(Key { kind, id: address(own, 4), router: address(own, 8) })
                };
                Ok(Self::Request(bytes.chunks_exact(12).map(key).collect::<Result<_, _>>()?))
            }
            4 => {
                let (own, mut rest) = part(bytes, 4)?;
                let mut all = Vec::new();
                for _ in 0..word(own, 0) {
                    let (lsa, behind) = Lsa::parse(rest)?;
                    all.push(lsa);
                    rest = behind;
                }
                if rest.is_empty() { Ok(Self::Update(all)) } else { Err(wrong("length", bytes.len() as u32)) }
            }
            5 => Ok(Self::Acknowledgment(lsa_headers(bytes)?)),
            other => Err(wrong("type", other)),
        }
    }

    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => {
                out.extend_from_slice(&hello.mask.octets());
                out.extend_from_slice(&hello.interval.to_be_bytes());
                out.extend_from_slice(&[hello.options, hello.priority]);
                out.extend_from_slice(&hello.dead.to_be_bytes());
                for address in [hello.designated, hello.backup].iter().chain(&hello.neighbors) {
                    out.extend_from_slice(&address.octets());
                }
            }
            Self::Description(description) => {
                out.extend_from_slice(&description.mtu.to_be_bytes());
                out.extend_from_slice(&[description.options, description.flags]);
                out.extend_from_slice(&description.sequence.to_be_bytes());
                description.headers.iter().for_each(|header| header.emit(out));
            }
            Self::Request(keys) => {
                for key in keys {
                    out.extend_from_slice(&u32::from(key.kind).to_be_bytes());
                    out.extend_from_slice(&key.id.octets());
                    out.extend_from_slice(&key.router.octets());
                }
            }
            Self::Update(all) => {
                out.extend_from_slice(&(all.len() as u32).to_be_bytes());
                all.iter().for_each(|lsa| lsa.emit(out));
            }
            Self::Acknowledgment(headers) => headers.iter().for_each(|header| header.emit(out)),
        }
    }
}

impl Packet {
    /// Reads a packet. Errors: it is cut, its checksum is wrong, it is of another version, authenticated, or of no known
    /// type, or its body is not what its length says.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        part(bytes, HEADER)?;
        let length = usize::from(half(bytes, 2));
        if bytes[0] != 2 {
            return Err(wrong("version", bytes[0]));
        }
        if length < HEADER || length > bytes.len() {
            return Err(wrong("length", half(bytes, 2)));
        }
        let bytes = &bytes[..length];
        // Null authentication (D.3): whatever stands in its field is neither read nor summed.
        if half(bytes, 14) != 0 {
            return Err(wrong("authentication type", half(bytes, 14)));
        }
        if !checksum::Sum::new().with(&bytes[..16]).with(&bytes[HEADER..]).is_valid() {
            return Err(wrong("checksum", half(bytes, 12)));
        }
        Ok(Self { router: address(bytes, 4), area: address(bytes, 8), body: Body::parse(bytes[1], &bytes[HEADER..])? })
    }

    /// Its bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![2, self.body.kind(), 0, 0];
        out.extend_from_slice(&self.router.octets());
        out.extend_from_slice(&self.area.octets());
        out.extend_from_slice(&[0; 12]);
        self.body.emit(&mut out);
        let length = (out.len() as u16).to_be_bytes();
        out[2..4].copy_from_slice(&length);
        let sum = checksum::of(&out);
        out[12..14].copy_from_slice(&sum.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip() -> impl Strategy<Value = Ipv4Addr> {
        any::<u32>().prop_map(Ipv4Addr::from)
    }

    fn lsa() -> impl Strategy<Value = Lsa> {
        let body = prop::collection::vec(any::<u8>(), 0..40);
        (any::<u8>(), ip(), ip(), any::<i32>(), body)
            .prop_map(|(kind, id, router, sequence, body)| Lsa::new(Key { kind, id, router }, sequence, body))
    }

    fn body() -> impl Strategy<Value = Body> {
        let few = 0..5usize;
        let hello = (ip(), any::<(u16, u8, u8, u32)>(), ip(), ip(), prop::collection::vec(ip(), few.clone())).prop_map(
            |(mask, (interval, options, priority, dead), designated, backup, neighbors)| {
                Body::Hello(Hello { mask, interval, options, priority, dead, designated, backup, neighbors })
            },
        );
        let headers = || prop::collection::vec(lsa().prop_map(|lsa| lsa.header), 0..5);
        let description =
            (any::<(u16, u8, u32)>(), 0u8..8, headers()).prop_map(|((mtu, options, sequence), flags, headers)| {
                Body::Description(Description { mtu, options, flags, sequence, headers })
            });
        prop_oneof![
            hello,
            description,
            prop::collection::vec(lsa().prop_map(|lsa| lsa.header.key), few.clone()).prop_map(Body::Request),
            prop::collection::vec(lsa(), few).prop_map(Body::Update),
            headers().prop_map(Body::Acknowledgment),
        ]
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(router in ip(), area in ip(), body in body()) {
            let packet = Packet { router, area, body };
            prop_assert_eq!(Packet::parse(&packet.emit()), Ok(packet));
        }

        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..120), kind in 0u8..7) {
            let _ = Packet::parse(&bytes);
            let _ = Body::parse(kind, &bytes);
        }

        #[test]
        fn a_flipped_bit_is_found(router in ip(), body in body(), at: prop::sample::Index) {
            let mut bytes = Packet { router, area: Ipv4Addr::UNSPECIFIED, body }.emit();
            // All but the field of the authentication, which is not summed.
            let bits: Vec<usize> = (0..8 * bytes.len()).filter(|bit| !(16..24).contains(&(bit / 8))).collect();
            let bit = bits[at.index(bits.len())];
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Packet::parse(&bytes).is_err());
        }
    }
}
