//! Link state advertisements (RFC 2328 A.4): header, the bodies that one area needs, age and checksum.

use std::net::Ipv4Addr;

use wire::Malformed;

use crate::routing::bytes::{address, half, octets, word};

/// Bytes of the header.
pub const HEADER: usize = 20;
/// Age at which an advertisement is no longer used, seconds (RFC 2328 B).
pub const MAX_AGE: u16 = 3_600;
/// Of two with the same sequence, ages that differ by more are of two advertisements, seconds.
pub const MAX_AGE_DIFF: u16 = 900;
/// The first sequence number of an advertisement.
pub const INITIAL_SEQUENCE: i32 = -0x7fff_ffff;
/// External routes count: the options of every packet and advertisement (A.2).
pub const OPTIONS: u8 = 0x02;

/// A router's links.
pub const ROUTER: u8 = 1;
/// Routers on a network.
pub const NETWORK: u8 = 2;
/// A route from outside.
pub const EXTERNAL: u8 = 5;

/// What an advertisement is about: type, link state id, advertising router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Type.
    pub kind: u8,
    /// Link state id: of a router its id, of a network its designated router's address, of a route from outside its network.
    pub id: Ipv4Addr,
    /// The router that says it.
    pub router: Ipv4Addr,
}

/// The header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Seconds since it was said; the highest bit, DoNotAge, is not used.
    pub age: u16,
    /// What the router can do.
    pub options: u8,
    /// What it is about.
    pub key: Key,
    /// Counts what the router said about this.
    pub sequence: i32,
    /// Fletcher's checksum of everything but the age.
    pub checksum: u16,
    /// Bytes, header included.
    pub length: u16,
}

/// An advertisement. The body stays as it came, so that it goes on as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lsa {
    /// Header.
    pub header: Header,
    /// What is behind the header.
    pub body: Vec<u8>,
}

/// Which of two is newer (13.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recency {
    /// The first.
    Newer,
    /// Neither.
    Same,
    /// The second.
    Older,
}

impl Header {
    /// Reads a header from the first 20 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() < HEADER {
            return Err(Malformed::Truncated { header: "LSA", have: bytes.len(), need: HEADER });
        }
        Ok(Self {
            age: half(bytes, 0),
            options: bytes[2],
            key: Key { kind: bytes[3], id: address(bytes, 4), router: address(bytes, 8) },
            sequence: i32::from_be_bytes(octets(bytes, 12)),
            checksum: half(bytes, 16),
            length: half(bytes, 18),
        })
    }

    /// Appends its bytes.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.age.to_be_bytes());
        out.extend_from_slice(&[self.options, self.key.kind]);
        out.extend_from_slice(&self.key.id.octets());
        out.extend_from_slice(&self.key.router.octets());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.checksum.to_be_bytes());
        out.extend_from_slice(&self.length.to_be_bytes());
    }

    /// Whether it says that what it is about is no more.
    pub fn is_flushed(&self) -> bool {
        self.age >= MAX_AGE
    }

    /// Whether this is newer than another one about the same (13.1).
    pub fn compare(&self, other: &Self) -> Recency {
        let newer = |is: bool| if is { Recency::Newer } else { Recency::Older };
        if self.sequence != other.sequence {
            return newer(self.sequence > other.sequence);
        }
        if self.checksum != other.checksum {
            return newer(self.checksum > other.checksum);
        }
        if self.is_flushed() != other.is_flushed() {
            return newer(self.is_flushed());
        }
        if self.age.abs_diff(other.age) > MAX_AGE_DIFF {
            return newer(self.age < other.age);
        }
        Recency::Same
    }
}

impl Lsa {
    /// A new advertisement with its length and checksum.
    pub fn new(key: Key, sequence: i32, body: Vec<u8>) -> Self {
        let length = (HEADER + body.len()) as u16;
        let header = Header { age: 0, options: OPTIONS, key, sequence, checksum: 0, length };
        let mut lsa = Self { header, body };
        let mut bytes = Vec::new();
        lsa.emit(&mut bytes);
        lsa.header.checksum = fletcher(&bytes[2..], 14);
        lsa
    }

    /// Reads an advertisement, and what is behind it. Errors: it is cut, or its length is none. The checksum is judged by
    /// [`Lsa::is_intact`].
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let header = Header::parse(bytes)?;
        let length = usize::from(header.length);
        if length < HEADER {
            return Err(Malformed::Field { header: "LSA", field: "length", value: header.length.into() });
        }
        let cut = Malformed::Truncated { header: "LSA", have: bytes.len(), need: length };
        let (own, rest) = bytes.split_at_checked(length).ok_or(cut)?;
        Ok((Self { header, body: own[HEADER..].to_vec() }, rest))
    }

    /// Appends its bytes.
    pub fn emit(&self, out: &mut Vec<u8>) {
        self.header.emit(out);
        out.extend_from_slice(&self.body);
    }

    /// Whether its checksum is right: both sums of Fletcher over everything but the age are zero.
    pub fn is_intact(&self) -> bool {
        let mut bytes = Vec::with_capacity(HEADER + self.body.len());
        self.emit(&mut bytes);
        let (first, second) = sums(&bytes[2..]);
        self.header.checksum != 0 && (first, second) == (0, 0)
    }
}

