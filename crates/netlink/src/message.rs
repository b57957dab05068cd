//! Netlink messages as bytes: a builder of requests and a reader of answers. No socket here.
//!
//! Layout (include/uapi/linux/netlink.h): a 16-byte header, a fixed family header, then attributes;
//! everything is aligned to 4 bytes and in the machine's byte order unless an attribute says otherwise.

use crate::error::Malformed;

/// Bytes of `struct nlmsghdr`.
pub const HEADER: usize = 16;
/// `NLM_F_REQUEST`.
pub const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: answer even when all went well.
pub const ACK: u16 = 0x4;
/// `NLM_F_DUMP`: every object, not one.
pub const DUMP: u16 = 0x300;
/// `NLM_F_REPLACE`: change what exists.
pub const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`: fail if it exists.
pub const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`: make it if it does not exist.
pub const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`: at the end of the list.
pub const APPEND: u16 = 0x800;
/// `NLM_F_MULTI` on an answer: more follows.
pub const MULTI: u16 = 0x2;
/// `NLM_F_DUMP_INTR` on an answer: the dump is not consistent.
pub const DUMP_INTERRUPTED: u16 = 0x10;

/// `NLMSG_ERROR`: an acknowledgement (code 0) or a refusal.
pub const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
pub const DONE: u16 = 3;
/// `NLMSG_NOOP`.
pub const NOOP: u16 = 1;

const NESTED: u16 = 0x8000;
const KIND_MASK: u16 = 0x3fff;

/// Requests in the order in which the kernel will see them.
///
/// Messages are numbered from 0 in a batch; a refusal names that number. Descriptors that a message
/// mentions (a namespace) must stay open until the batch was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Appends one message. `NLM_F_REQUEST` is always set; acknowledgements are the socket's business.
    pub fn push(&mut self, kind: u16, flags: u16, body: impl FnOnce(&mut Body<'_>)) {
        let start = self.bytes.len();
        self.starts.push(start);
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        body(&mut Body { bytes: &mut self.bytes });
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        align(&mut self.bytes);
    }

    /// How many messages.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// True without messages.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Size of all messages in bytes.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// All messages as bytes, sequence numbers 0.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One message as bytes, padding included.
    pub fn message(&self, index: usize) -> Option<&[u8]> {
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).copied().unwrap_or(self.bytes.len());
        self.bytes.get(start..end)
    }

    /// Appends another batch's messages to this one.
    pub fn append(&mut self, other: &Batch) {
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.starts.extend(other.starts.iter().map(|start| start + base));
    }

    /// Removes every message and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    /// The messages `range` with running sequence numbers, the last of them asking for an
    /// acknowledgement where `acknowledge`.
    pub(crate) fn numbered(&self, range: std::ops::Range<usize>, first_sequence: u32, acknowledge: Option<usize>) -> Vec<u8> {
        let begin = self.starts.get(range.start).copied().unwrap_or(self.bytes.len());
        let end = self.starts.get(range.end).copied().unwrap_or(self.bytes.len());
        let mut bytes = self.bytes[begin..end].to_vec();
        for index in range.clone() {
            let at = self.starts[index] - begin;
            let sequence = first_sequence.wrapping_add((index - range.start) as u32);
            bytes[at + 8..at + 12].copy_from_slice(&sequence.to_ne_bytes());
            if acknowledge == Some(index) {
                let flags = u16::from_ne_bytes([bytes[at + 6], bytes[at + 7]]) | ACK;
                bytes[at + 6..at + 8].copy_from_slice(&flags.to_ne_bytes());
            }
        }
        bytes
    }
}

/// The inside of one message or nested attribute while it is written.
#[derive(Debug)]
pub struct Body<'a> {
    bytes: &'a mut Vec<u8>,
}

impl<'a> Body<'a> {
    /// Writes attributes outside a message, for a caller that splits long lists.
    pub(crate) fn on(bytes: &'a mut Vec<u8>) -> Body<'a> {
        Body { bytes }
    }

    /// Bytes as they are (a family's fixed header), padded to 4.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        align(self.bytes);
        self
    }

    /// One attribute. Panics when `value` is over the format's 65,531 bytes: a bug of the caller,
    /// who has to split long lists.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(value.len() + 4).expect("an attribute holds at most 65,531 bytes");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        align(self.bytes);
        self
    }

    /// An attribute that says all by being there.
    pub fn flag(&mut self, kind: u16) -> &mut Self {
        self.bytes(kind, &[])
    }

    /// A string with its NUL, as the kernel wants names.
    pub fn string(&mut self, kind: u16, value: &str) -> &mut Self {
        let length = u16::try_from(value.len() + 5).expect("an attribute holds at most 65,531 bytes");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        align(self.bytes);
        self
    }

    /// One byte.
    pub fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    /// 16 bits in the machine's order.
    pub fn u16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// 32 bits in the machine's order (rtnetlink).
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// 64 bits in the machine's order.
    pub fn u64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// 16 bits in network order.
    pub fn be16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// 32 bits in network order (everything under nfnetlink).
    pub fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// 64 bits in network order.
    pub fn be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Attributes inside an attribute, with `NLA_F_NESTED`. Panics over 65,535 bytes, like [`Body::bytes`].
    pub fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Body<'_>)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        body(&mut Body { bytes: &mut *self.bytes });
        let length = u16::try_from(self.bytes.len() - start).expect("a nested attribute holds at most 65,531 bytes");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }
}

fn align(bytes: &mut Vec<u8>) {
    while !bytes.len().is_multiple_of(4) {
        bytes.push(0);
    }
}

/// One message of the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`: that of the request it answers, 0 for events.
    pub sequence: u32,
    /// What follows the header: the family's fixed header and the attributes.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The fixed header of `length` bytes and the attributes after it.
    pub fn split(&self, length: usize) -> Result<(&'a [u8], Attributes<'a>), Malformed> {
        if self.payload.len() < length {
            return Err(Malformed("fixed header"));
        }
        let (header, rest) = self.payload.split_at(length);
        let skip = length.next_multiple_of(4) - length;
        Ok((header, Attributes::new(rest.get(skip..).unwrap_or(&[]))))
    }
}

