//! DNS questions and answers (RFC 1035, EDNS of RFC 6891), as a resolver and its clients need them.
//!
//! simple-dns reads and writes the wire format, compression included; here is what we say with it.
//! Names are text without the final dot and keep their upper and lower case (resolvers compare them).

mod known;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::{A, AAAA, CNAME, OPT, PTR, RData};
use simple_dns::{CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, RCODE, ResourceRecord, TYPE};

pub use known::answer;

/// What an answer over UDP may have without EDNS, bytes (RFC 1035, section 2.3.4).
pub const UDP_LIMIT: usize = 512;
/// What we take and offer with EDNS, bytes: no fragments on ordinary links (DNS flag day 2020).
pub const EDNS_LIMIT: u16 = 1232;

/// Type of a record that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

#[expect(missing_docs, reason = "the registry's names")]
impl Kind {
    pub const A: Kind = Kind(1);
    pub const NS: Kind = Kind(2);
    pub const CNAME: Kind = Kind(5);
    pub const SOA: Kind = Kind(6);
    pub const PTR: Kind = Kind(12);
    pub const MX: Kind = Kind(15);
    pub const TXT: Kind = Kind(16);
    pub const AAAA: Kind = Kind(28);
    pub const SRV: Kind = Kind(33);
    pub const ANY: Kind = Kind(255);
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match *self {
            Kind::A => "A",
            Kind::NS => "NS",
            Kind::CNAME => "CNAME",
            Kind::SOA => "SOA",
            Kind::PTR => "PTR",
            Kind::MX => "MX",
            Kind::TXT => "TXT",
            Kind::AAAA => "AAAA",
            Kind::SRV => "SRV",
            Kind::ANY => "ANY",
            Kind(other) => return write!(f, "TYPE{other}"),
        };
        f.write_str(name)
    }
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The name exists; records of the type may.
    NoError,
    /// The question cannot be read.
    FormatError,
    /// SERVFAIL: the server has no answer to give.
    ServerFailure,
    /// NXDOMAIN: no such name.
    NoSuchName,
    /// Such questions are not answered here.
    NotImplemented,
    /// The server does not want to.
    Refused,
    /// Another code of an answer we read.
    Other(u16),
}

impl Code {
    fn of(code: RCODE) -> Code {
        match code {
            RCODE::NoError => Code::NoError,
            RCODE::FormatError => Code::FormatError,
            RCODE::ServerFailure => Code::ServerFailure,
            RCODE::NameError => Code::NoSuchName,
            RCODE::NotImplemented => Code::NotImplemented,
            RCODE::Refused => Code::Refused,
            other => Code::Other(other as u16),
        }
    }

    fn code(self) -> RCODE {
        match self {
            Code::NoError => RCODE::NoError,
            Code::FormatError => RCODE::FormatError,
            Code::ServerFailure => RCODE::ServerFailure,
            Code::NoSuchName => RCODE::NameError,
            Code::NotImplemented => RCODE::NotImplemented,
            Code::Refused => RCODE::Refused,
            Code::Other(other) => RCODE::from(other),
        }
    }
}

/// A question to a resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Comes back in the answer.
    pub id: u16,
    /// The asker wants an answer, not a referral.
    pub recursion_desired: bool,
    /// What is asked for.
    pub name: String,
    /// Which records of it.
    pub kind: Kind,
    /// With EDNS: the largest answer over UDP that the asker takes, bytes.
    pub edns: Option<u16>,
}

/// Bytes that are no message, or say nothing that can be answered or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// No DNS message at all, or not the kind that was expected: nothing to answer.
    #[error("not a DNS {0}")]
    NotA(&'static str),
    /// A question that should be answered with these bytes (FORMERR or NOTIMP).
    #[error("a DNS question that cannot be read or is not supported")]
    Unsupported {
        /// The answer to send.
        answer: Vec<u8>,
    },
    /// A name that no message can carry: a label over 63 bytes, or all of it over 255.
    #[error("`{0}` is not a DNS name")]
    Name(String),
}

impl Query {
    /// A question as a stub resolver sends it.
    pub fn new(id: u16, name: impl Into<String>, kind: Kind) -> Query {
        Query { id, recursion_desired: true, name: name.into(), kind, edns: Some(EDNS_LIMIT) }
    }

