//! `right := (user NAME | role NAME | root) ACTION[, ACTION…] [on TARGET[, TARGET…]] [with KEY=VALUE[, …]] : (allowed|denied)`, where
//! `TARGET := [TYPE] NAME | TYPE/NAME | ID | arn:…`.

use std::ops::Range;

use iam::claim::{Claim, Expected, Target, Who};
use model::Origin;

use super::SentenceError;
use super::cursor::{Cursor, Word};
use crate::code::Code;
use crate::diagnostic::nearest;

const EXAMPLE: &str = "user dev ec2:TerminateInstances on instance web: denied";

/// Where the parts of a claim about rights stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RightRanges {
    /// The name of the user or role.
    pub who: Range<usize>,
    /// Every target, in the order of the sentence.
    pub targets: Vec<Range<usize>>,
}

/// Whether a claim's text before the colon speaks of rights: `user`, `role` or `root`, and no arrow.
pub fn is_right(head: &str) -> bool {
    let mut words = head.split_whitespace();
    let first = words.next();
    matches!(first, Some("user" | "role" | "root")) && words.next().is_some() && !head.contains("->")
}

/// Reads what stands before the colon; `expected` is filled in by [`parse_right_result`].
pub fn parse_right(head: &str) -> Result<(Claim, RightRanges), SentenceError> {
    let mut cursor = Cursor::new(head);
    let mut ranges = RightRanges::default();
    let kind = cursor.word().map_or("", |word| word.text);
    let who = match kind {
        "root" => Who::Root,
        _ => {
            let place = cursor.place();
            let name = cursor.word().ok_or_else(|| wrong(place, format!("the name of the {kind} is missing")).label("missing").hint(EXAMPLE))?;
            ranges.who = name.range();
            match kind {
                "user" => Who::User(name.text.to_owned()),
                _ => Who::Role(name.text.to_owned()),
            }
        }
    };
    let place = cursor.place();
    let words = cursor.list();
    if let Some(word) = words.iter().find(|word| word.text.is_empty()) {
        let range = if words.len() == 1 { place } else { word.range() };
        return Err(wrong(range, "the claim says no action").label("missing").hint(EXAMPLE));
    }
    words.iter().try_for_each(check_action)?;
    let actions = words.iter().map(|word| word.text.to_owned()).collect();
    let mut on = Vec::new();
    if cursor.take("on") {
        on = targets(&mut cursor, &mut ranges)?;
    }
    let with = if cursor.take("with") { pairs(&mut cursor)? } else { Vec::new() };
    match cursor.peek() {
        None => Ok((Claim { who, actions, on, with, expected: Expected::Denied, origin: Origin::default() }, ranges)),
        Some(extra) => {
            let message = format!("expected a comma, `on` or `with`, found `{}`", extra.text);
            Err(wrong(extra.range(), message).label("not here").hint(EXAMPLE))
        }
    }
}

/// Reads what stands behind the colon.
pub fn parse_right_result(text: &str) -> Result<Expected, SentenceError> {
    let trimmed = text.trim();
    let start = text.len() - text.trim_start().len();
    let range = start..start + trimmed.len();
    match trimmed {
        "allowed" => Ok(Expected::Allowed),
        "denied" => Ok(Expected::Denied),
        "" => Err(SentenceError::new(Code::MissingResult, range, "the claim has no result").label("missing").hint(EXAMPLE)),
        other => {
            let near = match other {
                "blocked" | "refused" | "forbidden" | "deny" | "no" | "false" | "off" => Some("denied"),
                "allow" | "open" | "yes" | "true" | "on" | "granted" => Some("allowed"),
                other => nearest(other, ["allowed", "denied"]),
            };
            let error = SentenceError::new(Code::UnknownResult, range, format!("`{other}` is not a result of a claim about rights"));
            Err(error.label("not a result").hint(near.map_or_else(|| "allowed or denied".to_owned(), |near| format!("did you mean `{near}`?"))))
        }
    }
}

/// Reads an action as the command line has it. Errors: there is no such action.
pub fn parse_action(text: &str) -> Result<(), SentenceError> {
    check_action(&Word { text, start: 0 })
}

fn wrong(range: Range<usize>, message: impl Into<String>) -> SentenceError {
    SentenceError::new(Code::RightSyntax, range, message)
}

/// An action of a service that the lab serves must exist; patterns must stand for some.
fn check_action(word: &Word<'_>) -> Result<(), SentenceError> {
    let text = word.text;
    let Some((service, name)) = text.split_once(':').filter(|(service, name)| !service.is_empty() && !name.is_empty()) else {
        let error = wrong(word.range(), format!("`{text}` is no action: an action is SERVICE:NAME")).label("which service?");
        let found = query::shapes::services().iter().find(|service| service.has_operation(text));
        return Err(error.hint(found.map_or_else(|| format!("such as `{EXAMPLE}`"), |service| format!("did you mean `{}:{text}`?", service.name))));
    };
    let Some(served) = query::shapes::service(&service.to_ascii_lowercase()) else { return Ok(()) };
    let matching = iam::policy::ActionPattern::new(text);
    let mut known = served.operation_names().chain(iam::policy::WITHOUT_A_CALL.iter().filter_map(|action| action.strip_prefix(served.name)?.strip_prefix(':')));
    if known.any(|known| matching.as_ref().is_some_and(|pattern| pattern.matches(&format!("{}:{known}", served.name)))) {
        return Ok(());
    }
    let near = nearest(name, served.operation_names().filter(|known| known.len().abs_diff(name.len()) <= 3));
    let error = SentenceError::new(Code::UnknownAction, word.range(), format!("{} has no action `{name}`", served.name)).label("no such action");
    Err(match near {
        Some(near) => error.hint(format!("did you mean `{}:{near}`?", served.name)),
        None => error.hint("actions are called as the operations of the API: `ec2:DescribeInstances`"),
    })
}