/// Fletcher's sums modulo 255.
fn sums(bytes: &[u8]) -> (u32, u32) {
    bytes.iter().fold((0, 0), |(first, second), byte| {
        let first = (first + u32::from(*byte)) % 255;
        (first, (second + first) % 255)
    })
}

/// The two bytes at `at` that make both sums of the whole zero (RFC 905 annex B). They are zero in `bytes`.
fn fletcher(bytes: &[u8], at: usize) -> u16 {
    let (first, second) = sums(bytes);
    let (first, second) = (i64::from(first), i64::from(second));
    let behind = (bytes.len() - at - 1) as i64;
    let x = (behind * first - second).rem_euclid(255);
    let y = (second - (behind + 1) * first).rem_euclid(255);
    // 255 is zero modulo 255, but zero means: no checksum.
    let byte = |value: i64| if value == 0 { 255 } else { value as u16 };
    byte(x) << 8 | byte(y)
}

/// What a link of a router leads to (A.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// A router at the other end of a serial link: id is its router id, data the own address.
    PointToPoint = 1,
    /// A network with other routers: id is its designated router's address, data the own address.
    Transit = 2,
    /// A network without: id is the network, data its mask.
    Stub = 3,
    /// A router through another area.
    Virtual = 4,
}

/// A link of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// What it leads to.
    pub kind: LinkKind,
    /// See [`LinkKind`].
    pub id: Ipv4Addr,
    /// See [`LinkKind`].
    pub data: Ipv4Addr,
    /// What a packet pays.
    pub cost: u16,
}

/// A router's links.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouterBody {
    /// Whether it knows routes from outside (E).
    pub is_border: bool,
    /// Its links.
    pub links: Vec<Link>,
}

impl RouterBody {
    /// Reads it. Errors: it is cut, or a link has no such type.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = "Router-LSA";
        let mut links = Vec::new();
        let mut rest = bytes.get(4..).ok_or(Malformed::Truncated { header, have: bytes.len(), need: 4 })?;
        for _ in 0..half(bytes, 2) {
            // Costs by type of service, which nobody uses, come behind.
            let need = 12 + 4 * rest.get(9).map_or(0, |more| usize::from(*more));
            let cut = Malformed::Truncated { header, have: rest.len(), need };
            let (own, behind) = rest.split_at_checked(need).ok_or(cut)?;
            let kind = match own[8] {
                1 => LinkKind::PointToPoint,
                2 => LinkKind::Transit,
                3 => LinkKind::Stub,
                4 => LinkKind::Virtual,
                other => {
                    return Err(Malformed::Field { header, field: "link type", value: other.into() });
                }
            };
            links.push(Link { kind, id: address(own, 0), data: address(own, 4), cost: half(own, 10) });
            rest = behind;
        }
        Ok(Self { is_border: bytes[0] & 2 != 0, links })
    }

    /// Its bytes.
    pub fn emit(&self) -> Vec<u8> {
        let [high, low] = (self.links.len() as u16).to_be_bytes();
        let mut out = vec![if self.is_border { 2 } else { 0 }, 0, high, low];
        for link in &self.links {
            out.extend_from_slice(&link.id.octets());
            out.extend_from_slice(&link.data.octets());
            out.extend_from_slice(&[link.kind as u8, 0]);
            out.extend_from_slice(&link.cost.to_be_bytes());
        }
        out
    }
}

/// The routers on a network, said by the designated one (A.4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkBody {
    /// Its mask.
    pub mask: Ipv4Addr,
    /// Their ids, the designated router's among them.
    pub routers: Vec<Ipv4Addr>,
}

impl NetworkBody {
    /// Reads it. Errors: it is cut.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() < 4 || !bytes.len().is_multiple_of(4) {
            return Err(Malformed::Truncated { header: "Network-LSA", have: bytes.len(), need: 4 });
        }
        let routers = (1..bytes.len() / 4).map(|at| address(bytes, 4 * at)).collect();
        Ok(Self { mask: address(bytes, 0), routers })
    }

    /// Its bytes.
    pub fn emit(&self) -> Vec<u8> {
        std::iter::once(&self.mask).chain(&self.routers).flat_map(|address| address.octets()).collect()
    }
}

