//! The words of a delta, taken one by one, and what single words can mean.

use std::str::FromStr;

use ipnet::IpNet;
use model::traffic::protocol;
use model::{IcmpMatch, PortRange, TrafficMatch};

/// Words still to be read.
pub(super) struct Words<'t> {
    text: &'t str,
    words: std::iter::Peekable<std::str::SplitWhitespace<'t>>,
}

impl<'t> Words<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, words: text.split_whitespace().peekable() }
    }

    /// The next word. Errors: the text is over.
    pub(super) fn next(&mut self, expected: &str) -> Result<&'t str, String> {
        self.words.next().ok_or_else(|| format!("`{}` ends where {expected} should stand", self.text))
    }

    /// The next word, if there is one.
    pub(super) fn optional(&mut self) -> Option<&'t str> {
        self.words.next()
    }

    /// The next word, which must be this one.
    pub(super) fn literal(&mut self, word: &str) -> Result<(), String> {
        match self.next(&format!("`{word}`"))? {
            found if found == word => Ok(()),
            found => Err(self.unexpected(found, &format!("`{word}`"))),
        }
    }

    /// The next word, which must be a name.
    pub(super) fn name(&mut self, expected: &str) -> Result<String, String> {
        let word = self.next(expected)?;
        self.checked_name(word, expected)
    }

    /// The next word as names between commas.
    pub(super) fn names(&mut self, expected: &str) -> Result<Vec<String>, String> {
        let word = self.next(expected)?;
        word.split(',').map(|name| self.checked_name(name, expected)).collect()
    }

    fn checked_name(&self, word: &str, expected: &str) -> Result<String, String> {
        let is_name = !word.is_empty()
            && word.starts_with(|c: char| c.is_ascii_alphanumeric())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
        if is_name { Ok(word.to_owned()) } else { Err(self.unexpected(word, expected)) }
    }

    /// The next word as a value of some type.
    pub(super) fn value<T: FromStr>(&mut self, expected: &str) -> Result<T, String> {
        let word = self.next(expected)?;
        word.parse().map_err(|_| self.unexpected(word, expected))
    }

    /// The next word as values between commas.
    pub(super) fn values<T: FromStr>(&mut self, expected: &str) -> Result<Vec<T>, String> {
        let word = self.next(expected)?;
        word.split(',').map(|part| part.parse().map_err(|_| self.unexpected(part, expected))).collect()
    }

    /// The next word out of a table.
    pub(super) fn one_of<T: Copy>(&mut self, table: &[(&str, T)]) -> Result<T, String> {
        let expected = table.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        let word = self.next(&expected)?;
        table.iter().find(|(w, _)| *w == word).map(|(_, v)| *v).ok_or_else(|| self.unexpected(word, &expected))
    }

    /// `PROTO PORTS`.
    pub(super) fn traffic(&mut self) -> Result<TrafficMatch, String> {
        let name = self.next("a protocol")?;
        let ports = self.next("ports")?;
        traffic(name, ports).ok_or_else(|| format!("`{}`: `{name} {ports}` is no protocol with its ports", self.text))
    }

    /// Nothing may be left.
    pub(super) fn end(&mut self) -> Result<(), String> {
        match self.words.next() {
            None => Ok(()),
            Some(word) => Err(format!("`{}`: unexpected `{word}`", self.text)),
        }
    }

    /// A word that does not fit.
    pub(super) fn unexpected(&self, found: &str, expected: &str) -> String {
        format!("`{}`: `{found}` stands where {expected} should", self.text)
    }
}

/// Protocol and ports as rules write them: `tcp 8000-8010`, `udp 53`, `icmp 8/-1`, `all all`, `47 all`. Protocols
/// without ports take the word `all`, or ports that have no effect (SG-8).
pub fn traffic(name: &str, ports: &str) -> Option<TrafficMatch> {
    let number = match name {
        "all" | "-1" => None,
        "tcp" => Some(protocol::TCP),
        "udp" => Some(protocol::UDP),
        "icmp" => Some(protocol::ICMP),
        "icmpv6" | "icmp6" => Some(protocol::ICMPV6),
        "gre" => Some(protocol::GRE),
        other => Some(other.parse().ok()?),
    };
    let range = || match ports {
        "all" => Some(PortRange::ALL),
        _ => port_range(ports),
    };
    let icmp = || match ports {
        "all" => Some(IcmpMatch::default()),
        _ => icmp_match(ports),
    };
    match number {
        Some(protocol::TCP) => Some(TrafficMatch::Tcp(range()?)),
        Some(protocol::UDP) => Some(TrafficMatch::Udp(range()?)),
        Some(protocol::ICMP) => Some(TrafficMatch::Icmp(icmp()?)),
        Some(protocol::ICMPV6) => Some(TrafficMatch::Icmpv6(icmp()?)),
        other => {
            (ports == "all" || port_range(ports).is_some() || icmp_match(ports).is_some()).then_some(())?;
            Some(other.map_or(TrafficMatch::All, TrafficMatch::Other))
        }
    }
}

fn port_range(text: &str) -> Option<PortRange> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to).then_some(PortRange { from, to })
}

/// `TYPE/CODE`, -1 = any; any type goes with any code only (SG-9).
fn icmp_match(text: &str) -> Option<IcmpMatch> {
    let (icmp_type, code) = text.split_once('/')?;
    let part = |part: &str| match part {
        "-1" => Some(None),
        _ => part.parse().ok().map(Some),
    };
    let found = IcmpMatch { icmp_type: part(icmp_type)?, code: part(code)? };
    (found.icmp_type.is_some() || found.code.is_none()).then_some(found)
}

/// A block whose host bits are clear, or a single address's block.
pub(super) fn block(word: &str) -> Option<IpNet> {
    word.parse().ok()
}
