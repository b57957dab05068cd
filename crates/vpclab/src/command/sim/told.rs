//! How programs ended, in sentences: whether that is a yes, what came of it, and why not.

use std::net::IpAddr;

use serde_json::{Value, json};
use sim::app::http::status;
use sim::app::{End, Outcome};
use sim::host::Host;


/// What is told of a program.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether it did what it should.
    pub is_yes: bool,
    /// How it ended.
    pub sentence: String,
    /// What it got, a line each.
    pub lines: Vec<String>,
}

/// The most lines of a page, a file or a session that are told.
const MOST_LINES: usize = 20;

impl Told {
    fn yes(sentence: impl Into<String>, lines: Vec<String>) -> Self {
        Self { is_yes: true, sentence: sentence.into(), lines }
    }

    fn no(outcome: &Outcome) -> Self {
        let so_far = match (outcome.end, outcome.bytes_received) {
            (End::Running, bytes @ 1..) => format!(" ({bytes} bytes received so far)"),
            _ => String::new(),
        };
        Self { is_yes: false, sentence: why(outcome) + &so_far, lines: Vec::new() }
    }

    /// For people: the line that began the program and its end, then what it got.
    pub fn text(&self, line: &str) -> Vec<String> {
        let shown = self.lines.iter().take(MOST_LINES).map(|line| format!("  {line}"));
        let more = self.lines.len().checked_sub(MOST_LINES).filter(|more| *more > 0);
        let more = more.map(|more| format!("  … and {more} lines more"));
        std::iter::once(format!("{line}: {}", self.sentence)).chain(shown).chain(more).collect()
    }

    /// For programs.
    pub fn json(&self, line: &str, outcome: &Outcome) -> Value {
        json!({
            "line": line,
            "yes": self.is_yes,
            "end": outcome.end.to_string(),
            "said": self.sentence,
            "lines": self.lines,
            "sent": outcome.sent,
            "answered": outcome.replies.len(),
            "addresses": outcome.addresses,
            "bytes_sent": outcome.bytes_sent,
            "bytes_received": outcome.bytes_received,
        })
    }
}

/// Why there was no answer.
pub fn why(outcome: &Outcome) -> String {
    match &outcome.end {
        End::Unreachable(error) => format!("{} says: {}", error.from, error.meaning()),
        end => end.to_string(),
    }
}

fn is_answered(outcome: &Outcome) -> bool {
    outcome.end == End::Answered
}

fn text(outcome: &Outcome) -> Vec<String> {
    String::from_utf8_lossy(&outcome.data).lines().map(str::to_owned).collect()
}

/// Questions and answers by their number: ping, connect, send. A second answer to the same question is a duplicate.
pub fn counted(_: &Host, outcome: &Outcome) -> Told {
    let mut answers: Vec<_> = outcome.replies.iter().map(|reply| (reply.from, reply.sequence)).collect();
    answers.sort_unstable();
    answers.dedup();
    let (sent, came) = (outcome.sent, answers.len());
    let again = match outcome.replies.len() - came {
        0 => String::new(),
        1 => ", 1 duplicate (DUP!)".to_owned(),
        many => format!(", {many} duplicates (DUP!)"),
    };
    let is_yes = came > 0 && !matches!(outcome.end, End::Failed(_));
    Told { is_yes, sentence: format!("{} ({sent} sent, {came} answered{again})", why(outcome)), lines: Vec::new() }
}

/// A route, a hop a line.
pub fn hops(_: &Host, outcome: &Outcome) -> Told {
    let line = |hop: &sim::app::Hop| {
        let from = hop.answers.iter().flatten().next().map_or_else(|| "*".to_owned(), |(from, _)| from.to_string());
        let error = hop.error.as_ref().map(|error| format!("  {}", error.meaning())).unwrap_or_default();
        format!("{:2}  {from}{error}", hop.ttl)
    };
    let lines: Vec<String> = outcome.hops.iter().map(line).collect();
    match outcome.hops.last().filter(|hop| hop.is_destination) {
        Some(hop) => Told::yes(format!("reached with hop {}", hop.ttl), lines),
        None => Told { lines, ..Told::no(outcome) },
    }
}

/// Who has an address.
pub fn neighbors(_: &Host, outcome: &Outcome) -> Told {
    let mut macs: Vec<_> = outcome.replies.iter().filter_map(|reply| reply.mac).collect();
    macs.sort();
    macs.dedup();
    let macs: Vec<String> = macs.iter().map(ToString::to_string).collect();
    match &macs[..] {
        [] => Told::no(outcome),
        [one] => Told::yes(format!("it is at {one}"), Vec::new()),
        _ => Told::yes(format!("several have it: {}", macs.join(", ")), Vec::new()),
    }
}