    /// Reads a question. Everything but one question of class IN is unsupported.
    pub fn parse(bytes: &[u8]) -> Result<Query, DnsError> {
        const RESPONSE: u8 = 0x80;
        if bytes.len() < 12 || bytes[2] & RESPONSE != 0 {
            return Err(DnsError::NotA("question"));
        }
        let packet = Packet::parse(bytes).map_err(|_| unsupported(bytes, Code::FormatError))?;
        if packet.opcode() != OPCODE::StandardQuery {
            return Err(unsupported(bytes, Code::NotImplemented));
        }
        let [question] = &packet.questions[..] else { return Err(unsupported(bytes, Code::FormatError)) };
        if !matches!(question.qclass, QCLASS::CLASS(CLASS::IN)) {
            return Err(unsupported(bytes, Code::NotImplemented));
        }
        Ok(Query {
            id: packet.id(),
            recursion_desired: packet.has_flags(PacketFlag::RECURSION_DESIRED),
            name: text(&question.qname),
            kind: Kind(question.qtype.into()),
            edns: packet.opt().map(|opt| opt.udp_packet_size),
        })
    }

    /// The question as bytes.
    pub fn emit(&self) -> Result<Vec<u8>, DnsError> {
        let mut packet = Packet::new_query(self.id);
        if self.recursion_desired {
            packet.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        packet.questions.push(self.question()?);
        if let Some(size) = self.edns {
            *packet.opt_mut() = Some(opt(size));
        }
        packet.build_bytes_vec_compressed().map_err(|_| DnsError::Name(self.name.clone()))
    }

    /// The largest answer over UDP, bytes.
    pub fn udp_limit(&self) -> usize {
        self.edns.map_or(UDP_LIMIT, |size| usize::from(size.min(EDNS_LIMIT)).max(UDP_LIMIT))
    }

    fn question(&self) -> Result<simple_dns::Question<'_>, DnsError> {
        let kind = QTYPE::try_from(self.kind.0).unwrap_or(QTYPE::TYPE(TYPE::Unknown(self.kind.0)));
        Ok(simple_dns::Question::new(name(&self.name)?, kind, QCLASS::CLASS(CLASS::IN), false))
    }
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name of an address.
    Ptr(String),
    /// The name is another's alias.
    Cname(String),
}

impl From<IpAddr> for Data {
    fn from(address: IpAddr) -> Data {
        match address {
            IpAddr::V4(address) => Data::A(address),
            IpAddr::V6(address) => Data::Aaaa(address),
        }
    }
}

/// A record of an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// Whose.
    pub name: String,
    /// How long it may be remembered, seconds.
    pub ttl: u32,
    /// What.
    pub data: Data,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// How it ends.
    pub code: Code,
    /// The server owns the name.
    pub authoritative: bool,
    /// The server asks others.
    pub recursion_available: bool,
    /// Not all of it: ask again over TCP.
    pub truncated: bool,
    /// Records, in order. Types that are not in [`Data`] are left out of what is read.
    pub records: Vec<Record>,
}

impl Response {
    /// An answer of a resolver (recursion available).
    pub fn new(code: Code, records: Vec<Record>) -> Response {
        Response { code, authoritative: false, recursion_available: true, truncated: false, records }
    }

    /// The answer to `query` as bytes, at most `limit` ([`Query::udp_limit`], or 65,535 over TCP): what
    /// does not fit is left out and the answer says so.
    pub fn emit(&self, query: &Query, limit: usize) -> Result<Vec<u8>, DnsError> {
        let bytes = self.build(query)?;
        if bytes.len() <= limit {
            return Ok(bytes);
        }
        Response { truncated: true, records: Vec::new(), ..self.clone() }.build(query)
    }

    fn build(&self, query: &Query) -> Result<Vec<u8>, DnsError> {
        let mut packet = Packet::new_reply(query.id);
        for (on, flag) in [
            (query.recursion_desired, PacketFlag::RECURSION_DESIRED),
            (self.recursion_available, PacketFlag::RECURSION_AVAILABLE),
            (self.authoritative, PacketFlag::AUTHORITATIVE_ANSWER),
            (self.truncated, PacketFlag::TRUNCATION),
        ] {
            if on {
                packet.set_flags(flag);
            }
        }
        *packet.rcode_mut() = self.code.code();
        packet.questions.push(query.question()?);
        for record in &self.records {
            let data = match &record.data {
                Data::A(address) => RData::A(A::from(*address)),
                Data::Aaaa(address) => RData::AAAA(AAAA::from(*address)),
                Data::Ptr(target) => RData::PTR(PTR(name(target)?)),
                Data::Cname(target) => RData::CNAME(CNAME(name(target)?)),
            };
            packet.answers.push(ResourceRecord::new(name(&record.name)?, CLASS::IN, record.ttl, data));
        }
        // RFC 6891, section 6.1.1: who asks with EDNS is answered with EDNS.
        if query.edns.is_some() {
            *packet.opt_mut() = Some(opt(EDNS_LIMIT));
        }
        packet.build_bytes_vec_compressed().map_err(|_| DnsError::Name(query.name.clone()))
    }

