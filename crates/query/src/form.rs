//! Forms: `application/x-www-form-urlencoded` bodies and query strings, as pairs and as a tree of dotted names.
//! What the names mean is decided in [`crate::parameters`].

use std::collections::BTreeMap;

use crate::refusal::{Refusal, quoted};
use crate::xml;

/// Longest body, in bytes.
pub const MOST_BYTES: usize = 10 << 20;
/// Most parts of a dotted name. The deepest parameter of all services has eight.
const MOST_PARTS: usize = 24;
/// Longest name, in bytes.
const LONGEST_NAME: usize = 1024;

/// The pairs of a form. Errors: `MalformedQueryString` (bad percent signs, no UTF-8, control characters),
/// `RequestEntityTooLarge`.
pub fn pairs(form: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    if form.len() > MOST_BYTES {
        let message = format!("The request has {} bytes; {MOST_BYTES} is the most.", form.len());
        return Err(Refusal::new("RequestEntityTooLarge", message));
    }
    let pieces = form.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let equals = piece.iter().position(|byte| *byte == b'=').unwrap_or(piece.len());
            let (name, value) = (decode(&piece[..equals])?, decode(piece.get(equals + 1..).unwrap_or_default())?);
            if name.len() > LONGEST_NAME {
                return Err(malformed(&format!("The name {} is too long.", quoted(&name))));
            }
            Ok((name, value))
        })
        .collect()
}

fn malformed(why: &str) -> Refusal {
    Refusal::new("MalformedQueryString", format!("The query string contains a syntax error. {why}"))
}

/// One name or value without its `+` and `%XX`.
fn decode(piece: &[u8]) -> Result<String, Refusal> {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(*digit).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(malformed("A percent sign is not followed by two hexadecimal digits.")),
                }
            }
            byte => *byte,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| malformed("It is not UTF-8."))?;
    match text.chars().find(|character| !xml::is_allowed(*character)) {
        None => Ok(text),
        Some(character) => Err(malformed(&format!("It has the character U+{:04X}.", u32::from(character)))),
    }
}

/// A value and what lies below it in dotted names: `A.1.B=x` is `x` below `B` below `1` below `A`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Node<'f> {
    /// The value of the name itself.
    pub value: Option<&'f str>,
    /// What lies below, by the next part of the name.
    pub below: BTreeMap<&'f str, Node<'f>>,
}

impl<'f> Node<'f> {
    /// The tree of a form. Errors: `InvalidQueryParameter` for a name that comes twice, `UnknownParameter` for one of
    /// more parts than any parameter has.
    pub fn of(pairs: impl IntoIterator<Item = (&'f str, &'f str)>) -> Result<Self, Refusal> {
        let mut root = Self::default();
        for (name, value) in pairs {
            if name.split('.').nth(MOST_PARTS).is_some() {
                return Err(unknown(name));
            }
            let node = name.split('.').fold(&mut root, |node, part| node.below.entry(part).or_default());
            if node.value.replace(value).is_some() {
                let message = format!("The parameter {} is given more than once.", quoted(name));
                return Err(Refusal::new("InvalidQueryParameter", message));
            }
        }
        Ok(root)
    }

    /// The name of the first value below, from here.
    pub fn first_name(&self) -> String {
        match self.below.iter().next() {
            None => String::new(),
            Some((part, node)) if node.below.is_empty() => (*part).to_owned(),
            Some((part, node)) => format!("{part}.{}", node.first_name()),
        }
    }
}

/// `UnknownParameter` in EC2's words.
pub fn unknown(name: &str) -> Refusal {
    Refusal::new("UnknownParameter", format!("The parameter {} is not recognized", quoted(name)))
}

/// Writes a form: the other direction, for clients and tests.
pub fn write<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let mut form = String::new();
    for (name, value) in pairs {
        if !form.is_empty() {
            form.push('&');
        }
        encode(name, &mut form);
        form.push('=');
        encode(value, &mut form);
    }
    form
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub fn encode(text: &str, out: &mut String) {
    encode_bytes(text.as_bytes(), out);
}

/// The same for bytes that may be no text.
pub fn encode_bytes(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push((*byte).into()),
            byte => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(DIGITS[usize::from(byte >> 4)].into());
                out.push(DIGITS[usize::from(byte & 15)].into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_read_as_browsers_write_them() {
        for (form, expected) in [
            ("", &[][..]),
            ("a=b&c=d", &[("a", "b"), ("c", "d")]),
            ("&&a=&b&", &[("a", ""), ("b", "")]),
            ("a=b=c&d=%3D%26+x", &[("a", "b=c"), ("d", "=& x")]),
            ("%ed%95%9C=%EA%B8%80", &[("한", "글")]),
        ] {
            let read = pairs(form.as_bytes()).unwrap();
            let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(read, expected, "{form}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for form in ["a=%", "a=%4", "a=%zz", "%=a", "a=%FF", "a=%00", "a=%1b", "a=%EF%BF%BE"] {
            assert_eq!(pairs(form.as_bytes()).unwrap_err().code, "MalformedQueryString", "{form}");
        }
        assert_eq!(pairs("n".repeat(2000).as_bytes()).unwrap_err().code, "MalformedQueryString");
        let long = pairs(&vec![b'a'; MOST_BYTES + 1]).unwrap_err();
        assert_eq!((&*long.code, long.status), ("RequestEntityTooLarge", 413));
    }

    #[test]
    fn dotted_names_are_a_tree_and_none_comes_twice() {
        let root = Node::of([("A.1.B", "x"), ("A.1.C", "y"), ("A.10", "z")]).unwrap();
        assert_eq!(root.below["A"].below["1"].below["C"].value, Some("y"));
        assert_eq!(root.first_name(), "A.1.B");
        assert_eq!(Node::of([("A", "x"), ("A", "x")]).unwrap_err().code, "InvalidQueryParameter");
        assert_eq!(Node::of([("A.".repeat(25).as_str(), "x")]).unwrap_err().code, "UnknownParameter");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(given in prop::collection::vec(("\\PC{1,20}", "\\PC*"), 0..8)) {
            let form = write(given.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            prop_assert_eq!(pairs(form.as_bytes()).ok(), Some(given));
        }

        #[test]
        fn no_bytes_are_too_strange(form in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(pairs) = pairs(&form) {
                let _ = Node::of(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            }
        }
    }
}