/// A route from outside (A.4.5); those by type of service are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExternalBody {
    /// The network's mask.
    pub mask: Ipv4Addr,
    /// Whether the metric counts more than any way inside (type 2).
    pub is_type_2: bool,
    /// What it costs outside, 24 bits.
    pub metric: u32,
    /// To whom packets go; the router that says it if unspecified.
    pub forwarding: Ipv4Addr,
    /// For whoever exchanges routes.
    pub tag: u32,
}

impl ExternalBody {
    /// Reads it. Errors: it is cut.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() < 16 {
            return Err(Malformed::Truncated { header: "AS-external-LSA", have: bytes.len(), need: 16 });
        }
        let metric = word(bytes, 4);
        Ok(Self {
            mask: address(bytes, 0),
            is_type_2: metric >> 31 != 0,
            metric: metric & 0xff_ffff,
            forwarding: address(bytes, 8),
            tag: word(bytes, 12),
        })
    }

    /// Its bytes.
    pub fn emit(&self) -> Vec<u8> {
        let metric = u32::from(self.is_type_2) << 31 | self.metric & 0xff_ffff;
        let mut out = self.mask.octets().to_vec();
        out.extend_from_slice(&metric.to_be_bytes());
        out.extend_from_slice(&self.forwarding.octets());
        out.extend_from_slice(&self.tag.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> Key {
        Key { kind: ROUTER, id: Ipv4Addr::new(10, 0, 0, 1), router: Ipv4Addr::new(10, 0, 0, 1) }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_intact(body in prop::collection::vec(any::<u8>(), 0..100), sequence: i32, age: u16) {
            let mut lsa = Lsa::new(key(), sequence, body);
            lsa.header.age = age;
            let mut bytes = Vec::new();
            lsa.emit(&mut bytes);
            bytes.push(7);
            let (read, rest) = Lsa::parse(&bytes).unwrap();
            prop_assert!(read.is_intact(), "the age is not summed");
            prop_assert_eq!((read, rest), (lsa, &[7][..]));
        }

        #[test]
        fn a_changed_byte_is_found(
            body in prop::collection::vec(any::<u8>(), 1..100),
            at: prop::sample::Index,
            change in 1u8..,
        ) {
            let mut lsa = Lsa::new(key(), 1, body);
            let at = at.index(lsa.body.len());
            let was = lsa.body[at];
            lsa.body[at] = was.wrapping_add(change);
            // Fletcher's sums are modulo 255: 0 and 255 are the same to them.
            prop_assert_eq!(lsa.is_intact(), (was % 255) == (lsa.body[at] % 255));
        }

        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Header::parse(&bytes);
            let _ = Lsa::parse(&bytes).map(|(lsa, _)| lsa.is_intact());
            let _ = RouterBody::parse(&bytes);
            let _ = NetworkBody::parse(&bytes);
            let _ = ExternalBody::parse(&bytes);
        }

        #[test]
        fn bodies_come_back_as_they_were_written(words in prop::collection::vec(any::<u32>(), 3..20), is_set: bool) {
            let link = |word: &u32| {
                let kinds = [LinkKind::PointToPoint, LinkKind::Transit, LinkKind::Stub, LinkKind::Virtual];
                let kind = kinds[*word as usize % 4];
                Link { kind, id: (*word).into(), data: word.rotate_left(7).into(), cost: *word as u16 }
            };
            let router = RouterBody { is_border: is_set, links: words.iter().map(link).collect() };
            prop_assert_eq!(RouterBody::parse(&router.emit()), Ok(router));
            let network = NetworkBody { mask: words[0].into(), routers: words.iter().map(|word| (*word).into()).collect() };
            prop_assert_eq!(NetworkBody::parse(&network.emit()), Ok(network));
            let (mask, metric, forwarding, tag) = (words[0].into(), words[1] & 0xff_ffff, words[2].into(), words[0]);
            let external = ExternalBody { mask, is_type_2: is_set, metric, forwarding, tag };
            prop_assert_eq!(ExternalBody::parse(&external.emit()), Ok(external));
        }
    }

    #[test]
    fn the_newer_of_two_is_told_by_sequence_checksum_and_age() {
        let base = Header { age: 10, options: 2, key: key(), sequence: 5, checksum: 100, length: 20 };
        let table = [
            (Header { sequence: 6, checksum: 1, ..base }, Recency::Newer),
            (Header { sequence: -1, ..base }, Recency::Older),
            (Header { checksum: 101, ..base }, Recency::Newer),
            (Header { age: MAX_AGE, ..base }, Recency::Newer),
            (Header { age: 911, ..base }, Recency::Older),
            (Header { age: 910, ..base }, Recency::Same),
            (base, Recency::Same),
        ];
        for (first, wanted) in table {
            assert_eq!(first.compare(&base), wanted, "{first:?}");
        }
    }
}
