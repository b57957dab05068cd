//! DHCP for IPv4 as a server of a subnet speaks it (RFC 2131, options of RFC 2132 and 3397): read a
//! client's message, write the answer. What a lease gives is the caller's business (DHCP-4).

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::ethernet::Mac;
use crate::read::{Malformed, octets, split, u16_at, u32_at};

/// The server's UDP port.
pub const SERVER_PORT: u16 = 67;
/// The client's UDP port.
pub const CLIENT_PORT: u16 = 68;

const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Bytes before the options, the cookie included.
const FIXED: usize = 240;
/// The smallest message that every client takes (RFC 2131, section 2: BOOTP's 300 bytes).
const MINIMUM: usize = 300;
const BROADCAST: u16 = 0x8000;

/// What a message is (option 53).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "RFC 2131's names")]
pub enum MessageType {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Acknowledge = 5,
    Refuse = 6,
    Release = 7,
    Inform = 8,
}

impl MessageType {
    fn from_number(number: u8) -> Option<MessageType> {
        use MessageType::*;
        [Discover, Offer, Request, Decline, Acknowledge, Refuse, Release, Inform].into_iter().find(|kind| *kind as u8 == number)
    }
}

/// A client's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it wants.
    pub kind: MessageType,
    /// Comes back in the answer.
    pub transaction: u32,
    /// Who.
    pub mac: Mac,
    /// Cannot take unicast yet: answer to all.
    pub broadcast: bool,
    /// The address it already uses, when renewing; else unspecified.
    pub current: Ipv4Addr,
    /// Through whom it came, if relayed; else unspecified.
    pub relay: Ipv4Addr,
    /// The address it would like (option 50).
    pub requested: Option<Ipv4Addr>,
    /// The server whose offer it takes (option 54).
    pub server: Option<Ipv4Addr>,
    /// The name it gives itself (option 12).
    pub host_name: Option<String>,
    /// The options it asks for (option 55).
    pub wanted: Vec<u8>,
}

/// What a lease gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The client's address.
    pub address: Ipv4Addr,
    /// Option 1.
    pub subnet_mask: Ipv4Addr,
    /// Option 3.
    pub router: Ipv4Addr,
    /// Option 6, at most 63.
    pub name_servers: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain_name: Option<String>,
    /// Option 12.
    pub host_name: Option<String>,
    /// Option 42, at most 63.
    pub ntp_servers: Vec<Ipv4Addr>,
    /// Option 26, bytes.
    pub mtu: u16,
    /// Option 51; renewal (58) at half, rebinding (59) at seven eighths of it.
    pub duration: Duration,
}

/// A server's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Offer, acknowledgement or refusal.
    pub kind: MessageType,
    /// As in the question.
    pub transaction: u32,
    /// As in the question.
    pub mac: Mac,
    /// As in the question.
    pub broadcast: bool,
    /// As in the question.
    pub current: Ipv4Addr,
    /// As in the question.
    pub relay: Ipv4Addr,
    /// Who answers (option 54).
    pub server: Ipv4Addr,
    /// What is offered or granted; none in a refusal.
    pub lease: Option<Lease>,
}

impl Request {
    /// Reads a client's message.
    pub fn parse(bytes: &[u8]) -> Result<Request, Malformed> {
        let message = Message::parse(bytes, 1)?;
        let address = |code| message.option(code).and_then(|value| value.try_into().ok()).map(|octets: [u8; 4]| octets.into());
        Ok(Request {
            kind: message.kind,
            transaction: message.transaction,
            mac: message.mac,
            broadcast: message.broadcast,
            current: message.current,
            relay: message.relay,
            requested: address(50),
            server: address(54),
            host_name: message.text(12),
            wanted: message.option(55).map(<[u8]>::to_vec).unwrap_or_default(),
        })
    }

