//! A login over Telnet (RFC 854): options are negotiated, then name and password go over the wire as they are typed, for
//! everybody to read.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::time::Span;
use crate::trace::Reason;

use super::connect::end_of;
use super::talk::{self, Lines};
use super::{App, Calls, End, StreamEvent, StreamId};

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SUBNEGOTIATION: u8 = 250;
const END_OF_SUBNEGOTIATION: u8 = 240;
/// Options: suppress go-ahead (RFC 858), terminal type (RFC 1091).
const SUPPRESS_GO_AHEAD: u8 = 3;
const TERMINAL_TYPE: u8 = 24;

/// Takes the text and the commands of Telnet apart, wherever the pieces of a stream end.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    command: Vec<u8>,
}

impl Reader {
    /// The text of bytes that came, and what was said about options: the verb and the option.
    pub fn read(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<(u8, u8)>) {
        let (mut text, mut said) = (Vec::new(), Vec::new());
        for byte in bytes {
            match (&self.command[..], *byte) {
                ([], IAC) => self.command.push(IAC),
                ([], byte) => text.push(byte),
                ([IAC], IAC) => {
                    text.push(IAC);
                    self.command.clear();
                }
                ([IAC], verb @ SUBNEGOTIATION..=DONT) => self.command.push(verb),
                ([IAC], _) => self.command.clear(),
                ([IAC, SUBNEGOTIATION], IAC) => self.command.push(IAC),
                ([IAC, SUBNEGOTIATION], _) => {}
                ([IAC, SUBNEGOTIATION, IAC], END_OF_SUBNEGOTIATION) => self.command.clear(),
                ([IAC, SUBNEGOTIATION, IAC], _) => self.command.truncate(2),
                ([_, verb, ..], option) => {
                    said.push((*verb, option));
                    self.command.clear();
                }
                ([_], _) => self.command.clear(),
            }
        }
        (text, said)
    }
}

/// The answer to what was said about an option: only the go-ahead is suppressed, nothing else is done.
fn agreed(verb: u8, option: u8) -> Option<[u8; 3]> {
    match (verb, option) {
        (WILL, SUPPRESS_GO_AHEAD) => Some([IAC, DO, option]),
        (WILL, _) => Some([IAC, DONT, option]),
        (DO, SUPPRESS_GO_AHEAD) => Some([IAC, WILL, option]),
        (DO, _) => Some([IAC, WONT, option]),
        _ => None,
    }
}

/// Who logs in where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelnetSpec {
    /// The server.
    pub destination: IpAddr,
    /// Its port.
    pub port: u16,
    /// As whom.
    pub user: String,
    /// With which password.
    pub password: String,
    /// How long the whole of it may take.
    pub timeout: Span,
}

impl TelnetSpec {
    /// A login at port 23 that may take half a minute.
    pub fn new(destination: IpAddr, user: &str, password: &str) -> Self {
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { destination, port: 23, user, password, timeout: Span::seconds(30) }
    }
}

/// The client: logs in and out. [`crate::app::Outcome::data`] is what the server wrote.
#[derive(Debug)]
pub struct Client {
    spec: TelnetSpec,
    reader: Reader,
    /// What the server wrote since the client last did.
    text: String,
    /// What was typed so far: name, password, `exit`.
    typed: usize,
    is_in: bool,
}

impl Client {
    /// To be run on a host.
    pub fn new(spec: TelnetSpec) -> Self {
        Self { spec, reader: Reader::default(), text: String::new(), typed: 0, is_in: false }
    }

    /// Types what the server waits for.
    fn answer(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId) {
        let line = match self.typed {
            0 if self.text.ends_with("login: ") => self.spec.user.clone(),
            1 if self.text.ends_with("Password: ") => self.spec.password.clone(),
            2 if self.text.ends_with("$ ") => {
                self.is_in = true;
                calls.conclude(End::Answered);
                "exit".to_owned()
            }
            2 if self.text.contains("incorrect") => return calls.finish(End::Failed(Reason::Rejected)),
            _ => return,
        };
        talk::note_reply(calls, stream, self.typed as u32, self.text.len());
        self.text.clear();
        self.typed += 1;
        talk::write_line(calls, stream, Reason::Question, &line);
    }
}

