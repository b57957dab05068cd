//! From nodes to typed values. Every problem is noted and reading goes on, so that one run shows many.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, nearest};
use crate::source::{Located, Sources, Span};
use crate::yaml::{Node, Value};

/// Notes problems while nodes become values.
pub struct Decoder<'s> {
    /// The files.
    pub sources: &'s Sources,
    /// Problems so far.
    pub problems: Vec<Diagnostic>,
}

impl<'s> Decoder<'s> {
    /// A decoder without problems yet.
    pub fn new(sources: &'s Sources) -> Self {
        Self { sources, problems: Vec::new() }
    }

    /// Notes a problem.
    pub fn problem(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }

    /// Notes that a node is of the wrong kind. `None`, so that callers can end with it.
    pub fn wrong_kind<T>(&mut self, node: &Node, wanted: &str, hint: Option<&str>) -> Option<T> {
        let (code, found) = match &node.value {
            _ if node.is_null() => (Code::NoValue, "nothing"),
            Value::Scalar { .. } => (Code::WrongKind, "a word"),
            Value::Sequence(_) => (Code::WrongKind, "a list"),
            Value::Mapping(_) => (Code::WrongKind, "a mapping"),
        };
        let message = format!("expected {wanted}, found {found}");
        self.problem(Diagnostic::new(code, node.span, message).label(found).maybe_hint(hint.map(str::to_owned)));
        None
    }

