//! `A B PROTO/PORT`: the one form of a probe on every command line.

use model::{Probe, ProbePacket, Selector, TrafficMatch};

use super::selector::is_name;
use super::{SentenceError, parse_selector, parse_traffic};
use crate::code::Code;

/// Reads a probe from the words of a command line: `web-1 db-1 tcp/3306`, `web-1 db-1:3306` (TCP),
/// `web-1 db-1 tcp:3306`, `web-1 db-1 tcp 3306`. Ranges of errors count in the words joined by one space.
pub fn parse_probe<S: AsRef<str>>(words: &[S]) -> Result<Probe, SentenceError> {
    let words: Vec<&str> = words.iter().flat_map(|word| word.as_ref().split_whitespace()).collect();
    let mut places = Vec::new();
    let mut at = 0;
    for word in &words {
        places.push(at..at + word.len());
        at += word.len() + 1;
    }
    let end = at.saturating_sub(1);
    let form = "A B PROTO/PORT, such as `web-1 db-1 tcp/3306`";
    if let Some(index) = words.iter().position(|word| matches!(*word, "->" | "-" | "→" | "=>")) {
        // In a shell, `web-1 -> db-1` has written a file named db-1 and left a lone dash.
        return Err(SentenceError::new(Code::ArrowInProbe, places[index].clone(), "a probe has no arrow: a shell takes `>` for a file").label("leave it out").hint(form));
    }
    let (source, rest) = match words.as_slice() {
        [] => return Err(SentenceError::new(Code::ProbeSyntax, 0..0, "a probe names its two ends").hint(form)),
        [_] => return Err(SentenceError::new(Code::ProbeSyntax, end..end, "the destination is missing").label("missing").hint(form)),
        [source, rest @ ..] => (*source, rest),
    };
    let shift = |index: usize| move |e: SentenceError| e.shifted(places[index].start);
    let source = end_of(source).map_err(shift.clone()(0))?;
    let (destination, packet) = match rest {
        [both] => {
            let split = both.rsplit_once(':').filter(|(name, _)| !name.is_empty() && (!name.contains(':') || name.ends_with(']')));
            let Some((name, port)) = split else {
                return Err(SentenceError::new(Code::ProbeSyntax, end..end, "the probe says no protocol and port").label("missing").hint(form));
            };
            let name = name.trim_start_matches('[').trim_end_matches(']');
            (end_of(name).map_err(shift.clone()(1))?, packet(&format!("tcp/{port}")).map_err(|e| SentenceError { range: 0..both.len(), ..e }.shifted(source_len(&words)))?)
        }
        [name, traffic] => {
            let spelled = traffic.replacen(':', "/", 1);
            (end_of(name).map_err(shift.clone()(1))?, packet(&spelled).map_err(shift.clone()(2))?)
        }
        [name, proto, port] => {
            let spelled = format!("{proto}/{port}");
            (end_of(name).map_err(shift.clone()(1))?, packet(&spelled).map_err(shift.clone()(2))?)
        }
        [_, _, _, ..] => return Err(SentenceError::new(Code::ProbeSyntax, source_len(&words)..end, "too many words").label("too much").hint(form)),
        [] => return Err(SentenceError::new(Code::ProbeSyntax, end..end, "the destination is missing").hint(form)),
    };
    Ok(Probe { source, destination, packet })
}

/// An end of a probe: a container too, `INSTANCE/CONTAINER`.
fn end_of(text: &str) -> Result<Selector, SentenceError> {
    match text.split_once('/') {
        Some((instance, container)) if is_name(instance) && !instance.contains(':') && model::container::name_problem(container).is_none() => {
            Ok(Selector::Named(text.to_owned()))
        }
        _ => parse_selector(text),
    }
}

fn source_len(words: &[&str]) -> usize {
    words.first().map_or(0, |word| word.len() + 1)
}

/// A probe sends one packet: one protocol, one port.
fn packet(text: &str) -> Result<ProbePacket, SentenceError> {
    let many = |message: &str| Err(SentenceError::new(Code::ProbeSyntax, 0..text.len(), message).label("not one packet").hint("such as tcp/3306, udp/53 or icmp/echo; `matrix` asks many ports at once"));
    match parse_traffic(text)?.0.as_slice() {
        [TrafficMatch::Tcp(ports)] if ports.from == ports.to => Ok(ProbePacket::Tcp(ports.from)),
        [TrafficMatch::Udp(ports)] if ports.from == ports.to => Ok(ProbePacket::Udp(ports.from)),
        [TrafficMatch::Icmp(m)] => Ok(ProbePacket::Icmp { icmp_type: m.icmp_type.unwrap_or(8), code: m.code.unwrap_or(0) }),
        [TrafficMatch::Icmpv6(m)] => Ok(ProbePacket::Icmpv6 { icmp_type: m.icmp_type.unwrap_or(128), code: m.code.unwrap_or(0) }),
        [TrafficMatch::Other(number)] => Ok(ProbePacket::Other(*number)),
        [TrafficMatch::Tcp(_) | TrafficMatch::Udp(_)] => many("a probe needs one port"),
        _ => many("a probe is one packet"),
    }
}
