//! A hop as text.

use super::{Decision, Hop, Level, Shown, Side};
use crate::time::Time;
use crate::trace::Layer;

/// One paragraph.
pub(super) fn hop(number: usize, hop: &Hop) -> String {
    let mut text = format!("{number}  {} ({}), {}\n", hop.node, hop.kind, Time(hop.time_nanoseconds));
    // Who looks at bits alone takes nothing off and puts nothing on.
    let (taken, put) = if hop.height == 1 { ("bits", "the same bits") } else { ("decapsulation", "encapsulation") };
    if let Some(side) = &hop.incoming {
        text += &format!("   in  {}: {taken}\n", side.ports.join(", "));
        for level in &side.layers {
            text += &self::level(level);
        }
        text += &carried(side);
    }
    for decision in &hop.decisions {
        text += &self::decision(decision);
    }
    for side in &hop.outgoing {
        text += &format!("   out {}: {put}\n", side.ports.join(", "));
        text += &downwards(side);
    }
    text
}

/// What is carried unread, and then layer by layer down to the bits.
pub(super) fn downwards(side: &Side) -> String {
    let mut text = carried(side);
    for level in side.layers.iter().rev() {
        text += &self::level(level);
    }
    text
}

fn level(level: &Level) -> String {
    let name = Layer::ALL.iter().find(|layer| layer.number() == level.layer).map_or("", |layer| layer.name());
    let mut text = String::new();
    for (index, header) in level.headers.iter().enumerate() {
        let label = if index == 0 { format!("{} {name}", level.layer) } else { String::new() };
        let unit = if index == 0 { level.unit } else { "" };
        let fields = fields(&header.fields);
        let protocol = if level.layer == 1 { String::new() } else { format!("{}: ", header.protocol) };
        text += &format!("     {label:<14} {unit:<9} {protocol}{fields}\n");
    }
    text
}

fn fields(fields: &[Shown]) -> String {
    let shown = |field: &Shown| match &field.was {
        Some(was) => format!("{} {was} → {}", field.name, field.value),
        None => format!("{} {}", field.name, field.value),
    };
    fields.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn carried(side: &Side) -> String {
    if side.carried.is_empty() {
        return String::new();
    }
    format!("     {:<14} {:<9} {}\n", "above", "unread", side.carried.join(", "))
}

fn decision(decision: &Decision) -> String {
    let by = if decision.fields.is_empty() { String::new() } else { format!(" by {}", fields(&decision.fields)) };
    format!("   {} (layer {}){by}: {}\n", decision.verb, decision.layer, decision.why)
}
