//! Mail over SMTP (RFC 5321) without its extensions: a client that hands over one message, and a server that keeps what it
//! gets.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::host::Host;
use crate::table::Table;
use crate::time::{Span, Time};
use crate::trace::Reason;

use super::connect::end_of;
use super::talk::{self, Lines};
use super::{App, Calls, End, StreamEvent, StreamId};

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpSpec {
    /// The server.
    pub destination: IpAddr,
    /// Its port.
    pub port: u16,
    /// What the client calls itself.
    pub host_name: String,
    /// Who sends it.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// Header and body; lines may end as they like.
    pub message: String,
    /// How long the whole of it may take.
    pub timeout: Span,
}

impl SmtpSpec {
    /// A message from one to another that may take a minute.
    pub fn new(destination: IpAddr, from: &str, to: &str, message: &str) -> Self {
        Self {
            destination,
            port: 25,
            host_name: "client".to_owned(),
            from: from.to_owned(),
            to: vec![to.to_owned()],
            message: message.to_owned(),
            timeout: Span::seconds(60),
        }
    }
}

/// The lines of a message as they are sent: none is the end of the data (RFC 5321, 4.5.2), which is added.
fn stuffed(message: &str) -> String {
    let line = |line: &str| if line.starts_with('.') { format!(".{line}\r\n") } else { format!("{line}\r\n") };
    message.lines().map(line).chain([".".to_owned()]).collect()
}

/// The client. [`crate::app::Outcome::data`] is what the server said.
#[derive(Debug)]
pub struct Client {
    spec: SmtpSpec,
    stream: Option<StreamId>,
    lines: Lines,
    /// What is still to be said, each after a reply that begins with this digit.
    script: VecDeque<(u16, String)>,
    is_taken: bool,
}

impl Client {
    /// To be run on a host.
    pub fn new(spec: SmtpSpec) -> Self {
        let mut script = VecDeque::from([(2, format!("HELO {}", spec.host_name)), (2, format!("MAIL FROM:<{}>", spec.from))]);
        script.extend(spec.to.iter().map(|to| (2, format!("RCPT TO:<{to}>"))));
        script.extend([(2, "DATA".to_owned()), (3, stuffed(&spec.message)), (2, "QUIT".to_owned())]);
        Self { spec, stream: None, lines: Lines::default(), script, is_taken: false }
    }

    fn on_reply(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, code: u16) {
        match self.script.pop_front() {
            Some((class, line)) if code / 100 == class => {
                // The reply to the data is the one that counts.
                self.is_taken = self.script.is_empty();
                talk::write_line(calls, stream, Reason::Question, &line);
            }
            None if self.is_taken => calls.finish(End::Answered),
            _ => calls.finish(End::Failed(Reason::Rejected)),
        }
    }
}

impl App for Client {
    fn kind(&self) -> &'static str {
        "smtp"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let to = SocketAddr::new(self.spec.destination, self.spec.port);
        self.stream = talk::open(calls, None, to, self.spec.timeout, 0);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {}
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                calls.outcome().take(&bytes);
                self.lines.push(&bytes);
                while let Some(line) = self.lines.take() {
                    let Some(code) = talk::code(&line) else { continue };
                    talk::note_reply(calls, stream, code.into(), line.len());
                    self.on_reply(calls, stream, code);
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

/// A message that a server got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    /// Who sent it.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// Header and body, a line each.
    pub lines: Vec<String>,
}

/// Longest message that is taken, bytes, and messages that are kept.
const LONGEST_MESSAGE: usize = 1 << 20;
const KEPT: usize = 1_000;

/// What was said on a connection so far.
#[derive(Debug, Default)]
struct Session {
    lines: Lines,
    is_greeted: bool,
    mail: Option<Mail>,
    is_data: bool,
    bytes: usize,
}

/// What a server does after a line.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Say(&'static str),
    Take(Mail),
    Quit,
    Silent,
}

/// The address in `FROM:<a@b>`.
fn path(argument: &str, word: &str) -> Option<String> {
    let rest = argument.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(|_| argument[word.len()..].trim())?;
    let inner = rest.strip_prefix('<')?.split_once('>')?.0;
    Some(inner.to_owned())
}

