//! Texts of policies that stand for many: `*` any run, `?` one character, `${key}` what the request says (IAM-6, IAM-7, IAM-14).

use std::fmt;

use crate::arn;
use crate::facts::Facts;

/// A text with wildcards and variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `${*}`, `${?}`, `${$}`: the character itself
    Literal(char),
    /// `*`
    Run,
    /// `?`
    One,
    /// `${key}` or `${key, 'default'}`
    Variable { key: String, default: Option<String> },
}

/// What a pattern is made of once its variables have values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Char(char),
    Run,
    One,
}

impl Pattern {
    /// Reads a text. Without `has_variables` (policies older than 2012-10-17, IAM-5) `${…}` is text as any other.
    pub fn new(text: &str, has_variables: bool) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = if has_variables { variable(rest) } else { None };
            if let Some((piece, length)) = end {
                pieces.push(piece);
                rest = &rest[length..];
                continue;
            }
            let mut characters = rest.chars();
            match characters.next() {
                Some('*') => pieces.push(Piece::Run),
                Some('?') => pieces.push(Piece::One),
                Some(character) => match pieces.last_mut() {
                    Some(Piece::Text(text)) => text.push(character),
                    _ => pieces.push(Piece::Text(character.to_string())),
                },
                None => {}
            }
            rest = characters.as_str();
        }
        Self { pieces }
    }

    /// Whether it is a single `*`.
    pub fn is_everything(&self) -> bool {
        self.pieces == [Piece::Run]
    }

    /// Whether it has variables, so that its value depends on the request.
    pub fn has_variables(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Variable { .. }))
    }

    /// The keys whose values it takes.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key.as_str()),
            _ => None,
        })
    }

    /// Whether a text is one of those that it stands for; none where a variable has no value.
    pub fn matches(&self, text: &str, facts: &Facts) -> Option<bool> {
        Some(glob(&self.units(facts)?, text))
    }

    /// The text that it is when wildcards are characters like others; none where a variable has no value.
    pub fn text(&self, facts: &Facts) -> Option<String> {
        let character = |unit| match unit {
            Unit::Char(character) => character,
            Unit::Run => '*',
            Unit::One => '?',
        };
        Some(self.units(facts)?.into_iter().map(character).collect())
    }

    fn units(&self, facts: &Facts) -> Option<Vec<Unit>> {
        let mut units = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => units.extend(text.chars().map(Unit::Char)),
                Piece::Literal(character) => units.push(Unit::Char(*character)),
                Piece::Run => units.push(Unit::Run),
                Piece::One => units.push(Unit::One),
                Piece::Variable { key, default } => {
                    let value = facts.one(key).or(default.as_deref())?;
                    units.extend(value.chars().map(Unit::Char));
                }
            }
        }
        Some(units)
    }
}

impl fmt::Display for Pattern {
    /// As it is written in a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Literal(character) => write!(f, "${{{character}}}")?,
                Piece::Run => f.write_str("*")?,
                Piece::One => f.write_str("?")?,
                Piece::Variable { key, default: None } => write!(f, "${{{key}}}")?,
                Piece::Variable { key, default: Some(default) } => write!(f, "${{{key}, '{default}'}}")?,
            }
        }
        Ok(())
    }
}

/// A pattern of resource names. Each wildcard stays within its part; only the last part has variables (IAM-7, IAM-14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArnPattern {
    /// `*`
    Everything,
    /// Six parts.
    Parts(Box<[Pattern; 6]>),
}

impl ArnPattern {
    /// Reads a pattern; none where it is neither `*` nor six parts.
    pub fn new(text: &str, has_variables: bool) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everything);
        }
        let [arn, partition, service, region, account, resource] = arn::segments(text)?;
        let fixed = |part| Pattern::new(part, false);
        let resource = Pattern::new(resource, has_variables);
        Some(Self::Parts(Box::new([fixed(arn), fixed(partition), fixed(service), fixed(region), fixed(account), resource])))
    }

    /// The keys whose values it takes.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let parts: &[Pattern] = match self {
            Self::Everything => &[],
            Self::Parts(parts) => &**parts,
        };
        parts.iter().flat_map(Pattern::variables)
    }

    /// Its parts as they are written; none for `*`.
    pub fn parts(&self) -> Option<[String; 6]> {
        match self {
            Self::Everything => None,
            Self::Parts(parts) => Some(std::array::from_fn(|index| parts[index].to_string())),
        }
    }

    /// Whether a name is one of those that it stands for; none where a variable has no value. `*` as a name is what actions
    /// without a resource are asked for (EC2A-2): only what stands for everything matches it.
    pub fn matches(&self, name: &str, facts: &Facts) -> Option<bool> {
        let Self::Parts(patterns) = self else { return Some(true) };
        let Some(parts) = arn::segments(name) else { return Some(false) };
        let mut all = true;
        for (pattern, part) in patterns.iter().zip(parts) {
            all &= pattern.matches(part, facts)?;
        }
        Some(all)
    }
}

