//! Tables of any time, also of one that has passed: the script is played again without a trace, up to then.
//!
//! A world cannot go back, so a step back needs one from the beginning. It is made to pay: on its way it keeps the tables of
//! the [`WINDOW`] moments before, so that stepping further back plays again only once in so many steps. Forwards the world
//! that was left standing goes on, and keeps as many. The work is done in slices ([`Past::work`]), between keys.

use std::collections::BTreeMap;

use sim::{Bounds, NodeId, Table, Time};

use crate::script::{Performance, Script};

/// Moments before the one that is asked for whose tables are kept, too.
pub const WINDOW: usize = 256;
/// Rows of tables that are kept before the earliest are forgotten.
const MOST_ROWS: usize = 50_000;

/// Tables of a node at times.
pub struct Past<'a> {
    script: &'a dyn Script,
    live: Option<Box<dyn Performance>>,
    kept: BTreeMap<(NodeId, Time), Vec<Table>>,
    kept_rows: usize,
    wanted: Option<Wanted>,
    begun: u64,
}

struct Wanted {
    node: NodeId,
    time: Time,
    /// Moments at which to look on the way, the last one first.
    stops: Vec<Time>,
}

impl<'a> Past<'a> {
    /// Nothing known yet.
    pub fn new(script: &'a dyn Script) -> Self {
        Self { script, live: None, kept: BTreeMap::new(), kept_rows: 0, wanted: None, begun: 0 }
    }

    /// How often a performance was begun.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// The tables of a node as they are when everything of a moment has happened, if that is known.
    pub fn tables(&self, node: NodeId, time: Time) -> Option<&[Table]> {
        self.kept.get(&(node, time)).map(Vec::as_slice)
    }

    /// Asks for the tables of a node at a time. `earlier` gives the moments before it, the latest first.
    pub fn want(&mut self, node: NodeId, time: Time, earlier: impl Iterator<Item = Time>) {
        if self.kept.contains_key(&(node, time)) {
            self.wanted = None;
            return;
        }
        if self.wanted.as_ref().is_some_and(|wanted| (wanted.node, wanted.time) == (node, time)) {
            return;
        }
        // A world that is past it cannot go back.
        if self.now().is_some_and(|now| now > time) {
            self.live = None;
        }
        let now = self.now();
        let mut stops = vec![time];
        for moment in earlier.take(4 * WINDOW).take_while(|moment| now.is_none_or(|now| *moment > now)) {
            if stops.len() > WINDOW {
                break;
            }
            if stops.last().is_some_and(|last| moment < *last) {
                stops.push(moment);
            }
        }
        self.wanted = Some(Wanted { node, time, stops });
    }

    fn now(&self) -> Option<Time> {
        self.live.as_ref().map(|live| live.world().cloud.simulator.now())
    }

    /// Plays on towards what is wanted, at most so many events. Whether there is nothing left to do.
    pub fn work(&mut self, budget: u64) -> bool {
        let Some(wanted) = &mut self.wanted else { return true };
        if self.live.is_none() {
            self.begun += 1;
            self.live = self.script.begin(Bounds::NONE);
        }
        let Some(live) = &mut self.live else {
            self.wanted = None;
            return true;
        };
        let begin = live.world().cloud.simulator.happened();
        while let Some(stop) = wanted.stops.last().copied() {
            let spent = live.world().cloud.simulator.happened() - begin;
            if spent >= budget || !live.advance(stop, budget - spent) {
                return false;
            }
            wanted.stops.pop();
            let tables = live.world().cloud.simulator.inspect(wanted.node);
            self.kept_rows += rows(&tables);
            if let Some(before) = self.kept.insert((wanted.node, stop), tables) {
                self.kept_rows -= rows(&before);
            }
        }
        let keep = (wanted.node, wanted.time);
        self.wanted = None;
        while self.kept_rows > MOST_ROWS && self.kept.len() > 1 {
            // Of another node first, then of the earliest time.
            let other = self.kept.keys().find(|key| key.0 != keep.0).or_else(|| self.kept.keys().find(|key| **key != keep));
            let Some(first) = other.copied() else { break };
            self.kept_rows -= self.kept.remove(&first).map_or(0, |tables| rows(&tables));
        }
        true
    }
}

fn rows(tables: &[Table]) -> usize {
    tables.iter().map(|table| table.rows.len() + 1).sum()
}
