//! YAML as a tree of nodes that know their places. Scalars keep the text as written, so that `no`, `010`
//! and `1.10` can be told from what other readers of YAML would make of them.
//!
//! Everything is bounded: size, depth, and how much aliases may repeat.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span as ParserSpan};

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::source::{Sources, Span};

/// Largest file, in bytes.
pub const MAX_BYTES: usize = 8 << 20;
/// Deepest nesting of lists and mappings, aliases followed.
pub const MAX_DEPTH: usize = 48;
/// Most nodes that aliases may repeat in one file.
pub const MAX_ALIASED_NODES: usize = 100_000;

/// Bytes of text that weigh as much as a node.
const TEXT_OF_A_NODE: usize = 64;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands. For an alias, where the alias stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A scalar.
    Scalar {
        /// The text, escapes resolved.
        text: String,
        /// Written without quotes: YAML may read it as something else than text.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping in file order.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// The entry of a mapping whose key is this word.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// How many nodes this one consists of, itself included; a long text counts as several.
    pub fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { text, .. } => text.len() / TEXT_OF_A_NODE,
            Value::Sequence(items) => items.iter().map(Node::size).sum(),
            Value::Mapping(entries) => entries.iter().map(|(key, value)| key.size() + value.size()).sum(),
        }
    }

    /// Whether nothing was written: YAML's null.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

struct Anchored {
    node: Node,
    nodes: usize,
    height: usize,
}

struct Open {
    span: Span,
    anchor: usize,
    is_mapping: bool,
    children: Vec<Node>,
    nodes: usize,
    height: usize,
}

struct Builder<'s> {
    sources: &'s Sources,
    file: u32,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    aliased: usize,
    root: Option<Node>,
}

/// Reads one document. The first syntax error ends the reading: what follows it would be guesses.
pub fn parse(sources: &Sources, file: u32) -> Result<Node, Diagnostic> {
    let text = sources.source(file).map_or("", |s| s.text.as_str());
    let mut builder =
        Builder { sources, file, open: Vec::new(), anchors: HashMap::new(), aliased: 0, root: None };
    let mut documents = 0;
    for next in Parser::new_from_str(text) {
        let (event, at) = next.map_err(|error| builder.scan_error(&error))?;
        let span = builder.span(&at);
        match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    return Err(Diagnostic::new(Code::SeveralDocuments, span, "a lab file holds one document, and a second one starts here")
                        .label("second document")
                        .hint("put it into a file of its own and write `include: OTHER.yaml`"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    return Err(builder.tagged(&at));
                }
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                let node = Node { span, value };
                let nodes = node.size();
                builder.add(node, anchor, nodes, 0)?;
            }
            Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag) if tag.is_some() => {
                let _ = anchor;
                return Err(builder.tagged(&at));
            }
            Event::SequenceStart(_, anchor, _) => builder.start(span, anchor, false)?,
            Event::MappingStart(_, anchor, _) => builder.start(span, anchor, true)?,
            Event::SequenceEnd | Event::MappingEnd => builder.end(span)?,
            Event::Alias(anchor) => builder.alias(anchor, span)?,
            _ => {}
        }
    }
    builder.root.filter(|root| !root.is_null()).ok_or_else(|| {
        Diagnostic::new(Code::EmptyFile, Span { file, start: 0, end: 0 }, "the file holds no lab")
            .hint("`vpclab schema` says what may stand in it")
    })
}

