//! Application protocols in lines of text: HTTP (RFC 9112), SMTP, FTP, POP3, IMAP, Telnet, SSH's greeting, Redis.

use super::Unit;
use crate::trace::Layer;

/// Most characters of a line that are shown.
const MOST: usize = 120;

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// The first line without its end, if the data begins with text.
pub(super) fn first_line(data: &[u8]) -> Option<String> {
    let line = data.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim_end_matches('\r');
    let clean = !line.is_empty() && line.chars().all(|c| !c.is_control() || c == '\t');
    clean.then(|| line.chars().take(MOST).collect())
}

/// HTTP/1, whatever the port.
pub(super) fn http(data: &[u8], at: usize) -> Option<Unit> {
    let line = first_line(data)?;
    let is_request =
        line.split_once(' ').is_some_and(|(method, rest)| METHODS.contains(&method) && rest.contains(" HTTP/1."));
    if !is_request && !line.starts_with("HTTP/1.") {
        return None;
    }
    let mut unit = Unit::new(Layer::Application, "http", "HTTP", "message", (at, data.len()));
    unit = unit.with(if is_request { "request line" } else { "status line" }, &line);
    let text = String::from_utf8_lossy(data);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    for header in head.lines().skip(1).take(20) {
        unit = unit.with("header", header.chars().take(MOST).collect::<String>());
    }
    if !body.is_empty() {
        unit = unit.with("body", format!("{} bytes", body.len()));
    }
    Some(unit.brief(format!("HTTP: {line}")))
}

/// A line of a protocol that talks in lines: a command to the server, or its reply.
pub(super) fn lines(service: &'static str, from_server: bool, data: &[u8], at: usize) -> Option<Unit> {
    let name = match service {
        "smtp" | "submission" => "SMTP",
        "ftp" => "FTP",
        "pop3" => "POP3",
        "imap" => "IMAP",
        "telnet" => "Telnet",
        "ssh" => "SSH",
        "redis" => "Redis",
        "memcached" => "memcached",
        _ => return None,
    };
    let line = first_line(data)?;
    let unit = Unit::new(Layer::Application, service, name, "message", (at, data.len()));
    Some(unit.with(if from_server { "reply" } else { "command" }, &line).brief(format!("{name}: {line}")))
}
