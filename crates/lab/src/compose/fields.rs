//! Values that many keys have: yes and no, words, lists, mappings that may be lists.

use super::Reading;
use super::write::{one_or_many, quoted};
use crate::yaml::{Node, Value};

/// Whether a value says yes.
pub(super) fn yes(node: &Node) -> bool {
    matches!(node.text(), Some("true" | "True" | "TRUE" | "yes" | "on"))
}

impl Reading<'_> {
    /// Words of a list, or one word alone.
    pub(super) fn words(&mut self, word: &str, node: &Node) -> Vec<String> {
        match &node.value {
            Value::Sequence(items) => items
                .iter()
                .filter_map(|item| match item.text() {
                    Some(text) => Some(text.to_owned()),
                    None => {
                        self.problem(item.span, format!("`{word}` is a list of words"), "no word", None);
                        None
                    }
                })
                .collect(),
            Value::Scalar { text, .. } if !node.is_null() => vec![text.clone()],
            Value::Scalar { .. } => Vec::new(),
            Value::Mapping(_) => {
                self.problem(node.span, format!("`{word}` is a word or a list"), "a mapping", None);
                Vec::new()
            }
        }
    }

    /// The words as the value of a key; none where there are none.
    pub(super) fn list(&mut self, word: &str, node: &Node) -> Option<String> {
        let words: Vec<String> = self.words(word, node).iter().map(|word| quoted(word)).collect();
        (!words.is_empty()).then(|| one_or_many(&words))
    }

    /// A command: a line, or words.
    pub(super) fn command(&mut self, word: &str, node: &Node) -> Option<String> {
        match &node.value {
            Value::Scalar { text, .. } => (!node.is_null() && !text.is_empty()).then(|| quoted(text)),
            _ => {
                let words: Vec<String> = self.words(word, node).iter().map(|word| quoted(word)).collect();
                (!words.is_empty()).then(|| format!("[{}]", words.join(", ")))
            }
        }
    }

    /// `NAME: VALUE` or a list of `NAME=VALUE`, as pairs; one without a value has none.
    pub(super) fn pairs(&mut self, word: &str, node: &Node) -> Vec<(String, Option<String>)> {
        match &node.value {
            Value::Mapping(entries) => entries
                .iter()
                .filter_map(|(key, value)| Some((key.text()?.to_owned(), if value.is_null() { None } else { Some(value.text()?.to_owned()) })))
                .collect(),
            _ => {
                let of = |text: String| match text.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (text, None),
                };
                self.words(word, node).into_iter().map(of).collect()
            }
        }
    }

    /// The pairs as a mapping; none where there are none.
    pub(super) fn settings(&mut self, word: &str, node: &Node) -> Option<String> {
        let all: Vec<String> =
            self.pairs(word, node).into_iter().map(|(name, value)| format!("{}: {}", quoted(&name), quoted(&value.unwrap_or_default()))).collect();
        (!all.is_empty()).then(|| format!("{{ {} }}", all.join(", ")))
    }
}
