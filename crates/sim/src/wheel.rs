//! What is to happen, in order of time and, at one time, in order of scheduling: a hierarchical timing wheel.
//!
//! Eight levels of 256 slots cover 64 bits of nanoseconds. An event lies at the level of the highest eight bits in which its
//! time differs from where the wheel stands. When the wheel enters a slot, before anything in its range can be scheduled
//! directly, the whole slot moves: a crowd to the levels below, in order, and a few to the run, which is sorted and takes in
//! what is scheduled in its range from then on. So order is order of scheduling on every level, and scheduling and taking
//! cost the same whether a thousand events are pending or a million.

use crate::frame::FrameId;
use crate::node::NodeId;
use crate::time::Time;

const LEVELS: usize = 8;
const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;
/// Words of 64 bits that say which slots of a level hold anything.
const WORDS: usize = SLOTS / 64;
/// Events of a slot that are sorted at once rather than moved to the levels below.
const FEW: usize = 16;
/// Events of a run beyond which it is given to the levels.
const MANY: usize = 48;
/// Room of a slot for so many events is a crowd's.
const CROWD: usize = 4_096;
/// Crowds' memory that is kept.
const SPARE_CROWDS: usize = 8;

/// Something that happens at a moment. 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub time: Time,
    /// What.
    pub what: Happening,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The last bit of a frame reaches the other end of a cable.
    Crossed {
        /// The cable's number.
        link: u32,
        /// The side that it came from.
        side: u8,
        /// The frame; the event holds a reference to it.
        frame: FrameId,
        /// The cable's count of failures when it was sent: another one by now, and the frame is lost.
        epoch: u32,
    },
    /// The last bit of a frame reaches a port of a shared medium.
    Frame {
        /// Of this node.
        node: NodeId,
        /// Number of the port.
        port: u16,
        /// The frame; the event holds a reference to it.
        frame: FrameId,
    },
    /// The last bit of a frame reaches several ports of a shared medium at once.
    Heard {
        /// Its number.
        medium: u32,
        /// Which ports: see [`crate::Medium::hearers`].
        group: u32,
        /// The frame; the event holds a reference to it.
        frame: FrameId,
    },
    /// A node wanted to be woken.
    Timer {
        /// The node.
        node: NodeId,
        /// What it said to itself.
        token: u64,
    },
    /// Something on a shared medium.
    Medium {
        /// Its number.
        medium: u32,
        /// The medium's own words.
        first: u32,
        /// The medium's own words.
        second: u32,
    },
}

const _: () = assert!(size_of::<Event>() == 24);

/// The slots of a level.
type Level = [Vec<Event>; SLOTS];

/// The wheel.
#[derive(Debug)]
pub struct Wheel {
    /// Time of what was taken last.
    present: u64,
    /// Where the wheel stands: events on the levels differ from this.
    base: u64,
    /// Whatever is scheduled up to here goes to the run. What is on the levels is later.
    last: u64,
    pending: usize,
    /// Which slots of a level hold anything.
    occupied: [[u64; WORDS]; LEVELS],
    slots: Box<[Level; LEVELS]>,
    /// What is next, sorted by time and then by scheduling; those before `taken` are gone.
    run: Vec<Event>,
    taken: usize,
    /// Memory of crowds that are gone.
    spare: Vec<Vec<Event>>,
}

impl Default for Wheel {
    fn default() -> Self {
        let slots = Box::new([const { [const { Vec::new() }; SLOTS] }; LEVELS]);
        let (present, base, last, pending, taken) = (0, 0, 0, 0, 0);
        let (run, spare) = (Vec::new(), Vec::new());
        Self { present, base, last, pending, occupied: [[0; WORDS]; LEVELS], slots, run, taken, spare }
    }
}

impl Wheel {
    /// Events that have not been taken.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Schedules an event; one in the past happens now, after all that was scheduled for now.
    #[inline]
    pub fn push(&mut self, mut event: Event) {
        self.pending += 1;
        event.time.0 = event.time.0.max(self.present);
        if event.time.0 > self.last { self.place(event) } else { self.insert(event) }
    }