    /// The message as bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = fixed(1, self.transaction, self.broadcast, self.mac);
        out[12..16].copy_from_slice(&self.current.octets());
        out[24..28].copy_from_slice(&self.relay.octets());
        option(&mut out, 53, &[self.kind as u8]);
        for (code, address) in [(50, self.requested), (54, self.server)] {
            if let Some(address) = address {
                option(&mut out, code, &address.octets());
            }
        }
        if let Some(name) = &self.host_name {
            option(&mut out, 12, name.as_bytes());
        }
        if !self.wanted.is_empty() {
            option(&mut out, 55, &self.wanted);
        }
        finish(out)
    }

    /// Answers it.
    pub fn reply(&self, kind: MessageType, server: Ipv4Addr, lease: Option<Lease>) -> Reply {
        Reply {
            kind,
            transaction: self.transaction,
            mac: self.mac,
            broadcast: self.broadcast,
            current: self.current,
            relay: self.relay,
            server,
            lease,
        }
    }
}

impl Reply {
    /// Where the answer goes: the relay, the client's address in use, or all (RFC 2131, section 4.1; a
    /// refusal goes to all unless relayed). A client without an address that takes unicast is served by
    /// broadcast as well, which it takes too.
    pub fn destination(&self) -> (Ipv4Addr, u16) {
        if !self.relay.is_unspecified() {
            (self.relay, SERVER_PORT)
        } else if self.current.is_unspecified() || self.kind == MessageType::Refuse {
            (Ipv4Addr::BROADCAST, CLIENT_PORT)
        } else {
            (self.current, CLIENT_PORT)
        }
    }

    /// The answer as bytes.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = fixed(2, self.transaction, self.broadcast, self.mac);
        if self.kind != MessageType::Refuse {
            out[12..16].copy_from_slice(&self.current.octets());
        }
        out[24..28].copy_from_slice(&self.relay.octets());
        option(&mut out, 53, &[self.kind as u8]);
        option(&mut out, 54, &self.server.octets());
        let Some(lease) = &self.lease else { return finish(out) };
        out[16..20].copy_from_slice(&lease.address.octets());
        let seconds = u32::try_from(lease.duration.as_secs()).unwrap_or(u32::MAX);
        for (code, value) in [(51, seconds), (58, seconds / 2), (59, (u64::from(seconds) * 7 / 8) as u32)] {
            option(&mut out, code, &value.to_be_bytes());
        }
        option(&mut out, 1, &lease.subnet_mask.octets());
        option(&mut out, 3, &lease.router.octets());
        for (code, servers) in [(6, &lease.name_servers), (42, &lease.ntp_servers)] {
            if !servers.is_empty() {
                option(&mut out, code, &servers.iter().flat_map(Ipv4Addr::octets).collect::<Vec<_>>());
            }
        }
        for (code, text) in [(15, &lease.domain_name), (12, &lease.host_name)] {
            if let Some(text) = text {
                option(&mut out, code, text.as_bytes());
            }
        }
        option(&mut out, 26, &lease.mtu.to_be_bytes());
        finish(out)
    }

    /// Reads a server's message. A lease needs address, mask, router and duration.
    pub fn parse(bytes: &[u8]) -> Result<Reply, Malformed> {
        let message = Message::parse(bytes, 2)?;
        let addresses = |code| -> Vec<Ipv4Addr> {
            let octets = message.option(code).unwrap_or_default().as_chunks::<4>().0;
            octets.iter().map(|octets| Ipv4Addr::from(*octets)).collect()
        };
        let first = |code| addresses(code).first().copied();
        let duration = message.option(51).filter(|value| value.len() == 4).map(|value| u32_at(value, 0));
        let granted = message.kind != MessageType::Refuse;
        let lease = first(1).zip(first(3)).zip(duration).filter(|_| granted).map(|((subnet_mask, router), seconds)| Lease {
            address: message.granted,
            subnet_mask,
            router,
            name_servers: addresses(6),
            domain_name: message.text(15),
            host_name: message.text(12),
            ntp_servers: addresses(42),
            mtu: message.option(26).map_or(0, |value| u16_at(value, 0)),
            duration: Duration::from_secs(u64::from(seconds)),
        });
        Ok(Reply {
            kind: message.kind,
            transaction: message.transaction,
            mac: message.mac,
            broadcast: message.broadcast,
            current: message.current,
            relay: message.relay,
            server: first(54).ok_or(Malformed::Field { header: "DHCP", field: "no option", value: 54 })?,
            lease,
        })
    }
}

