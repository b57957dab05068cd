//! What traceroute was asked to do.

use std::time::Duration;

use crate::options::{Item, Wrong, number, port, seconds, split};

pub(crate) const USAGE: &str =
    "traceroute [-4nIUT] [-f FIRST] [-m MAX] [-q QUERIES] [-N AT_ONCE] [-p PORT] [-w SECONDS] HOST [LENGTH]";

/// IP and UDP or ICMP header.
const HEADERS: usize = 28;

/// What probes are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Datagrams to ports that count up, which nobody is likely to listen on.
    Udp,
    /// Datagrams to one port (`-U`).
    UdpTo,
    /// Echo requests (`-I`).
    Icmp,
    /// SYNs to one port (`-T`), never answered by an ACK of ours.
    Tcp,
}

impl Method {
    /// The port, or with ICMP the sequence number, to start with.
    fn default_port(self) -> u16 {
        match self {
            Method::Udp => 33_434,
            Method::UdpTo => 53,
            Method::Icmp => 1,
            Method::Tcp => 80,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) host: String,
    pub(crate) method: Method,
    pub(crate) port: u16,
    /// TTL of the first probes.
    pub(crate) first: u8,
    /// TTL of the last probes.
    pub(crate) most: u8,
    /// Probes a hop.
    pub(crate) queries: u8,
    /// Probes under way at once.
    pub(crate) at_once: u8,
    /// Longest wait for an answer.
    pub(crate) wait: Duration,
    pub(crate) numeric: bool,
    /// Bytes of the whole packet, unless the method's is fixed.
    pub(crate) length: usize,
}

impl Options {
    /// Bytes behind the headers.
    pub(crate) fn payload(&self) -> usize {
        self.length.saturating_sub(HEADERS)
    }
}

pub(crate) fn parse(arguments: &[String]) -> Result<Options, Wrong> {
    let (mut method, mut typed_port, mut operands) = (Method::Udp, None, Vec::new());
    let mut options = Options {
        host: String::new(),
        method,
        port: 0,
        first: 1,
        most: 30,
        queries: 3,
        at_once: 16,
        wait: Duration::from_secs(5),
        numeric: false,
        length: 60,
    };
    for item in split("f:m:q:N:p:w:4nIUT", arguments)? {
        match item {
            Item::Flag('n') => options.numeric = true,
            Item::Flag('I') => method = Method::Icmp,
            Item::Flag('U') => method = Method::UdpTo,
            Item::Flag('T') => method = Method::Tcp,
            Item::Flag(_) => {}
            Item::Value('f', text) => options.first = number(&text, 1, 255)?,
            Item::Value('m', text) => options.most = number(&text, 1, 255)?,
            Item::Value('q', text) => options.queries = number(&text, 1, 10)?,
            Item::Value('N', text) => options.at_once = number(&text, 1, 64)?,
            Item::Value('p', text) => typed_port = Some(port(&text)?),
            Item::Value(_, text) => {
                options.wait = seconds(&text)?;
                if options.wait < Duration::from_millis(10) {
                    return Err(Wrong::Usage(format!("bad wait seconds '{text}' specified")));
                }
            }
            Item::Operand(operand) => operands.push(operand),
        }
    }
    if options.first > options.most {
        return Err(Wrong::Usage("first hop out of range".to_owned()));
    }
    let mut operands = operands.into_iter();
    let host = operands.next().ok_or_else(|| Wrong::Usage("a host is missing".to_owned()))?;
    if let Some(length) = operands.next() {
        options.length = number(&length, HEADERS, 65_000)?;
    }
    if let Some(extra) = operands.next() {
        return Err(format!("extra argument '{extra}'").into());
    }
    Ok(Options { host, method, port: typed_port.unwrap_or(method.default_port()), ..options })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Options, Wrong> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_people_type_is_understood() {
        for (line, method, port) in [
            ("db-1", Method::Udp, 33_434),
            ("-I db-1", Method::Icmp, 1),
            ("-T db-1 -p 3306", Method::Tcp, 3306),
            ("-T -p ssh db-1", Method::Tcp, 22),
            ("-U db-1", Method::UdpTo, 53),
        ] {
            let options = typed(line).unwrap();
            assert_eq!((options.method, options.port, options.host.as_str()), (method, port, "db-1"), "{line}");
        }
        let options = typed("-n -m 5 -q1 -w 0.5 -f 2 10.0.0.1 100").unwrap();
        assert_eq!((options.numeric, options.most, options.queries, options.first), (true, 5, 1, 2));
        assert_eq!((options.wait, options.payload()), (Duration::from_millis(500), 72));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in ["", "a 60 c", "-m 0 a", "-q 11 a", "-w 0 a", "-p 0 a", "-f 6 -m 5 a", "a 27", "-x a", "-m"] {
            assert!(matches!(typed(line), Err(Wrong::Usage(_))), "{line}");
        }
    }
}
