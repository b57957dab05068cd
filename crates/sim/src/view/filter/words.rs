//! The words of the filter language, and how its text falls into them.

use std::ops::Range;

use crate::trace::{Layer, Reason, Verb};

/// A word with its place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub text: &'t str,
    pub start: usize,
    /// It stands in quotation marks: a name with spaces.
    pub is_quoted: bool,
}

impl Word<'_> {
    pub fn span(&self) -> Range<usize> {
        let marks = usize::from(self.is_quoted);
        self.start - marks..self.start + self.text.len() + marks
    }
}

/// Words, parentheses and the signs `!`, `&&` and `||`, which need no space around them. Quotation marks keep a name together.
pub(super) fn split(text: &str) -> Vec<Word<'_>> {
    const SIGNS: [&str; 5] = ["(", ")", "!", "&&", "||"];
    let mut words = Vec::new();
    let mut begun = None;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let sign = SIGNS.iter().find(|sign| text[at..].starts_with(**sign));
        let is_mark = begun.is_none() && matches!(c, '"' | '\'');
        if (sign.is_some() || c.is_whitespace())
            && let Some(start) = begun.take()
        {
            words.push(Word { text: &text[start..at], start, is_quoted: false });
        }
        if let Some(end) = text[at + c.len_utf8()..].find(c).filter(|_| is_mark) {
            let start = at + c.len_utf8();
            words.push(Word { text: &text[start..start + end], start, is_quoted: true });
            at = start + end + c.len_utf8();
            continue;
        }
        if let Some(sign) = sign {
            words.push(Word { text: sign, start: at, is_quoted: false });
        } else if !c.is_whitespace() && begun.is_none() {
            begun = Some(at);
        }
        at += sign.map_or(c.len_utf8(), |sign| sign.len());
    }
    if let Some(start) = begun {
        words.push(Word { text: &text[start..], start, is_quoted: false });
    }
    words
}

/// Words that join or begin a term, for a word that is none of them.
pub(super) const KEYWORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "node",
    "at",
    "port",
    "portrange",
    "layer",
    "verb",
    "reason",
    "stage",
    "protocol",
    "frame",
    "flow",
    "host",
    "net",
    "src",
    "dst",
    "proto",
];

/// Protocols that `wire`'s filter knows by a word.
pub(super) const PACKET_WORDS: &[&str] = &["arp", "ip", "ip6", "tcp", "udp", "icmp", "gre", "esp"];

/// Protocols that are read out of the frame; services with a well-known port come to them.
pub(super) const PROTOCOLS: &[&str] = &[
    "ethernet",
    "stp",
    "ppp",
    "lcp",
    "ipcp",
    "ipv6cp",
    "hdlc",
    "slarp",
    "ipv4",
    "ipv6",
    "icmpv6",
    "ndp",
    "igmp",
    "ospf",
    "rip",
    "dns",
    "dhcp",
    "ntp",
    "tftp",
    "snmp",
    "http",
    "tls",
    "encrypted",
    "smtp",
    "ftp",
    "pop3",
    "imap",
    "telnet",
    "ssh",
    "redis",
];

/// The protocol of a word: one that is read, or a service.
pub(super) fn protocol(word: &str) -> Option<&'static str> {
    let known = PROTOCOLS.iter().copied().find(|known| *known == word);
    known.or_else(|| model::service::called(word).map(|service| service.name))
}

pub(super) fn verb(word: &str) -> Option<Verb> {
    Verb::ALL.iter().copied().find(|verb| verb.word() == word)
}

pub(super) fn reason(word: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| reason.word() == word)
}

/// A layer by number, `L2`, or name: `data-link`, `data link` being two words.
pub(super) fn layer(word: &str) -> Option<Layer> {
    let word = word.to_ascii_lowercase();
    let digits = word.strip_prefix('l').unwrap_or(&word);
    Layer::ALL
        .iter()
        .copied()
        .find(|layer| digits == layer.number().to_string() || word == layer.name() || word == layer.name().replace(' ', "-"))
}

pub(super) fn stage(word: &str) -> Option<String> {
    fabric::Stage::ALL.iter().map(|stage| super::serde_word(*stage)).find(|known| known == word)
}

/// Everything that may stand alone, for a hint.
pub(super) fn all() -> Vec<String> {
    let mut words: Vec<String> =
        [KEYWORDS, PACKET_WORDS, PROTOCOLS].concat().iter().map(|word| (*word).to_owned()).collect();
    words.extend(model::service::SERVICES.iter().map(|service| service.name.to_owned()));
    words.extend(Verb::ALL.iter().map(|verb| verb.word().to_owned()));
    words.extend(Reason::ALL.iter().map(|reason| reason.word().to_owned()));
    words.extend(fabric::Stage::ALL.iter().map(|stage| super::serde_word(*stage)));
    words
}