    /// Reads an answer; returns the id of the question with it.
    pub fn parse(bytes: &[u8]) -> Result<(u16, Response), DnsError> {
        let packet = Packet::parse(bytes).map_err(|_| DnsError::NotA("answer"))?;
        if !packet.has_flags(PacketFlag::RESPONSE) {
            return Err(DnsError::NotA("answer"));
        }
        let records = packet.answers.iter().filter_map(|record| {
            let data = match &record.rdata {
                RData::A(a) => Data::A(a.address.into()),
                RData::AAAA(aaaa) => Data::Aaaa(aaaa.address.into()),
                RData::PTR(target) => Data::Ptr(text(&target.0)),
                RData::CNAME(target) => Data::Cname(text(&target.0)),
                _ => return None,
            };
            Some(Record { name: text(&record.name), ttl: record.ttl, data })
        });
        let response = Response {
            code: Code::of(packet.rcode()),
            authoritative: packet.has_flags(PacketFlag::AUTHORITATIVE_ANSWER),
            recursion_available: packet.has_flags(PacketFlag::RECURSION_AVAILABLE),
            truncated: packet.has_flags(PacketFlag::TRUNCATION),
            records: records.collect(),
        };
        Ok((packet.id(), response))
    }

    /// The addresses of the answer, whatever aliases lead to them.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let address = |record: &Record| match record.data {
            Data::A(address) => Some(IpAddr::V4(address)),
            Data::Aaaa(address) => Some(IpAddr::V6(address)),
            _ => None,
        };
        self.records.iter().filter_map(address).collect()
    }
}

/// The answer to a question that we could not read as a whole: its id and opcode, and the code.
fn unsupported(question: &[u8], code: Code) -> DnsError {
    const RESPONSE: u8 = 0x80;
    const OPCODE_AND_RECURSION: u8 = 0x79;
    let mut answer = question[..12].to_vec();
    answer[2] = RESPONSE | answer[2] & OPCODE_AND_RECURSION;
    answer[3] = code.code() as u8;
    answer[4..].fill(0);
    DnsError::Unsupported { answer }
}

fn opt(size: u16) -> OPT<'static> {
    OPT { opt_codes: Vec::new(), udp_packet_size: size, version: 0 }
}

fn name(text: &str) -> Result<Name<'_>, DnsError> {
    Name::new(text.strip_suffix('.').unwrap_or(text)).map_err(|_| DnsError::Name(text.to_owned()))
}

fn text(name: &Name<'_>) -> String {
    name.to_string()
}

/// The name under which an address's PTR record stands: `5.0.0.10.in-addr.arpa`, or nibbles under `ip6.arpa`
/// (RFC 1035, section 3.5; RFC 3596, section 2.5).
pub fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().map(|byte| format!("{:x}.{:x}.", byte & 0xf, byte >> 4));
            nibbles.collect::<String>() + "ip6.arpa"
        }
    }
}