    /// The scalar of a node.
    pub fn scalar<'n>(&mut self, node: &'n Node, wanted: &str) -> Option<(&'n str, bool)> {
        match &node.value {
            Value::Scalar { text, plain } if !node.is_null() => Some((text, *plain)),
            _ => self.wrong_kind(node, wanted, None),
        }
    }

    /// Text, unless YAML would read it as something else (a boolean, a float, an octal number).
    pub fn text(&mut self, node: &Node) -> Option<String> {
        let (text, plain) = self.scalar(node, "text")?;
        if plain && let Some(trap) = trap(text) {
            let quoted = self.corrected(node.span, &format!("\"{text}\""));
            self.problem(
                Diagnostic::new(trap.code, node.span, format!("`{text}` is not text: {}", trap.reading))
                    .label(trap.label)
                    .hint(format!("quote it: `{quoted}`")),
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// The line of a span with the span replaced: what the user should have written.
    pub fn corrected(&self, span: Span, with: &str) -> String {
        let line = self.sources.line_at(span);
        if line.len() > crate::yaml::MAX_CORRECTED {
            return with.to_owned();
        }
        let origin = self.sources.origin(span);
        let start: usize = line.chars().take(origin.column.saturating_sub(1) as usize).map(char::len_utf8).sum();
        let end = (start + (span.end - span.start) as usize).min(line.len());
        match (line.get(..start), line.get(end..)) {
            (Some(before), Some(after)) => format!("{before}{with}{after}").trim().to_owned(),
            _ => with.to_owned(),
        }
    }

    /// The entries of a mapping; nothing written is an empty one.
    pub fn mapping<'n>(&mut self, node: &'n Node, wanted: &str) -> Option<&'n [(Node, Node)]> {
        match &node.value {
            Value::Mapping(entries) => Some(entries),
            _ if node.is_null() => Some(&[]),
            _ => self.wrong_kind(node, wanted, None),
        }
    }

    /// Notes a key that means nothing here.
    pub fn unknown_key(&mut self, key: &Node, known: &[&str]) {
        let word = key.text().unwrap_or_default();
        // What other tools call it, where the words are not near each other.
        let other = OTHER_WORDS.iter().find(|(theirs, ours)| *theirs == word && known.contains(ours));
        let hint = match other.map(|(_, ours)| *ours).or_else(|| nearest(word, known.iter().copied())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        self.problem(
            Diagnostic::new(Code::UnknownKey, key.span, format!("`{word}` is not a key of this mapping"))
                .label("unknown")
                .hint(hint),
        );
    }
}

/// Keys of compose files and of Terraform, and what they are called here.
const OTHER_WORDS: [(&str, &str); 24] = [
    ("ipv6_cidr", "ipv6"),
    ("ipv6_cidr_block", "ipv6"),
    ("assign_generated_ipv6_cidr_block", "ipv6"),
    ("ipv6_address", "ipv6"),
    ("ipv6_addresses", "ipv6"),
    ("ipv6_address_count", "ipv6"),
    ("assign_ipv6_address_on_creation", "assign_ipv6"),
    ("egress_only_gateway", "eigw"),
    ("egress_only_internet_gateway", "eigw"),
    ("cmd", "command"),
    ("ports", "publish"),
    ("expose", "publish"),
    ("environment", "env"),
    ("volumes", "mounts"),
    ("tmpfs", "mounts"),
    ("services", "instances"),
    ("mem_limit", "memory"),
    ("pids_limit", "pids"),
    ("network_mode", "networks"),
    ("network", "networks"),
    ("test", "cmd"),
    ("workdir", "working_dir"),
    ("cap", "cap_add"),
    ("stop_grace_period", "stop_timeout"),
];

struct Trap {
    code: Code,
    reading: String,
    label: &'static str,
}

/// What YAML makes of an unquoted word that looks like text to people.
fn trap(text: &str) -> Option<Trap> {
    const BOOLEANS: [&str; 6] = ["true", "false", "yes", "no", "on", "off"];
    if BOOLEANS.contains(&text.to_ascii_lowercase().as_str()) {
        let reading = "YAML reads it as a boolean".to_owned();
        return Some(Trap { code: Code::BooleanForText, reading, label: "a boolean" });
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts_as_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !starts_as_number {
        return None;
    }
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
        let value = u64::from_str_radix(digits, 8).map_or("another number".to_owned(), |v| v.to_string());
        let reading = format!("YAML 1.1 reads it as an octal number, {value}");
        return Some(Trap { code: Code::LeadingZero, reading, label: "octal?" });
    }
    if digits.contains(['.', 'e', 'E']) && digits.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b)) && let Ok(value) = digits.parse::<f64>() {
        let reading = format!("YAML reads it as the number {value}");
        return Some(Trap { code: Code::FloatForText, reading, label: "a number" });
    }
    // YAML 1.1 counts 22:30 in base 60.
    let sexagesimal = digits.split_once(':').is_some_and(|(a, b)| {
        [a, b].iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit())) && b.parse::<u8>().is_ok_and(|b| b < 60)
    });
    sexagesimal.then(|| Trap {
        code: Code::SexagesimalForText,
        reading: "YAML 1.1 reads it as a number in base 60".to_owned(),
        label: "base 60?",
    })
}

/// A value that can be read from a node.
pub trait Decode: Sized {
    /// Reads it, or notes why not.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self>;

    /// Whether commas of a list in brackets cut what was meant as one item; said once then, and not of each part.
    fn is_cut_by_a_comma(items: &[Node], decoder: &mut Decoder) -> bool {
        let _ = (items, decoder);
        false
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        T::decode(node, decoder).map(Some)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::Sequence(items) => {
                if T::is_cut_by_a_comma(items, decoder) {
                    return None;
                }
                let decoded: Vec<Option<T>> = items.iter().map(|item| T::decode(item, decoder)).collect();
                Some(decoded.into_iter().flatten().collect())
            }
            _ if node.is_null() => Some(Vec::new()),
            _ => decoder.wrong_kind(node, "a list", Some("put each item on a line of its own that starts with `- `")),
        }
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        T::decode(node, decoder).map(Box::new)
    }
}

/// A value written as one word.
pub trait Word: Sized {
    /// Reads the word of a node.
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self>;
}

impl<T: Word> Decode for Located<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        T::read(node, decoder).map(|value| Located::new(value, node.span))
    }
}

impl Word for String {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        decoder.text(node)
    }
}

