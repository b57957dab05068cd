//! `WWW-Authenticate` (RFC 9110, 11.6.1): how a server wants to know who one is.

use ureq::http::HeaderMap;
use ureq::http::header::WWW_AUTHENTICATE;

/// One way that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    /// `Bearer`, `Basic`, or another.
    pub scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter by name, in whatever case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let is_it = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.parameters
            .iter()
            .find(is_it)
            .map(|(_, value)| value.as_str())
    }
}

/// Every way that is offered, in order. What cannot be read ends its header.
pub(super) fn all(headers: &HeaderMap) -> Vec<Challenge> {
    let texts = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    texts.flat_map(read).collect()
}

fn read(text: &str) -> Vec<Challenge> {
    let mut all: Vec<Challenge> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)));
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        if word.is_empty() {
            return all;
        }
        let value = behind.trim_start_matches([' ', '\t']).strip_prefix('=');
        match (value, all.last_mut()) {
            (Some(value), Some(challenge)) => {
                let Some((value, behind)) = value_of(value.trim_start_matches([' ', '\t'])) else {
                    return all;
                };
                challenge.parameters.push((word.to_owned(), value));
                rest = behind;
            }
            (Some(_), None) => return all,
            (None, _) => {
                all.push(Challenge {
                    scheme: word.to_owned(),
                    parameters: Vec::new(),
                });
                rest = behind;
            }
        }
    }
}

/// A value, and what is behind it.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let one = |one: &Challenge| {
            let parameters: Vec<String> = one
                .parameters
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("{} {}", one.scheme, parameters.join(";"))
        };
        read(text).iter().map(one).collect()
    }

    #[test]
    fn challenges_are_read_as_they_may_be_written() {
        for (text, read) in [
            (
                r#"Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push""#,
                &["Bearer realm=https://a/t;service=s;scope=repository:a/b:pull,push"][..],
            ),
            (
                r#"Basic realm="a \"b\", c", Bearer realm=x"#,
                &[r#"Basic realm=a "b", c"#, "Bearer realm=x"],
            ),
            ("Negotiate, basic", &["Negotiate ", "basic "]),
            (
                r#"Bearer realm = "a" , service="b""#,
                &["Bearer realm=a;service=b"],
            ),
            (r#"Bearer realm="a"#, &["Bearer "]),
            (r#"realm="a""#, &[]),
            ("", &[]),
            ("é", &[]),
        ] {
            assert_eq!(shown(text), read, "{text}");
        }
    }
}