/// The address of a reverse name, if it is the name of a whole address.
pub fn reverse_address(name: &str) -> Option<IpAddr> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let bytes: Vec<u8> = digits.split('.').rev().map(|part| part.parse().ok()).collect::<Option<_>>()?;
        return <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    }
    let digits = name.strip_suffix(".ip6.arpa")?;
    let nibble = |part: &str| u8::from_str_radix(part, 16).ok().filter(|_| part.len() == 1);
    let nibbles: Vec<u8> = digits.split('.').rev().map(nibble).collect::<Option<_>>()?;
    let nibbles: [u8; 32] = nibbles.try_into().ok()?;
    let (pairs, _) = nibbles.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_question_has_the_layout_of_rfc_1035() {
        let query = Query { edns: None, ..Query::new(0x1234, "web.Shop", Kind::A) };
        let expected = [&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x03web\x04Shop\0", &[0, 1, 0, 1]].concat();
        assert_eq!(query.emit(), Ok(expected.clone()));
        assert_eq!(Query::parse(&expected), Ok(query));
    }

    #[test]
    fn a_compressed_answer_is_followed() {
        // An answer to `a.example`: an alias to `b.example`, whose tail points back, and its address.
        let bytes = [
            &[0, 7, 0x85, 0x80, 0, 1, 0, 2, 0, 0, 0, 0][..],
            b"\x01a\x07example\0",
            &[0, 1, 0, 1],
            &[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, b'b', 0xc0, 14],
            &[0xc0, 39, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 5],
        ]
        .concat();
        let (id, response) = Response::parse(&bytes).expect("readable");
        let records = vec![
            Record { name: "a.example".into(), ttl: 60, data: Data::Cname("b.example".into()) },
            Record { name: "b.example".into(), ttl: 60, data: Data::A([10, 0, 0, 5].into()) },
        ];
        let expected = Response { authoritative: true, ..Response::new(Code::NoError, records) };
        assert_eq!((id, &response), (7, &expected));
        assert_eq!(response.addresses(), [IpAddr::from([10, 0, 0, 5])]);
        let query = Query { id: 7, edns: None, ..Query::new(7, "a.example", Kind::A) };
        assert_eq!(response.emit(&query, UDP_LIMIT), Ok(bytes), "and written the same way");
    }

    #[test]
    fn a_pointer_to_itself_ends() {
        let bytes = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &[0xc0, 12, 0, 1, 0, 1]].concat();
        assert!(matches!(Query::parse(&bytes), Err(DnsError::Unsupported { answer }) if answer[..4] == [0, 7, 0x81, 1]));
    }

    #[test]
    fn what_is_not_supported_is_answered_so() {
        let query = Query::new(9, "x", Kind::A).emit().unwrap();
        let mut status = query.clone();
        status[2] |= 2 << 3;
        assert!(matches!(Query::parse(&status), Err(DnsError::Unsupported { answer }) if answer[3] == 4));
        let mut response = query;
        response[2] |= 0x80;
        assert_eq!(Query::parse(&response), Err(DnsError::NotA("question")), "answers are never answered");
    }

    #[test]
    fn an_answer_that_does_not_fit_says_so() {
        let record = |at: u32| Record { name: "many.example".into(), ttl: 1, data: Data::A(Ipv4Addr::from(at)) };
        let response = Response::new(Code::NoError, (0..100).map(record).collect());
        let query = Query { edns: None, ..Query::new(1, "many.example", Kind::A) };
        let bytes = response.emit(&query, query.udp_limit()).unwrap();
        let (_, read) = Response::parse(&bytes).unwrap();
        assert!(bytes.len() <= UDP_LIMIT && read.truncated && read.records.is_empty());
        let (_, whole) = Response::parse(&response.emit(&query, 65_535).unwrap()).unwrap();
        assert_eq!(whole, response);
    }

    #[test]
    fn reverse_names_lead_back() {
        assert_eq!(reverse_name([10, 0, 0, 5].into()), "5.0.0.10.in-addr.arpa");
        for address in ["10.0.0.5", "fd00:ec2::253", "::", "2001:db8::1:2"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(reverse_address(&reverse_name(address)), Some(address));
        }
        for wrong in ["0.0.10.in-addr.arpa", "256.0.0.10.in-addr.arpa", "in-addr.arpa", "1.ip6.arpa", "example.com"] {
            assert_eq!(reverse_address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_an_error() {
        let long = "a".repeat(64);
        assert_eq!(Query::new(1, long.clone(), Kind::A).emit(), Err(DnsError::Name(long)));
    }

    fn hostname() -> impl Strategy<Value = String> {
        prop::collection::vec("[a-zA-Z0-9-]{1,20}", 1..5).prop_map(|labels| labels.join("."))
    }

    fn record() -> impl Strategy<Value = Record> {
        let data = prop_oneof![
            any::<[u8; 4]>().prop_map(|octets| Data::A(octets.into())),
            any::<[u8; 16]>().prop_map(|octets| Data::Aaaa(octets.into())),
            hostname().prop_map(Data::Ptr),
            hostname().prop_map(Data::Cname),
        ];
        (hostname(), any::<u32>(), data).prop_map(|(name, ttl, data)| Record { name, ttl, data })
    }

    proptest! {
        #[test]
        fn a_question_comes_back(id: u16, recursion_desired: bool, name in hostname(), edns: Option<u16>) {
            for kind in [Kind::A, Kind::AAAA, Kind::PTR, Kind::TXT, Kind::ANY] {
                let query = Query { id, recursion_desired, name: name.clone(), kind, edns };
                prop_assert_eq!(Query::parse(&query.emit().unwrap()), Ok(query));
            }
        }

        #[test]
        fn an_answer_comes_back(
            name in hostname(), records in prop::collection::vec(record(), 0..6), authoritative: bool, edns: Option<u16>,
        ) {
            let query = Query { edns, ..Query::new(5, name, Kind::ANY) };
            for code in [Code::NoError, Code::NoSuchName, Code::ServerFailure, Code::Refused] {
                let response = Response { authoritative, ..Response::new(code, records.clone()) };
                prop_assert_eq!(Response::parse(&response.emit(&query, 65_535).unwrap()), Ok((5, response)));
            }
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>, name: String) {
            let _ = (Query::parse(&bytes), Response::parse(&bytes), reverse_address(&name));
            let mut question = Query::new(1, "a.b", Kind::A).emit().unwrap();
            for (at, byte) in bytes.iter().enumerate().take(question.len()) {
                question[at] ^= byte;
            }
            let _ = (Query::parse(&question), Response::parse(&question));
        }
    }
}
