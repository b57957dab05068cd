//! Files over TFTP (RFC 1350, RFC 1123 section 4.2.3.1): a request to port 69, and then blocks of 512 bytes, each
//! acknowledged, from a new port for every transfer.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::host::Host;
use crate::table::Table;
use crate::time::{Span, Time};
use crate::trace::Reason;

use super::{App, Calls, Datagram, End, IcmpError, RefusedBy, Reply, SendTo, SocketId};

/// Bytes of a block; a shorter one is the last.
pub const BLOCK: usize = 512;
/// Before something is sent again.
pub const TIMEOUT: Span = Span::seconds(1);
/// How often before it is given up.
pub const ATTEMPTS: u32 = 5;

/// A message (RFC 1350, 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// RRQ: the file and the mode.
    Read(String, String),
    /// WRQ.
    Write(String, String),
    /// Number of the block and its bytes.
    Data(u16, Vec<u8>),
    /// Number of the block.
    Acknowledge(u16),
    /// Code and text.
    Error(u16, String),
}

impl Message {
    /// Reads one; nothing if the bytes are none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<2>()?;
        let number = || rest.first_chunk::<2>().map(|number| u16::from_be_bytes(*number));
        let text = |from: &[u8]| String::from_utf8_lossy(from).into_owned();
        Some(match u16::from_be_bytes(*head) {
            kind @ (1 | 2) => {
                let mut parts = rest.split(|byte| *byte == 0);
                let (file, mode) = (text(parts.next()?), text(parts.next()?));
                // Both texts end with a zero.
                parts.next()?;
                if kind == 1 { Self::Read(file, mode) } else { Self::Write(file, mode) }
            }
            3 => Self::Data(number()?, rest[2..].to_vec()),
            4 => Self::Acknowledge(number()?),
            5 => Self::Error(number()?, text(rest[2..].split(|byte| *byte == 0).next()?)),
            _ => return None,
        })
    }

    /// As bytes.
    pub fn emit(&self) -> Vec<u8> {
        let request = |kind: u8, file: &str, mode: &str| [&[0, kind], file.as_bytes(), &[0], mode.as_bytes(), &[0]].concat();
        match self {
            Self::Read(file, mode) => request(1, file, mode),
            Self::Write(file, mode) => request(2, file, mode),
            Self::Data(block, data) => [&[0, 3], &block.to_be_bytes()[..], data].concat(),
            Self::Acknowledge(block) => [&[0, 4], &block.to_be_bytes()[..]].concat(),
            Self::Error(code, text) => [&[0, 5], &code.to_be_bytes()[..], text.as_bytes(), &[0]].concat(),
        }
    }
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TftpSpec {
    /// The server.
    pub destination: IpAddr,
    /// Its port.
    pub port: u16,
    /// Which file.
    pub file: String,
}

impl TftpSpec {
    /// A file from port 69.
    pub fn new(destination: IpAddr, file: &str) -> Self {
        Self { destination, port: 69, file: file.to_owned() }
    }
}

/// The client. [`crate::app::Outcome::data`] is the file, or what the server said against it; the replies have the numbers of
/// their blocks.
#[derive(Debug)]
pub struct Client {
    spec: TftpSpec,
    socket: Option<SocketId>,
    /// The server's new port, once it is known.
    peer: Option<SocketAddr>,
    /// The block that is waited for.
    next: u16,
    last: Vec<u8>,
    asked: Time,
    tries: u32,
    sent: u32,
}

impl Client {
    /// To be run on a host.
    pub fn new(spec: TftpSpec) -> Self {
        Self { spec, socket: None, peer: None, next: 1, last: Vec::new(), asked: Time::ZERO, tries: 0, sent: 0 }
    }

    fn send(&mut self, calls: &mut Calls<'_, '_>, message: &Message) {
        self.last = message.emit();
        self.tries = 0;
        self.send_last(calls);
    }

    fn send_last(&mut self, calls: &mut Calls<'_, '_>) {
        let Some(socket) = self.socket else { return };
        let to = self.peer.unwrap_or(SocketAddr::new(self.spec.destination, self.spec.port));
        if let Err(error) = calls.send_to(socket, to, SendTo::default(), &self.last) {
            return calls.finish(End::Failed(error.into()));
        }
        (self.asked, self.sent) = (calls.now(), self.sent + 1);
        let outcome = calls.outcome();
        outcome.sent += 1;
        outcome.bytes_sent += self.last.len() as u64;
        calls.wake_after(TIMEOUT, self.sent);
    }

