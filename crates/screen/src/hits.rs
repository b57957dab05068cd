//! What is jumped to: drops that lose something, collisions, reasons that the player breaks at.

use sim::view::fold::Row;
use sim::view::View;
use sim::{Reason, TraceEvent, Verb};

/// Whether something is lost: what a station leaves alone because it is for others is a drop, but no loss, and neither is
/// what devices tell each other.
pub fn is_loss(event: &TraceEvent) -> bool {
    let is_for_others = matches!(
        event.reason,
        Reason::OtherMac
            | Reason::ArpOther
            | Reason::ArpGratuitous
            | Reason::MulticastMac
            | Reason::ReservedMac
            | Reason::SamePort
            | Reason::GroupRouter
            | Reason::SpanningTree
            | Reason::Runt
    );
    event.verb == Verb::Drop && !is_for_others
}

/// Whether two sent at once.
pub fn is_collision(event: &TraceEvent) -> bool {
    event.verb == Verb::Collide || event.reason == Reason::UndetectedCollision
}

/// Whether one of a row's events has one of these reasons.
pub fn has_reason(view: &View<'_>, row: &Row, reasons: &[Reason]) -> bool {
    row.events().any(|event| reasons.contains(&view.events().at(event).reason))
}

/// The words of reasons, with spaces or commas between them. Errors: what to say about the first word that is none.
pub fn reasons(view: &View<'_>, words: &str) -> Result<Vec<Reason>, String> {
    let mut found = Vec::new();
    for word in words.split([' ', ',']).filter(|word| !word.is_empty()) {
        match Reason::ALL.iter().find(|reason| reason.word() == word) {
            Some(reason) => found.push(*reason),
            None => match sim::view::Filter::parse(&format!("reason \"{word}\""), view, &|_| Vec::new()) {
                Err(misread) => return Err(misread.to_string()),
                Ok(_) => return Err(format!("`{word}` is no reason")),
            },
        }
    }
    Ok(found)
}
