//! One collision domain with CSMA/CD, computed lazily: nothing happens at a station that merely hears.
//!
//! A transmission is three events: its turn, its end, and, if it meets another one, the moment at which its sender hears
//! that; what several senders go through at one moment, as all of a collision on a star do, is one event. When a station's turn comes follows from the few signals that are on the way ([`super::air`]), so it is computed
//! when one of them begins or is cut short, for the stations that have something to send. Of stations that become ready, or
//! begin to hear, at the same nanosecond, all may send: a station knows what reached it before that moment.

use super::air::{Air, Transmission};
use super::hearers::Hearers;
use super::layout::Layout;
use super::spec::{SegmentSpec, Timing};
use super::station::{Counts, Station};
use std::sync::Arc;

use crate::frame::FrameId;
use crate::medium::Medium;
use crate::node::NodeId;
use crate::simulator::MediumId;
use crate::time::Time;
use crate::trace::{Reason, TraceEvent, Verb};
use crate::wires::Wires;

/// What an event is about: the lowest three bits of its first word; the rest is a station or a hub.
const TURN: u32 = 0;
const COLLIDE: u32 = 1;
const END: u32 = 2;
const HEAR: u32 = 3;
const REPEAT: u32 = 4;
const KIND_BITS: u32 = 3;

/// Longest frame without its check sequence, an 802.1Q tag included, bytes.
const LONGEST: usize = 1_518;

/// A shared segment, or everything that hubs and repeaters join.
#[derive(Debug)]
pub struct Segment {
    number: u32,
    spec: SegmentSpec,
    timing: Timing,
    layout: Layout,
    stations: Vec<Station>,
    /// When each station has a frame ready; `u64::MAX` if it has none or is sending.
    ready: Vec<u64>,
    hearers: Hearers,
    hubs: Vec<(NodeId, u64)>,
    /// Greatest distance between two stations.
    span: u64,
    air: Air,
    /// Whose turn is next, and when.
    turn_at: u64,
    turns: Vec<u32>,
    /// When the last event of each kind that was scheduled is due: a turn, a collision, an end. Of one moment one is enough.
    scheduled: [u64; 3],
    collisions: u64,
    collision_at: u64,
}

impl Segment {
    /// A medium without stations. `number` is what [`crate::Simulator::next_medium`] says.
    pub fn new(number: MediumId, spec: SegmentSpec, layout: Layout) -> Self {
        let timing = Timing::new(&spec);
        let (stations, ready, hubs, turns) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (span, turn_at, scheduled) = (0, u64::MAX, [u64::MAX; 3]);
        let air = Air::default();
        let (collisions, collision_at) = (0, 0);
        Self {
            number: number.0,
            spec,
            timing,
            layout,
            stations,
            ready,
            hearers: Hearers::default(),
            hubs,
            span,
            air,
            turn_at,
            turns,
            scheduled,
            collisions,
            collision_at,
        }
    }

    /// Names a node at which bits are repeated, which the trace tells: at 0 on a star, at a place on a bus, or the number that
    /// a [`super::HubTree`] gave it; see [`Layout::to_hub`].
    pub fn repeats_at(&mut self, hub: NodeId, position: u64) {
        self.hubs.push((hub, position));
    }

    /// What happened at a station.
    pub fn counts(&self, station: u32) -> Counts {
        self.stations[station as usize].counts
    }

    /// What happened at all stations together.
    pub fn total(&self) -> Counts {
        self.stations.iter().fold(Counts::default(), |sum, station| sum.plus(station.counts))
    }

    /// Collisions: moments at which a station began to send while another one did, those within half a slot time of one
    /// that was counted being the same collision, however many stations took part.
    pub fn collisions(&self) -> u64 {
        self.collisions
    }

    fn distance(&self, a: u32, b: u32) -> u64 {
        // On a star or in a tree a station's own bits do not come back to it.
        if a == b { 0 } else { self.layout.between(self.stations[a as usize].position, self.stations[b as usize].position) }
    }

    fn record(&self, wires: &mut Wires, station: u32, verb: Verb, reason: Reason, frame: FrameId, value: u32) {
        let station = &self.stations[station as usize];
        wires.record(station.node, station.port, verb, reason, frame, value);
    }

    fn call(&self, wires: &mut Wires, at: u64, kind: u32, about: u32, second: u32) {
        wires.call_medium(Time(at), self.number, about << KIND_BITS | kind, second);
    }

    /// Sees to it that something is done about all senders for which this is the moment.
    fn call_once(&mut self, wires: &mut Wires, at: u64, kind: u32) {
        let scheduled = &mut self.scheduled[kind as usize];
        if *scheduled != at {
            *scheduled = at;
            self.call(wires, at, kind, 0, 0);
        }
    }