    fn take_block(&mut self, calls: &mut Calls<'_, '_>, datagram: &Datagram, block: u16, data: &[u8]) {
        if block != self.next {
            // An old block whose acknowledgement was lost is acknowledged again.
            if block == self.next.wrapping_sub(1) && self.peer.is_some() {
                self.send_last(calls);
            }
            return;
        }
        let (now, asked) = (calls.now(), self.asked);
        let outcome = calls.outcome();
        outcome.take(data);
        outcome.replies.push(Reply {
            at: now,
            from: datagram.source,
            to: datagram.destination,
            sequence: block.into(),
            ttl: datagram.ttl,
            bytes: data.len() as u32,
            rtt: now.since(asked),
            mac: None,
        });
        self.next = self.next.wrapping_add(1);
        self.send(calls, &Message::Acknowledge(block));
        if data.len() < BLOCK {
            calls.finish(End::Answered);
        }
    }
}

impl App for Client {
    fn kind(&self) -> &'static str {
        "tftp"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        match calls.bind(None, None, None) {
            Ok(socket) => self.socket = Some(socket),
            Err(reason) => return calls.finish(End::Failed(reason)),
        }
        let file = self.spec.file.clone();
        calls.say(Reason::Question, || format!("RRQ {file}"));
        self.send(calls, &Message::Read(file, "octet".to_owned()));
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, socket: SocketId, datagram: &Datagram) {
        let message = Message::parse(calls.payload(datagram));
        let is_server = datagram.source.ip() == self.spec.destination;
        if !is_server || self.peer.is_some_and(|peer| peer != datagram.source) {
            // Somebody whose port is not the transfer's (RFC 1350, 4).
            let error = Message::Error(5, "unknown transfer".to_owned()).emit();
            if !matches!(message, Some(Message::Error(..))) && calls.send_to(socket, datagram.source, SendTo::default(), &error).is_ok() {
                calls.outcome().sent += 1;
            }
            return;
        }
        match message {
            Some(Message::Data(block, data)) => {
                self.peer.get_or_insert(datagram.source);
                self.take_block(calls, datagram, block, &data);
            }
            Some(Message::Error(code, text)) => {
                let said = format!("error {code}: {text}");
                calls.outcome().data = said.clone().into_bytes();
                calls.say(Reason::Reply, || said);
                calls.finish(End::Failed(Reason::Rejected));
            }
            _ => {}
        }
    }

    fn on_error(&mut self, calls: &mut Calls<'_, '_>, error: &IcmpError) {
        calls.outcome().errors.push(*error);
        let is_refused = error.is_port_unreachable();
        calls.finish(if is_refused { End::Refused(RefusedBy::Icmp(*error)) } else { End::Unreachable(*error) });
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, key: u32) {
        if key != self.sent {
            return;
        }
        self.tries += 1;
        if self.tries >= ATTEMPTS { calls.finish(End::Nothing) } else { self.send_last(calls) }
    }
}

/// The server: starts a [`Transfer`] for every request. It runs until it is cancelled.
#[derive(Debug)]
pub struct Server {
    port: u16,
    files: BTreeMap<String, Vec<u8>>,
}

impl Server {
    /// To be installed on a host.
    pub fn new(port: u16, files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { port, files }
    }
}

impl App for Server {
    fn kind(&self) -> &'static str {
        "tftp-server"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        if let Err(reason) = calls.bind(None, Some(self.port), None) {
            calls.finish(End::Failed(reason));
        }
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        let content = match Message::parse(calls.payload(datagram)) {
            Some(Message::Read(file, _)) => self.files.get(&file).cloned().ok_or((1, "file not found")),
            Some(Message::Write(..)) => Err((2, "files are only read here")),
            _ => return,
        };
        let local = datagram.destination.ip();
        let local = calls.host().is_own(local).then_some(local);
        calls.start(Transfer { peer: datagram.source, local, content, socket: None, block: 1, tries: 0, sent: 0 });
    }

    fn inspect(&self, _: &Host, _: Time) -> Vec<Table> {
        let mut table = Table::new("files", &["name", "bytes"]);
        for (name, file) in &self.files {
            table.row([name.clone(), file.len().to_string()]);
        }
        vec![table]
    }
}