impl Word for bool {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (text, plain) = decoder.scalar(node, "true or false")?;
        match (text, plain) {
            ("true" | "True" | "TRUE", true) => Some(true),
            ("false" | "False" | "FALSE", true) => Some(false),
            _ => {
                let word = match text.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "true" | "y" | "1" => Some("true"),
                    "no" | "off" | "false" | "n" | "0" | "none" => Some("false"),
                    _ => None,
                };
                let hint = word.map(|word| format!("write `{}`", decoder.corrected(node.span, word)));
                let message = format!("expected true or false, found `{text}`");
                decoder.problem(Diagnostic::new(Code::NotABoolean, node.span, message).label("not a boolean").maybe_hint(hint));
                None
            }
        }
    }
}

impl Word for u64 {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (text, plain) = decoder.scalar(node, "a whole number")?;
        let problem = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            if plain && text.len() > 1 && text.starts_with('0') {
                let decimal = text.trim_start_matches('0');
                let decimal = if decimal.is_empty() { "0" } else { decimal };
                let corrected = decoder.corrected(node.span, decimal);
                Diagnostic::new(Code::LeadingZero, node.span, format!("`{text}` starts with a zero: YAML 1.1 reads it as an octal number"))
                    .label("octal?")
                    .hint(format!("write `{corrected}`"))
            } else {
                match text.parse() {
                    Ok(number) => return Some(number),
                    Err(_) => Diagnostic::new(Code::NotANumber, node.span, format!("`{text}` is too large")),
                }
            }
        } else {
            Diagnostic::new(Code::NotANumber, node.span, format!("expected a whole number, found `{text}`")).label("not a whole number")
        };
        decoder.problem(problem);
        None
    }
}

macro_rules! small_numbers {
    ($($number:ident),*) => {$(
        impl Word for $number {
            fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
                let number = u64::read(node, decoder)?;
                let small = $number::try_from(number).ok();
                if small.is_none() {
                    let message = format!("{number} is too large: at most {}", $number::MAX);
                    decoder.problem(Diagnostic::new(Code::NotANumber, node.span, message).label("too large"));
                }
                small
            }
        }
    )*};
}
small_numbers!(u32, u16, u8);

fn parsed<T: std::str::FromStr>(node: &Node, decoder: &mut Decoder, what: &str, example: &str, code: Code) -> Option<T> {
    let (text, _) = decoder.scalar(node, what)?;
    let value = text.parse().ok();
    if value.is_none() {
        let message = format!("`{text}` is not {what}");
        decoder.problem(Diagnostic::new(code, node.span, message).label("not understood").hint(format!("such as `{example}`")));
    }
    value
}

impl Word for Ipv4Addr {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        ipv6_elsewhere::<Ipv6Addr>(node, decoder, "an IPv4 address", Code::NotAnAddress)?;
        parsed(node, decoder, "an IPv4 address", "10.0.0.10", Code::NotAnAddress)
    }
}

/// What is right as IPv6 stands under another key: says so, and is `None`.
fn ipv6_elsewhere<T: std::str::FromStr>(node: &Node, decoder: &mut Decoder, what: &str, code: Code) -> Option<()> {
    let Some(text) = node.text().filter(|text| text.parse::<T>().is_ok()) else { return Some(()) };
    let problem = Diagnostic::new(code, node.span, format!("`{text}` is not {what}")).label("IPv6");
    decoder.problem(problem.hint("IPv6 of VPCs, subnets and instances stands at `ipv6:`"));
    None
}

impl Word for Ipv6Addr {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        parsed(node, decoder, "an IPv6 address", "2001:db8::10", Code::NotAnAddress)
    }
}

impl Word for IpAddr {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        parsed(node, decoder, "an IP address", "203.0.113.7", Code::NotAnAddress)
    }
}

impl Word for Ipv4Net {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        ipv6_elsewhere::<Ipv6Net>(node, decoder, "an IPv4 block", Code::NotABlock)?;
        let block: Ipv4Net = parsed(node, decoder, "an IPv4 block", "10.0.0.0/16", Code::NotABlock)?;
        canonical(IpNet::V4(block), node, decoder).then_some(block)
    }
}

