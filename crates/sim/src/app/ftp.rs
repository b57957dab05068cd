//! Files over FTP (RFC 959, RFC 2428 for IPv6): commands on one connection, the file on another, which the client opens
//! (passive) or the server (active, from port 20). Here is the client, which gets one file; the server is in `server`.

mod server;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::time::Span;
use crate::trace::Reason;

use super::connect::end_of;
use super::talk::{self, Lines};
use super::{App, Calls, End, StreamEvent, StreamId};

pub use server::{DATA_PORT, Server};

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FtpSpec {
    /// The server.
    pub destination: IpAddr,
    /// Its port for commands.
    pub port: u16,
    /// As whom.
    pub user: String,
    /// With which password: it goes in the open.
    pub password: String,
    /// Which file.
    pub file: String,
    /// Whether the client opens the connection for the file.
    pub is_passive: bool,
    /// How long the whole of it may take.
    pub timeout: Span,
}

impl FtpSpec {
    /// A file for everybody, by a passive transfer that may take a minute.
    pub fn new(destination: IpAddr, file: &str) -> Self {
        Self {
            destination,
            port: 21,
            user: "anonymous".to_owned(),
            password: "guest".to_owned(),
            file: file.to_owned(),
            is_passive: true,
            timeout: Span::seconds(60),
        }
    }
}

/// The address of `227 entering passive mode (h1,h2,h3,h4,p1,p2)`, and of `PORT h1,h2,h3,h4,p1,p2`.
fn comma_address(text: &str) -> Option<SocketAddr> {
    let inner = text.split_once('(').map_or(text, |(_, rest)| rest.split(')').next().unwrap_or(rest));
    let numbers: Vec<u8> = inner.trim().split(',').map(|number| number.trim().parse().ok()).collect::<Option<_>>()?;
    let [a, b, c, d, high, low] = numbers[..] else { return None };
    Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low])))
}

/// How an address is written between commas.
fn with_commas(address: Ipv4Addr, port: u16) -> String {
    let ([a, b, c, d], [high, low]) = (address.octets(), port.to_be_bytes());
    format!("{a},{b},{c},{d},{high},{low}")
}

/// The port of `229 entering extended passive mode (|||port|)` (RFC 2428, 3).
fn extended_port(text: &str) -> Option<u16> {
    text.split_once("(|||")?.1.split('|').next()?.parse().ok()
}

/// The address of `EPRT |2|address|port|` (RFC 2428, 2).
fn extended_address(text: &str) -> Option<SocketAddr> {
    let mut parts = text.trim().strip_prefix('|')?.split('|');
    let (family, address, port) = (parts.next()?, parts.next()?.parse::<IpAddr>().ok()?, parts.next()?.parse().ok()?);
    let is_right = family == if address.is_ipv4() { "1" } else { "2" };
    is_right.then(|| SocketAddr::new(address, port))
}

/// What the client waits for the reply to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeting,
    User,
    Password,
    Type,
    Place,
    Retrieve,
    Transfer,
    Quit,
}

/// The client. [`crate::app::Outcome::data`] is the file, or what the server said against it; the replies have their codes as
/// numbers.
#[derive(Debug)]
pub struct Client {
    spec: FtpSpec,
    control: Option<StreamId>,
    data: Option<StreamId>,
    lines: Lines,
    step: Step,
    /// The server said that the file is sent, and everything of it came.
    is_confirmed: bool,
    is_received: bool,
}

impl Client {
    /// To be run on a host.
    pub fn new(spec: FtpSpec) -> Self {
        let (control, data, lines) = (None, None, Lines::default());
        Self { spec, control, data, lines, step: Step::Greeting, is_confirmed: false, is_received: false }
    }

    fn command(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, step: Step, line: &str) {
        self.step = step;
        talk::write_line(calls, stream, Reason::Question, line);
    }

    fn on_reply(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, code: u16, line: &str) {
        match (self.step, code / 100) {
            (Step::Greeting, 2) => {
                let line = format!("USER {}", self.spec.user);
                self.command(calls, stream, Step::User, &line);
            }
            (Step::User, 3) => {
                let line = format!("PASS {}", self.spec.password);
                self.command(calls, stream, Step::Password, &line);
            }
            (Step::User | Step::Password, 2) => self.command(calls, stream, Step::Type, "TYPE I"),
            (Step::Type, 2) => self.choose_place(calls, stream),
            (Step::Place, 2) => {
                if self.spec.is_passive && !self.open_data(calls, line) {
                    return calls.finish(End::Failed(Reason::Encoding));
                }
                let line = format!("RETR {}", self.spec.file);
                self.command(calls, stream, Step::Retrieve, &line);
            }
            (Step::Retrieve, 1) => self.step = Step::Transfer,
            (Step::Retrieve | Step::Transfer, 2) => {
                self.is_confirmed = true;
                self.quit_if_done(calls);
            }
            (Step::Quit, _) => calls.finish(End::Answered),
            _ => {
                calls.outcome().data = line.as_bytes().to_vec();
                calls.finish(End::Failed(Reason::Rejected));
            }
        }
    }

