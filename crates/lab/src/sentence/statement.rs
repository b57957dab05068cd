//! `statement := (allow|deny) ACTION[, ACTION…] [on RESOURCE[, RESOURCE…]] [if OPERATOR KEY VALUE[, VALUE…] [and …]]`: a statement of a
//! policy, as AWS's JSON has it.

use iam::policy::Operator;
use serde_json::{Map, Value, json};

use super::SentenceError;
use super::cursor::{Cursor, Word};
use crate::code::Code;
use crate::diagnostic::nearest;

const FORM: &str = "(allow|deny) ACTION[, ACTION…] [on RESOURCE[, …]] [if OPERATOR KEY VALUE[, …] [and …]]";

/// Operators that people reach for; the hint for a misspelt one.
const OPERATORS: [&str; 14] = [
    "StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "NumericEquals", "NumericLessThan", "DateLessThan", "DateGreaterThan",
    "Bool", "IpAddress", "NotIpAddress", "ArnLike", "ArnNotLike", "Null",
];

/// Reads a statement.
pub fn parse_statement(text: &str) -> Result<Value, SentenceError> {
    let mut cursor = Cursor::new(text);
    let place = cursor.place();
    let effect = match cursor.word().map(|word| word.text) {
        Some("allow" | "Allow") => "Allow",
        Some("deny" | "Deny") => "Deny",
        Some(other) => {
            let near = nearest(other, ["allow", "deny"]).map_or_else(|| FORM.to_owned(), |near| format!("did you mean `{near}`?"));
            return Err(wrong(place, format!("a statement begins with allow or deny, not with `{other}`")).label("not here").hint(near));
        }
        None => return Err(wrong(place, "the statement is empty").label("missing").hint(FORM)),
    };
    let actions = items(&mut cursor, "an action", "ec2:DescribeVpcs")?;
    for action in &actions {
        check_action(action)?;
    }
    let resources = match cursor.take("on") {
        true => items(&mut cursor, "a resource", "instance/*")?.iter().map(|word| resource(word)).collect::<Result<Vec<_>, _>>()?,
        false => vec!["*".to_owned()],
    };
    let mut statement = Map::new();
    statement.insert("Effect".to_owned(), effect.into());
    statement.insert("Action".to_owned(), list(actions.iter().map(|word| word.text.to_owned()).collect()));
    statement.insert("Resource".to_owned(), list(resources));
    if cursor.take("if") {
        statement.insert("Condition".to_owned(), conditions(&mut cursor)?);
    }
    match cursor.peek() {
        None => Ok(Value::Object(statement)),
        Some(extra) => {
            let message = format!("expected a comma, `on` or `if`, found `{}`", extra.text);
            Err(wrong(extra.range(), message).label("not here").hint(FORM))
        }
    }
}

fn wrong(range: std::ops::Range<usize>, message: impl Into<String>) -> SentenceError {
    SentenceError::new(Code::StatementSyntax, range, message)
}

fn list(mut words: Vec<String>) -> Value {
    if words.len() == 1 { words.remove(0).into() } else { words.into() }
}

fn items<'t>(cursor: &mut Cursor<'t>, what: &str, example: &str) -> Result<Vec<Word<'t>>, SentenceError> {
    let place = cursor.place();
    let words = cursor.list();
    match words.iter().find(|word| word.text.is_empty()) {
        Some(word) => {
            let range = if words.len() == 1 { place } else { word.range() };
            Err(wrong(range, format!("{what} is missing")).label("missing").hint(format!("such as `{example}`")))
        }
        None => Ok(words),
    }
}

fn check_action(word: &Word<'_>) -> Result<(), SentenceError> {
    if iam::policy::ActionPattern::new(word.text).is_some() {
        return Ok(());
    }
    let message = format!("`{}` is no action: an action is SERVICE:NAME", word.text);
    Err(wrong(word.range(), message).label("which service?").hint("such as `ec2:StartInstances`, `ec2:Describe*`, or `*` for everything"))
}

