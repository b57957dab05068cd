//! Rules of security groups and entries of network ACLs, with the places of their peers.

use super::phrase::{Phrase, not_a_sentence};
use crate::code::Code;
use crate::decode::{Decode, Decoder};
use crate::diagnostic::Diagnostic;
use crate::sentence::{AclEntry, Rule, RulePeer, RuleRanges, SentenceError, parse_acl_entry, parse_rule};
use crate::source::{Located, Span};
use crate::yaml::{Node, Value};

/// A rule of a security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePhrase {
    /// The rule.
    pub rule: Rule,
    /// Its peers with their places.
    pub peers: Vec<Located<RulePeer>>,
    /// Where the rule stands.
    pub span: Span,
}

/// An entry of a network ACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclPhrase {
    /// The entry.
    pub entry: AclEntry,
    /// Its peers with their places.
    pub peers: Vec<Located<RulePeer>>,
    /// Where the entry stands.
    pub span: Span,
}

fn read<T>(
    node: &Node,
    decoder: &mut Decoder,
    what: &str,
    example: &str,
    parse: fn(&str) -> Result<(T, RuleRanges), SentenceError>,
    peers_of: fn(&T) -> &[RulePeer],
) -> Option<(T, Vec<Located<RulePeer>>)> {
    let Some(phrase) = Phrase::new(node, decoder.sources).filter(|_| !node.is_null()) else {
        return not_a_sentence(node, what, example, decoder);
    };
    match parse(phrase.text) {
        Ok((sentence, ranges)) => {
            let places = ranges.peers.into_iter().map(|range| phrase.place(range));
            let peers = peers_of(&sentence).iter().cloned().zip(places).map(|(peer, place)| Located::new(peer, place)).collect();
            Some((sentence, peers))
        }
        Err(error) => {
            decoder.problem(phrase.problem(error));
            None
        }
    }
}

/// A rule of which a comma between ports made two items: `[tcp/22,80 from anywhere]`. The first part ends behind a port,
/// the second begins with one.
fn is_cut(items: &[Node], decoder: &mut Decoder) -> bool {
    let text = |node: &Node| match &node.value {
        Value::Scalar { text, plain: true } => Some(text.clone()),
        _ => None,
    };
    let ends_with_a_port = |text: &str| {
        let last = text.rsplit_once('/').map(|(_, last)| last);
        last.is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
    };
    let begins_with_a_port = |text: &str| {
        let mut words = text.split_whitespace();
        let port = words.next().is_some_and(|word| word.bytes().all(|b| b.is_ascii_digit() || b == b'-'));
        port && words.next().is_none_or(|word| word == "from" || word == "to")
    };
    let cut = items.windows(2).position(|pair| {
        let (one, two) = (text(&pair[0]), text(&pair[1]));
        // Items on lines of their own have more between them than a comma and a space.
        let near = pair[1].span.start.saturating_sub(pair[0].span.end) <= 2;
        near && one.is_some_and(|one| ends_with_a_port(&one)) && two.is_some_and(|two| begins_with_a_port(&two))
    });
    let Some(first) = cut else { return false };
    let mut whole = text(&items[first]).unwrap_or_default();
    for part in items[first + 1..].iter().map_while(text).take_while(|part| begins_with_a_port(part)) {
        whole.push(',');
        whole.push_str(&part);
    }
    let message = "a comma ends an item of a list in brackets";
    let problem = Diagnostic::new(Code::RuleSyntax, items[first].span, message).label("ends here");
    decoder.problem(problem.hint(format!("in quotes it is one rule: `[ \"{whole}\" ]`; or put each rule on a line of its own")));
    true
}

impl Decode for RulePhrase {
    fn is_cut_by_a_comma(items: &[Node], decoder: &mut Decoder) -> bool {
        is_cut(items, decoder)
    }

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (rule, peers) = read(node, decoder, "a rule", "tcp/80 from anywhere", parse_rule, |rule: &Rule| &rule.peers)?;
        Some(Self { rule, peers, span: node.span })
    }
}

impl Decode for AclPhrase {
    fn is_cut_by_a_comma(items: &[Node], decoder: &mut Decoder) -> bool {
        is_cut(items, decoder)
    }

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let example = "100 allow tcp/443 from anywhere";
        let (entry, peers) = read(node, decoder, "a network ACL entry", example, parse_acl_entry, |entry: &AclEntry| &entry.rule.peers)?;
        Some(Self { entry, peers, span: node.span })
    }
}