/// The messages of one datagram. A cut or impossible length ends it.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Reads what one `recv` returned.
    pub fn new(datagram: &'a [u8]) -> Messages<'a> {
        Messages { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header = self.rest.get(..HEADER)?;
        let length = u32::from_ne_bytes(header[0..4].try_into().ok()?) as usize;
        if length < HEADER || length > self.rest.len() {
            self.rest = &[];
            return None;
        }
        let message = Message {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            sequence: u32::from_ne_bytes(header[8..12].try_into().ok()?),
            payload: &self.rest[HEADER..length],
        };
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(message)
    }
}

/// One attribute: its kind without the flag bits, and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// `nla_type` without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
    pub kind: u16,
    /// The value without padding.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    fn array<const N: usize>(&self) -> Option<[u8; N]> {
        self.value.get(..N)?.try_into().ok()
    }

    /// The first byte.
    pub fn u8(&self) -> Option<u8> {
        self.value.first().copied()
    }

    /// 16 bits, machine order.
    pub fn u16(&self) -> Option<u16> {
        self.array().map(u16::from_ne_bytes)
    }

    /// 32 bits, machine order.
    pub fn u32(&self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    /// 64 bits, machine order.
    pub fn u64(&self) -> Option<u64> {
        self.array().map(u64::from_ne_bytes)
    }

    /// 16 bits, network order.
    pub fn be16(&self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// 32 bits, network order.
    pub fn be32(&self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// 64 bits, network order.
    pub fn be64(&self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Text up to the first NUL; bytes that are not UTF-8 are replaced.
    pub fn string(&self) -> String {
        let text = self.value.split(|&byte| byte == 0).next().unwrap_or(&[]);
        String::from_utf8_lossy(text).into_owned()
    }

    /// An Ethernet address.
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.array()
    }

    /// An IPv4 or IPv6 address, told apart by length.
    pub fn address(&self) -> Option<std::net::IpAddr> {
        match self.value.len() {
            4 => self.array::<4>().map(std::net::IpAddr::from),
            16 => self.array::<16>().map(std::net::IpAddr::from),
            _ => None,
        }
    }

    /// The attributes inside.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }
}

/// The attributes of a message, in order. A cut or impossible length ends it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Reads a run of attributes.
    pub fn new(bytes: &'a [u8]) -> Attributes<'a> {
        Attributes { rest: bytes }
    }

    /// The first attribute of this kind. Leaves the iterator where it is.
    pub fn get(&self, kind: u16) -> Option<Attribute<'a>> {
        self.into_iter().find(|attribute| attribute.kind == kind)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let header = self.rest.get(..4)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        if length < 4 || length > self.rest.len() {
            self.rest = &[];
            return None;
        }
        let kind = u16::from_ne_bytes([header[2], header[3]]) & KIND_MASK;
        let value = &self.rest[4..length];
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Attribute { kind, value })
    }
}