impl fmt::Display for ArnPattern {
    /// As it is written in a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("*"),
            Self::Parts(parts) => {
                let [first, rest @ ..] = &**parts;
                first.fmt(f)?;
                rest.iter().try_for_each(|part| write!(f, ":{part}"))
            }
        }
    }
}

/// The variable that a text begins with, and its length.
fn variable(text: &str) -> Option<(Piece, usize)> {
    let body = text.strip_prefix("${")?;
    let end = body.find('}')?;
    let (inside, length) = (&body[..end], end + 3);
    if let ("*" | "?" | "$", Some(character)) = (inside, inside.chars().next()) {
        return Some((Piece::Literal(character), length));
    }
    let (key, default) = match inside.split_once(',') {
        Some((key, default)) => {
            let default = default.trim().strip_prefix('\'').and_then(|default| default.strip_suffix('\''))?;
            (key.trim(), Some(default.to_owned()))
        }
        None => (inside.trim(), None),
    };
    (!key.is_empty()).then(|| (Piece::Variable { key: key.to_owned(), default }, length))
}

/// Compares from the left; after a mismatch the last run takes one character more. At most length times length steps.
fn glob(pattern: &[Unit], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut from) = (0, 0);
    let mut last_run: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(Unit::Run) => {
                last_run = Some((at, from));
                at += 1;
            }
            Some(Unit::One) => (at, from) = (at + 1, from + 1),
            Some(Unit::Char(character)) if *character == text[from] => (at, from) = (at + 1, from + 1),
            _ => match last_run {
                Some((run, taken)) => {
                    last_run = Some((run, taken + 1));
                    (at, from) = (run + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|unit| *unit == Unit::Run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let mut facts = Facts::new();
        facts.set("aws:username", "dev*");
        facts
    }

    #[test]
    fn wildcards_stand_for_runs_and_single_characters() {
        for (pattern, text, expected) in [
            ("", "", true), ("*", "", true), ("a*", "a", true), ("a*c", "abbbc", true), ("a*c", "abbb", false),
            ("a?c", "abc", true), ("a?c", "ac", false), ("*a*b*", "xxaxxbxx", true), ("*a*b*", "xxbxxaxx", false),
            ("**", "any", true), ("a*b*c", "abcbc", true), ("서?*", "서버-1", true),
        ] {
            assert_eq!(Pattern::new(pattern, true).matches(text, &facts()), Some(expected), "{pattern} {text}");
        }
    }

    #[test]
    fn iam_14_a_value_is_taken_as_text_and_not_as_a_pattern() {
        let pattern = Pattern::new("home/${aws:UserName}/*", true);
        assert_eq!(pattern.matches("home/dev*/a", &facts()), Some(true));
        assert_eq!(pattern.matches("home/developer/a", &facts()), Some(false));
    }

    #[test]
    fn iam_14_without_a_value_nothing_is_said_unless_there_is_a_default() {
        assert_eq!(Pattern::new("${aws:userid}", true).matches("x", &facts()), None);
        assert_eq!(Pattern::new("${aws:userid, 'x'}", true).matches("x", &facts()), Some(true));
    }

    #[test]
    fn iam_14_wildcards_and_dollars_can_be_meant_as_characters() {
        let pattern = Pattern::new("a${*}${?}${$}", true);
        assert_eq!((pattern.matches("a*?$", &facts()), pattern.matches("ab?$", &facts())), (Some(true), Some(false)));
    }

    #[test]
    fn iam_5_older_policies_have_no_variables() {
        let pattern = Pattern::new("${aws:username}", false);
        assert_eq!(pattern.matches("${aws:username}", &facts()), Some(true));
    }

    #[test]
    fn iam_7_a_wildcard_stays_in_its_part_of_the_name() {
        let any_vpc = ArnPattern::new("arn:aws:ec2:*:111122223333:vpc/*", true).unwrap();
        assert_eq!(any_vpc.matches("arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", &facts()), Some(true));
        assert_eq!(any_vpc.matches("arn:aws:ec2:eu-west-1:999999999999:vpc/vpc-1", &facts()), Some(false));
        let over = ArnPattern::new("arn:aws:ec2:*:vpc/*:x", true);
        assert_eq!(over.unwrap().matches("arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1:x", &facts()), Some(false));
        assert_eq!(ArnPattern::new("vpc/*", true), None);
    }

    #[test]
    fn ec2a_2_what_has_no_resource_is_matched_by_everything_alone() {
        assert_eq!(ArnPattern::new("*", true).unwrap().matches("*", &facts()), Some(true));
        assert_eq!(ArnPattern::new("arn:aws:ec2:*:*:*", true).unwrap().matches("*", &facts()), Some(false));
    }
}