impl Session {
    fn answer(&mut self, line: &str) -> Answer {
        if self.is_data {
            return self.answer_data(line);
        }
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "HELO" | "EHLO" => {
                (self.is_greeted, self.mail) = (true, None);
                Answer::Say("250 pleased to meet you")
            }
            "MAIL" if !self.is_greeted || self.mail.is_some() => Answer::Say("503 bad sequence of commands"),
            "MAIL" => match path(argument, "FROM:") {
                Some(from) => {
                    self.mail = Some(Mail { from, ..Mail::default() });
                    Answer::Say("250 sender ok")
                }
                None => Answer::Say("501 syntax: MAIL FROM:<address>"),
            },
            "RCPT" => match (&mut self.mail, path(argument, "TO:").filter(|to| !to.is_empty())) {
                (None, _) => Answer::Say("503 bad sequence of commands"),
                (Some(_), None) => Answer::Say("501 syntax: RCPT TO:<address>"),
                (Some(mail), Some(to)) => {
                    mail.to.push(to);
                    Answer::Say("250 recipient ok")
                }
            },
            "DATA" if self.mail.as_ref().is_none_or(|mail| mail.to.is_empty()) => Answer::Say("503 bad sequence of commands"),
            "DATA" => {
                (self.is_data, self.bytes) = (true, 0);
                Answer::Say("354 end data with <CR><LF>.<CR><LF>")
            }
            "RSET" => {
                self.mail = None;
                Answer::Say("250 ok")
            }
            "NOOP" => Answer::Say("250 ok"),
            "QUIT" => Answer::Quit,
            _ => Answer::Say("500 command not recognised"),
        }
    }

    fn answer_data(&mut self, line: &str) -> Answer {
        if line == "." {
            self.is_data = false;
            let mail = self.mail.take().unwrap_or_default();
            return if self.bytes > LONGEST_MESSAGE { Answer::Say("552 too much mail data") } else { Answer::Take(mail) };
        }
        self.bytes += line.len() + 2;
        if let Some(mail) = self.mail.as_mut().filter(|_| self.bytes <= LONGEST_MESSAGE) {
            mail.lines.push(line.strip_prefix('.').unwrap_or(line).to_owned());
        }
        Answer::Silent
    }
}

/// The server. It runs until it is cancelled.
#[derive(Debug)]
pub struct Server {
    port: u16,
    name: String,
    sessions: BTreeMap<StreamId, Session>,
    /// What it got, the oldest first.
    pub mails: VecDeque<Mail>,
}

impl Server {
    /// To be installed on a host: takes mail for everybody.
    pub fn new(port: u16, name: &str) -> Self {
        Self { port, name: name.to_owned(), sessions: BTreeMap::new(), mails: VecDeque::new() }
    }

    fn on_line(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, line: &str) {
        let Some(session) = self.sessions.get_mut(&stream) else { return };
        match session.answer(line) {
            Answer::Silent => {}
            Answer::Say(reply) => talk::write_line(calls, stream, Reason::Reply, reply),
            Answer::Take(mail) => {
                if self.mails.len() >= KEPT {
                    self.mails.pop_front();
                }
                self.mails.push_back(mail);
                talk::write_line(calls, stream, Reason::Reply, "250 message taken");
            }
            Answer::Quit => {
                talk::write_line(calls, stream, Reason::Reply, &format!("221 {} closes", self.name));
                calls.close(stream);
            }
        }
    }
}

impl App for Server {
    fn kind(&self) -> &'static str {
        "smtp-server"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        talk::listen(calls, self.port);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {
                self.sessions.insert(stream, Session::default());
                talk::write_line(calls, stream, Reason::Reply, &format!("220 {} SMTP", self.name));
            }
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
            StreamEvent::Ended(_) => {
                self.sessions.remove(&stream);
            }
        }
    }

    fn inspect(&self, _: &Host, _: Time) -> Vec<Table> {
        let mut table = Table::new("mail", &["from", "to", "lines"]);
        for mail in &self.mails {
            table.row([mail.from.clone(), mail.to.join(" "), mail.lines.len().to_string()]);
        }
        vec![table]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_out_of_order_or_without_an_address_are_refused() {
        let mut session = Session::default();
        for (line, code) in [
            ("MAIL FROM:<a@b>", "503"),
            ("helo x", "250"),
            ("DATA", "503"),
            ("RCPT TO:<c@d>", "503"),
            ("MAIL TO:<a@b>", "501"),
            ("MAIL FROM:<a@b>", "250"),
            ("RCPT TO:c@d", "501"),
            ("DATA", "503"),
            ("RCPT TO:<c@d>", "250"),
            ("VRFY x", "500"),
            ("DATA", "354"),
        ] {
            assert!(matches!(session.answer(line), Answer::Say(reply) if reply.starts_with(code)), "{line}");
        }
        assert_eq!(session.answer("..dot"), Answer::Silent);
        let mail = Mail { from: "a@b".to_owned(), to: vec!["c@d".to_owned()], lines: vec![".dot".to_owned()] };
        assert_eq!(session.answer("."), Answer::Take(mail));
    }

    proptest! {
        #[test]
        fn a_message_comes_back_whole(message in "([ -~]{0,20}\n){0,5}") {
            let mut session = Session { is_data: true, mail: Some(Mail::default()), ..Session::default() };
            let sent = stuffed(&message);
            let answers: Vec<Answer> = sent.lines().map(|line| session.answer(line)).collect();
            let expected: Vec<String> = message.lines().map(str::to_owned).collect();
            prop_assert!(matches!(answers.last(), Some(Answer::Take(mail)) if mail.lines == expected));
        }

        #[test]
        fn no_line_upsets_a_session(lines: Vec<String>) {
            let mut session = Session::default();
            for line in lines {
                session.answer(&line);
                session.answer(&format!("MAIL {line}"));
            }
        }
    }
}
