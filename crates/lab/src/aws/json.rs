//! JSON (RFC 8259) with places: every value knows where it stands, so that an error can point at it.
//!
//! Bounded on purpose: nesting and the number of values have limits, and nothing is kept of a number but its text.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::source::{Sources, Span};

/// Lists and objects nest so deep at most; describe output needs about eight levels.
const MAX_DEPTH: usize = 64;
/// Values of one file at most.
const MAX_VALUES: usize = 8_000_000;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is written.
    Number(Box<str>),
    /// A string without its escapes.
    Text(Box<str>),
    /// A list.
    List(Vec<Json>),
    /// An object in the order of the file; keys are unique.
    Object(Vec<(Box<str>, Json)>),
}

impl Json {
    /// The value of a key, if this is an object that has it; `null` counts as absent, as AWS's clients take it.
    pub fn get(&self, key: &str) -> Option<&Json> {
        let Value::Object(entries) = &self.value else { return None };
        entries.iter().find(|(k, _)| **k == *key).map(|(_, value)| value).filter(|value| value.value != Value::Null)
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }
}

/// Reads one file. Errors: what stands where something else must.
pub fn parse(sources: &Sources, file: u32, left: &mut usize) -> Result<Json, Box<Diagnostic>> {
    let text = sources.source(file).map_or("", |source| source.text.as_str());
    // Windows programs begin UTF-8 files with a byte order mark.
    let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut parser = Parser { bytes: text.as_bytes(), text, file, at, values: 0, left: *left };
    parser.space();
    let root = parser.value(0)?;
    *left -= parser.values;
    parser.space();
    match parser.peek() {
        None => Ok(root),
        Some(_) => Err(parser.error("the file goes on after its value", "one object a file")),
    }
}

struct Parser<'t> {
    bytes: &'t [u8],
    text: &'t str,
    file: u32,
    at: usize,
    values: usize,
    /// Values that all files together may still have.
    left: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn span(&self, start: usize) -> Span {
        let bounded = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { file: self.file, start: bounded(start), end: bounded(self.at) }
    }

    fn error(&self, message: &str, label: &str) -> Box<Diagnostic> {
        let next = self.text.get(self.at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let mut place = self.span(self.at);
        place.end = place.end.saturating_add(u32::try_from(next).unwrap_or(0));
        let (message, label) = match self.peek() {
            Some(_) => (message.to_owned(), label),
            None => (format!("{message}: the file ends here"), "cut off?"),
        };
        Box::new(Diagnostic::new(Code::NotJson, place, message).label(label))
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, Box<Diagnostic>> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.error(&format!("a file has at most {MAX_VALUES} values"), "one too many"));
        }
        if self.values > self.left {
            let message = format!("the files of one source have at most {} values in all", super::MAX_VALUES);
            return Err(Box::new(Diagnostic::new(Code::DumpTooLarge, self.span(self.at), message).label("one too many")));
        }
        if depth > MAX_DEPTH {
            return Err(self.error(&format!("nested more than {MAX_DEPTH} levels deep"), "too deep"));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?.into()),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            _ => return Err(self.error("a value is missing", "not JSON")),
        };
        Ok(Json { span: self.span(start), value })
    }

    fn object(&mut self, depth: usize) -> Result<Value, Box<Diagnostic>> {
        self.at += 1;
        let mut entries: Vec<(Box<str>, Json)> = Vec::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(entries));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a key is missing", "a key in quotes belongs here"));
            }
            let start = self.at;
            let key: Box<str> = self.string()?.into();
            // Readers differ on which of two equal keys counts. Objects of a dump are small; tags are lists.
            if entries.len() < 256 && entries.iter().any(|(known, _)| *known == key) {
                let problem = Diagnostic::new(Code::DumpContradiction, self.span(start), format!("`{key}` is written twice"));
                return Err(Box::new(problem.label("again")));
            }
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.error(&format!("a colon is missing after `{}`", cut(&key)), "`:` belongs here"));
            }
            self.at += 1;
            self.space();
            let value = self.value(depth + 1)?;
            entries.push((key, value));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(entries));
                }
                _ => return Err(self.error("an object does not end", "`,` or `}` belongs here")),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Box<Diagnostic>> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(items));
                }
                _ => return Err(self.error("a list does not end", "`,` or `]` belongs here")),
            }
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Box<Diagnostic>> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error("a value is missing", "not JSON"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Box<Diagnostic>> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        // `f64` reads what RFC 8259 calls a number and little else; leading zeros and a bare point are that little.
        let digits = text.trim_start_matches('-');
        let is_padded = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        let is_number = text.parse::<f64>().is_ok() && !text.starts_with('+') && !text.ends_with('.') && !is_padded;
        match is_number {
            true => Ok(Value::Number(text.into())),
            false => {
                let problem = Diagnostic::new(Code::NotJson, self.span(start), format!("`{}` is not a number", cut(text)));
                Err(Box::new(problem.label("not JSON")))
            }
        }
    }

    fn string(&mut self) -> Result<String, Box<Diagnostic>> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            text.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.error("a text holds a control character", "not in quotes")),
                None => return Err(self.error("a text does not end", "`\"` belongs here")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Box<Diagnostic>> {
        let wrong = |parser: &Self| parser.error("an escape that JSON does not have", "after `\\`");
        self.at += 1;
        let letter = self.peek().ok_or_else(|| wrong(self))?;
        let plain = match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                let first = self.four().ok_or_else(|| wrong(self))?;
                // A lone half of a surrogate pair is no character (RFC 8259 §8.2): shown as one that is missing.
                if !(0xd800..0xdc00).contains(&first) {
                    return Ok(char::from_u32(first).unwrap_or('\u{fffd}'));
                }
                let resume = self.at;
                if self.bytes[self.at..].starts_with(b"\\u") {
                    self.at += 2;
                    if let Some(second) = self.four().filter(|second| (0xdc00..0xe000).contains(second)) {
                        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or('\u{fffd}'));
                    }
                    self.at = resume;
                }
                return Ok('\u{fffd}');
            }
            _ => return Err(wrong(self)),
        };
        self.at += 1;
        Ok(plain)
    }

    fn four(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let value = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
        self.at += 4;
        Some(value)
    }
}

