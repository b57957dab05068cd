//! Reading a mapping key by key, so that a key nobody asked for is a fault.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use serde_json::Value;

use super::fault::Fault;
use super::yaml::{Content, Node};

/// A mapping under examination.
pub struct Fields<'n> {
    /// The line it starts on.
    pub line: u32,
    what: &'n str,
    node: &'n Node,
    asked: RefCell<BTreeSet<&'n str>>,
}

impl<'n> Fields<'n> {
    /// Starts to read `node`, which messages call `what`. Errors: not a mapping.
    pub fn of(node: &'n Node, what: &'n str) -> Result<Self, Fault> {
        match node.map() {
            Some(_) => Ok(Self { line: node.line, what, node, asked: RefCell::default() }),
            None => Err(Fault::new(node.line, format!("`{what}` must be a mapping, not {}", node.kind()))),
        }
    }

    /// The node under a key; a null counts as absent.
    pub fn get(&self, key: &'n str) -> Option<&'n Node> {
        self.asked.borrow_mut().insert(key);
        let entries = self.node.map().unwrap_or_default();
        let found = entries.iter().find(|(k, _)| k.text == key).map(|(_, node)| node)?;
        (found.content != Content::Scalar(Value::Null)).then_some(found)
    }

    /// Whether the key stands there at all.
    pub fn has(&self, key: &str) -> bool {
        self.node.map().unwrap_or_default().iter().any(|(k, _)| k.text == key)
    }

    /// The node under a key that must be there.
    pub fn need(&self, key: &'n str) -> Result<&'n Node, Fault> {
        self.get(key).ok_or_else(|| Fault::new(self.line, format!("`{}` lacks `{key}`", self.what)))
    }

    /// Text under a key.
    pub fn text(&self, key: &'n str) -> Result<Option<String>, Fault> {
        self.get(key).map(|node| text(node, key)).transpose()
    }

    /// Text under a key that must be there.
    pub fn need_text(&self, key: &'n str) -> Result<String, Fault> {
        text(self.need(key)?, key)
    }

    /// Anything that has a text form, such as a number or an address.
    pub fn parsed<T: FromStr>(&self, key: &'n str, expected: &str) -> Result<Option<T>, Fault> {
        let Some(node) = self.get(key) else { return Ok(None) };
        parse(&text(node, key)?, node.line, key, expected).map(Some)
    }

    /// A boolean.
    pub fn boolean(&self, key: &'n str) -> Result<Option<bool>, Fault> {
        match self.get(key) {
            None => Ok(None),
            Some(Node { content: Content::Scalar(Value::Bool(value)), .. }) => Ok(Some(*value)),
            Some(node) => Err(Fault::new(node.line, format!("`{key}` must be true or false, not {}", node.kind()))),
        }
    }

    /// A list of texts.
    pub fn texts(&self, key: &'n str) -> Result<Vec<(u32, String)>, Fault> {
        let Some(node) = self.get(key) else { return Ok(Vec::new()) };
        list(node, key)?.iter().map(|item| Ok((item.line, text(item, key)?))).collect()
    }

    /// The entries of a mapping, in order; nothing when absent.
    pub fn entries(&self, key: &'n str) -> Result<Vec<(u32, &'n str, &'n Node)>, Fault> {
        let Some(node) = self.get(key) else { return Ok(Vec::new()) };
        let entries = node.map().ok_or_else(|| {
            Fault::new(node.line, format!("`{key}` must be a mapping, not {}", node.kind()))
        })?;
        Ok(entries.iter().map(|(k, value)| (k.line, k.text.as_str(), value)).collect())
    }

    /// Ends the reading. Errors: the first key that was not asked for.
    pub fn finish(self) -> Result<(), Fault> {
        let asked = self.asked.borrow();
        match self.node.map().unwrap_or_default().iter().find(|(key, _)| !asked.contains(key.text.as_str())) {
            None => Ok(()),
            Some((key, _)) => Err(Fault::new(key.line, format!("unknown key `{}` in `{}`", key.text, self.what))),
        }
    }
}

/// Text of a scalar node.
pub fn text(node: &Node, key: &str) -> Result<String, Fault> {
    node.text().ok_or_else(|| Fault::new(node.line, format!("`{key}` must be a text, not {}", node.kind())))
}

/// Elements of a list node.
pub fn list<'n>(node: &'n Node, key: &str) -> Result<&'n [Node], Fault> {
    node.list().ok_or_else(|| Fault::new(node.line, format!("`{key}` must be a list, not {}", node.kind())))
}

/// Reads a text as a value of some type.
pub fn parse<T: FromStr>(text: &str, line: u32, key: &str, expected: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::new(line, format!("`{key}`: `{text}` is not {expected}")))
}

/// Reads an address.
pub fn address(text: &str, line: u32, key: &str) -> Result<IpAddr, Fault> {
    parse(text, line, key, "an IP address")
}