    /// Puts an event into the run, behind what is not later.
    #[inline(never)]
    fn insert(&mut self, event: Event) {
        let run = &self.run[self.taken..];
        if run.last().is_none_or(|last| last.time <= event.time) {
            self.run.push(event);
        } else {
            let before = run.partition_point(|known| known.time <= event.time);
            let (at, is_near) = (self.taken + before, before < run.len() / 2);
            if is_near && self.taken > 0 {
                // Where the last one was taken there is room.
                self.run.copy_within(self.taken..at, self.taken - 1);
                self.run[at - 1] = event;
                self.taken -= 1;
            } else {
                self.run.insert(at, event);
            }
        }
        if self.run.len() - self.taken > MANY && self.last > self.base {
            self.disband();
        }
    }

    /// Puts an event that is later than the run on its level.
    #[inline(never)]
    fn place(&mut self, event: Event) {
        let time = event.time.0;
        // The lowest bit is set, so that there is a highest one.
        let level = ((time ^ self.base | 1).ilog2() / BITS) as usize;
        let slot = (time >> (level as u32 * BITS)) as usize % SLOTS;
        self.occupied[level][slot / 64] |= 1 << (slot % 64);
        let events = &mut self.slots[level][slot];
        if events.len() == events.capacity() {
            make_room(events, &mut self.spare);
        }
        events.push(event);
    }

    /// Gives all but the first moment of the run to the levels.
    #[cold]
    fn disband(&mut self) {
        self.base = self.base.max(self.present);
        self.last = self.base;
        let stay = self.taken + self.run[self.taken..].partition_point(|event| event.time.0 <= self.last);
        let mut run = std::mem::take(&mut self.run);
        for event in run.drain(stay..) {
            self.place(event);
        }
        self.run = run;
    }

    /// Takes the next event at or before `limit`.
    #[inline]
    pub fn pop(&mut self, limit: Time) -> Option<Event> {
        if self.taken == self.run.len() && !self.refill(limit) {
            return None;
        }
        let event = *self.run.get(self.taken)?;
        if event.time > limit {
            return None;
        }
        self.taken += 1;
        self.pending -= 1;
        self.present = event.time.0;
        // A run may go on for long.
        if self.taken > MANY && self.taken * 2 >= self.run.len() {
            self.forget_taken();
        }
        Some(event)
    }

    #[cold]
    fn forget_taken(&mut self) {
        self.run.drain(..self.taken);
        self.taken = 0;
    }

    /// Enters slots until the run, which is over, has an event; whether there is one at or before `limit`.
    #[inline(never)]
    fn refill(&mut self, limit: Time) -> bool {
        self.run.clear();
        self.taken = 0;
        while self.run.is_empty() {
            if !self.turn(limit.0) {
                return false;
            }
        }
        true
    }

    /// Enters the next slot that holds something, if it begins at or before `limit`. The run is empty.
    fn turn(&mut self, limit: u64) -> bool {
        // What differs in higher bits is later, so the lowest level that holds anything is next.
        let words = self.occupied.as_flattened();
        let Some(word) = words.iter().position(|slots| *slots != 0) else { return false };
        let (level, slot) = (word / WORDS, (word % WORDS) as u32 * 64 + words[word].trailing_zeros());
        let shift = level as u32 * BITS;
        let above = shift + BITS;
        let high = if above >= 64 { 0 } else { (self.base >> above) << above };
        let start = high | (u64::from(slot) << shift);
        if start > limit {
            return false;
        }
        self.occupied[level][word % WORDS] &= !(1 << (slot % 64));
        self.base = start;
        let events = &mut self.slots[level][slot as usize];
        if level == 0 || events.len() <= FEW {
            self.last = start | ((1 << shift) - 1);
            self.run.append(events);
            if level > 0 {
                // Stable: what was scheduled first stays first.
                self.run.sort_by_key(|event| event.time);
            }
            return true;
        }
        self.last = start;
        let mut events = std::mem::take(events);
        for event in events.drain(..) {
            if event.time.0 == start {
                self.run.push(event);
            } else {
                self.place(event);
            }
        }
        if events.capacity() <= CROWD {
            self.slots[level][slot as usize] = events;
        } else if self.spare.len() < SPARE_CROWDS {
            self.spare.push(events);
        }
        true
    }
}