/// `*`, a resource name, or `TYPE/ID` for one of EC2 or IAM in any region and account.
fn resource(word: &Word<'_>) -> Result<String, SentenceError> {
    let text = word.text;
    if text == "*" || (text.starts_with("arn:") && iam::policy::ArnPattern::new(text, true).is_some()) {
        return Ok(text.to_owned());
    }
    if let Some((kind, _)) = text.split_once('/').filter(|_| !text.starts_with("arn:")) {
        if iam::arn::TYPES.contains(&kind) {
            return Ok(format!("arn:aws:iam::*:{text}"));
        }
        if query::resource::TYPES.contains(&kind) {
            return Ok(format!("arn:aws:ec2:*:*:{text}"));
        }
        let known = query::resource::TYPES.iter().chain(iam::arn::TYPES).copied();
        let hint = nearest(kind, known).map_or_else(|| "such as instance, vpc, subnet, security-group, role".to_owned(), |near| format!("did you mean `{near}`?"));
        return Err(wrong(word.range(), format!("`{kind}` is no type of resource")).label("not a type").hint(hint));
    }
    let message = format!("`{text}` is no resource");
    Err(wrong(word.range(), message).label("not understood").hint("`*`, `instance/*`, or a whole name such as `arn:aws:ec2:*:*:instance/*`"))
}

fn conditions(cursor: &mut Cursor<'_>) -> Result<Value, SentenceError> {
    let mut all: Map<String, Value> = Map::new();
    loop {
        let place = cursor.place();
        let Some(operator) = cursor.word() else {
            return Err(wrong(place, "`if` says no condition").label("missing").hint("such as `if StringEquals ec2:ResourceTag/env dev`"));
        };
        if Operator::parse(operator.text).is_none() {
            let near = nearest(operator.text, OPERATORS);
            let hint = near.map_or_else(|| format!("known: {}, each also with IfExists", OPERATORS.join(", ")), |near| format!("did you mean `{near}`?"));
            return Err(wrong(operator.range(), format!("`{}` is no operator of conditions", operator.text)).label("not an operator").hint(hint));
        }
        let place = cursor.place();
        let key = match cursor.word() {
            Some(key) if key.text.contains(':') => key,
            Some(key) => {
                let message = format!("`{}` is no key of a condition: a key is SERVICE:NAME", key.text);
                return Err(wrong(key.range(), message).label("which service?").hint("such as `ec2:ResourceTag/env` or `aws:SourceIp`"));
            }
            None => return Err(wrong(place, "the condition has no key").label("missing").hint("such as `StringEquals ec2:ResourceTag/env dev`")),
        };
        let values = items(cursor, "a value", "dev")?;
        let keys = all.entry(operator.text).or_insert_with(|| json!({}));
        let values = list(values.iter().map(|word| word.text.to_owned()).collect());
        if let Some(keys) = keys.as_object_mut()
            && keys.insert(key.text.to_owned(), values).is_some()
        {
            let message = format!("{} {} is said twice", operator.text, key.text);
            return Err(wrong(key.range(), message).label("again").hint("several values are a list: `dev, test`"));
        }
        if !cursor.take("and") {
            return Ok(Value::Object(all));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_become_those_of_aws() {
        for (text, expected) in [
            ("allow ec2:Describe*", json!({"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"})),
            (
                "deny ec2:TerminateInstances, ec2:StopInstances on instance/*, role/app",
                json!({"Effect": "Deny", "Action": ["ec2:TerminateInstances", "ec2:StopInstances"],
                    "Resource": ["arn:aws:ec2:*:*:instance/*", "arn:aws:iam::*:role/app"]}),
            ),
            (
                "allow ec2:* on * if StringEquals ec2:ResourceTag/env dev, test and IpAddress aws:SourceIp 10.0.0.0/8",
                json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": {
                    "StringEquals": {"ec2:ResourceTag/env": ["dev", "test"]}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}),
            ),
        ] {
            assert_eq!(parse_statement(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        for (text, part, hint) in [
            ("alow ec2:*", "alow", "did you mean `allow`?"),
            ("allow DescribeVpcs", "DescribeVpcs", "ec2:StartInstances"),
            ("allow ec2:* on instnce/*", "instnce/*", "did you mean `instance`?"),
            ("allow ec2:* on web", "web", "instance/*"),
            ("allow ec2:* if StringEqual a:b c", "StringEqual", "did you mean `StringEquals`?"),
            ("allow ec2:* if StringEquals env dev", "env", "ec2:ResourceTag/env"),
            ("allow ec2:* if Null a:b true and Null a:b false", "a:b", "a list"),
            ("allow ec2:* instance/*", "instance/*", "[on RESOURCE"),
        ] {
            let error = parse_statement(text).unwrap_err();
            assert_eq!(&text[error.range.clone()], part, "{text}");
            assert!(error.hint.as_ref().is_some_and(|said| said.contains(hint)), "{text}: {error:?}");
        }
    }
}
