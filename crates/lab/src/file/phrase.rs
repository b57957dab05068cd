//! Sentences inside YAML: from a node to a sentence, and from a range of it back to a place.

use std::ops::Range;

use model::Claim;
use model::guest::Listener;

use crate::code::Code;
use crate::decode::{Decode, Decoder};
use crate::diagnostic::Diagnostic;
use crate::sentence::{ClaimRanges, SentenceError, parse_claim, parse_claim_parts, parse_listeners};
use crate::source::{Sources, Span};
use crate::yaml::{Node, Value, split_selector};

/// A text and where it stands, byte for byte if it is written in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase<'n> {
    /// The text.
    pub text: &'n str,
    span: Span,
    exact: bool,
}

impl<'n> Phrase<'n> {
    /// The phrase of a scalar node.
    pub fn new(node: &'n Node, sources: &Sources) -> Option<Self> {
        let text = node.text()?;
        let written = sources.text(node.span);
        let (skip, inner) = match written.as_bytes().first() {
            Some(b'"' | b'\'') if written.len() >= 2 => (1, &written[1..written.len() - 1]),
            _ => (0, written),
        };
        // Escapes and folded lines move bytes: then the whole node is the place.
        let exact = inner.starts_with(text);
        let start = node.span.start + if exact { skip } else { 0 };
        Some(Self { text, span: Span { start, ..node.span }, exact })
    }

    /// The place of a range of the text.
    pub fn place(&self, range: Range<usize>) -> Span {
        match self.exact {
            true => self.span.part(range.start, range.end),
            false => self.span,
        }
    }

    /// An error of the sentence as a problem of the file.
    pub fn problem(&self, error: SentenceError) -> Diagnostic {
        let place = self.place(error.range);
        Diagnostic::new(error.code, place, error.message).label(error.label).maybe_hint(error.hint)
    }
}

/// Notes that a sentence came as a list or mapping, with the line as it should be.
pub(super) fn not_a_sentence<T>(node: &Node, what: &str, example: &str, decoder: &mut Decoder) -> Option<T> {
    if node.is_null() {
        decoder.problem(Diagnostic::new(Code::NoValue, node.span, format!("{what} is missing")).label("nothing").hint(format!("such as `{example}`")));
        return None;
    }
    let line = decoder.sources.line_at(node.span).trim();
    let (code, hint) = match split_selector(line) {
        Some(corrected) => (Code::SpaceAfterColon, format!("no space inside a name: `{corrected}`")),
        None => (Code::SentenceKind, format!("{what} is one text: `{example}`")),
    };
    let found = if matches!(node.value, Value::Sequence(_)) { "a list" } else { "a mapping" };
    decoder.problem(Diagnostic::new(code, node.span, format!("{what} is one text, found {found}")).label(found).hint(hint));
    None
}

/// `tcp/80` in a `listen` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenPhrase {
    /// The listeners; `tcp/80,443` makes two.
    pub listeners: Vec<Listener>,
    /// Where it stands.
    pub span: Span,
}

impl Decode for ListenPhrase {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Some(phrase) = Phrase::new(node, decoder.sources).filter(|_| !node.is_null()) else {
            return not_a_sentence(node, "a listener", "tcp/80", decoder);
        };
        match parse_listeners(phrase.text) {
            Ok(listeners) => Some(Self { listeners, span: node.span }),
            Err(error) => {
                decoder.problem(phrase.problem(error));
                None
            }
        }
    }
}

/// One promise of `expect`, with the places of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPhrase {
    /// The claim with its origin.
    pub claim: Claim,
    /// Where each selector stands, in the order of the sentence.
    pub selectors: Vec<(model::Selector, Span)>,
    /// Where each node after `through` and `via` stands.
    pub waypoints: Vec<(model::claim::Waypoint, Span)>,
    /// Where the blocker of the result stands.
    pub blocker: Option<Span>,
    /// Where the claim stands.
    pub span: Span,
}

const CLAIM_EXAMPLE: &str = "web-1 -> db-1 tcp/3306: open";

impl Decode for ClaimPhrase {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::Scalar { .. } if !node.is_null() => {
                let phrase = Phrase::new(node, decoder.sources)?;
                match parse_claim(phrase.text) {
                    Ok((claim, ranges)) => Some(placed(claim, ranges, node, decoder, &phrase, &phrase)),
                    Err(error) => {
                        decoder.problem(phrase.problem(error));
                        None
                    }
                }
            }
            // `- a -> b tcp/80: open` is a mapping of one key to YAML.
            Value::Mapping(entries) => match entries.as_slice() {
                [(key, value)] => from_pair(node, key, value, decoder),
                _ => not_a_sentence(node, "a claim", CLAIM_EXAMPLE, decoder),
            },
            _ => not_a_sentence(node, "a claim", CLAIM_EXAMPLE, decoder),
        }
    }
}

fn from_pair(node: &Node, key: &Node, value: &Node, decoder: &mut Decoder) -> Option<ClaimPhrase> {
    let head = Phrase::new(key, decoder.sources)?;
    // `subnet: admin -> web-1 tcp/22` is the mapping of `subnet` to the rest.
    let line = decoder.sources.line_at(node.span);
    if let Some(corrected) = split_selector(line).filter(|_| !head.text.contains("->")) {
        decoder.problem(
            Diagnostic::new(Code::SpaceAfterColon, key.span, "the space after the colon makes a mapping of this claim")
                .label("a name ends at its colon")
                .hint(format!("no space inside a name: `{corrected}`")),
        );
        return None;
    }
    let Some(result) = Phrase::new(value, decoder.sources) else {
        return not_a_sentence(value, "the result of a claim", CLAIM_EXAMPLE, decoder);
    };
    let text = if value.is_null() { "" } else { result.text };
    match parse_claim_parts(head.text, Some(text)) {
        Ok((claim, ranges)) => Some(placed(claim, ranges, node, decoder, &head, &result)),
        Err((crate::sentence::ClaimPart::Head, error)) => {
            decoder.problem(head.problem(error));
            None
        }
        Err((crate::sentence::ClaimPart::Result, error)) => {
            decoder.problem(result.problem(error));
            None
        }
    }
}

fn placed(claim: Claim, ranges: ClaimRanges, node: &Node, decoder: &Decoder, head: &Phrase, result: &Phrase) -> ClaimPhrase {
    let origin = decoder.sources.origin(node.span);
    let in_result = usize::from(claim.via.is_some());
    let waypoints = ranges.waypoints.len();
    let waypoint = |(index, (node, range)): (usize, (_, Range<usize>))| {
        let phrase = if index + in_result >= waypoints && in_result > 0 { result } else { head };
        (node, phrase.place(range))
    };
    ClaimPhrase {
        selectors: ranges.selectors.into_iter().map(|(selector, range)| (selector, head.place(range))).collect(),
        waypoints: ranges.waypoints.into_iter().enumerate().map(waypoint).collect(),
        blocker: ranges.blocker.map(|range| result.place(range)),
        span: node.span,
        claim: Claim { origin, ..claim },
    }
}