    /// When a station's turn is, by what is on the way now.
    fn turn(&mut self, station: u32, now: u64) -> u64 {
        let ready = self.ready[station as usize];
        // Beyond what anybody hears of now, and the gap after it.
        if ready > self.air.latest_end + self.span + self.timing.gap {
            return ready;
        }
        let (layout, stations) = (&self.layout, &self.stations);
        let here = stations[station as usize].position;
        let distance = |other: u32| layout.between(here, stations[other as usize].position);
        // One that waits has waited through all that is forgotten, and is no newcomer at this very moment.
        self.air.turn(station, ready.max(now.saturating_sub(1)), &self.timing, distance).max(now)
    }

    /// Finds whose turn is next, of all.
    fn find_turns(&mut self, wires: &mut Wires) {
        let now = wires.now.0;
        self.turn_at = u64::MAX;
        self.turns.clear();
        for station in 0..self.ready.len() {
            // What is ready later than another one's turn need not be looked at.
            if self.ready[station] <= self.turn_at && self.ready[station] != u64::MAX {
                let turn = self.turn(station as u32, now);
                self.offer(station as u32, turn);
            }
        }
        self.schedule(wires);
    }

    fn offer(&mut self, station: u32, turn: u64) {
        if turn < self.turn_at {
            self.turn_at = turn;
            self.turns.clear();
        }
        if turn == self.turn_at {
            self.turns.push(station);
        }
    }

    /// Sees to it that the next turn is taken. One that lies beyond the end of a transmission is looked at again then.
    fn schedule(&mut self, wires: &mut Wires) {
        let at = self.turn_at;
        if at != u64::MAX && !self.air.on_the_way.iter().any(|one| !one.done && one.end <= at) {
            self.call_once(wires, at, TURN);
        }
    }

    /// A station has a frame ready at a moment, now or later; to be followed by [`Segment::schedule`].
    fn contend(&mut self, now: u64, station: u32, ready: u64) {
        self.ready[station as usize] = ready;
        let turn = self.turn(station, now);
        self.offer(station, turn);
    }

    /// The stations whose turn it is send, unless turns have changed since the event was scheduled.
    fn take_turns(&mut self, wires: &mut Wires) {
        if self.turn_at != wires.now.0 {
            return;
        }
        self.air.forget(wires.now.0, self.span, self.timing.gap);
        let mut turns = std::mem::take(&mut self.turns);
        self.turn_at = u64::MAX;
        turns.sort_unstable();
        for station in &turns {
            self.begin(wires, *station);
        }
        self.turns = turns;
        self.find_turns(wires);
    }

    fn begin(&mut self, wires: &mut Wires, index: u32) {
        let now = wires.now.0;
        let station = &mut self.stations[index as usize];
        let Some(&frame) = station.queue.front() else { return };
        station.attempts += 1;
        self.ready[index as usize] = u64::MAX;
        let attempts = station.attempts;
        let mut new = Transmission::new(index, frame, now, now + self.timing.frame(wires.frames.bytes(frame).len()));
        self.record(wires, index, Verb::Send, Reason::Wire, frame, attempts);
        self.meet(wires, &mut new);
        let (end, collides_at) = (new.end, new.collides_at);
        self.air.push(new);
        if collides_at < end {
            self.call_once(wires, collides_at, COLLIDE);
        } else {
            self.call_once(wires, end, END);
        }
        if wires.trace.is_on() {
            for (hub, (_, position)) in self.hubs.iter().enumerate() {
                let at = now + self.layout.to_hub(self.stations[index as usize].position, *position);
                wires.frames.hold(frame);
                self.call(wires, at, REPEAT, hub as u32, frame.0);
            }
        }
    }

    /// What a new transmission does to those whose end has not reached its station, and they to it.
    fn meet(&mut self, wires: &mut Wires, new: &mut Transmission) {
        let now = new.start;
        for place in 0..self.air.on_the_way.len() {
            let away = self.distance(new.station, self.air.on_the_way[place].station);
            let other = &mut self.air.on_the_way[place];
            if other.end + away <= now {
                continue;
            }
            (other.met, new.met) = (true, true);
            // A signal that the new one already hears, or will while it sends.
            new.collides_at = new.collides_at.min(now.max(other.start + away));
            let heard_there = now + away;
            if !other.collided && heard_there < other.end && heard_there < other.collides_at {
                other.collides_at = heard_there;
                self.call_once(wires, heard_there, COLLIDE);
            }
        }
        if new.met && (self.collisions == 0 || now - self.collision_at >= self.timing.slot / 2) {
            self.collisions += 1;
            self.collision_at = now;
        }
    }

