//! What `expect` promises: about traffic, or about rights.

use iam::Claim;

use super::phrase::{ClaimPhrase, Phrase};
use crate::decode::{Decode, Decoder};
use crate::sentence::{RightRanges, is_right, parse_right, parse_right_result};
use crate::source::Span;
use crate::yaml::{Node, Value};

/// One promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promise {
    /// Of traffic: `web-1 -> db-1 tcp/3306: open`.
    Traffic(Box<ClaimPhrase>),
    /// Of rights: `user dev ec2:TerminateInstances: denied`.
    Right(Box<RightPhrase>),
}

/// A promise about rights, with the places of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightPhrase {
    /// The claim with its origin.
    pub claim: Claim,
    /// Where the name of the user or role stands.
    pub who: Span,
    /// Where each target stands, in the order of the sentence.
    pub targets: Vec<Span>,
}

impl Decode for Promise {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::Mapping(entries) => {
                if let [(key, value)] = entries.as_slice()
                    && key.text().is_some_and(is_right)
                {
                    return right(node, key, Some(value), decoder);
                }
            }
            Value::Scalar { text, .. } => {
                let head = text.rsplit_once(": ").map_or(text.as_str(), |(head, _)| head);
                if is_right(head) {
                    return right(node, node, None, decoder);
                }
            }
            Value::Sequence(_) => {}
        }
        ClaimPhrase::decode(node, decoder).map(|claim| Self::Traffic(Box::new(claim)))
    }
}

/// A claim about rights: in two parts as YAML cuts it, or in one text.
fn right(node: &Node, key: &Node, value: Option<&Node>, decoder: &mut Decoder) -> Option<Promise> {
    let whole = Phrase::new(key, decoder.sources)?;
    let cut = if value.is_none() { whole.text.rfind(": ") } else { None };
    let head = cut.map_or(whole.text, |colon| &whole.text[..colon]);
    let (claim, RightRanges { who, targets }) = match parse_right(head) {
        Ok(read) => read,
        Err(error) => {
            decoder.problem(whole.problem(error));
            return None;
        }
    };
    let (result, phrase, offset) = match (value, cut) {
        (Some(value), _) => (if value.is_null() { "" } else { value.text()? }, Phrase::new(value, decoder.sources)?, 0),
        (None, Some(colon)) => (&whole.text[colon + 2..], whole.clone(), colon + 2),
        (None, None) => ("", whole.clone(), whole.text.len()),
    };
    let expected = match parse_right_result(result) {
        Ok(expected) => expected,
        Err(error) => {
            decoder.problem(phrase.problem(error.shifted(offset)));
            return None;
        }
    };
    let claim = Claim { expected, origin: decoder.sources.origin(node.span), ..claim };
    let targets = targets.into_iter().map(|range| whole.place(range)).collect();
    Some(Promise::Right(Box::new(RightPhrase { claim, who: whole.place(who), targets })))
}
