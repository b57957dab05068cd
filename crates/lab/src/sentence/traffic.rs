//! `PROTO[/PORTS]`: `tcp/80,443`, `tcp/http`, `udp/53`, `icmp/echo`, `tcp/1024-65535`, `all`, `proto-47`.

use std::ops::Range;

use model::claim::Traffic;
use model::guest::Listener;
use model::traffic::protocol;
use model::{IcmpMatch, PortRange, TrafficMatch, service};

use super::SentenceError;
use crate::code::Code;
use crate::diagnostic::nearest;

/// Names of protocols without ports, with their IANA numbers.
const OTHER_PROTOCOLS: [(&str, u8); 6] =
    [("gre", protocol::GRE), ("esp", 50), ("ah", 51), ("igmp", 2), ("sctp", 132), ("ipip", 4)];

/// ICMP types by name (RFC 792), and ICMPv6 ones (RFC 4443).
const ICMP_TYPES: [(&str, u8, u8); 4] = [
    ("echo", 8, 128),
    ("echo-reply", 0, 129),
    ("unreachable", 3, 1),
    ("time-exceeded", 11, 3),
];

/// Reads the protocol part of a rule or claim.
pub fn parse_traffic(text: &str) -> Result<Traffic, SentenceError> {
    let (name, ports) = match text.split_once('/') {
        Some((name, ports)) => (name, Some((name.len() + 1, ports))),
        None => (text, None),
    };
    let whole = 0..text.len();
    let other = |number| Ok(Traffic(vec![TrafficMatch::Other(number)]));
    let no_ports = |result| match ports {
        None => result,
        Some(_) => Err(SentenceError::new(Code::BadPorts, name.len()..text.len(), format!("`{name}` has no ports"))
            .label("no ports here")
            .hint(format!("write `{name}`"))),
    };
    match name {
        "all" | "any" => no_ports(Ok(Traffic::all())),
        "tcp" => port_list(protocol::TCP, ports, text).map(|list| Traffic(list.into_iter().map(TrafficMatch::Tcp).collect())),
        "udp" => port_list(protocol::UDP, ports, text).map(|list| Traffic(list.into_iter().map(TrafficMatch::Udp).collect())),
        "icmp" => icmp(ports, false).map(|m| Traffic(vec![TrafficMatch::Icmp(m)])),
        "icmpv6" => icmp(ports, true).map(|m| Traffic(vec![TrafficMatch::Icmpv6(m)])),
        "ping" => Err(SentenceError::new(Code::UnknownProtocol, whole, "`ping` is not a protocol").label("a program").hint("write `icmp/echo`")),
        _ => {
            if let Some((_, number)) = OTHER_PROTOCOLS.iter().find(|(n, _)| *n == name) {
                return no_ports(other(*number));
            }
            match name.strip_prefix("proto-").map(str::parse::<u8>) {
                // The four with a meaning of their own have names, so that one thing has one spelling.
                Some(Ok(protocol::TCP)) => no_ports(Ok(Traffic(vec![TrafficMatch::Tcp(PortRange::ALL)]))),
                Some(Ok(protocol::UDP)) => no_ports(Ok(Traffic(vec![TrafficMatch::Udp(PortRange::ALL)]))),
                Some(Ok(protocol::ICMP)) => no_ports(Ok(Traffic(vec![TrafficMatch::Icmp(IcmpMatch::default())]))),
                Some(Ok(protocol::ICMPV6)) => no_ports(Ok(Traffic(vec![TrafficMatch::Icmpv6(IcmpMatch::default())]))),
                Some(Ok(number)) => no_ports(other(number)),
                _ => Err(unknown_protocol(name, text)),
            }
        }
    }
}

fn unknown_protocol(name: &str, text: &str) -> SentenceError {
    let error = SentenceError::new(Code::UnknownProtocol, 0..name.len(), format!("`{name}` is not a protocol")).label("not a protocol");
    let known = ["tcp", "udp", "icmp", "icmpv6", "all", "any", "gre", "esp", "ah", "sctp"];
    if let Some((proto, ports)) = text.split_once(':') && known.contains(&proto) {
        return error.hint(format!("a slash, not a colon: `{proto}/{ports}`"));
    }
    if text.split([',', '-']).all(|p| p.parse::<u16>().is_ok()) {
        return error.hint(format!("say the protocol too: `tcp/{text}`"));
    }
    match (nearest(name, known), known.iter().find(|k| **k == name.to_ascii_lowercase())) {
        (_, Some(lower)) => error.hint(format!("in small letters: `{lower}`")),
        (Some(near), _) => error.hint(format!("did you mean `{near}`?")),
        _ => error.hint("tcp/PORTS, udp/PORTS, icmp[/TYPE], all, or proto-NUMBER"),
    }
}

