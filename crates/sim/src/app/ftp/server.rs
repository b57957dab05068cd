//! The server: some files that everybody may get, after a login that takes every name and password.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::app::talk::{self, Lines};
use crate::app::{App, Calls, StreamEvent, StreamId};
use crate::host::Host;
use crate::table::Table;
use crate::time::Time;
use crate::trace::Reason;

use super::{comma_address, extended_address, with_commas};

/// The port from which the server opens active transfers.
pub const DATA_PORT: u16 = 20;

/// Where the next file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    /// The client will come to this port, or has.
    Passive(u16, Option<StreamId>),
    /// The server goes there.
    Active(SocketAddr),
}

#[derive(Debug)]
struct Session {
    lines: Lines,
    user: String,
    is_in: bool,
    place: Place,
    /// The file that waits for its connection.
    waiting: Option<Vec<u8>>,
}

/// The program. It runs until it is cancelled.
#[derive(Debug)]
pub struct Server {
    port: u16,
    name: String,
    files: BTreeMap<String, Vec<u8>>,
    sessions: BTreeMap<StreamId, Session>,
    /// The session of each connection for a file.
    transfers: BTreeMap<StreamId, StreamId>,
}

impl Server {
    /// To be installed on a host.
    pub fn new(port: u16, name: &str, files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { port, name: name.to_owned(), files, sessions: BTreeMap::new(), transfers: BTreeMap::new() }
    }

    fn on_line(&mut self, calls: &mut Calls<'_, '_>, control: StreamId, line: &str) {
        let Some(session) = self.sessions.get_mut(&control) else { return };
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let reply = match (verb.to_ascii_uppercase().as_str(), session.is_in) {
            ("USER", _) => {
                (session.user, session.is_in) = (argument.to_owned(), false);
                "331 which password?".to_owned()
            }
            ("PASS", _) if session.user.is_empty() => "503 who are you?".to_owned(),
            ("PASS", _) => {
                session.is_in = true;
                "230 logged in".to_owned()
            }
            ("QUIT", _) => {
                talk::write_line(calls, control, Reason::Reply, "221 goodbye");
                return calls.close(control);
            }
            ("NOOP", _) => "200 ok".to_owned(),
            ("SYST", _) => "215 UNIX Type: L8".to_owned(),
            ("TYPE" | "PASV" | "EPSV" | "PORT" | "EPRT" | "RETR" | "SIZE", false) => "530 log in first".to_owned(),
            ("TYPE", true) => "200 ok".to_owned(),
            ("PASV" | "EPSV", true) => self.listen(calls, control, verb.eq_ignore_ascii_case("PASV")),
            ("PORT" | "EPRT", true) => self.note_place(calls, control, argument),
            ("SIZE", true) => match self.files.get(argument) {
                Some(file) => format!("213 {}", file.len()),
                None => "550 no such file".to_owned(),
            },
            ("RETR", true) => return self.retrieve(calls, control, argument),
            _ => "502 command not implemented".to_owned(),
        };
        talk::write_line(calls, control, Reason::Reply, &reply);
    }

    fn listen(&mut self, calls: &mut Calls<'_, '_>, control: StreamId, is_short: bool) -> String {
        self.leave_place(calls, control);
        let own = calls.flow(control).map(|flow| flow.local);
        let Ok(port) = calls.listen_anywhere() else { return "425 no port is free".to_owned() };
        if let Some(session) = self.sessions.get_mut(&control) {
            session.place = Place::Passive(port, None);
        }
        match (own, is_short) {
            (Some(IpAddr::V4(own)), true) => format!("227 entering passive mode ({})", with_commas(own, port)),
            _ => format!("229 entering extended passive mode (|||{port}|)"),
        }
    }

    fn note_place(&mut self, calls: &mut Calls<'_, '_>, control: StreamId, argument: &str) -> String {
        let client = calls.flow(control).map(|flow| flow.remote);
        let place = comma_address(argument).or_else(|| extended_address(argument));
        // To nobody but the client (RFC 2577, 3).
        let Some(place) = place.filter(|place| Some(place.ip()) == client && place.port() >= 1_024) else {
            return "501 no place for the file".to_owned();
        };
        self.leave_place(calls, control);
        if let Some(session) = self.sessions.get_mut(&control) {
            session.place = Place::Active(place);
        }
        "200 ok".to_owned()
    }

    /// A place that is not wanted any more.
    fn leave_place(&mut self, calls: &mut Calls<'_, '_>, control: StreamId) {
        let Some(session) = self.sessions.get_mut(&control) else { return };
        if let Place::Passive(port, stream) = session.place {
            calls.unlisten(port);
            if let Some(stream) = stream {
                calls.abort(stream);
                self.transfers.remove(&stream);
            }
        }
        (session.place, session.waiting) = (Place::Nowhere, None);
    }

