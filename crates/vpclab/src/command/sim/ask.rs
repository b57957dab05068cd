//! `sim ping`, `traceroute`, `check`: one program of one host, and what came of it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::json;
use sim::app::traceroute::{Method, TracerouteSpec};
use sim::app::{AppId, ConnectSpec, DatagramSpec, End, Outcome, PingSpec, RawSpec};
use sim::host::Host;
use sim::{Reason, Span};

use model::ProbePacket;

use super::super::ends::question;
use super::super::target::Target;
use super::ends::{From, Stage};
use super::show::{Losses, is_delivered, is_hopeless, losses, play, show, storm, unfinished};
use super::{CheckArgs, PingArgs, ShowArgs, TracerouteArgs, code, failed, lookup};
use crate::exit::{Failure, Result};
use crate::output::Output;

/// How long an answer is waited for: a lost SYN is sent again after 1 and 3 s, and who has no neighbour knows it after 3 s.
pub const PATIENCE: Span = Span::seconds(5);

/// Lets a host start a program, plays it, and gives back how it ended.
pub fn run(
    stage: &mut Stage,
    from: &From,
    arguments: &ShowArgs,
    output: &Output,
    least: Span,
    start: impl FnOnce(&mut Host, &mut sim::Context<'_>) -> AppId,
) -> Result<Outcome> {
    let simulator = stage.world.simulator();
    let app = simulator.with(from.node, start).ok_or_else(|| failed("the sender is no host"))?;
    let stop = play(simulator, from.node, app, arguments, least);
    storm(simulator, stop, output);
    let host: &Host = simulator.get(from.node).ok_or_else(|| failed("the sender is gone"))?;
    let mut outcome = host.progress(app).clone();
    if is_hopeless(host, app, stop, arguments) {
        outcome.end = End::Nothing;
    }
    if outcome.end == End::Running {
        unfinished(stage, stop, arguments, output);
    }
    Ok(outcome)
}

/// Milliseconds with three decimals, as ping writes them.
fn milliseconds(span: Span) -> String {
    format!("{}.{:03} ms", span.0 / 1_000_000, span.0 / 1_000 % 1_000)
}

/// The words of a question, without the arrow that a person who has read the output puts between two ends. A lone dash stays: the
/// shell has taken the rest of that arrow for a file, and whoever reads the probe says so.
fn without_arrow(words: &[String]) -> Vec<String> {
    let apart: Vec<String> = words.iter().map(|word| word.replace("->", " -> ")).collect();
    let words = apart.iter().flat_map(|word| word.split_whitespace());
    words.enumerate().filter(|(at, word)| *at != 1 || !matches!(*word, "->" | "→")).map(|(_, word)| word.to_owned()).collect()
}

/// `sim ping`.
pub fn ping(arguments: &PingArgs, target: &Target, output: &Output) -> Result {
    let probe = question(&without_arrow(&arguments.words), "icmp/echo")?;
    if !matches!(probe.packet, ProbePacket::Icmp { icmp_type: 8, code: 0 }) {
        return Err(Failure::usage("ping sends icmp/echo").hint(format!("vpclab sim check {}", arguments.words.join(" "))));
    }
    let mut stage = Stage::new(target, &arguments.show, output)?;
    let from = stage.from(&probe.source)?;
    let to = lookup::address(&mut stage, &from, &probe.destination, &arguments.show, output)?;
    let from = stage.facing(from, to)?;
    let source = from.source.filter(|source| source.is_ipv4() == to.is_ipv4());
    let (count, size, ttl, dont_fragment) = (arguments.count, arguments.size, arguments.ttl, arguments.dont_fragment);
    let spec = PingSpec { source, count, size, ttl, dont_fragment, ..PingSpec::new(to) };
    let outcome = run(&mut stage, &from, &arguments.show, output, Span::seconds(u64::from(count)), |host, context| host.ping(context, spec))?;
    let mut said = vec![format!("PING {} ({to}) from {}: {size} data bytes", probe.destination, from.name)];
    let mut answered = BTreeSet::new();
    for reply in &outcome.replies {
        let again = if answered.insert((reply.from.ip(), reply.sequence)) { "" } else { " (DUP!)" };
        said.push(format!(
            "{} bytes from {}: icmp_seq={} ttl={} time={}{again}",
            reply.bytes,
            reply.from.ip(),
            reply.sequence,
            reply.ttl,
            milliseconds(reply.rtt)
        ));
    }
    for error in &outcome.errors {
        said.push(format!("from {}: {}", error.from, error.meaning()));
    }
    // Of a question to many each answer counts, the second of one station does not.
    let (sent, came) = (outcome.sent, answered.len());
    let duplicates = outcome.replies.len() - came;
    let more = if duplicates > 0 { format!(", {duplicates} duplicate{}", if duplicates == 1 { "" } else { "s" }) } else { String::new() };
    let is_running = outcome.end == End::Running;
    let missing = (sent as usize).saturating_sub(came);
    said.push(match is_running {
        // What is under way is not lost.
        true => format!("{sent} of {count} sent, {came} received{more}, {missing} without an answer yet: running"),
        false => format!("{sent} sent, {came} received{more}, {}% loss", missing * 100 / (sent as usize).max(1)),
    });
    if !is_running && sent == 0 && came == 0 {
        said.push(format!("nothing was sent: {}", outcome.end));
    }
    if !is_running && missing > 0 {
        said.extend(losses(&stage, Some(to), None).lines);
    }
    let replies: Vec<_> = outcome.replies.iter().map(|reply| {
        json!({"sequence": reply.sequence, "from": reply.from.ip(), "ttl": reply.ttl, "bytes": reply.bytes, "round_trip_nanoseconds": reply.rtt.0})
    }).collect();
    let errors: Vec<_> = outcome.errors.iter().map(|error| json!({"from": error.from, "type": error.kind, "code": error.code, "mtu": error.mtu})).collect();
    let result = json!({"from": from.name, "to": probe.destination.to_string(), "address": to, "sent": sent, "received": came, "end": outcome.end.to_string(), "duplicates": duplicates, "replies": replies, "errors": errors});
    show(&stage, &arguments.show, &said, result, output)?;
    Ok(code(came > 0, &stage))
}

/// `sim traceroute`.
pub fn traceroute(arguments: &TracerouteArgs, target: &Target, output: &Output) -> Result {
    let mut words = without_arrow(&arguments.words);
    // `udp` alone is traceroute's own method: a port that nobody listens on, counted up.
    let method = match words.last().map(String::as_str) {
        Some("udp") if words.len() == 3 => Some(Method::Udp),
        Some("icmp") if words.len() == 3 => Some(Method::Icmp),
        _ => None,
    };
    if method.is_some() {
        words.pop();
    }
    let probe = question(&words, "icmp/echo")?;
    let method = match (method, probe.packet) {
        (Some(method), _) => method,
        (None, ProbePacket::Icmp { .. }) => Method::Icmp,
        (None, ProbePacket::Tcp(port)) => Method::Tcp(port),
        (None, ProbePacket::Udp(_)) => Method::Udp,
        _ => return Err(Failure::usage("traceroute sends icmp, udp, or tcp/PORT")),
    };
    let mut stage = Stage::new(target, &arguments.show, output)?;
    let from = stage.from(&probe.source)?;
    let to = lookup::address(&mut stage, &from, &probe.destination, &arguments.show, output)?;
    let from = stage.facing(from, to)?;
    let source = from.source.filter(|source| source.is_ipv4() == to.is_ipv4());
    let spec = TracerouteSpec { source, method, ..TracerouteSpec::new(to) };
    let outcome = run(&mut stage, &from, &arguments.show, output, Span::ZERO, |host, context| host.traceroute(context, spec))?;
    let mut said = vec![format!("traceroute from {} to {} ({to})", from.name, probe.destination)];
    let mut reached = false;
    for hop in &outcome.hops {
        let mut text = format!("{:2} ", hop.ttl);
        let mut last = None;
        for answer in &hop.answers {
            match answer {
                Some((address, span)) => {
                    if last != Some(*address) {
                        text += &format!(" {}", named(&stage, *address));
                        last = Some(*address);
                    }
                    text += &format!("  {}", milliseconds(*span));
                }
                None => text += "  *",
            }
        }
        if let Some(error) = &hop.error {
            text += &format!("  {}", error.meaning());
        }
        reached |= hop.is_destination;
        said.push(text);
    }
    match (reached, outcome.end) {
        (true, _) => {}
        (false, End::Running) => said.push("not there yet: running".to_owned()),
        (false, _) => said.extend(losses(&stage, Some(to), outcome.ended).lines),
    }
    let hops: Vec<_> = outcome.hops.iter().map(|hop| {
        let answers: Vec<_> = hop.answers.iter().map(|answer| answer.map(|(from, span)| json!({"from": from, "nanoseconds": span.0}))).collect();
        json!({"ttl": hop.ttl, "answers": answers, "destination": hop.is_destination})
    }).collect();
    let result = json!({"from": from.name, "to": probe.destination.to_string(), "address": to, "hops": hops, "reached": reached});
    show(&stage, &arguments.show, &said, result, output)?;
    Ok(code(reached, &stage))
}

/// `NAME (ADDRESS)` where somebody of the lab has the address.
fn named(stage: &Stage, address: IpAddr) -> String {
    let simulator = &stage.world.cloud.simulator;
    let holder = simulator.nodes().find(|node| stage.world.place(*node).addresses.contains(&address));
    match holder.map(|node| simulator.name(node)).filter(|name| *name != address.to_string()) {
        Some(name) => format!("{name} ({address})"),
        None => address.to_string(),
    }
}

/// `sim check`.
pub fn check(arguments: &CheckArgs, target: &Target, output: &Output) -> Result {
    let probe = lab::sentence::parse_probe(&without_arrow(&arguments.words)).map_err(|error| {
        let failure = Failure::usage(error.message);
        match error.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let mut stage = Stage::new(target, &arguments.show, output)?;
    let from = stage.from(&probe.source)?;
    let to = lookup::address(&mut stage, &from, &probe.destination, &arguments.show, output)?;
    let from = stage.facing(from, to)?;
    let tried = try_packet(&mut stage, &from, to, probe.packet, &arguments.show, output)?;
    let (packet, word) = (probe.packet, tried.word);
    let mut said = vec![format!("{} -> {} ({to}) {packet}: {word}", from.name, probe.destination)];
    said.extend(tried.why);
    let is_open = matches!(word, "open" | "delivered, no answer");
    let result = json!({"from": from.name, "to": probe.destination.to_string(), "address": to, "packet": packet.to_string(), "result": word});
    show(&stage, &arguments.show, &said, result, output)?;
    Ok(code(is_open, &stage))
}

/// What is said of a packet whose simulation ended before anything came of it.
pub const RUNNING: &str = "running";

/// What the datagram of a probe carries: to the port of DNS as much as a message's header and no question, so that name servers
/// answer, too (RFC 1035, 4.1.1).
pub fn body(port: u16) -> &'static [u8] {
    if port == sim::app::dns::PORT { b"vpclab probe" } else { b"vpclab" }
}

/// What came of one packet.
pub struct Tried {
    /// `open`, `refused`, `filtered` …
    pub word: &'static str,
    /// Where it was sent.
    pub to: std::net::IpAddr,
    /// Who said so, or where it was lost.
    pub why: Vec<String>,
    /// Whether no route led there.
    pub is_without_route: bool,
}

/// Sends one packet and waits for what comes of it.
pub fn try_packet(stage: &mut Stage, from: &From, to: std::net::IpAddr, packet: ProbePacket, show: &ShowArgs, output: &Output) -> Result<Tried> {
    let source = from.source.filter(|source| source.is_ipv4() == to.is_ipv4());
    let outcome = run(stage, from, show, output, Span::ZERO, |host, context| match packet {
        ProbePacket::Tcp(port) => host.connect(context, ConnectSpec { source, timeout: PATIENCE, ..ConnectSpec::new(to, port) }),
        ProbePacket::Udp(port) => host.datagram(context, DatagramSpec { source, timeout: PATIENCE, ..DatagramSpec::new(to, port, body(port)) }),
        ProbePacket::Icmp { icmp_type: 8, code: 0 } | ProbePacket::Icmpv6 { icmp_type: 128, code: 0 } => {
            host.ping(context, PingSpec { source, count: 1, ..PingSpec::new(to) })
        }
        ProbePacket::Icmp { icmp_type, code } | ProbePacket::Icmpv6 { icmp_type, code } => {
            let number = if to.is_ipv4() { 1 } else { 58 };
            let message = [icmp_type, code, 0, 0, 0, 1, 0, 1];
            host.raw(context, RawSpec { source, ..RawSpec::new(to, number, &message) })
        }
        ProbePacket::Other(number) => host.raw(context, RawSpec { source, ..RawSpec::new(to, number, b"vpclab") }),
    })?;
    let is_udp = matches!(packet, ProbePacket::Udp(_));
    let word = match &outcome.end {
        End::Answered | End::Done => "open",
        // Whoever listens need not answer: UDP promises nothing.
        End::Nothing if is_udp && is_delivered(stage, to) => "delivered, no answer",
        End::Refused(_) => "refused",
        End::Unreachable(_) => "unreachable",
        End::Failed(_) => "not sent",
        End::Running => RUNNING,
        End::Nothing | End::Cancelled => "filtered",
    };
    let lost = if word == "filtered" { losses(stage, Some(to), outcome.ended) } else { Losses::default() };
    let word = if lost.is_reply { "reply filtered" } else { word };
    let why = match &outcome.end {
        End::Answered | End::Done => Vec::new(),
        End::Unreachable(error) => vec![format!("{} says: {}", error.from, error.meaning())],
        End::Refused(_) | End::Failed(_) => vec![outcome.end.to_string()],
        _ => lost.lines,
    };
    let is_without_route = match &outcome.end {
        End::Unreachable(error) => (error.from.is_ipv4() && (error.kind, error.code) == (3, 0)) || (!error.from.is_ipv4() && (error.kind, error.code) == (1, 0)),
        End::Failed(reason) => *reason == Reason::NoRoute,
        _ => false,
    };
    Ok(Tried { word, to, why, is_without_route })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_between_two_ends_is_left_out() {
        for words in [&["a", "b"][..], &["a -> b"], &["a->b"], &["a", "->", "b"], &["a", "→", "b"]] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(without_arrow(&words), ["a", "b"], "{words:?}");
        }
        assert_eq!(without_arrow(&["a".to_owned(), "-".to_owned()]), ["a", "-"]);
    }
}