/// Who answered what was for everybody.
pub fn broadcast(_: &Host, outcome: &Outcome) -> Told {
    let mut from: Vec<IpAddr> = outcome.replies.iter().map(|reply| reply.from.ip()).collect();
    from.sort();
    from.dedup();
    match (&outcome.end, &from[..]) {
        (End::Nothing, []) => Told::yes("sent; nobody answered", Vec::new()),
        (_, []) => Told::no(outcome),
        _ => Told::yes(format!("answered by {}", from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")), Vec::new()),
    }
}

/// Records of a name.
pub fn records(_: &Host, outcome: &Outcome) -> Told {
    let lines = text(outcome);
    match is_answered(outcome) {
        true => Told::yes(format!("{} record{}", lines.len(), if lines.len() == 1 { "" } else { "s" }), lines),
        false => Told::no(outcome),
    }
}

/// Addresses that a host has from leases, now.
pub fn lease(host: &Host, outcome: &Outcome) -> Told {
    const NONE: &str = "-";
    let table = sim::Node::inspect(host, outcome.ended.unwrap_or(outcome.started)).into_iter().find(|table| table.name == "lease");
    let rows = table.map(|table| table.rows).unwrap_or_default();
    let line = |row: &Vec<String>| match &row[..] {
        [_, state, address, server, ..] if address != NONE => Some(format!("{address} from {server}, {state}")),
        _ => None,
    };
    let lines: Vec<String> = rows.iter().filter_map(line).collect();
    match &lines[..] {
        [] => Told::no(outcome),
        [one] => Told::yes(one, Vec::new()),
        _ => Told::yes(format!("{} addresses", lines.len()), lines),
    }
}

/// A page; one that says what is wrong with the question is a no.
pub fn page(_: &Host, outcome: &Outcome) -> Told {
    let Some((number, at)) = status(&outcome.data) else { return Told::no(outcome) };
    let body = String::from_utf8_lossy(outcome.data.get(at..).unwrap_or_default());
    let lines = body.lines().map(str::to_owned).collect();
    Told { is_yes: number < 400, sentence: format!("status {number}, {} bytes", body.len()), lines }
}

/// A mail, and what the server said.
pub fn mail(_: &Host, outcome: &Outcome) -> Told {
    let lines = text(outcome);
    match is_answered(outcome) {
        true => Told::yes("the message was taken", lines),
        false => Told { lines, ..Told::no(outcome) },
    }
}

/// A file, or what the server said against it.
pub fn file(_: &Host, outcome: &Outcome) -> Told {
    match is_answered(outcome) {
        true => Told::yes(format!("{} bytes", outcome.bytes_received), text(outcome)),
        false => {
            let said = String::from_utf8_lossy(&outcome.data).into_owned();
            let because = if said.is_empty() || outcome.end != End::Failed(sim::Reason::Rejected) { String::new() } else { format!(": {said}") };
            Told { is_yes: false, sentence: format!("{}{because}", why(outcome)), lines: Vec::new() }
        }
    }
}

/// A login.
pub fn session(_: &Host, outcome: &Outcome) -> Told {
    let lines = text(outcome).into_iter().filter(|line| !line.trim().is_empty()).collect();
    match is_answered(outcome) {
        true => Told::yes("logged in and out", lines),
        false => Told { lines, ..Told::no(outcome) },
    }
}

/// Objects and their values.
pub fn objects(_: &Host, outcome: &Outcome) -> Told {
    match is_answered(outcome) {
        true => {
            let lines = text(outcome);
            Told::yes(format!("{} value{}", lines.len(), if lines.len() == 1 { "" } else { "s" }), lines)
        }
        false => Told::no(outcome),
    }
}

/// Bytes and how fast they went.
pub fn bulk(_: &Host, outcome: &Outcome) -> Told {
    if outcome.end == End::Failed(sim::Reason::Rejected) {
        return Told { is_yes: false, sentence: String::from_utf8_lossy(&outcome.data).into_owned(), lines: Vec::new() };
    }
    if outcome.end == End::Running {
        return Told { is_yes: false, sentence: format!("running ({} bytes acknowledged so far)", outcome.bytes_sent), lines: Vec::new() };
    }
    let Some(reply) = outcome.replies.first().filter(|_| is_answered(outcome)) else { return Told::no(outcome) };
    let kilobits = u128::from(outcome.bytes_sent) * 8 * 1_000_000 / u128::from(reply.rtt.0.max(1));
    Told::yes(format!("{} bytes acknowledged in {}: {}.{:03} Mb/s", outcome.bytes_sent, reply.rtt, kilobits / 1_000, kilobits % 1_000), Vec::new())
}

/// Datagrams that were sent: whether they came only the other end knows.
pub fn flow(_: &Host, outcome: &Outcome) -> Told {
    let refused = outcome.errors.iter().find(|error| error.is_port_unreachable());
    match (&outcome.end, refused, outcome.errors.first()) {
        (End::Done, Some(error), _) => Told { is_yes: false, ..Told::yes(format!("{} sent; {} says that nobody listens", outcome.sent, error.from), Vec::new()) },
        (End::Done, None, Some(error)) => Told { is_yes: false, ..Told::yes(format!("{} sent; {} says: {}", outcome.sent, error.from, error.meaning()), Vec::new()) },
        (End::Done, None, None) => Told::yes(format!("{} datagrams, {} bytes sent", outcome.sent, outcome.bytes_sent), Vec::new()),
        (End::Running, ..) => Told { is_yes: false, ..Told::yes(format!("running ({} datagrams sent so far)", outcome.sent), Vec::new()) },
        _ => Told::no(outcome),
    }
}

/// A group that a host is in from now on.
pub fn group(_: &Host, outcome: &Outcome) -> Told {
    match outcome.end {
        End::Running => Told::yes("joined", Vec::new()),
        _ => Told::no(outcome),
    }
}
