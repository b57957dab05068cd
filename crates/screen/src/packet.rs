//! The frame of an event as lines: what was decided, then each layer from the bits up, with the bytes that each is in.

use std::ops::Range;

use sim::view::fold::Row;
use sim::view::unit::units;
use sim::view::{View, layers, why};
use sim::{FrameId, Layer, Verb};

use crate::fields;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the node did, and why.
    Decision,
    /// A header's name.
    Heading,
    /// A field.
    Field,
    /// A field that was looked at to decide.
    Decides,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: Kind,
    /// 1 to 7; of a decision the layer that decided.
    pub layer: u8,
    /// What it says.
    pub text: String,
    /// The bytes of the frame that it speaks of; empty where there are none.
    pub bytes: Range<usize>,
}

/// The frame that a row is about: the one that was sent, if one was.
pub fn frame(view: &View<'_>, row: &Row) -> FrameId {
    view.events().at(row.sends.first().copied().unwrap_or(row.event)).frame
}

/// The lines of a row.
pub fn parts(view: &View<'_>, row: &Row) -> Vec<Part> {
    let events = view.events();
    let event = &events.at(row.event);
    let none = 0..0;
    let mut parts = Vec::new();
    let decides = layers::deciding(view, event);
    let is_plain = matches!(event.verb, Verb::Send | Verb::Receive) && event.reason == sim::Reason::Wire;
    let why = why::sentence(view, event);
    for passed in &row.passes {
        let text = format!("pass: {}", why::sentence(view, &events.at(*passed)));
        parts.push(Part { kind: Kind::Decision, layer: events.at(*passed).reason.layer().number(), text, bytes: none.clone() });
    }
    if !is_plain || !why.is_empty() {
        let text = format!("{} ({}): {why}", event.verb, event.reason);
        parts.push(Part { kind: Kind::Decision, layer: event.reason.layer().number(), text, bytes: none.clone() });
    }
    let sent = &events.at(row.sends.first().copied().unwrap_or(row.event));
    if sent.frame == FrameId::NONE {
        return parts;
    }
    let bytes = view.bytes(sent.frame);
    if sent.port != sim::TraceEvent::NO_PORT {
        parts.push(Part { kind: Kind::Heading, layer: 1, text: "bits".to_owned(), bytes: 0..bytes.len() });
        for field in layers::physical(view, sent) {
            parts.push(Part { kind: Kind::Field, layer: 1, text: format!("{}: {}", field.name, field.value), bytes: 0..bytes.len() });
        }
    }
    for unit in units(bytes, view.framing(sent.frame)) {
        let layer = unit.layer.number();
        // From layer 5 up all is data, whatever a protocol calls its own.
        let name = if unit.layer >= Layer::Session { "data" } else { unit.unit };
        let text = if unit.name == name { unit.name.to_owned() } else { format!("{} {name}", unit.name) };
        let length = if unit.length > 0 { format!(", {} bytes", unit.length) } else { String::new() };
        parts.push(Part { kind: Kind::Heading, layer, text: format!("{text}{length}"), bytes: unit.start..unit.start + unit.length });
        for field in &unit.fields {
            let is_looked_at = decides.iter().any(|looked| looked.name == field.name && looked.value == field.value);
            let kind = if is_looked_at { Kind::Decides } else { Kind::Field };
            parts.push(Part { kind, layer, text: format!("{}: {}", field.name, field.value), bytes: fields::place(&unit, field.name) });
        }
    }
    parts
}

/// A line of bytes; each byte with its place in the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// Where it begins, in hexadecimal.
    pub begin: String,
    /// Two digits for each byte.
    pub digits: Vec<(usize, String)>,
    /// A character for each byte that is one of ASCII's, else a dot.
    pub characters: Vec<(usize, char)>,
}

/// The line of this number, of so many bytes.
pub fn hex(bytes: &[u8], line: usize, columns: usize) -> Bytes {
    let begin = line * columns;
    let own = bytes.iter().enumerate().skip(begin).take(columns);
    let digits = own.clone().map(|(at, byte)| (at, format!("{byte:02x}"))).collect();
    let shown = |byte: u8| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '·' };
    Bytes { begin: format!("{begin:04x}"), digits, characters: own.map(|(at, byte)| (at, shown(*byte))).collect() }
}
