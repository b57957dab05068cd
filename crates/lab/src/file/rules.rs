//! Rules of security groups and entries of network ACLs, with the places of their peers.

use super::phrase::{Phrase, not_a_sentence};
use crate::decode::{Decode, Decoder};
use crate::sentence::{AclEntry, Rule, RulePeer, RuleRanges, SentenceError, parse_acl_entry, parse_rule};
use crate::source::{Located, Span};
use crate::yaml::Node;

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

impl Decode for RulePhrase {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (rule, peers) = read(node, decoder, "a rule", "tcp/80 from anywhere", parse_rule, |rule: &Rule| &rule.peers)?;
        Some(Self { rule, peers, span: node.span })
    }
}

impl Decode for AclPhrase {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let example = "100 allow tcp/443 from anywhere";
        let (entry, peers) = read(node, decoder, "a network ACL entry", example, parse_acl_entry, |entry: &AclEntry| &entry.rule.peers)?;
        Some(Self { entry, peers, span: node.span })
    }
}
