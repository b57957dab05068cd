//! The rows of the event list: each doing as one, or every event; those that a filter wants. Nothing is formatted here, and
//! of three million events only what is looked for is looked at.

use std::borrow::Cow;

use sim::view::fold::{self, Row};
use sim::view::{Filter, View};
use sim::{Time, TraceEvent};

/// Rows of a recording.
pub struct Rows<'a> {
    view: &'a View<'a>,
    folded: Vec<Row>,
    is_all: bool,
    /// Those that the filter wants; nothing: every one.
    wanted: Option<Vec<u32>>,
}

impl<'a> Rows<'a> {
    /// Each doing of a recording as one row.
    pub fn new(view: &'a View<'a>) -> Self {
        Self { view, folded: fold::folded(view), is_all: false, wanted: None }
    }

    /// Shows sending and arriving apart, or not, and only what a filter wants.
    pub fn choose(&mut self, is_all: bool, filter: &Filter) {
        (self.is_all, self.wanted) = (is_all, None);
        if !filter.is_all() {
            let wanted = (0..self.len()).filter(|at| filter.wants(self.view, &self.get(*at))).map(|at| at as u32);
            self.wanted = Some(wanted.collect());
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match &self.wanted {
            Some(wanted) => wanted.len(),
            None if self.is_all => self.view.events().len(),
            None => self.folded.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A row. Panics behind the last.
    pub fn get(&self, at: usize) -> Cow<'_, Row> {
        let at = self.wanted.as_ref().map_or(at, |wanted| wanted[at] as usize);
        match self.is_all {
            true => Cow::Owned(Row { event: at, ..Row::default() }),
            false => Cow::Borrowed(&self.folded[at]),
        }
    }

    /// What a row is about. Panics behind the last.
    pub fn event(&self, at: usize) -> TraceEvent {
        self.view.events().at(self.get(at).event)
    }

    /// When a row began: when its frame was sent, if one was.
    pub fn time(&self, at: usize) -> Time {
        let row = self.get(at);
        self.view.events().at(row.sends.first().copied().unwrap_or(row.event)).time
    }

    /// The last row that has begun by a time; the first if none has.
    pub fn at_time(&self, time: Time) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.time(middle) <= time { low = middle + 1 } else { high = middle }
        }
        low.saturating_sub(1)
    }

    /// The first row that speaks of an event or of a later one.
    pub fn of_event(&self, event: usize) -> Option<usize> {
        self.find(None, true, |row| row.events().any(|own| own >= event))
    }

    /// The next row that is such, before or behind a row; with no row from the beginning or the end.
    pub fn find(&self, from: Option<usize>, forward: bool, is: impl Fn(&Row) -> bool) -> Option<usize> {
        let is = |at: &usize| is(&self.get(*at));
        match (from, forward) {
            (Some(from), true) => (from + 1..self.len()).find(is),
            (None, true) => (0..self.len()).find(is),
            (Some(from), false) => (0..from.min(self.len())).rev().find(is),
            (None, false) => (0..self.len()).rev().find(is),
        }
    }
}