fn targets(cursor: &mut Cursor<'_>, ranges: &mut RightRanges) -> Result<Vec<Target>, SentenceError> {
    let mut targets = Vec::new();
    loop {
        let place = cursor.place();
        let Some(first) = cursor.word() else {
            return Err(wrong(place, "`on` names nothing").label("missing").hint(EXAMPLE));
        };
        let is_last = |text: &str| !text.ends_with(',');
        let (target, range) = match cursor.peek().filter(|next| is_last(first.text) && !matches!(next.text, "with" | ",")) {
            // A type and a name.
            Some(name) => {
                cursor.word();
                let kind = check_kind(&first)?;
                (Target { kind: Some(kind), name: name.text.trim_end_matches(',').to_owned() }, first.start..name.range().end)
            }
            None => {
                let text = first.text.trim_end_matches(',');
                let target = match text.split_once('/').filter(|_| !text.starts_with("arn:")) {
                    Some((kind, name)) => {
                        let kind = check_kind(&Word { text: kind, start: first.start })?;
                        Target { kind: Some(kind), name: name.to_owned() }
                    }
                    None => Target { kind: None, name: text.to_owned() },
                };
                (target, first.range())
            }
        };
        let has_more = cursor.ended_with_comma(range.end) || cursor.take(",");
        if target.name.is_empty() {
            return Err(wrong(range, "a name is missing").label("missing").hint(EXAMPLE));
        }
        ranges.targets.push(range);
        targets.push(target);
        if !has_more {
            return Ok(targets);
        }
    }
}

fn check_kind(word: &Word<'_>) -> Result<String, SentenceError> {
    let kind = match word.text {
        "sg" => "security-group",
        "eip" | "address" => "elastic-ip",
        "acl" => "network-acl",
        "igw" => "internet-gateway",
        "nat" => "natgateway",
        "interface" | "eni" => "network-interface",
        "peering" => "vpc-peering-connection",
        "key" => "key-pair",
        other => other,
    };
    if query::resource::TYPES.contains(&kind) || iam::arn::TYPES.contains(&kind) {
        return Ok(kind.to_owned());
    }
    let known = query::resource::TYPES.iter().chain(iam::arn::TYPES).copied();
    let hint = nearest(word.text, known).map_or_else(|| "such as instance, vpc, subnet, sg, role".to_owned(), |near| format!("did you mean `{near}`?"));
    Err(wrong(word.range(), format!("`{}` is no type of resource", word.text)).label("not a type").hint(hint))
}

fn pairs(cursor: &mut Cursor<'_>) -> Result<Vec<(String, String)>, SentenceError> {
    let place = cursor.place();
    let words = cursor.list();
    let read = |word: &Word<'_>| {
        let range = if word.text.is_empty() { place.clone() } else { word.range() };
        let pair = word.text.split_once('=').filter(|(key, _)| key.contains(':'));
        let pair = pair.map(|(key, value)| (key.to_owned(), value.to_owned()));
        pair.ok_or_else(|| {
            let message = format!("`{}` says no value of a key of conditions", word.text);
            wrong(range, message).label("not KEY=VALUE").hint("such as `with aws:SourceIp=203.0.113.7`")
        })
    };
    words.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_about_rights_are_read_and_written() {
        for text in [
            "user dev ec2:TerminateInstances",
            "role app ec2:StartInstances, ec2:StopInstances on instance web, instance db",
            "user dev ec2:* on web with aws:SourceIp=203.0.113.7, aws:RequestTag/env=dev",
            "root iam:*",
            "user dev iam:PassRole on role app",
            "user dev s3:GetObject on arn:aws:s3:::shop/*",
        ] {
            let (claim, _) = parse_right(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(claim.to_string(), format!("{text}: denied"));
        }
        let (claim, ranges) = parse_right("user dev ec2:StopInstances on sg/web, i-1").unwrap();
        assert_eq!(claim.on[0], Target { kind: Some("security-group".to_owned()), name: "web".to_owned() });
        assert_eq!((claim.on.len(), ranges.who, ranges.targets.len()), (2, 5..8, 2));
    }

    #[test]
    fn what_is_wrong_with_a_claim_about_rights_is_said_at_its_place() {
        for (text, part, hint) in [
            ("user dev ec2:TerminateInstance", "ec2:TerminateInstance", "did you mean `ec2:TerminateInstances`?"),
            ("user dev TerminateInstances", "TerminateInstances", "did you mean `ec2:TerminateInstances`?"),
            ("user dev ec2:Destroy*", "ec2:Destroy*", "operations of the API"),
            ("user dev ec2:StopInstances on instnce web", "instnce", "did you mean `instance`?"),
            ("user dev ec2:StopInstances with env=dev", "env=dev", "aws:SourceIp"),
            ("user dev ec2:StopInstances web", "web", "on instance"),
        ] {
            let error = parse_right(text).unwrap_err();
            assert_eq!(&text[error.range.clone()], part, "{text}");
            assert!(error.hint.as_ref().is_some_and(|said| said.contains(hint)), "{text}: {error:?}");
        }
        assert_eq!(parse_right_result(" denied "), Ok(Expected::Denied));
        assert!(parse_right_result("blocked").unwrap_err().hint.is_some_and(|hint| hint.contains("denied")));
    }
}