/// A file on its way to a client, from a port of its own.
#[derive(Debug)]
pub struct Transfer {
    peer: SocketAddr,
    local: Option<IpAddr>,
    content: Result<Vec<u8>, (u16, &'static str)>,
    socket: Option<SocketId>,
    /// Which block is under way, counted from 1.
    block: usize,
    tries: u32,
    sent: u32,
}

impl Transfer {
    fn piece(&self) -> &[u8] {
        let file = self.content.as_deref().unwrap_or_default();
        let from = ((self.block - 1) * BLOCK).min(file.len());
        &file[from..(from + BLOCK).min(file.len())]
    }

    fn send(&mut self, calls: &mut Calls<'_, '_>) {
        let message = match self.content {
            Ok(_) => Message::Data(self.block as u16, self.piece().to_vec()),
            Err((code, text)) => Message::Error(code, text.to_owned()),
        };
        let Some(socket) = self.socket else { return };
        let bytes = message.emit();
        if let Err(error) = calls.send_to(socket, self.peer, SendTo::default(), &bytes) {
            return calls.finish(End::Failed(error.into()));
        }
        self.sent += 1;
        let outcome = calls.outcome();
        outcome.sent += 1;
        outcome.bytes_sent += bytes.len() as u64;
        // An error is not acknowledged (RFC 1350, 7).
        if self.content.is_err() { calls.finish(End::Done) } else { calls.wake_after(TIMEOUT, self.sent) }
    }
}

impl App for Transfer {
    fn kind(&self) -> &'static str {
        "tftp-transfer"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        match calls.bind(self.local, None, Some(self.peer)) {
            Ok(socket) => self.socket = Some(socket),
            Err(reason) => return calls.finish(End::Failed(reason)),
        }
        self.send(calls);
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        match Message::parse(calls.payload(datagram)) {
            // A second acknowledgement of a block is not answered: that would double everything that follows (RFC 1123).
            Some(Message::Acknowledge(block)) if block == self.block as u16 => {
                if self.piece().len() < BLOCK {
                    return calls.finish(End::Done);
                }
                (self.block, self.tries) = (self.block + 1, 0);
                self.send(calls);
            }
            Some(Message::Error(..)) => calls.finish(End::Failed(Reason::Rejected)),
            _ => {}
        }
    }

    fn on_error(&mut self, calls: &mut Calls<'_, '_>, error: &IcmpError) {
        calls.finish(End::Unreachable(*error));
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, key: u32) {
        if key != self.sent {
            return;
        }
        self.tries += 1;
        if self.tries >= ATTEMPTS { calls.finish(End::Nothing) } else { self.send(calls) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_have_the_layout_of_rfc_1350() {
        let read = Message::Read("a.txt".to_owned(), "octet".to_owned());
        assert_eq!(read.emit(), b"\0\x01a.txt\0octet\0");
        assert_eq!(Message::parse(b"\0\x01a.txt\0octet"), None, "the mode does not end");
        assert_eq!(Message::Data(7, b"xy".to_vec()).emit(), b"\0\x03\0\x07xy");
        assert_eq!(Message::parse(b"\0\x05\0\x01no\0"), Some(Message::Error(1, "no".to_owned())));
        assert_eq!(Message::parse(&[0, 6, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn messages_come_back(block: u16, data: Vec<u8>, text in "[a-z./]{0,20}") {
            let all = [
                Message::Read(text.clone(), "octet".to_owned()), Message::Write(text.clone(), text.clone()),
                Message::Data(block, data), Message::Acknowledge(block), Message::Error(block, text),
            ];
            for message in all {
                prop_assert_eq!(Message::parse(&message.emit()), Some(message));
            }
        }

        #[test]
        fn no_bytes_upset_the_reader(bytes: Vec<u8>, kind in 0_u8..8) {
            let _ = Message::parse(&bytes);
            let _ = Message::parse(&[&[0, kind][..], &bytes].concat());
        }
    }
}
