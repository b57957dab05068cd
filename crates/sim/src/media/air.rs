//! Transmissions whose signals are still on the way, and what a station hears of them.

use super::spec::Timing;
use crate::frame::FrameId;

/// A transmission, from a station's first bit to its last.
#[derive(Debug)]
pub(super) struct Transmission {
    pub station: u32,
    pub frame: FrameId,
    pub start: u64,
    /// Of the frame, or of the jam once it has collided.
    pub end: u64,
    /// When its sender hears another one; never, as far as is known, if `u64::MAX`.
    pub collides_at: u64,
    /// Its sender has heard that.
    pub collided: bool,
    /// Its sender has stopped.
    pub done: bool,
    /// Another one started before it was heard there.
    pub met: bool,
    /// Stations that its end has yet to reach.
    pub unheard: u32,
}

impl Transmission {
    pub fn new(station: u32, frame: FrameId, start: u64, end: u64) -> Self {
        let collides_at = u64::MAX;
        let (collided, done, met, unheard) = (false, false, false, 0);
        Self { station, frame, start, end, collides_at, collided, done, met, unheard }
    }
}

/// All of them, in order of their beginnings.
#[derive(Debug, Default)]
pub(super) struct Air {
    pub on_the_way: Vec<Transmission>,
    /// Number of the first; numbers wrap around.
    first: u32,
    /// Latest end of all, wherever it is heard.
    pub latest_end: u64,
    heard: Vec<(u64, u64)>,
}

impl Air {
    /// Adds a transmission.
    pub fn push(&mut self, transmission: Transmission) {
        self.latest_end = self.latest_end.max(transmission.end);
        self.on_the_way.push(transmission);
    }

    pub fn get(&mut self, number: u32) -> Option<&mut Transmission> {
        self.on_the_way.get_mut(number.wrapping_sub(self.first) as usize)
    }

    pub fn number(&self, index: usize) -> u32 {
        self.first.wrapping_add(index as u32)
    }

    /// Forgets what nobody hears, waits for, or is disturbed by any more. `span` is the greatest distance.
    pub fn forget(&mut self, now: u64, span: u64, gap: u64) {
        let is_open = |one: &&Transmission| one.met && (!one.done || one.unheard > 0);
        let first_open = self.on_the_way.iter().filter(is_open).map(|one| one.start).min().unwrap_or(u64::MAX);
        let is_over = |one: &Transmission| {
            let silent = one.end + span;
            one.done && one.unheard == 0 && silent + gap < now && first_open >= silent
        };
        let over = self.on_the_way.iter().take_while(|one| is_over(one)).count();
        self.on_the_way.drain(..over);
        self.first = self.first.wrapping_add(over as u32);
        self.find_latest_end();
    }

    /// After an end has changed.
    pub fn find_latest_end(&mut self) {
        self.latest_end = self.on_the_way.iter().map(|one| one.end).max().unwrap_or(0);
    }

    /// When a station may send that has a frame ready (4.2.3.2.1): as soon as it is ready if it hears nothing, else a gap
    /// after it has heard the last of what it hears. `distance` is that from another station.
    pub fn turn(&mut self, station: u32, ready: u64, timing: &Timing, distance: impl Fn(u32) -> u64) -> u64 {
        self.heard.clear();
        for one in &self.on_the_way {
            let away = if one.station == station { 0 } else { distance(one.station) };
            // What ended a gap before that has no part in it.
            let signal = (one.start + away, one.end + away);
            // Those that collide on a star are heard as one.
            if signal.1 + timing.gap > ready && self.heard.last() != Some(&signal) {
                self.heard.push(signal);
            }
        }
        if self.heard.len() > 1 {
            self.heard.sort_unstable();
        }
        let mut signals = self.heard.iter();
        let Some(&(mut from, mut to)) = signals.next() else { return ready };
        let mut gate = None;
        for (begins, ends) in signals.map(|signal| (signal.0, signal.1)) {
            if begins < to + timing.watched_gap {
                to = to.max(ends);
                continue;
            }
            gate = turn_at(from, to, ready, timing.gap);
            if gate.is_some() {
                break;
            }
            (from, to) = (begins, ends);
        }
        gate.or_else(|| turn_at(from, to, ready, timing.gap)).unwrap_or(ready)
    }

    /// Whether a station hears another one at a moment.
    pub fn is_heard(&self, station: u32, now: u64, distance: impl Fn(u32) -> u64) -> bool {
        self.on_the_way.iter().filter(|one| one.station != station).any(|one| {
            let away = distance(one.station);
            one.start + away <= now && now < one.end + away
        })
    }
}

/// When a station may send that is ready before or during a time in which the medium is busy, or in the gap after it.
fn turn_at(from: u64, to: u64, ready: u64, gap: u64) -> Option<u64> {
    if ready < from {
        return Some(ready);
    }
    (ready < to + gap).then_some(to + gap)
}