    fn retrieve(&mut self, calls: &mut Calls<'_, '_>, control: StreamId, name: &str) {
        let file = self.files.get(name).cloned();
        let Some(session) = self.sessions.get_mut(&control) else { return };
        let (file, place) = match (file, session.place) {
            (None, _) => return talk::write_line(calls, control, Reason::Reply, "550 no such file"),
            (_, Place::Nowhere) => return talk::write_line(calls, control, Reason::Reply, "425 where to?"),
            (Some(file), place) => (file, place),
        };
        session.waiting = Some(file);
        talk::write_line(calls, control, Reason::Reply, &format!("150 here comes {name}"));
        match place {
            Place::Passive(_, Some(data)) => self.send(calls, control, data),
            Place::Passive(_, None) | Place::Nowhere => {}
            Place::Active(to) => match calls.connect(None, Some(DATA_PORT), to, None, None) {
                Ok(data) => {
                    self.transfers.insert(data, control);
                }
                Err(_) => self.fail(calls, control),
            },
        }
    }

    fn fail(&mut self, calls: &mut Calls<'_, '_>, control: StreamId) {
        if let Some(session) = self.sessions.get_mut(&control) {
            (session.place, session.waiting) = (Place::Nowhere, None);
            talk::write_line(calls, control, Reason::Reply, "425 the connection for the file cannot be opened");
        }
    }

    /// The connection for the file is there.
    fn send(&mut self, calls: &mut Calls<'_, '_>, control: StreamId, data: StreamId) {
        let Some(session) = self.sessions.get_mut(&control) else { return };
        let Some(file) = session.waiting.take() else { return };
        if let Place::Passive(port, _) = std::mem::replace(&mut session.place, Place::Nowhere) {
            calls.unlisten(port);
        }
        let taken = calls.write(data, &file);
        calls.outcome().bytes_sent += taken as u64;
        if taken == file.len() {
            calls.close(data);
            talk::write_line(calls, control, Reason::Reply, "226 all of it is sent");
        } else {
            calls.abort(data);
            talk::write_line(calls, control, Reason::Reply, "426 the file is longer than the connection takes at once");
        }
    }

    fn on_data_opened(&mut self, calls: &mut Calls<'_, '_>, data: StreamId) {
        if let Some(control) = self.transfers.get(&data).copied() {
            return self.send(calls, control, data);
        }
        let Some(flow) = calls.flow(data) else { return };
        let waits = |session: &Session| session.place == Place::Passive(flow.port, None);
        let Some(control) = self.sessions.iter().find(|(_, session)| waits(session)).map(|(control, _)| *control) else {
            return calls.abort(data);
        };
        // Somebody else than the client may have found the port.
        if calls.flow(control).map(|flow| flow.remote) != Some(flow.remote) {
            return calls.abort(data);
        }
        self.transfers.insert(data, control);
        if let Some(session) = self.sessions.get_mut(&control) {
            session.place = Place::Passive(flow.port, Some(data));
        }
        self.send(calls, control, data);
    }
}

impl App for Server {
    fn kind(&self) -> &'static str {
        "ftp-server"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        talk::listen(calls, self.port);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        let is_control = calls.flow(stream).is_some_and(|flow| flow.port == self.port);
        match event {
            StreamEvent::Opened if is_control => {
                let (lines, user, waiting) = (Lines::default(), String::new(), None);
                self.sessions.insert(stream, Session { lines, user, is_in: false, place: Place::Nowhere, waiting });
                talk::write_line(calls, stream, Reason::Reply, &format!("220 {} FTP", self.name));
            }
            StreamEvent::Opened => self.on_data_opened(calls, stream),
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                calls.outcome().bytes_received += bytes.len() as u64;
                if let Some(session) = self.sessions.get_mut(&stream) {
                    session.lines.push(&bytes);
                }
                while let Some(line) = self.sessions.get_mut(&stream).and_then(|session| session.lines.take()) {
                    self.on_line(calls, stream, &line);
                }
            }
            StreamEvent::Finished => calls.close(stream),
            StreamEvent::Ended(_) if self.sessions.contains_key(&stream) => {
                self.leave_place(calls, stream);
                self.sessions.remove(&stream);
            }
            StreamEvent::Ended(_) => {
                let control = self.transfers.remove(&stream);
                let waits = |control: &StreamId| self.sessions.get(control).is_some_and(|session| session.waiting.is_some());
                if let Some(control) = control.filter(waits) {
                    self.fail(calls, control);
                }
            }
        }
    }

    fn inspect(&self, _: &Host, _: Time) -> Vec<Table> {
        let mut table = Table::new("files", &["name", "bytes"]);
        for (name, file) in &self.files {
            table.row([name.clone(), file.len().to_string()]);
        }
        vec![table]
    }
}