/// What both directions share, and the options as they stand.
struct Message<'a> {
    kind: MessageType,
    transaction: u32,
    broadcast: bool,
    mac: Mac,
    current: Ipv4Addr,
    granted: Ipv4Addr,
    relay: Ipv4Addr,
    options: Vec<(u8, &'a [u8])>,
}

impl<'a> Message<'a> {
    fn parse(bytes: &'a [u8], operation: u8) -> Result<Message<'a>, Malformed> {
        let (fixed, options) = split("DHCP", bytes, FIXED)?;
        let wrong = |field, value: u32| Malformed::Field { header: "DHCP", field, value };
        if fixed[0] != operation {
            return Err(wrong("operation", fixed[0].into()));
        }
        if fixed[1..3] != [1, 6] {
            return Err(wrong("hardware", u16_at(fixed, 1).into()));
        }
        if fixed[236..] != COOKIE {
            return Err(wrong("cookie", u32_at(fixed, 236)));
        }
        let options = read_options(options);
        let kind = options.iter().find(|(code, _)| *code == 53).and_then(|(_, value)| value.first().copied()).unwrap_or(0);
        let address = |at| Ipv4Addr::from(octets::<4>(fixed, at));
        Ok(Message {
            kind: MessageType::from_number(kind).ok_or(wrong("message type", kind.into()))?,
            transaction: u32_at(fixed, 4),
            broadcast: u16_at(fixed, 10) & BROADCAST != 0,
            mac: Mac(octets(fixed, 28)),
            current: address(12),
            granted: address(16),
            relay: address(24),
            options,
        })
    }

    fn option(&self, code: u8) -> Option<&'a [u8]> {
        self.options.iter().find(|(found, _)| *found == code).map(|(_, value)| *value)
    }

    fn text(&self, code: u8) -> Option<String> {
        let text = self.option(code).map(|value| value.strip_suffix(&[0]).unwrap_or(value))?;
        std::str::from_utf8(text).ok().map(str::to_owned)
    }
}

/// Options up to the end or to the first that is cut.
fn read_options(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    const PAD: u8 = 0;
    const END: u8 = 255;
    let mut options = Vec::new();
    loop {
        match bytes {
            [PAD, rest @ ..] => bytes = rest,
            [END, ..] | [] | [_] => return options,
            [code, length, rest @ ..] => {
                let Some((value, rest)) = rest.split_at_checked(usize::from(*length)) else { return options };
                options.push((*code, value));
                bytes = rest;
            }
        }
    }
}

fn fixed(operation: u8, transaction: u32, broadcast: bool, mac: Mac) -> Vec<u8> {
    let mut out = vec![0; FIXED];
    out[..3].copy_from_slice(&[operation, 1, 6]);
    out[4..8].copy_from_slice(&transaction.to_be_bytes());
    out[10..12].copy_from_slice(&(if broadcast { BROADCAST } else { 0 }).to_be_bytes());
    out[28..34].copy_from_slice(&mac.0);
    out[236..240].copy_from_slice(&COOKIE);
    out
}

/// Appends an option; a value over its 255 bytes is cut.
fn option(out: &mut Vec<u8>, code: u8, value: &[u8]) {
    let value = &value[..value.len().min(255)];
    out.extend_from_slice(&[code, value.len() as u8]);
    out.extend_from_slice(value);
}

