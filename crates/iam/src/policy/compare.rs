//! Comparisons of conditions: texts, numbers, dates, addresses, names (IAM-11, IAM-13).

use std::net::IpAddr;

use ipnet::IpNet;
use model::Moment;

use super::pattern::{ArnPattern, Pattern};
use crate::facts::Facts;

/// What an operator compares, without its opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same text.
    StringEquals,
    /// The same text but for case.
    StringEqualsIgnoreCase,
    /// A text with wildcards, as a whole.
    StringLike,
    /// A number.
    Numeric(Order),
    /// A date, as ISO 8601 or as seconds since 1970.
    Date(Order),
    /// `true` or `false`.
    Bool,
    /// Base64 text.
    Binary,
    /// An address in a block; without a length it is the address alone.
    IpAddress,
    /// A resource name part by part.
    Arn,
}

/// How the value of the request must stand to that of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The same.
    Equal,
    /// Less.
    Less,
    /// Less or the same.
    LessOrEqual,
    /// More.
    Greater,
    /// More or the same.
    GreaterOrEqual,
}

impl Comparison {
    /// Reads an operator's name without prefix and suffix: what it compares, and whether it is the opposite.
    pub(super) fn parse(name: &str) -> Option<(Self, bool)> {
        let known = match name {
            "StringEquals" => (Self::StringEquals, false),
            "StringNotEquals" => (Self::StringEquals, true),
            "StringEqualsIgnoreCase" => (Self::StringEqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (Self::StringEqualsIgnoreCase, true),
            "StringLike" => (Self::StringLike, false),
            "StringNotLike" => (Self::StringLike, true),
            "Bool" => (Self::Bool, false),
            "BinaryEquals" => (Self::Binary, false),
            "IpAddress" => (Self::IpAddress, false),
            "NotIpAddress" => (Self::IpAddress, true),
            "ArnEquals" | "ArnLike" => (Self::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Self::Arn, true),
            _ => {
                let (make, order): (fn(Order) -> Self, &str) = match name.strip_prefix("Numeric") {
                    Some(order) => (Self::Numeric, order),
                    None => (Self::Date, name.strip_prefix("Date")?),
                };
                let (order, is_negated) = match order {
                    "Equals" => (Order::Equal, false),
                    "NotEquals" => (Order::Equal, true),
                    "LessThan" => (Order::Less, false),
                    "LessThanEquals" => (Order::LessOrEqual, false),
                    "GreaterThan" => (Order::Greater, false),
                    "GreaterThanEquals" => (Order::GreaterOrEqual, false),
                    _ => return None,
                };
                (make(order), is_negated)
            }
        };
        Some(known)
    }

    /// What is wrong with a value of a policy, whatever the request.
    pub(super) fn refuses(self, value: &str) -> Option<&'static str> {
        match self {
            Self::Numeric(_) if number(value).is_none() => Some("is not a number"),
            Self::Date(_) if Moment::parse(value).is_none() => Some("is not a date as 2026-01-31T09:00:00Z"),
            Self::Bool if !["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word)) => Some("is not true or false"),
            Self::IpAddress if block(value).is_none() => Some("is not an address or a block of addresses"),
            Self::Arn if ArnPattern::new(value, false).is_none() => Some("is not the name of a resource (six parts)"),
            _ => None,
        }
    }
}

/// Whether the value of a request is what a policy's value says. What cannot be read or has no value is not (IAM-14).
pub(super) fn matches(comparison: Comparison, pattern: &Pattern, value: &str, facts: &Facts) -> bool {
    if comparison == Comparison::StringLike {
        return pattern.matches(value, facts) == Some(true);
    }
    let Some(wanted) = pattern.text(facts) else { return false };
    match comparison {
        Comparison::StringEquals | Comparison::Binary => wanted == value,
        Comparison::StringEqualsIgnoreCase => wanted.to_lowercase() == value.to_lowercase(),
        Comparison::StringLike => false,
        Comparison::Bool => wanted.eq_ignore_ascii_case(value),
        Comparison::Numeric(order) => number(value).zip(number(&wanted)).is_some_and(|(value, wanted)| holds(order, &value, &wanted)),
        Comparison::Date(order) => Moment::parse(value).zip(Moment::parse(&wanted)).is_some_and(|(value, wanted)| holds(order, &value, &wanted)),
        Comparison::IpAddress => block(value).zip(block(&wanted)).is_some_and(|(value, wanted)| wanted.contains(&value)),
        Comparison::Arn => ArnPattern::new(&wanted, false).is_some_and(|wanted| wanted.matches(value, facts) == Some(true)),
    }
}

fn holds<T: PartialOrd>(order: Order, value: &T, wanted: &T) -> bool {
    match order {
        Order::Equal => value == wanted,
        Order::Less => value < wanted,
        Order::LessOrEqual => value <= wanted,
        Order::Greater => value > wanted,
        Order::GreaterOrEqual => value >= wanted,
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn block(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_compared_however_they_are_written() {
        let facts = Facts::default();
        for (wanted, value, expected) in [
            ("2026-11-26T09:00:00Z", "1795683600", true), ("2026-11-26T18:00:00+09:00", "2026-11-26T09:00:00Z", true),
            ("1795683600", "2026-11-26T09:00Z", true), ("2026-11-26", "2026-11-26T00:00:00Z", true),
            ("2026-11-26T09:00:00Z", "2026-11-26T09:00:01Z", false), ("2026-11-26", "yesterday", false),
        ] {
            assert_eq!(matches(Comparison::Date(Order::Equal), &Pattern::new(wanted, true), value, &facts), expected, "{wanted} {value}");
        }
    }

    #[test]
    fn iam_13_an_address_without_a_length_is_itself_alone() {
        let facts = Facts::default();
        for (wanted, value, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true), ("10.0.0.1", "10.0.0.1", true), ("10.0.0.1", "10.0.0.2", false),
            ("2001:db8::/32", "2001:db8::1", true), ("10.0.0.0/8", "fd00::1", false), ("10.0.0.0/8", "ten", false),
        ] {
            assert_eq!(matches(Comparison::IpAddress, &Pattern::new(wanted, true), value, &facts), expected, "{wanted} {value}");
        }
    }

    #[test]
    fn string_like_has_wildcards_and_string_equals_has_none() {
        let (facts, pattern) = (Facts::default(), Pattern::new("t3.*", true));
        assert!(matches(Comparison::StringLike, &pattern, "t3.micro", &facts));
        assert!(!matches(Comparison::StringEquals, &pattern, "t3.micro", &facts));
        assert!(matches(Comparison::StringEquals, &pattern, "t3.*", &facts));
    }

    #[test]
    fn iam_11_names_are_compared_part_by_part_and_texts_as_a_whole() {
        let (facts, name) = (Facts::default(), "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1");
        let pattern = Pattern::new("arn:aws:ec2:*:vpc/vpc-1", true);
        assert!(matches(Comparison::StringLike, &pattern, name, &facts));
        assert!(!matches(Comparison::Arn, &pattern, name, &facts));
    }
}