/// An acknowledgement or refusal as the kernel writes it (`NLMSG_ERROR`, `NLMSG_DONE`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Positive errno, 0 for success.
    pub errno: i32,
    pub message: Option<String>,
    pub offset: Option<u32>,
}

impl Outcome {
    /// Reads the code and the extended acknowledgement (NETLINK_EXT_ACK) of `NLMSG_ERROR`.
    pub fn parse(message: &Message<'_>) -> Result<Outcome, Malformed> {
        const CAPPED: u16 = 0x100;
        const ACK_TLVS: u16 = 0x200;
        let code: [u8; 4] =
            message.payload.get(..4).and_then(|bytes| bytes.try_into().ok()).ok_or(Malformed("error code"))?;
        let mut outcome = Outcome { errno: -i32::from_ne_bytes(code), message: None, offset: None };
        if message.flags & ACK_TLVS == 0 {
            return Ok(outcome);
        }
        // The request's header follows the code; its body too, unless NLM_F_CAPPED says it was left out.
        let mut skip = 4;
        if message.kind == ERROR {
            skip += HEADER;
            if message.flags & CAPPED == 0 {
                let echoed = message.payload.get(4..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes);
                skip = 4 + (echoed as usize).max(HEADER).next_multiple_of(4);
            }
        }
        for attribute in Attributes::new(message.payload.get(skip..).unwrap_or(&[])) {
            match attribute.kind {
                1 => outcome.message = Some(attribute.string()),
                2 => outcome.offset = attribute.u32(),
                _ => {}
            }
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_kernels_layout() {
        let mut batch = Batch::new();
        batch.push(0x10, CREATE, |body| {
            body.raw(&[2, 0, 0, 0]).string(1, "ab").nest(5, |inner| {
                inner.be16(7, 0x1234);
            });
        });
        let expected: Vec<u8> = [
            &40u32.to_ne_bytes()[..],
            &0x10u16.to_ne_bytes(),
            &0x401u16.to_ne_bytes(),
            &[0; 8],
            &[2, 0, 0, 0],
            &7u16.to_ne_bytes(),
            &1u16.to_ne_bytes(),
            b"ab\0\0",
            &12u16.to_ne_bytes(),
            &0x8005u16.to_ne_bytes(),
            &6u16.to_ne_bytes(),
            &7u16.to_ne_bytes(),
            &[0x12, 0x34, 0, 0],
        ]
        .concat();
        assert_eq!(batch.bytes(), expected);
    }

    #[test]
    fn numbering_sets_sequences_and_one_acknowledgement() {
        let mut batch = Batch::new();
        for kind in 20..23 {
            batch.push(kind, 0, |body| {
                body.raw(&[9]);
            });
        }
        let bytes = batch.numbered(1..3, 70, Some(2));
        let seen: Vec<_> = Messages::new(&bytes).map(|m| (m.kind, m.sequence, m.flags & ACK)).collect();
        assert_eq!(seen, [(21, 70, 0), (22, 71, ACK)]);
    }

    #[test]
    fn an_extended_acknowledgement_yields_text_and_offset() {
        let mut batch = Batch::new();
        batch.push(ERROR, 0x200 | 0x100, |body| {
            body.raw(&(-17i32).to_ne_bytes()).raw(&[0; HEADER]).string(1, "exists").u32(2, 36);
        });
        let message = Messages::new(batch.bytes()).next().expect("one message");
        let outcome = Outcome::parse(&message).expect("readable");
        assert_eq!(outcome, Outcome { errno: 17, message: Some("exists".into()), offset: Some(36) });
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            for message in Messages::new(&bytes) {
                let _ = Outcome::parse(&message);
                for attribute in Attributes::new(message.payload) {
                    let _ = (attribute.string(), attribute.u64(), attribute.address(), attribute.nested().count());
                }
            }
            let _ = Attributes::new(&bytes).count();
        }

        #[test]
        fn attributes_come_back(values: Vec<(u16, Vec<u8>)>) {
            let mut batch = Batch::new();
            batch.push(1, 0, |body| for (kind, value) in &values { body.bytes(kind & KIND_MASK, value); });
            let message = Messages::new(batch.bytes()).next().expect("one message");
            let read: Vec<_> = Attributes::new(message.payload).map(|a| (a.kind, a.value.to_vec())).collect();
            let written: Vec<_> = values.into_iter().map(|(kind, value)| (kind & KIND_MASK, value)).collect();
            proptest::prop_assert_eq!(read, written);
        }
    }
}
