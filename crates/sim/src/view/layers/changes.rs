//! What a node changed between the frame that came and the frame that it sends on.

use super::{Level, Side};

/// Marks the fields of `out` that are other than in `came`. A reply is no change: who answers says something of its own.
pub(super) fn mark(came: &Side, out: &mut Side) {
    if is_reply(came, out) {
        return;
    }
    for level in &mut out.layers {
        // Each medium has bits of its own.
        let Some(before) = came.layers.iter().find(|known| known.layer == level.layer && known.layer > 1) else { continue };
        mark_level(before, level);
    }
}

fn mark_level(before: &Level, level: &mut Level) {
    for header in &mut level.headers {
        let Some(known) = before.headers.iter().find(|known| known.protocol == header.protocol) else { continue };
        for field in &mut header.fields {
            let was = known.fields.iter().find(|known| known.name == field.name).map(|known| &known.value);
            field.was = was.filter(|was| **was != field.value).cloned();
        }
    }
}

/// Whether what goes out goes back to where the other came from: the addresses of the highest layer that both have say so.
fn is_reply(came: &Side, out: &Side) -> bool {
    let pair = |side: &Side, layer: u8| {
        let level = side.layers.iter().find(|level| level.layer == layer)?;
        let field = |names: [&str; 2]| {
            let mut fields = level.headers.iter().flat_map(|header| &header.fields);
            fields.find(|field| names.contains(&field.name)).map(|field| field.value.clone())
        };
        Some((field(["source", "sender"])?, field(["destination", "target"])?))
    };
    [3, 2].into_iter().any(|layer| match (pair(came, layer), pair(out, layer)) {
        (Some((source, _)), Some((_, destination))) => source == destination,
        _ => false,
    })
}
