//! What stands behind the `?` of a request, read as loosely as Docker reads it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Deserializer};

use crate::error::{Failure, Result};
use crate::filters::Filters;

/// Parameters in the order in which they were written; a name may come more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Query, Infallible> {
        Ok(Query::parse(parts.uri.query().unwrap_or("")))
    }
}

impl Query {
    /// Reads `a=b&c=%20`.
    pub fn parse(text: &str) -> Query {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        };
        Query(text.split('&').filter(|part| !part.is_empty()).map(pair).collect())
    }

    /// The first value of this name that says something.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// All values of this name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Docker's truth: what is none of ``, `0`, `no`, `false`, `none` is true.
    pub fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// The same with what counts where the name is not there.
    pub fn flag_or(&self, name: &str, default: bool) -> bool {
        let value = self.all(name).next().map(|value| value.trim().to_ascii_lowercase());
        value.map_or(default, |value| !matches!(value.as_str(), "" | "0" | "no" | "false" | "none"))
    }

    /// A number. Errors: 400.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>> {
        let read = |text: &str| {
            text.trim().parse().map_err(|_| Failure::bad_request(format!("invalid value for {name}: \"{text}\" is no number")))
        };
        self.get(name).map(read).transpose()
    }

    /// `filters`, of which these names are known. Errors: 400 for others.
    pub fn filters(&self, known: &[&str]) -> Result<Filters> {
        Filters::parse(self.get("filters").unwrap_or(""), known)
    }
}

/// Reads a body. Errors: 400. An empty one is `{}`.
pub fn json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Failure::bad_request(format!("invalid JSON: {error}")))
}

/// A field that clients of Go may also write as null: nothing was said then.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// `%20` and `+`; what is no escape stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let digit = |at: usize| behind.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &behind[2..];
                continue;
            }
            (b'+', ..) => bytes.push(b' '),
            (other, ..) => bytes.push(*other),
        }
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_is_loose() {
        for (text, expected) in
            [("a=1", true), ("a=True", true), ("a=0", false), ("a=", false), ("a=false", false), ("a=None", false), ("a=yes", true), ("", false)]
        {
            assert_eq!(Query::parse(text).flag("a"), expected, "{text}");
        }
        assert!(Query::parse("").flag_or("a", true) && !Query::parse("a=0").flag_or("a", true));
    }

    #[test]
    fn escapes_are_read_and_names_may_come_twice() {
        let query = Query::parse("names=a%2Fb&names=c+d&odd=%zz%4&x=%C3%A4");
        assert_eq!(query.all("names").collect::<Vec<_>>(), ["a/b", "c d"]);
        assert_eq!((query.get("odd"), query.get("x")), (Some("%zz%4"), Some("ä")));
        assert!(query.number::<u16>("x").is_err() && query.number::<u16>("none").unwrap().is_none());
    }
}