    /// Senders hear other stations: each finishes its preamble, jams and stops.
    fn collide(&mut self, wires: &mut Wires) {
        let (now, gap) = (wires.now.0, self.timing.gap);
        let mut has_changed = false;
        for place in 0..self.air.on_the_way.len() {
            let one = &self.air.on_the_way[place];
            if !one.collided && !one.done && one.collides_at == now {
                self.jam(wires, place);
                has_changed = true;
            }
        }
        if !has_changed {
            return;
        }
        self.air.find_latest_end();
        // Whoever waited for these waits for a gap more; if another one collides by then, turns are found at that time.
        let soon = |one: &Transmission| !one.collided && one.collides_at < one.end && one.collides_at <= now + gap;
        if !self.air.on_the_way.iter().any(soon) {
            self.find_turns(wires);
        }
    }

    fn jam(&mut self, wires: &mut Wires, place: usize) {
        let (now, timing) = (wires.now.0, self.timing);
        let one = &mut self.air.on_the_way[place];
        one.collided = true;
        one.end = now.max(one.start + timing.preamble) + timing.jam;
        let (index, frame, end, is_late) = (one.station, one.frame, one.end, now - one.start > timing.slot);
        let station = &mut self.stations[index as usize];
        station.counts.collided += 1;
        station.counts.late += u64::from(is_late);
        let attempts = station.attempts;
        self.record(wires, index, Verb::Collide, reason_of(is_late), frame, attempts);
        self.record(wires, index, Verb::Jam, Reason::Collision, frame, self.spec.jam_bits as u32);
        self.call_once(wires, end, END);
    }

    /// Senders have sent their last bits.
    fn end(&mut self, wires: &mut Wires) {
        let now = wires.now.0;
        for place in 0..self.air.on_the_way.len() {
            let one = &mut self.air.on_the_way[place];
            if !one.done && one.end == now {
                one.done = true;
                self.stop(wires, place);
            }
        }
        self.schedule(wires);
    }

    /// One of them: its frame reaches the others, or it is to be sent again.
    fn stop(&mut self, wires: &mut Wires, place: usize) {
        let now = wires.now.0;
        let one = &self.air.on_the_way[place];
        let (index, frame, collided, start) = (one.station, one.frame, one.collided, one.start);
        // Everybody has heard it, and waits.
        let is_settled = now >= start + self.span + self.timing.gap;
        let is_alone = !one.met && is_settled;
        if is_alone {
            self.reach_all(wires, index, frame);
        } else if !collided || wires.trace.is_on() {
            self.reach_each(wires, self.air.number(place), index, frame);
        }
        if collided {
            return self.back_off(wires, index, frame);
        }
        let station = &mut self.stations[index as usize];
        station.counts.sent += 1;
        station.counts.sent_bits += wires.frames.wire_bits(frame);
        self.next_frame(wires, index, frame);
    }

    /// Nothing disturbs the frame on its way to anybody.
    fn reach_all(&mut self, wires: &mut Wires, from: u32, frame: FrameId) {
        let now = wires.now.0;
        for (away, group) in self.hearers.of(from, &self.stations, &self.layout) {
            wires.frames.hold(frame);
            wires.deliver_to_group(Time(now + away), self.number, *group, frame);
        }
    }

    /// Something may: each station will see.
    fn reach_each(&mut self, wires: &mut Wires, number: u32, from: u32, frame: FrameId) {
        let now = wires.now.0;
        for index in (0..self.stations.len() as u32).filter(|index| *index != from) {
            wires.frames.hold(frame);
            self.call(wires, now + self.distance(from, index), HEAR, index, number);
        }
        let others = self.stations.len() as u32 - 1;
        if let Some(one) = self.air.get(number) {
            one.unheard = others;
        }
    }

    /// The end of a transmission reaches a station. What was disturbed there ends here.
    fn hear(&mut self, wires: &mut Wires, index: u32, number: u32) {
        let Some(one) = self.air.get(number) else { return };
        one.unheard -= 1;
        let (from, frame, start, end) = (one.station, one.frame, one.start, one.end);
        let (collided, is_late) = (one.collided, one.collided && one.collides_at - one.start > self.timing.slot);
        let away = self.distance(from, index);
        let (begins, ends) = (start + away, end + away);
        let others = self.air.on_the_way.iter().enumerate().filter(|(place, _)| self.air.number(*place) != number);
        let mut signals = others.map(|(_, other)| {
            let away = self.distance(other.station, index);
            (other.start + away, other.end + away)
        });
        let is_damaged = signals.any(|(from, to)| from < ends && begins < to);
        if collided || is_damaged {
            let reason = match (collided, is_late) {
                (true, true) => Reason::LateCollision,
                (true, false) => Reason::Runt,
                (false, _) => Reason::UndetectedCollision,
            };
            self.record(wires, index, Verb::Drop, reason, frame, 0);
            wires.frames.release(frame);
        } else {
            let station = &self.stations[index as usize];
            wires.deliver(wires.now, station.node, station.port, frame);
        }
    }

