//! The shape of TLS 1.2 (RFC 5246): records and a handshake as they look on the wire, so that a lesson can show where layer 6
//! begins. Nothing here is secret: the random bytes come from the seed, the certificate is a name whose key nobody has, and the
//! data inside the records is not encrypted. It protects nothing, and no real end takes it.
//!
//! [`Endpoint`] is one end without its connection; `https` speaks HTTP through it.

use super::certificate::certificate;
use crate::random::Random;

/// TLS 1.2.
const VERSION: [u8; 2] = [3, 3];
/// TLS_RSA_WITH_AES_128_GCM_SHA256 (RFC 5288), whose handshake is the shortest.
const SUITE: [u8; 2] = [0x00, 0x9c];
/// Longest content of a record, bytes (RFC 5246, 6.2.1); encrypted ones may have 2,048 more.
const LONGEST: usize = 1 << 14;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const HELLO_DONE: u8 = 14;
const KEY_EXCHANGE: u8 = 16;
const FINISHED: u8 = 20;

/// Bytes that are no record, or a message that does not belong here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// No type of record, another version, or too long.
    #[error("no TLS record")]
    Record,
    /// A message out of its order.
    #[error("an unexpected TLS message")]
    Unexpected,
    /// The other end gave up.
    #[error("a TLS alert")]
    Alert,
}

/// What came of bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// To be sent.
    pub send: Vec<u8>,
    /// Data of the application.
    pub data: Vec<u8>,
    /// The handshake is over with this.
    pub is_opened: bool,
    /// The other end sends no more (close_notify).
    pub is_closed: bool,
}

/// One end.
#[derive(Debug)]
pub struct Endpoint {
    is_server: bool,
    name: String,
    random: Random,
    /// What came and is no whole record yet, and no whole message.
    bytes: Vec<u8>,
    messages: Vec<u8>,
    /// Messages that are still to come, in order; a change of ciphers stands for itself.
    expected: &'static [u8],
}

/// In `expected`, the record that is no handshake message.
const CHANGE: u8 = 0;

/// A record.
pub fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16).to_be_bytes();
    [&[kind, VERSION[0], VERSION[1]], &length[..], content].concat()
}

/// Type and content of a record, and its length on the wire, bytes.
type Read<'a> = (u8, &'a [u8], usize);

/// The record at the beginning; nothing if it is not all there.
pub fn read_record(bytes: &[u8]) -> Result<Option<Read<'_>>, TlsError> {
    let [kind, 3, minor, high, low, rest @ ..] = bytes else {
        let may_be = bytes.len() < 5 && bytes.first().is_none_or(|kind| (CHANGE_CIPHER_SPEC..=DATA).contains(kind));
        return if may_be && bytes.get(1).is_none_or(|major| *major == 3) { Ok(None) } else { Err(TlsError::Record) };
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if !(CHANGE_CIPHER_SPEC..=DATA).contains(kind) || *minor > 4 || length > LONGEST + 2_048 {
        return Err(TlsError::Record);
    }
    Ok(rest.get(..length).map(|content| (*kind, content, 5 + length)))
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[1..], bytes].concat()
}

impl Endpoint {
    /// The client's end; the name is the server's, which it says in the open (RFC 6066, 3).
    pub fn client(name: &str, random: Random) -> Self {
        Self::new(false, name, random, &[SERVER_HELLO, CERTIFICATE, HELLO_DONE, CHANGE, FINISHED])
    }

    /// The server's end; the name is on its certificate.
    pub fn server(name: &str, random: Random) -> Self {
        Self::new(true, name, random, &[CLIENT_HELLO, KEY_EXCHANGE, CHANGE, FINISHED])
    }

    fn new(is_server: bool, name: &str, random: Random, expected: &'static [u8]) -> Self {
        // A name takes at most 255 bytes (RFC 1035), so every length here is right.
        let name: String = name.chars().filter(char::is_ascii).take(255).collect();
        Self { is_server, name, random, bytes: Vec::new(), messages: Vec::new(), expected }
    }

    /// Whether the handshake is over.
    pub fn is_open(&self) -> bool {
        self.expected.is_empty()
    }