fn port_list(number: u8, ports: Option<(usize, &str)>, text: &str) -> Result<Vec<PortRange>, SentenceError> {
    let Some((start, list)) = ports else { return Ok(vec![PortRange::ALL]) };
    let mut at = start;
    let mut ranges = Vec::new();
    for part in list.split(',') {
        let range = at..at + part.len();
        at = range.end + 1;
        ranges.push(one_range(number, part, range, text)?);
    }
    Ok(ranges)
}

fn one_range(number: u8, part: &str, range: Range<usize>, text: &str) -> Result<PortRange, SentenceError> {
    let bad = |message: String| SentenceError::new(Code::BadPorts, range.clone(), message);
    if part.is_empty() {
        return Err(bad("a port is missing".to_owned()).label("missing").hint("ports are numbers: `tcp/80,443` or `tcp/8000-8080`"));
    }
    if let Some((port, result)) = part.split_once(':') {
        let before = &text[..range.start + port.len()];
        let (word, range) = (result.to_owned(), range.start + port.len()..range.end);
        return Err(SentenceError::new(Code::MissingSpaceAfterColon, range, "a colon without a space is part of the word before it")
            .label("a space is missing")
            .hint(format!("write `{before}: {word}`")));
    }
    let port = |text: &str| match text.parse::<u32>() {
        Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) => {
            u16::try_from(number).map_err(|_| bad(format!("{number} is not a port")).label("too large").hint("ports end at 65535"))
        }
        _ if text == "*" || text == "all" || text == "any" => Err(bad(format!("`{text}` is not a port")).label("not a port").hint("without ports, every port is meant: `tcp`")),
        _ => service::port(text, number).ok_or_else(|| no_service(number, text, bad(format!("`{text}` is not a port")))),
    };
    // A service may have a dash in its name.
    if let Some(port) = service::port(part, number) {
        return Ok(PortRange::one(port));
    }
    let (from, to) = match part.split_once('-') {
        Some((from, to)) => (port(from)?, port(to)?),
        None => (port(part)?, port(part)?),
    };
    match from <= to {
        true => Ok(PortRange { from, to }),
        false => Err(bad(format!("the range {from}-{to} runs backwards")).label("backwards").hint(format!("write `{to}-{from}`"))),
    }
}

/// A word that is no service of this protocol: of the other one, mistyped, or none.
fn no_service(number: u8, text: &str, error: SentenceError) -> SentenceError {
    let (word, other, label) = match number {
        protocol::TCP => ("udp", protocol::UDP, "a service of UDP"),
        _ => ("tcp", protocol::TCP, "a service of TCP"),
    };
    if service::port(text, other).is_some() {
        return error.label(label).hint(format!("write `{word}/{text}`"));
    }
    let services = service::SERVICES.iter().filter(|service| service.is_over(number)).map(|service| service.name);
    let error = error.label("not a port");
    match nearest(text, services) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("ports are numbers or services: `tcp/80,443`, `tcp/8000-8080`, `tcp/http`"),
    }
}

fn icmp(ports: Option<(usize, &str)>, v6: bool) -> Result<IcmpMatch, SentenceError> {
    let Some((start, text)) = ports else { return Ok(IcmpMatch::default()) };
    let (kind, code) = match text.split_once('/') {
        Some((kind, code)) => (kind, Some(code)),
        None => (text, None),
    };
    let named = ICMP_TYPES.iter().find(|(name, ..)| *name == kind).map(|(_, v4, six)| if v6 { *six } else { *v4 });
    let range = start..start + text.len();
    let bad = |what: &str| {
        SentenceError::new(Code::BadPorts, range.clone(), format!("`{what}` is not an ICMP type or code"))
            .label("not understood")
            .hint("`icmp/echo`, or type and code as numbers: `icmp/3/4`")
    };
    let icmp_type = match named {
        Some(number) => number,
        None => kind.parse().map_err(|_| bad(kind))?,
    };
    let code = code.map(|code| code.parse().map_err(|_| bad(code))).transpose()?;
    Ok(IcmpMatch { icmp_type: Some(icmp_type), code })
}

/// Reads `tcp/80` or `tcp/80,443` of a `listen` list: single ports.
pub fn parse_listeners(text: &str) -> Result<Vec<Listener>, SentenceError> {
    let whole = || 0..text.len();
    let wrong = |message: &str| SentenceError::new(Code::BadListener, whole(), message).label("not a listener").hint("such as `tcp/80` or `udp/53`");
    let mut listeners = Vec::new();
    for traffic in parse_traffic(text)?.0 {
        listeners.push(match traffic {
            TrafficMatch::Tcp(ports) if ports.from == ports.to && ports.from > 0 => Listener::Tcp(ports.from),
            TrafficMatch::Udp(ports) if ports.from == ports.to && ports.from > 0 => Listener::Udp(ports.from),
            TrafficMatch::Tcp(_) | TrafficMatch::Udp(_) => return Err(wrong("a listener has single ports from 1 to 65535")),
            _ => return Err(wrong("only TCP and UDP have listeners")),
        });
    }
    Ok(listeners)
}