impl Word for Ipv6Net {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let block: Ipv6Net = parsed(node, decoder, "an IPv6 block", "2001:db8:0:100::/56", Code::NotABlock)?;
        canonical(IpNet::V6(block), node, decoder).then_some(block)
    }
}

impl Word for IpNet {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let block = parsed(node, decoder, "a block of addresses", "10.0.0.0/16", Code::NotABlock)?;
        canonical(block, node, decoder).then_some(block)
    }
}

/// AWS canonicalises some blocks silently (VPC-1, ACL-12) and refuses others (SG-26); a file that says one
/// thing and means another is refused everywhere.
fn canonical(block: IpNet, node: &Node, decoder: &mut Decoder) -> bool {
    let trunc = block.trunc();
    if trunc != block {
        let corrected = decoder.corrected(node.span, &trunc.to_string());
        decoder.problem(
            Diagnostic::new(Code::HostBits, node.span, format!("`{block}` has bits set after its first {}", block.prefix_len()))
                .label("not the start of the block")
                .hint(format!("write `{corrected}`")),
        );
    }
    trunc == block
}

/// One value, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Decode> Decode for OneOrMany<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::Sequence(_) => Vec::decode(node, decoder).map(Self),
            _ => T::decode(node, decoder).map(|one| Self(vec![one])),
        }
    }
}

/// Things by name, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<T>(pub Vec<(Located<String>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    /// The thing of this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(n, _)| n.value == name).map(|(_, thing)| thing)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.value.as_str())
    }

    /// Names and things.
    pub fn iter(&self) -> impl Iterator<Item = (&Located<String>, &T)> {
        self.0.iter().map(|(name, thing)| (name, thing))
    }
}

impl<T: Decode> Decode for Named<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let entries = decoder.mapping(node, "a mapping of names", )?;
        let mut named = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let name = name_of(key, decoder);
            let thing = T::decode(value, decoder);
            if let (Some(name), Some(thing)) = (name, thing) {
                named.push((name, thing));
            }
        }
        Some(Self(named))
    }
}

/// Free keys and values, such as tags and quotas: keys are text of any form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs<T>(pub Vec<(Located<String>, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Decode> Decode for Pairs<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let entries = decoder.mapping(node, "a mapping")?;
        let mut pairs = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let name = decoder.text(key).map(|text| Located::new(text, key.span));
            let thing = T::decode(value, decoder);
            if let (Some(name), Some(thing)) = (name, thing) {
                pairs.push((name, thing));
            }
        }
        Some(Self(pairs))
    }
}

/// Longest name.
const MAX_NAME: usize = 63;

/// Why a text cannot be the name of a thing of a lab file: what is wrong, said at its place, and what to write.
pub fn no_name(name: &str, span: Span) -> Option<Diagnostic> {
    let problem = |code, message: String| Some(Diagnostic::new(code, span, message));
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match () {
        () if model::selector::RESERVED_WORDS.contains(&name) => {
            problem(Code::ReservedWord, format!("`{name}` has a meaning of its own in sentences and cannot be a name"))
                .map(|d| d.label("reserved").hint(format!("reserved: {}", model::selector::RESERVED_WORDS.join(", "))))
        }
        () if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(fine) => {
            problem(Code::BadName, format!("`{name}` cannot be a name"))
                .map(|d| d.label("not a name").hint("a name starts with a letter and goes on with letters, digits, `-`, `_` or `.`"))
        }
        () if name.len() > MAX_NAME => {
            problem(Code::BadName, format!("a name has at most {MAX_NAME} characters, this one has {}", name.len()))
        }
        () => None,
    }
}

/// Reads a key as a name.
pub(crate) fn name_of(key: &Node, decoder: &mut Decoder) -> Option<Located<String>> {
    let name = decoder.text(key)?;
    match no_name(&name, key.span) {
        Some(diagnostic) => {
            decoder.problem(diagnostic);
            None
        }
        None => Some(Located::new(name, key.span)),
    }
}