    fn noise(&mut self, length: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.random.bits().to_be_bytes());
        words.take(length.div_ceil(4)).flatten().take(length).collect()
    }

    /// What the client begins with.
    pub fn hello(&mut self) -> Vec<u8> {
        let random = self.noise(32);
        let name = [&[0][..], &short(self.name.as_bytes())].concat();
        let server_name = [&[0, 0][..], &short(&short(&name))].concat();
        let body = [&VERSION[..], &random, &[0], &short(&SUITE), &[1, 0], &short(&server_name)].concat();
        record(HANDSHAKE, &message(CLIENT_HELLO, &body))
    }

    fn server_hello(&mut self) -> Vec<u8> {
        let random = self.noise(32);
        let body = [&VERSION[..], &random, &[0], &SUITE, &[0]].concat();
        let (mut modulus, signature) = (self.noise(256), self.noise(256));
        modulus[0] |= 0x80;
        let certificate = long(&long(&certificate(&self.name, &modulus, &signature)));
        let flight = [message(SERVER_HELLO, &body), message(CERTIFICATE, &certificate), message(HELLO_DONE, &[])];
        flight.iter().flat_map(|message| record(HANDSHAKE, message)).collect()
    }

    fn key_exchange(&mut self) -> Vec<u8> {
        let key = short(&self.noise(256));
        record(HANDSHAKE, &message(KEY_EXCHANGE, &key))
    }

    fn finish(&mut self) -> Vec<u8> {
        let verify = self.noise(12);
        [record(CHANGE_CIPHER_SPEC, &[1]), record(HANDSHAKE, &message(FINISHED, &verify))].concat()
    }

    /// Data in records.
    pub fn seal(&self, data: &[u8]) -> Vec<u8> {
        data.chunks(LONGEST).flat_map(|content| record(DATA, content)).collect()
    }

    /// Says that nothing more comes.
    pub fn close(&self) -> Vec<u8> {
        record(ALERT, &[1, 0])
    }

    /// Takes bytes that came.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Step, TlsError> {
        self.bytes.extend_from_slice(bytes);
        let mut step = Step::default();
        while let Some((kind, content, length)) = read_record(&self.bytes)? {
            let content = content.to_vec();
            self.bytes.drain(..length);
            match kind {
                HANDSHAKE => {
                    self.messages.extend_from_slice(&content);
                    self.take_messages(&mut step)?;
                }
                CHANGE_CIPHER_SPEC => self.advance(CHANGE, &mut step)?,
                DATA if self.is_open() => step.data.extend_from_slice(&content),
                ALERT if content == [1, 0] => step.is_closed = true,
                ALERT => return Err(TlsError::Alert),
                _ => return Err(TlsError::Unexpected),
            }
        }
        Ok(step)
    }

    fn take_messages(&mut self, step: &mut Step) -> Result<(), TlsError> {
        while let [kind, a, b, c, ..] = self.messages[..] {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if length > LONGEST {
                return Err(TlsError::Record);
            }
            if self.messages.len() < 4 + length {
                break;
            }
            self.messages.drain(..4 + length);
            self.advance(kind, step)?;
        }
        Ok(())
    }

    fn advance(&mut self, kind: u8, step: &mut Step) -> Result<(), TlsError> {
        let (first, rest) = self.expected.split_first().ok_or(TlsError::Unexpected)?;
        if *first != kind {
            return Err(TlsError::Unexpected);
        }
        self.expected = rest;
        match (self.is_server, kind) {
            (true, CLIENT_HELLO) => step.send.extend(self.server_hello()),
            (false, HELLO_DONE) => {
                step.send.extend(self.key_exchange());
                step.send.extend(self.finish());
            }
            (true, FINISHED) => {
                step.send.extend(self.finish());
                step.is_opened = true;
            }
            (false, FINISHED) => step.is_opened = true,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeId;
    use proptest::prelude::*;

    fn ends() -> (Endpoint, Endpoint) {
        let random = |node| Random::new(1, NodeId(node), "tls");
        (Endpoint::client("web.lab", random(0)), Endpoint::server("web.lab", random(1)))
    }

    fn kinds(mut bytes: &[u8]) -> Vec<(u8, u8)> {
        let mut found = Vec::new();
        while let Ok(Some((kind, content, length))) = read_record(bytes) {
            found.push((kind, content.first().copied().unwrap_or(0)));
            bytes = &bytes[length..];
        }
        found
    }

    #[test]
    fn a_handshake_has_four_flights_and_then_data_passes() {
        let (mut client, mut server) = ends();
        let hello = client.hello();
        assert_eq!((&hello[..3], hello[5]), (&[22, 3, 3][..], 1));
        assert_eq!(read_record(&hello).map(|record| record.map(|(_, _, length)| length)), Ok(Some(hello.len())));
        let second = server.receive(&hello).expect("a hello").send;
        assert_eq!(kinds(&second), [(22, 2), (22, 11), (22, 14)]);
        let third = client.receive(&second).expect("a hello").send;
        assert_eq!(kinds(&third), [(22, 16), (20, 1), (22, 20)]);
        let fourth = server.receive(&third).expect("a key");
        assert_eq!((kinds(&fourth.send), fourth.is_opened), (vec![(20, 1), (22, 20)], true));
        assert!(client.receive(&fourth.send).expect("the end").is_opened && client.is_open());
        let sealed = client.seal(&[7; 20_000]);
        assert_eq!(sealed.len(), 20_000 + 2 * 5);
        assert_eq!(server.receive(&sealed).expect("data").data, [7; 20_000]);
        assert!(server.receive(&client.close()).expect("an alert").is_closed);
    }

    #[test]
    fn what_is_out_of_order_ends_it() {
        let (client, mut server) = ends();
        assert_eq!(server.receive(&client.seal(b"early")), Err(TlsError::Unexpected));
        assert_eq!(ends().1.receive(b"GET / HTTP/1.1"), Err(TlsError::Record));
        assert_eq!(ends().1.receive(&record(ALERT, &[2, 40])), Err(TlsError::Alert));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_are_put_together(cut in 1_usize..50) {
            let (mut client, mut server) = ends();
            let hello = client.hello();
            let sent: Vec<u8> = hello.chunks(cut).flat_map(|piece| server.receive(piece).expect("a piece").send).collect();
            prop_assert_eq!(kinds(&sent).len(), 3);
        }

        #[test]
        fn no_bytes_upset_it(bytes: Vec<u8>, at in 0_usize..60, kind in 20_u8..24) {
            let (mut client, mut server) = ends();
            let _ = server.receive(&bytes);
            let _ = client.receive(&record(kind, &bytes));
            let mut hello = client.hello();
            for (byte, change) in hello.iter_mut().skip(at).zip(&bytes) {
                *byte ^= change;
            }
            let _ = ends().1.receive(&hello);
        }
    }
}