impl Builder<'_> {
    fn span(&self, at: &ParserSpan) -> Span {
        let offset = |marker: &granit_parser::Marker| {
            u32::try_from(marker.byte_offset().unwrap_or_default()).unwrap_or(u32::MAX)
        };
        let (start, end) = (offset(&at.start), offset(&at.end));
        Span { file: self.file, start, end: end.max(start) }
    }

    fn tagged(&self, at: &ParserSpan) -> Diagnostic {
        let span = self.span(at.tag_span().as_ref().unwrap_or(at));
        Diagnostic::new(Code::YamlTag, span, "YAML tags have no meaning in a lab file").hint("remove the word that starts with `!`")
    }

    fn too_deep(&self, span: Span) -> Diagnostic {
        Diagnostic::new(Code::TooDeep, span, format!("nested more than {MAX_DEPTH} levels deep")).label("too deep")
    }

    fn start(&mut self, span: Span, anchor: usize, is_mapping: bool) -> Result<(), Diagnostic> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        self.open.push(Open { span, anchor, is_mapping, children: Vec::new(), nodes: 1, height: 0 });
        Ok(())
    }

    fn end(&mut self, at: Span) -> Result<(), Diagnostic> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let span = Span { end: at.end.max(open.span.end), ..open.span };
        let value = match open.is_mapping {
            false => Value::Sequence(open.children),
            true => Value::Mapping(self.mapping(open.children)?),
        };
        self.add(Node { span, value }, open.anchor, open.nodes, open.height + 1)
    }

    fn add(&mut self, node: Node, anchor: usize, nodes: usize, height: usize) -> Result<(), Diagnostic> {
        if self.open.len() + height > MAX_DEPTH {
            return Err(self.too_deep(node.span));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, height });
        }
        match self.open.last_mut() {
            Some(parent) => {
                parent.nodes += nodes;
                parent.height = parent.height.max(height);
                parent.children.push(node);
            }
            None => self.root = Some(node),
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Diagnostic> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::new(Code::UnknownAnchor, span, "the alias stands inside the thing that it repeats")
                .label("would repeat itself without end"));
        };
        self.aliased += anchored.nodes;
        if self.aliased > MAX_ALIASED_NODES {
            return Err(Diagnostic::new(Code::TooManyAliases, span, format!("aliases repeat more than {MAX_ALIASED_NODES} values"))
                .label("one too many")
                .hint("use `like:` for instances and `include:` for files"));
        }
        let (node, nodes, height) = (Node { span, ..anchored.node.clone() }, anchored.nodes, anchored.height);
        self.add(node, 0, nodes, height)
    }

    /// Pairs keys with values, refuses repeats, and follows merge keys (`<<: *base`).
    fn mapping(&self, children: Vec<Node>) -> Result<Vec<(Node, Node)>, Diagnostic> {
        let mut entries: Vec<(Node, Node)> = Vec::with_capacity(children.len() / 2);
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut merged: Vec<(Node, Node)> = Vec::new();
        let mut children = children.into_iter();
        while let (Some(key), Some(value)) = (children.next(), children.next()) {
            let Some(text) = key.text().map(str::to_owned) else {
                return Err(Diagnostic::new(Code::KeyNotAWord, key.span, "a key is a word, not a list or a mapping").label("not a word"));
            };
            if text == "<<" && matches!(key.value, Value::Scalar { plain: true, .. }) {
                match value.value {
                    Value::Mapping(more) => merged.extend(more),
                    _ => {
                        return Err(Diagnostic::new(Code::WrongKind, value.span, "`<<` merges one mapping")
                            .label("not a mapping")
                            .hint("write `<<: *NAME`, with `&NAME` before the mapping to copy"));
                    }
                }
                continue;
            }
            if let Some(first) = seen.insert(text.clone(), key.span) {
                return Err(Diagnostic::new(Code::DuplicateKey, key.span, format!("`{text}` is written twice"))
                    .label("second time")
                    .other(first, "first time")
                    .hint("join the two, or rename one"));
            }
            entries.push((key, value));
        }
        for (key, value) in merged {
            let text = key.text().unwrap_or_default().to_owned();
            if let Entry::Vacant(free) = seen.entry(text) {
                free.insert(key.span);
                entries.push((key, value));
            }
        }
        Ok(entries)
    }

    fn scan_error(&self, error: &ScanError) -> Diagnostic {
        let marker = error.marker();
        let text_len = self.sources.source(self.file).map_or(0, |s| s.text.len());
        let start = marker.byte_offset().unwrap_or(text_len).min(text_len);
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        let place = Span { file: self.file, start, end: start + 1 };
        let line = self.sources.line_at(place);
        match error.kind() {
            ErrorKind::TabInBlockIndentation | ErrorKind::TabNotAllowed | ErrorKind::TabInIndentation | ErrorKind::TabInPlainScalar | ErrorKind::TabAtBlockScalarStart => {
                let hint = match line.len() <= MAX_CORRECTED {
                    true => format!("write it with spaces: `{}`", line.replace('\t', "  ").trim_end()),
                    false => "two spaces for each level".to_owned(),
                };
                Diagnostic::new(Code::Tab, place, "a tab where YAML wants spaces").label("tab").hint(hint)
            }
            ErrorKind::RecursionLimitExceeded => self.too_deep(place),
            ErrorKind::UnknownAnchor => Diagnostic::new(Code::UnknownAnchor, place, "no `&NAME` before this alias")
                .label("nothing of that name yet")
                .hint("text that starts with `*` needs quotes"),
            kind => match split_selector(line) {
                Some(corrected) => Diagnostic::new(Code::SpaceAfterColon, place, "the space after a colon makes a mapping of this sentence")
                    .label("YAML stops here")
                    .hint(format!("no space inside a name: `{corrected}`")),
                None => Diagnostic::new(Code::YamlSyntax, place, format!("YAML cannot be read: {kind}"))
                    .label("here or just before")
                    .hint(advice(kind)),
            },
        }
    }
}