impl App for Client {
    fn kind(&self) -> &'static str {
        "telnet"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let to = SocketAddr::new(self.spec.destination, self.spec.port);
        talk::open(calls, None, to, self.spec.timeout, 0);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {}
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                let (text, said) = self.reader.read(&bytes);
                calls.outcome().take(&text);
                for answer in said.into_iter().filter_map(|(verb, option)| agreed(verb, option)) {
                    calls.write(stream, &answer);
                }
                self.text.push_str(&String::from_utf8_lossy(&text));
                self.answer(calls, stream);
            }
            StreamEvent::Finished => {
                calls.close(stream);
                calls.finish(if self.is_in { End::Answered } else { End::Failed(Reason::ClosedEarly) });
            }
            StreamEvent::Ended(error) => {
                let end = end_of(calls, stream, error);
                calls.finish(end);
            }
        }
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        calls.finish(End::Nothing);
    }
}

#[derive(Debug, Default)]
struct Session {
    reader: Reader,
    lines: Lines,
    user: Option<String>,
    is_in: bool,
}

/// The server: lets everybody in whose password is that of [`Server::PASSWORD`]. It runs until it is cancelled.
#[derive(Debug)]
pub struct Server {
    port: u16,
    name: String,
    sessions: BTreeMap<StreamId, Session>,
}

impl Server {
    /// The password of everybody.
    pub const PASSWORD: &str = "secret";

    /// To be installed on a host.
    pub fn new(port: u16, name: &str) -> Self {
        Self { port, name: name.to_owned(), sessions: BTreeMap::new() }
    }

    /// What is written after a line, and whether the session is over.
    fn answer(&mut self, stream: StreamId, line: &str) -> (String, bool) {
        let Some(session) = self.sessions.get_mut(&stream) else { return (String::new(), true) };
        match (&session.user, session.is_in) {
            (None, _) => {
                session.user = Some(line.to_owned());
                ("Password: ".to_owned(), false)
            }
            (Some(_), false) if line == Self::PASSWORD => {
                session.is_in = true;
                (format!("\r\nWelcome to {}\r\n$ ", self.name), false)
            }
            (Some(_), false) => ("\r\nLogin incorrect\r\n".to_owned(), true),
            (Some(_), true) => match line {
                "exit" | "logout" => ("logout\r\n".to_owned(), true),
                "" => ("$ ".to_owned(), false),
                "hostname" => (format!("{}\r\n$ ", self.name), false),
                other => (format!("{other}: command not found\r\n$ "), false),
            },
        }
    }
}

impl App for Server {
    fn kind(&self) -> &'static str {
        "telnet-server"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        talk::listen(calls, self.port);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {
                self.sessions.insert(stream, Session::default());
                calls.write(stream, &[IAC, WILL, SUPPRESS_GO_AHEAD, IAC, DO, TERMINAL_TYPE]);
                calls.write(stream, format!("{} login: ", self.name).as_bytes());
            }
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                calls.outcome().bytes_received += bytes.len() as u64;
                if let Some(session) = self.sessions.get_mut(&stream) {
                    let (text, _) = session.reader.read(&bytes);
                    session.lines.push(&text);
                }
                while let Some(line) = self.sessions.get_mut(&stream).and_then(|session| session.lines.take()) {
                    let (text, is_over) = self.answer(stream, &line);
                    calls.write(stream, text.as_bytes());
                    let outcome = calls.outcome();
                    outcome.sent += 1;
                    outcome.bytes_sent += text.len() as u64;
                    if is_over {
                        calls.close(stream);
                        self.sessions.remove(&stream);
                    }
                }
            }
            StreamEvent::Finished => calls.close(stream),
            StreamEvent::Ended(_) => {
                self.sessions.remove(&stream);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_and_commands_are_taken_apart() {
        let bytes = [b"a", &[IAC, IAC, IAC, DO, 24, IAC, SUBNEGOTIATION, 24, 1, IAC, END_OF_SUBNEGOTIATION, IAC, 241][..], b"b"].concat();
        assert_eq!(Reader::default().read(&bytes), (vec![b'a', IAC, b'b'], vec![(DO, 24)]));
        assert_eq!([agreed(DO, 24), agreed(WILL, 3), agreed(WONT, 3)], [Some([IAC, WONT, 24]), Some([IAC, DO, 3]), None]);
    }

    proptest! {
        #[test]
        fn where_pieces_end_changes_nothing(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 239_u8..=255], 0..60), cut in 1_usize..10) {
            let whole = Reader::default().read(&bytes);
            let mut reader = Reader::default();
            let mut pieces = (Vec::new(), Vec::new());
            for piece in bytes.chunks(cut) {
                let (text, said) = reader.read(piece);
                pieces.0.extend(text);
                pieces.1.extend(said);
            }
            prop_assert_eq!(pieces, whole);
        }
    }
}