/// The beginning of a text of any length.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(60) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Json, Box<Diagnostic>> {
        let mut sources = Sources::default();
        let file = sources.add("a.json", text.to_owned());
        parse(&sources, file, &mut usize::MAX.clone())
    }

    #[test]
    fn files_share_the_number_of_their_values() {
        let mut sources = Sources::default();
        let files = ["[1, 2]", "{\"a\": [3]}", "4"].map(|text| sources.add("a.json", text.to_owned()));
        let mut left = 6;
        assert!(parse(&sources, files[0], &mut left).is_ok() && parse(&sources, files[1], &mut left).is_ok());
        assert_eq!(left, 0);
        assert_eq!(parse(&sources, files[2], &mut left).unwrap_err().code, Code::DumpTooLarge);
    }

    fn as_serde(json: &Json) -> serde_json::Value {
        match &json.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Number(n) => serde_json::from_str(n).unwrap(),
            Value::Text(t) => t.to_string().into(),
            Value::List(l) => l.iter().map(as_serde).collect(),
            Value::Object(o) => serde_json::Value::Object(o.iter().map(|(k, v)| (k.to_string(), as_serde(v))).collect()),
        }
    }

    #[test]
    fn what_is_read_knows_its_place() {
        let json = read("{\n  \"Vpcs\": [ { \"VpcId\": \"vpc-\\u00e9\\ud83d\\ude00\" } ] }").unwrap();
        let Value::List(list) = &json.get("Vpcs").unwrap().value else { panic!("a list") };
        let id = list[0].get("VpcId").unwrap();
        assert_eq!((id.text(), id.span.start), (Some("vpc-é😀"), 25));
        assert_eq!(json.get("Subnets"), None);
    }

    #[test]
    fn broken_text_is_refused_with_a_place() {
        for (text, at) in [
            ("", 0), ("{", 1), ("{\"a\"}", 4), ("[1,]", 3), ("{\"a\":1,}", 7), ("01", 0), ("1.", 0), ("+1", 0), ("-", 0), ("tru", 0),
            ("\"a", 2), ("\"\\x\"", 2), ("\"\\u12g4\"", 3), ("\"\n\"", 1), ("{} {}", 3), ("[1 2]", 3), ("{\"a\":1,\"a\":2}", 7),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!(error.place.unwrap().start, at, "{text}: {}", error.message);
        }
        let deep = "[".repeat(200);
        assert!(read(&deep).unwrap_err().message.contains("levels deep"));
    }

    proptest! {
        #[test]
        fn serde_json_reads_the_same(text in r#"[\[\]{}:,"a\\0-9eE.+ntu -]{0,24}"#) {
            let twin = serde_json::from_str::<serde_json::Value>(&text);
            match read(&text) {
                Ok(json) => {
                    // Numbers out of `f64`'s range are numbers to us; lone surrogates are errors to it.
                    if let Ok(twin) = twin { prop_assert_eq!(as_serde(&json), twin) }
                }
                Err(error) => prop_assert!(twin.is_err() || error.code == Code::DumpContradiction, "{}: {}", text, error.message),
            }
        }
    }
}
