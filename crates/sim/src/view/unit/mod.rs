//! What a frame is made of: one [`Unit`] for each header from the wire up, then the data. Reads any bytes; what cannot be
//! read further is shown as what it is.

mod application;
mod dns;
mod link;
mod network;
mod routing;
mod text;
mod transport;

use serde::Serialize;

use crate::link::Framing;
use crate::trace::Layer;

/// A header or the data of a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unit {
    /// The layer it belongs to.
    pub layer: Layer,
    /// The word for filters: `ethernet`, `arp`, `http`.
    pub protocol: &'static str,
    /// The name for people: `IPv4`.
    pub name: &'static str,
    /// What one of it is called: `frame`, `packet`, `segment`, `datagram`, `message`, `data`.
    pub unit: &'static str,
    /// Where it begins, bytes into the frame.
    pub start: usize,
    /// Its own bytes: of a header without what it carries.
    pub length: usize,
    /// Its fields in the order of the bytes.
    pub fields: Vec<Field>,
    /// What it says in a few words, where the fields are too many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brief: Option<String>,
}

/// A field of a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name, as its RFC has it.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

impl Unit {
    fn new(
        layer: Layer,
        protocol: &'static str,
        name: &'static str,
        unit: &'static str,
        (start, length): (usize, usize),
    ) -> Self {
        Self { layer, protocol, name, unit, start, length, fields: Vec::new(), brief: None }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.fields.push(Field { name, value: value.to_string() });
        self
    }

    fn brief(mut self, text: impl Into<String>) -> Self {
        self.brief = Some(text.into());
        self
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value.as_str())
    }
}

/// The units of a frame, outermost first.
pub fn units(frame: &[u8], framing: Framing) -> Vec<Unit> {
    let mut found = Vec::new();
    link::read(frame, framing, &mut found);
    found
}

/// 16 bits, network order; nothing behind the end.
fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// 32 bits, network order; nothing behind the end.
fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// What nobody here reads.
fn unread(layer: Layer, bytes: &[u8], start: usize, found: &mut Vec<Unit>) {
    if !bytes.is_empty() {
        let unit = Unit::new(layer, "data", "data", "data", (start, bytes.len()));
        found.push(unit.with("length", bytes.len()));
    }
}