/// What usually cures a syntax error.
fn advice(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::MismatchedFlowCollectionEnd { .. } => "every `{` needs its `}`, every `[` its `]`, with commas between",
        ErrorKind::UnclosedQuotedScalar => "a quote is opened and never closed",
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            "one `key: value` a line; text that contains `: ` needs quotes"
        }
        ErrorKind::UnexpectedCharacter { .. } => "text that starts with a special character needs quotes",
        _ => "keys of one mapping start in the same column; text with special characters needs quotes",
    }
}

/// Longer lines than people write are not corrected: showing them whole helps nobody, and time would go up in squares.
pub(crate) const MAX_CORRECTED: usize = 400;

/// `subnet: admin` in a sentence, written as one word.
pub(crate) fn split_selector(line: &str) -> Option<String> {
    if line.len() > MAX_CORRECTED {
        return None;
    }
    let mut corrected = line.to_owned();
    for prefix in ["sg", "subnet", "vpc", "tag", "pl"] {
        let wrong = format!("{prefix}: ");
        for (index, _) in line.match_indices(&wrong) {
            let before = line[..index].chars().next_back();
            if before.is_none_or(|c| !c.is_alphanumeric() && c != '_') {
                corrected = corrected.replace(&wrong, &format!("{prefix}:"));
            }
        }
    }
    let is_sentence = line.contains(" -> ") || line.contains(" from ") || line.contains(" to ");
    (is_sentence && corrected != line).then(|| corrected.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Diagnostic> {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", text.to_owned());
        parse(&sources, file)
    }

    #[test]
    fn scalars_keep_what_was_written() {
        let node = read("a: 010\nb: 1.10\nc: no\nd: 'no'\n").unwrap();
        for (key, text, plain) in [("a", "010", true), ("b", "1.10", true), ("c", "no", true), ("d", "no", false)] {
            assert_eq!(node.get(key).unwrap().value, Value::Scalar { text: text.into(), plain });
        }
    }

    #[test]
    fn aliases_and_merge_keys_copy() {
        let node = read("a: &x {k: 1, l: 2}\nb: *x\nc:\n  <<: *x\n  k: 3\n").unwrap();
        assert_eq!(node.get("b").unwrap().get("l").unwrap().text(), Some("2"));
        assert_eq!(node.get("c").unwrap().get("k").unwrap().text(), Some("3"));
        assert_eq!(node.get("c").unwrap().get("l").unwrap().text(), Some("2"));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert_eq!(read(&text).unwrap_err().code, Code::TooManyAliases);
    }

    #[test]
    fn depth_counts_through_aliases() {
        let mut text = "a0: &a0 [x]\n".to_owned();
        for level in 1..100 {
            text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert_eq!(read(&text).unwrap_err().code, Code::TooDeep);
        assert_eq!(read(&"[".repeat(10_000)).unwrap_err().code, Code::TooDeep);
    }

    #[test]
    fn selectors_with_a_space_are_corrected() {
        assert_eq!(
            split_selector("  - subnet: admin -> sg: web tcp/22: open").as_deref(),
            Some("- subnet:admin -> sg:web tcp/22: open")
        );
        assert_eq!(split_selector("subnet: internal"), None);
        assert_eq!(split_selector("  - mysubnet: a -> b"), None);
    }
}
