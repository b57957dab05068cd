//! API calls of a scenario: who calls, how often, what must come of it, what is kept.

use serde_json::Value;

use super::api::{self, Reply};
use super::outcome::{Mismatch, compare_value, describe};
use super::scope::Scope;
use crate::scenario::expect::{Expectation, ExpectedValue, Verdict};
use crate::scenario::step::Call;
use crate::value::{Path, numbered};

/// Makes the calls of a step and compares. Saved values are kept in the scope.
pub fn run(scope: &mut Scope, call: &Call, expect: &Expectation) -> Result<(), Mismatch> {
    let mismatch = |got: String, reason: String| Mismatch { expected: describe(expect), got, reason };
    let times = call.times.unwrap_or(1);
    let mut kept: Vec<Vec<Value>> = vec![Vec::new(); call.save.len()];
    for number in 1..=times {
        let ordinal = if times > 1 { format!("call {number}: ") } else { String::new() };
        let arguments = scope.arguments(&numbered(&call.args, number)).map_err(|why| mismatch(String::new(), why))?;
        let reply = api::call(scope, call, &arguments).map_err(|why| mismatch(String::new(), why))?;
        let got = || format!("{ordinal}{}", show(&reply));
        let must_fail = expect.verdict == Verdict::ApiError && expect.at_call.is_none_or(|at| at == number);
        match (&reply.result, must_fail) {
            (Ok(_), true) => return Err(mismatch(got(), "the call succeeds".to_owned())),
            (Err(_), false) => return Err(mismatch(got(), "the call fails".to_owned())),
            (Err((code, _)), true) if !expect.error.contains(code) => {
                return Err(mismatch(got(), format!("the error is {code}")));
            }
            (Ok(answer), false) => {
                // What must hold of the answer is said for calls that must succeed.
                if expect.verdict != Verdict::ApiError
                    && let Some(value) = expect.value.as_ref().map(|value| value_of_call(value, number))
                {
                    compare_value(&value, answer, scope).map_err(|why| mismatch(got(), why))?;
                }
                for ((name, path), kept) in call.save.iter().zip(&mut kept) {
                    let part = Path::parse(path).and_then(|path| Ok(path.get(answer, scope)?.cloned()));
                    match part.map_err(|why| mismatch(got(), why))? {
                        Some(part) => kept.push(part),
                        None => return Err(mismatch(got(), format!("`save: {name}`: the answer has no {path}"))),
                    }
                }
            }
            (Err(_), true) => {}
        }
        if let Some(wanted) = expect.status.filter(|wanted| *wanted != reply.status && (must_fail || expect.error.is_empty())) {
            return Err(mismatch(got(), format!("the status is {}, not {wanted}", reply.status)));
        }
        if must_fail && expect.at_call.is_some() {
            break;
        }
    }
    for ((name, _), mut kept) in call.save.iter().zip(kept) {
        let value = match call.times {
            Some(_) => Some(Value::Array(kept)),
            None => kept.pop(),
        };
        if let Some(value) = value {
            scope.saved.insert(name.clone(), value);
        }
    }
    Ok(())
}

fn value_of_call(value: &ExpectedValue, number: u32) -> ExpectedValue {
    match value {
        ExpectedValue::Whole(value) => ExpectedValue::Whole(value.numbered(number)),
        ExpectedValue::Paths(paths) => {
            let number_text = number.to_string();
            let numbered = |(path, value): &(String, _)| {
                let value: &crate::scenario::expect::Expected = value;
                (path.replace("{i}", &number_text), value.numbered(number))
            };
            ExpectedValue::Paths(paths.iter().map(numbered).collect())
        }
    }
}

fn show(reply: &Reply) -> String {
    match &reply.result {
        Ok(answer) => format!("{} {answer}", reply.status),
        Err((code, message)) => format!("{} {code}: {message}", reply.status),
    }
}
