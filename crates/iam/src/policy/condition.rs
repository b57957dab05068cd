//! Conditions: an operator, a key, values (IAM-9 … IAM-14).

use super::compare::{self, Comparison};
use super::pattern::Pattern;
use crate::facts::Facts;

/// How the values of a key that has several are held to a test (IAM-11, IAM-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// No prefix.
    None,
    /// `ForAllValues:` — true for a key that is absent or has no value.
    All,
    /// `ForAnyValue:` — false for it.
    Any,
}

/// What is compared, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// `Null`: the key is absent (`true`) or there (`false`).
    Null,
    /// A comparison of values.
    Compares(Comparison),
    /// Its opposite: none of the values.
    Differs(Comparison),
}

/// An operator with its prefix and suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    /// The prefix.
    pub quantifier: Quantifier,
    /// The name between.
    pub test: Test,
    /// The suffix `IfExists`: true for a key that is absent (IAM-10).
    pub if_exists: bool,
}

/// A condition: the values of a key are held to an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// The operator as written.
    pub name: String,
    /// The operator.
    pub operator: Operator,
    /// The key as written.
    pub key: String,
    /// The values as written.
    pub written: Vec<String>,
    /// One of these is enough; for opposites none of them.
    pub values: Vec<Pattern>,
}

impl Operator {
    /// Reads an operator; none where there is no such.
    pub fn parse(name: &str) -> Option<Self> {
        let (quantifier, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(_) => return None,
            None => (Quantifier::None, name),
        };
        if rest == "Null" {
            return Some(Self { quantifier, test: Test::Null, if_exists: false });
        }
        let (base, if_exists) = match rest.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let (comparison, is_negated) = Comparison::parse(base)?;
        let test = if is_negated { Test::Differs(comparison) } else { Test::Compares(comparison) };
        Some(Self { quantifier, test, if_exists })
    }
}

impl Clause {
    /// Whether it holds for a request.
    pub fn holds(&self, facts: &Facts) -> bool {
        let there = facts.all(&self.key);
        let (comparison, wanted) = match self.operator.test {
            Test::Null => {
                let is_absent = there.is_none_or(<[String]>::is_empty);
                return self.values.iter().any(|value| value.text(facts).is_some_and(|text| text.eq_ignore_ascii_case(match is_absent {
                    true => "true",
                    false => "false",
                })));
            }
            Test::Compares(comparison) => (comparison, true),
            Test::Differs(comparison) => (comparison, false),
        };
        let Some(there) = there.filter(|there| !there.is_empty()) else {
            return match self.operator.quantifier {
                Quantifier::All => true,
                Quantifier::Any => self.operator.if_exists,
                Quantifier::None => self.operator.if_exists || !wanted,
            };
        };
        let is_among = |value: &String| self.values.iter().any(|pattern| compare::matches(comparison, pattern, value, facts));
        match self.operator.quantifier {
            Quantifier::All => there.iter().all(|value| is_among(value) == wanted),
            Quantifier::Any => there.iter().any(|value| is_among(value) == wanted),
            // A key with several values and no prefix: one that is among them is enough.
            Quantifier::None => there.iter().any(is_among) == wanted,
        }
    }
}