fn finish(mut out: Vec<u8>) -> Vec<u8> {
    out.push(255);
    out.resize(out.len().max(MINIMUM), 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 5]);

    fn discover() -> Request {
        Request {
            kind: MessageType::Discover,
            transaction: 0x1234_5678,
            mac: MAC,
            broadcast: true,
            current: Ipv4Addr::UNSPECIFIED,
            relay: Ipv4Addr::UNSPECIFIED,
            requested: None,
            server: None,
            host_name: Some("web-1".into()),
            wanted: vec![1, 3, 6, 15, 26],
        }
    }

    fn lease() -> Lease {
        Lease {
            address: [10, 0, 0, 5].into(),
            subnet_mask: [255, 255, 255, 0].into(),
            router: [10, 0, 0, 1].into(),
            name_servers: vec![[10, 0, 0, 2].into()],
            domain_name: Some("ec2.internal".into()),
            host_name: None,
            ntp_servers: vec![[169, 254, 169, 123].into()],
            mtu: 9001,
            duration: Duration::from_secs(3600),
        }
    }

    #[test]
    fn an_offer_has_the_layout_of_rfc_2131() {
        let bytes = discover().reply(MessageType::Offer, [10, 0, 0, 1].into(), Some(lease())).emit();
        assert_eq!(&bytes[..12], [2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0x80, 0]);
        assert_eq!(&bytes[12..28], [0, 0, 0, 0, 10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[28..34], MAC.0);
        assert_eq!(&bytes[236..249], [99, 130, 83, 99, 53, 1, 2, 54, 4, 10, 0, 0, 1]);
        let options = read_options(&bytes[240..]);
        let find = |code| options.iter().find(|(found, _)| *found == code).map(|(_, value)| *value);
        assert_eq!(find(26), Some(&[0x23, 0x29][..]), "DHCP-4: MTU 9001");
        assert_eq!((find(58), find(59)), (Some(&1800u32.to_be_bytes()[..]), Some(&3150u32.to_be_bytes()[..])));
    }

    #[test]
    fn the_answer_goes_where_the_client_listens() {
        let renewing = Request { kind: MessageType::Request, broadcast: false, current: [10, 0, 0, 5].into(), ..discover() };
        let to = |request: &Request, kind| request.reply(kind, [10, 0, 0, 1].into(), None).destination();
        assert_eq!(to(&discover(), MessageType::Offer), (Ipv4Addr::BROADCAST, 68));
        assert_eq!(to(&renewing, MessageType::Acknowledge), ([10, 0, 0, 5].into(), 68));
        assert_eq!(to(&renewing, MessageType::Refuse), (Ipv4Addr::BROADCAST, 68));
        let relayed = Request { relay: [10, 9, 0, 1].into(), ..discover() };
        assert_eq!(to(&relayed, MessageType::Offer), ([10, 9, 0, 1].into(), 67));
    }

    #[test]
    fn what_is_not_a_client_s_message_is_refused() {
        let good = discover().emit();
        assert_eq!(good.len(), MINIMUM);
        for at in [0, 1, 2, 236, 242] {
            let mut wrong = good.clone();
            wrong[at] = 77;
            assert!(Request::parse(&wrong).is_err(), "byte {at}");
        }
        assert!(Reply::parse(&good).is_err());
    }

    proptest! {
        #[test]
        fn messages_come_back(
            transaction: u32, mac: [u8; 6], broadcast: bool, current: [u8; 4], requested: Option<[u8; 4]>,
            host_name in prop::option::of("[a-z0-9-]{1,63}"), wanted: Vec<u8>, mtu: u16, seconds: u32,
        ) {
            let request = Request {
                kind: MessageType::Request, transaction, mac: Mac(mac), broadcast, current: current.into(),
                requested: requested.map(Ipv4Addr::from), host_name: host_name.clone(), wanted, ..discover()
            };
            prop_assert_eq!(Request::parse(&request.emit()), Ok(request.clone()));
            let granted = Lease { mtu, host_name, duration: Duration::from_secs(seconds.into()), ..lease() };
            let reply = request.reply(MessageType::Acknowledge, [10, 0, 0, 1].into(), Some(granted));
            prop_assert_eq!(Reply::parse(&reply.emit()), Ok(reply));
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            let _ = (Request::parse(&bytes), Reply::parse(&bytes));
            let mut message = discover().emit();
            message.splice(240.., bytes);
            let _ = Request::parse(&message);
        }
    }
}