    /// Where the file is to go.
    fn choose_place(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId) {
        let Some(own) = calls.flow(stream).map(|flow| flow.local) else { return };
        if self.spec.is_passive {
            let line = if own.is_ipv4() { "PASV" } else { "EPSV" };
            return self.command(calls, stream, Step::Place, line);
        }
        match (calls.listen_anywhere(), own) {
            (Ok(port), IpAddr::V4(own)) => self.command(calls, stream, Step::Place, &format!("PORT {}", with_commas(own, port))),
            (Ok(port), IpAddr::V6(own)) => self.command(calls, stream, Step::Place, &format!("EPRT |2|{own}|{port}|")),
            (Err(reason), _) => calls.finish(End::Failed(reason)),
        }
    }

    /// Opens the connection for the file where the server says. Whether it could be read.
    fn open_data(&mut self, calls: &mut Calls<'_, '_>, line: &str) -> bool {
        let server = self.spec.destination;
        let extended = || extended_port(line).map(|port| SocketAddr::new(server, port));
        let Some(place) = comma_address(line).or_else(extended) else { return false };
        // To nobody but the server, whatever it says.
        self.data = calls.connect(None, None, SocketAddr::new(server, place.port()), None, None).ok();
        self.data.is_some()
    }

    fn quit_if_done(&mut self, calls: &mut Calls<'_, '_>) {
        if let Some(control) = self.control.filter(|_| self.is_confirmed && self.is_received) {
            self.command(calls, control, Step::Quit, "QUIT");
        }
    }

    fn on_data_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {}
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                calls.outcome().take(&bytes);
            }
            StreamEvent::Finished => {
                let bytes = calls.read(stream);
                calls.outcome().take(&bytes);
                calls.close(stream);
                self.is_received = true;
                self.quit_if_done(calls);
            }
            StreamEvent::Ended(None) => {}
            StreamEvent::Ended(error) => {
                let end = end_of(calls, stream, error);
                calls.finish(end);
            }
        }
    }
}

impl App for Client {
    fn kind(&self) -> &'static str {
        "ftp"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let to = SocketAddr::new(self.spec.destination, self.spec.port);
        self.control = talk::open(calls, None, to, self.spec.timeout, 0);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        if self.control != Some(stream) {
            // An active transfer: nobody but the server may open it.
            let is_server = calls.flow(stream).is_some_and(|flow| flow.remote == self.spec.destination);
            if self.data.is_none() && is_server && event == StreamEvent::Opened {
                self.data = Some(stream);
            }
            return if self.data == Some(stream) { self.on_data_stream(calls, stream, event) } else { calls.abort(stream) };
        }
        match event {
            StreamEvent::Opened => {}
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                self.lines.push(&bytes);
                while let Some(line) = self.lines.take() {
                    let Some(code) = talk::code(&line) else { continue };
                    talk::note_reply(calls, stream, code.into(), line.len());
                    self.on_reply(calls, stream, code, &line);
                }
            }
            StreamEvent::Finished => calls.finish(End::Failed(Reason::ClosedEarly)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_read_as_the_rfcs_write_them() {
        let place = |text: &str| text.parse::<SocketAddr>().ok();
        assert_eq!(comma_address("227 entering passive mode (10,0,0,2,195,80)"), place("10.0.0.2:50000"));
        assert_eq!(comma_address("10,0,0,2,195,80"), place("10.0.0.2:50000"));
        assert_eq!(extended_port("229 entering extended passive mode (|||50000|)"), Some(50_000));
        assert_eq!(extended_address("|2|2001:db8::1|50000|"), place("[2001:db8::1]:50000"));
        assert_eq!(extended_address("|1|2001:db8::1|50000|"), None);
        for wrong in ["227 (10,0,0,2,195)", "227 (10,0,0,2,195,256)", "229 (|||70000|)", "|2||1|", ""] {
            assert_eq!((comma_address(wrong), extended_port(wrong), extended_address(wrong)), (None, None, None), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_place_comes_back(octets: [u8; 4], port: u16) {
            let text = with_commas(octets.into(), port);
            prop_assert_eq!(comma_address(&text), Some(SocketAddr::new(octets.into(), port)));
        }

        #[test]
        fn no_text_upsets_the_readers(text: String) {
            let _ = (comma_address(&text), extended_port(&text), extended_address(&text));
        }
    }
}
