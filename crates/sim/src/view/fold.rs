//! Several events of one doing as one row: the decision of a node, the frame it sends for it, its arrival at the other end.
//!
//! A switch that floods records that it floods, a sending at each port and a reception at each neighbour; a person sees one
//! thing. What is left out besides are the waits for the gap between frames and the jam after a collision.

use std::collections::{HashMap, VecDeque};

use super::View;
use crate::frame::FrameId;
use crate::network::Plug;
use crate::node::NodeId;
use crate::trace::{Reason, TraceEvent, Verb};

/// Events that are shown as one, as places in the trace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// What decided, or what happened if nothing was decided.
    pub event: usize,
    /// Stages of a VPC that let the frame pass before that, at the same node and moment.
    pub passes: Vec<usize>,
    /// The frame as it was given to each cable.
    pub sends: Vec<usize>,
    /// Its arrivals.
    pub receives: Vec<usize>,
}

impl Row {
    /// All events of it, in order of time.
    pub fn events(&self) -> impl Iterator<Item = usize> + '_ {
        let sends = self.sends.iter().filter(|send| **send != self.event);
        self.passes.iter().copied().chain([self.event]).chain(sends.copied()).chain(self.receives.iter().copied())
    }
}

/// One row for each event.
pub fn each(view: &View<'_>) -> Vec<Row> {
    (0..view.events().len()).map(|event| Row { event, ..Row::default() }).collect()
}

/// One row for each doing.
pub fn folded(view: &View<'_>) -> Vec<Row> {
    let mut folding = Folding { view, rows: Vec::new(), causes: HashMap::new(), passed: HashMap::new(), under_way: HashMap::new() };
    for (index, event) in view.events().iter().enumerate() {
        folding.take(index, &event);
    }
    folding.rows
}

/// A frame on its way: on one side of a link, or on a medium.
type Way = (FrameId, u32, u8);
const MEDIUM: u8 = 2;

struct Folding<'v, 'a> {
    view: &'v View<'a>,
    rows: Vec<Row>,
    /// The row of the last decision about a frame at a node.
    causes: HashMap<(NodeId, FrameId), usize>,
    /// The row of the last stage that a frame passed at a node.
    passed: HashMap<(NodeId, FrameId), usize>,
    /// Rows whose frames have not arrived.
    under_way: HashMap<Way, VecDeque<usize>>,
}

impl Folding<'_, '_> {
    fn take(&mut self, index: usize, event: &TraceEvent) {
        match (event.verb, event.reason) {
            (Verb::Send, Reason::Wire) => self.send(index, event),
            (Verb::Receive, Reason::Wire) => self.receive(index, event),
            (Verb::Wait, Reason::Gap) | (Verb::Jam, _) => {}
            (Verb::Drop, Reason::Lost | Reason::LinkDown) => {
                self.lose(event);
                self.row(index);
            }
            (Verb::Pass, _) if let Some(row) = self.passing(event) => {
                let before = std::mem::replace(&mut self.rows[row].event, index);
                self.rows[row].passes.push(before);
            }
            _ => {
                let row = self.row(index);
                if event.verb == Verb::Pass {
                    self.passed.insert((event.node, event.frame), row);
                }
                if decides(event.verb) && event.frame != FrameId::NONE {
                    self.causes.insert((event.node, event.frame), row);
                }
            }
        }
    }

    /// The row of the stages that the same frame passed before, here and now.
    fn passing(&self, event: &TraceEvent) -> Option<usize> {
        let row = *self.passed.get(&(event.node, event.frame))?;
        let before = self.view.events().at(self.rows[row].event);
        (before.verb == Verb::Pass && before.time == event.time && self.rows[row].sends.is_empty()).then_some(row)
    }

    fn row(&mut self, event: usize) -> usize {
        self.rows.push(Row { event, ..Row::default() });
        self.rows.len() - 1
    }

    fn send(&mut self, index: usize, event: &TraceEvent) {
        let events = self.view.events();
        let parent = self.view.parent(event.frame);
        let key = [Some(event.frame), parent]
            .into_iter()
            .flatten()
            .map(|frame| (event.node, frame))
            .find(|key| self.causes.contains_key(key));
        let cause = key.and_then(|key| self.causes.get(&key).copied());
        let row = match cause {
            // The decision and what it sends are one row as long as they are of one moment and one frame.
            Some(row) if events.at(self.rows[row].event).time == event.time => {
                let first = self.rows[row].sends.first().map(|send| events.at(*send).frame);
                if first.is_none_or(|first| first == event.frame) {
                    row
                } else {
                    let event = self.rows[row].event;
                    self.row(event)
                }
            }
            Some(_) | None => {
                if let Some(key) = key {
                    self.causes.remove(&key);
                }
                self.row(index)
            }
        };
        self.rows[row].sends.push(index);
        if let Some(way) = self.way(event, 0) {
            self.under_way.entry(way).or_default().push_back(row);
        }
    }

    fn receive(&mut self, index: usize, event: &TraceEvent) {
        let row = self.way(event, 1).and_then(|way| {
            let rows = self.under_way.get_mut(&way)?;
            // Everybody on a medium hears the last sending; a cable delivers in order.
            if way.2 == MEDIUM { rows.back().copied() } else { rows.pop_front() }
        });
        match row {
            Some(row) => self.rows[row].receives.push(index),
            None => {
                self.row(index);
            }
        }
    }

    /// A frame that does not arrive: lost at its sender, or at a receiver whose link failed.
    fn lose(&mut self, event: &TraceEvent) {
        for (side, is_last) in [(0, true), (1, false)] {
            let Some(way) = self.way(event, side).filter(|way| way.2 != MEDIUM) else { continue };
            if let Some(rows) = self.under_way.get_mut(&way)
                && !rows.is_empty()
            {
                let _ = if is_last { rows.pop_back() } else { rows.pop_front() };
                return;
            }
        }
    }

    /// The way that a frame takes from a port (0) or to it (1).
    fn way(&self, event: &TraceEvent, towards: u8) -> Option<Way> {
        match self.view.plug(event.node, event.port) {
            Plug::Open => None,
            Plug::Link(link, side) => Some((event.frame, link, side ^ towards)),
            Plug::Station(medium, _) => Some((event.frame, medium, MEDIUM)),
        }
    }
}

/// Verbs that say why a node sends what it sends next.
fn decides(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Send
            | Verb::Forward
            | Verb::Flood
            | Verb::Repeat
            | Verb::Answer
            | Verb::Resolve
            | Verb::Retransmit
            | Verb::Fragment
    )
}