/// More room for the events of a slot that is full: a crowd gets the memory of one that is gone, if there is any.
#[cold]
fn make_room(events: &mut Vec<Event>, spare: &mut Vec<Vec<Event>>) {
    let has_room = |room: &Vec<Event>| events.len() >= CROWD && room.capacity() > events.len();
    match spare.iter().position(has_room) {
        Some(at) => {
            let mut room = spare.swap_remove(at);
            room.append(events);
            *events = room;
        }
        None => events.reserve(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn timer(time: u64, token: u64) -> Event {
        Event { time: Time(time), what: Happening::Timer { node: NodeId(0), token } }
    }

    fn token(event: Event) -> u64 {
        match event.what {
            Happening::Timer { token, .. } => token,
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        /// The law: what comes out is what a stable sort by time gives, however pushes and pops are mixed.
        #[test]
        fn events_come_in_order_of_time_and_then_of_scheduling(
            steps in prop::collection::vec((0_u64..5, prop_oneof![0_u64..4, 0_u64..100, 0_u64..1_000_000, any::<u64>()]), 1..600),
        ) {
            let mut wheel = Wheel::default();
            let mut model: Vec<(u64, u64)> = Vec::new();
            let (mut now, mut next) = (0_u64, 0_u64);
            for (action, delay) in steps {
                if action == 0 {
                    let expected = model.iter().enumerate().min_by_key(|(_, (time, order))| (*time, *order)).map(|(i, _)| i);
                    let got = wheel.pop(Time::NEVER);
                    prop_assert_eq!(got.is_some(), expected.is_some());
                    if let (Some(event), Some(index)) = (got, expected) {
                        let (time, order) = model.remove(index);
                        prop_assert_eq!((event.time.0, token(event)), (time, order));
                        now = time;
                    }
                } else {
                    let time = now.saturating_add(delay);
                    wheel.push(timer(time, next));
                    model.push((time, next));
                    next += 1;
                }
                prop_assert_eq!(wheel.pending(), model.len());
            }
        }

        /// A limit hides what is later, and nothing is lost or put out of order by it.
        #[test]
        fn nothing_beyond_the_limit_is_taken(times in prop::collection::vec(0_u64..10_000, 1..100), step in 1_u64..3_000) {
            let mut wheel = Wheel::default();
            for (order, time) in times.iter().enumerate() {
                wheel.push(timer(*time, order as u64));
            }
            let mut sorted: Vec<(u64, u64)> = times.iter().copied().zip(0..).collect();
            sorted.sort_unstable();
            let mut expected = sorted.into_iter().peekable();
            let mut limit = 0;
            while expected.peek().is_some() {
                while let Some(event) = wheel.pop(Time(limit)) {
                    prop_assert!(event.time.0 <= limit);
                    prop_assert_eq!(expected.next(), Some((event.time.0, token(event))));
                }
                prop_assert!(expected.peek().is_none_or(|(time, _)| *time > limit));
                limit += step;
            }
        }
    }

    #[test]
    fn a_run_that_goes_on_takes_no_more_memory() {
        let mut wheel = Wheel::default();
        (1..=4).for_each(|token| wheel.push(timer(1 << 40 | token, token)));
        for _ in 0..100_000 {
            let event = wheel.pop(Time::NEVER).unwrap();
            wheel.push(timer(event.time.0 + 9, token(event)));
        }
        let room: usize = wheel.slots.as_flattened().iter().map(Vec::capacity).sum::<usize>() + wheel.run.capacity();
        assert!(room < 3_000, "{room}");
    }

    #[test]
    fn what_is_scheduled_before_what_a_limit_hides_comes_first() {
        let mut wheel = Wheel::default();
        wheel.push(timer(120, 1));
        assert_eq!(wheel.pop(Time(100)), None);
        wheel.push(timer(20, 2));
        wheel.push(timer(15, 3));
        assert_eq!([3, 2, 1].map(Some), [(); 3].map(|()| wheel.pop(Time::NEVER).map(token)));
    }

    #[test]
    fn an_event_of_the_past_happens_now_after_what_was_scheduled_before() {
        let mut wheel = Wheel::default();
        wheel.push(timer(100, 1));
        wheel.push(timer(100, 2));
        assert_eq!(wheel.pop(Time::NEVER).map(token), Some(1));
        wheel.push(timer(50, 3));
        assert_eq!(wheel.pop(Time::NEVER).map(token), Some(2));
        assert_eq!(wheel.pop(Time::NEVER).map(token), Some(3));
        assert_eq!(wheel.pop(Time::NEVER), None);
    }
}
