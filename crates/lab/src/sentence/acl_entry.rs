//! `NUMBER (allow|deny) rule`: one sentence of a network ACL, such as `100 allow tcp/443 from anywhere`.

use std::fmt;

use super::cursor::Cursor;
use super::rule::{Rule, RuleRanges, parse_after_action};
use super::SentenceError;
use crate::code::Code;

/// One sentence. Several ports or blocks take the numbers that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclEntry {
    /// 1 to 32766 (ACL-1).
    pub number: u16,
    /// Allow or deny.
    pub allow: bool,
    /// Direction, traffic and blocks.
    pub rule: Rule,
}

impl fmt::Display for AclEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.number, if self.allow { "allow" } else { "deny" }, self.rule)
    }
}

/// Reads an entry of a network ACL.
pub fn parse_acl_entry(text: &str) -> Result<(AclEntry, RuleRanges), SentenceError> {
    let mut cursor = Cursor::new(text);
    let example = "such as `100 allow tcp/443 from anywhere` or `110 deny out all to 10.0.0.0/8`";
    let wrong = |cursor: &mut Cursor, message: &str| {
        SentenceError::new(Code::AclSyntax, cursor.place(), message).label("expected here").hint(example)
    };
    let Some(word) = cursor.peek() else { return Err(wrong(&mut cursor, "the entry is empty")) };
    let number = match word.text.parse::<u16>() {
        Ok(number @ 1..=32_766) => number,
        Ok(number) => {
            return Err(SentenceError::new(Code::AclSyntax, word.range(), format!("{number} is not a rule number")).label("out of range").hint("1 to 32766 (ACL-1)"));
        }
        Err(_) => return Err(wrong(&mut cursor, "an entry starts with its rule number")),
    };
    cursor.word();
    let allow = match cursor.peek().map(|word| word.text) {
        Some("allow") => true,
        Some("deny") => false,
        _ => return Err(wrong(&mut cursor, "after the number comes `allow` or `deny`")),
    };
    cursor.word();
    let (rule, ranges) = parse_after_action(&mut cursor)?;
    Ok((AclEntry { number, allow, rule }, ranges))
}
