//! The sentences of a lab file: rules, network ACL entries, claims, probes. Pure text in, data and ranges
//! out; whoever knows the file turns ranges into places.

mod acl_entry;
mod claim;
mod command;
mod cursor;
mod lan;
mod link;
mod mount;
mod probe;
mod publish;
mod quantity;
mod right;
mod rule;
mod selector;
mod statement;
mod traffic;

use std::ops::Range;

use crate::code::Code;

pub use acl_entry::{AclEntry, parse_acl_entry};
pub use claim::{ClaimPart, ClaimRanges, parse_claim, parse_claim_parts};
pub use command::parse_command;
pub use lan::{parse_filter_rule, parse_service, parse_static_route};
pub use link::{LinkEnd, LinkSentence, parse_link};
pub use mount::{Mount, parse_mount};
pub use probe::parse_probe;
pub use publish::parse_publish;
pub use quantity::{parse_cpus, parse_duration, parse_length, parse_rate, parse_share, parse_size, parse_time};
pub use right::{RightRanges, is_right, parse_action, parse_right, parse_right_result};
pub use rule::{Rule, RulePeer, RuleRanges, parse_rule};
pub use selector::parse_selector;
pub use statement::parse_statement;
pub use traffic::{parse_listeners, parse_traffic};

/// What is wrong with a sentence, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SentenceError {
    /// Entry of the registry.
    pub code: Code,
    /// Bytes of the sentence that are meant.
    pub range: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// A few words beside the caret.
    pub label: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl SentenceError {
    fn new(code: Code, range: Range<usize>, message: impl Into<String>) -> Self {
        Self { code, range, message: message.into(), label: String::new(), hint: None }
    }

    fn label(mut self, label: &str) -> Self {
        self.label = label.to_owned();
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error in a sentence that starts `offset` bytes later.
    pub(crate) fn shifted(mut self, offset: usize) -> Self {
        self.range = self.range.start + offset..self.range.end + offset;
        self
    }
}

#[cfg(test)]
mod tests;