    fn back_off(&mut self, wires: &mut Wires, index: u32, frame: FrameId) {
        let (seed, limit) = (wires.seed, self.spec.backoff_limit);
        let station = &mut self.stations[index as usize];
        if station.attempts >= self.spec.attempts {
            station.counts.excessive += 1;
            let attempts = station.attempts;
            self.record(wires, index, Verb::Drop, Reason::ExcessiveCollisions, frame, attempts);
            return self.next_frame(wires, index, frame);
        }
        let slots = station.backoff(seed, limit);
        self.record(wires, index, Verb::Wait, Reason::Backoff, frame, slots);
        let ready = wires.now.0 + u64::from(slots) * self.timing.slot;
        self.contend(wires.now.0, index, ready);
    }

    /// A station is done with a frame.
    fn next_frame(&mut self, wires: &mut Wires, index: u32, frame: FrameId) {
        wires.frames.release(frame);
        let station = &mut self.stations[index as usize];
        station.queue.pop_front();
        station.attempts = 0;
        if !station.queue.is_empty() {
            let ready = wires.now.0 + self.spec.turnaround.0;
            self.contend(wires.now.0, index, ready);
        }
    }

    /// Says why a station that has just got a frame does not send it.
    fn say_why_it_waits(&self, wires: &mut Wires, index: u32, frame: FrameId) {
        let is_heard = self.air.is_heard(index, wires.now.0, |other| self.distance(index, other));
        let reason = if is_heard { Reason::CarrierBusy } else { Reason::Gap };
        self.record(wires, index, Verb::Wait, reason, frame, 0);
    }

    fn repeat(&mut self, wires: &mut Wires, hub: u32, frame: FrameId) {
        wires.record(self.hubs[hub as usize].0, TraceEvent::NO_PORT, Verb::Repeat, Reason::Repeated, frame, 0);
        wires.frames.release(frame);
    }
}

fn reason_of(is_late: bool) -> Reason {
    if is_late { Reason::LateCollision } else { Reason::Collision }
}

impl Medium for Segment {
    fn attach(&mut self, node: NodeId, port: u16, position: u64) -> u32 {
        let farthest = self.stations.iter().map(|station| self.layout.between(station.position, position)).max();
        self.span = self.span.max(farthest.unwrap_or(0));
        self.hearers.renew();
        self.stations.push(Station::new(node, port, position));
        self.ready.push(u64::MAX);
        (self.stations.len() - 1) as u32
    }

    fn transmit(&mut self, wires: &mut Wires, index: u32, frame: FrameId) {
        let lost = {
            let station = &mut self.stations[index as usize];
            let is_full = station.queue.len() > self.spec.queue_frames as usize;
            station.counts.queue_full += u64::from(is_full);
            if wires.frames.bytes(frame).len() > LONGEST { Some(Reason::TooLong) } else { is_full.then_some(Reason::QueueFull) }
        };
        if let Some(reason) = lost {
            self.record(wires, index, Verb::Drop, reason, frame, 0);
            return wires.frames.release(frame);
        }
        let queue = &mut self.stations[index as usize].queue;
        queue.push_back(frame);
        if queue.len() == 1 {
            self.contend(wires.now.0, index, wires.now.0);
            self.schedule(wires);
            if wires.trace.is_on() && self.turn(index, wires.now.0) > wires.now.0 {
                self.say_why_it_waits(wires, index, frame);
            }
        }
    }

    fn on_event(&mut self, wires: &mut Wires, first: u32, second: u32) {
        let (kind, about) = (first & ((1 << KIND_BITS) - 1), first >> KIND_BITS);
        if let Some(scheduled) = self.scheduled.get_mut(kind as usize).filter(|at| **at == wires.now.0) {
            *scheduled = u64::MAX;
        }
        match kind {
            TURN => self.take_turns(wires),
            COLLIDE => self.collide(wires),
            END => self.end(wires),
            HEAR => self.hear(wires, about, second),
            REPEAT => self.repeat(wires, about, FrameId(second)),
            _ => {}
        }
    }

    fn rate(&self) -> u64 {
        self.spec.rate_bits_per_second
    }

    fn hearers(&self, group: u32) -> Arc<[(NodeId, u16)]> {
        self.hearers.group(group)
    }

    fn queued(&self, station: u32) -> usize {
        self.stations[station as usize].queue.len()
    }
}
