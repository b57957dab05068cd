//! What is to happen, in order of time and, at one time, in order of scheduling: a hierarchical timing wheel.
//!
//! Eleven levels of 64 slots cover 64 bits of nanoseconds. An event lies at the level of the highest six bits in which its
//! time differs from the present; when the present enters its slot, the whole slot moves down at once, before anything in
//! that range can be scheduled directly. So order within a slot is order of scheduling on every level, and scheduling and
//! taking cost the same whether a thousand events are pending or a million.

use crate::frame::FrameId;
use crate::node::NodeId;
use crate::time::Time;

const LEVELS: usize = 11;
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;

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
    /// The last bit of a frame reaches a port.
    Frame {
        /// Of this node.
        node: NodeId,
        /// Number of the port.
        port: u16,
        /// The frame; the event holds a reference to it.
        frame: FrameId,
        /// The cable's count of failures when it was sent: another one by now, and the frame is lost.
        epoch: u32,
    },
    /// A node wanted to be woken.
    Timer {
        /// The node.
        node: NodeId,
        /// What it said to itself.
        token: u64,
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

/// The wheel.
#[derive(Debug)]
pub struct Wheel {
    /// Time up to which everything was taken.
    now: u64,
    pending: usize,
    /// Which slots of a level hold anything.
    occupied: [u64; LEVELS],
    slots: Vec<Vec<Event>>,
    /// Events of this very moment, in order; those before `taken` are gone.
    current: Vec<Event>,
    taken: usize,
}

impl Default for Wheel {
    fn default() -> Self {
        let slots = (0..LEVELS * SLOTS).map(|_| Vec::new()).collect();
        Self { now: 0, pending: 0, occupied: [0; LEVELS], slots, current: Vec::new(), taken: 0 }
    }
}

impl Wheel {
    /// Events that have not been taken.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Schedules an event; one in the past happens now, after all that was scheduled for now.
    pub fn push(&mut self, event: Event) {
        self.pending += 1;
        self.place(event);
    }

    fn place(&mut self, event: Event) {
        let time = event.time.0;
        if time <= self.now {
            self.current.push(event);
            return;
        }
        let level = (63 - (time ^ self.now).leading_zeros()) / BITS;
        let slot = (time >> (level * BITS)) as usize & (SLOTS - 1);
        self.occupied[level as usize] |= 1 << slot;
        self.slots[level as usize * SLOTS + slot].push(event);
    }

    /// Takes the next event at or before `limit`.
    pub fn pop(&mut self, limit: Time) -> Option<Event> {
        loop {
            if let Some(event) = self.current.get(self.taken) {
                // The present may be later than a limit that was set anew.
                if self.now > limit.0 {
                    return None;
                }
                self.taken += 1;
                self.pending -= 1;
                return Some(*event);
            }
            self.current.clear();
            self.taken = 0;
            if !self.turn(limit.0) {
                return None;
            }
        }
    }

    /// Moves the present to the next slot that holds something, at or before `limit`, and takes that slot apart.
    fn turn(&mut self, limit: u64) -> bool {
        // What differs in higher bits is later, so the lowest level that holds anything is next.
        let Some(level) = self.occupied.iter().position(|slots| *slots != 0) else { return false };
        let slot = self.occupied[level].trailing_zeros();
        let shift = level as u32 * BITS;
        let above = shift + BITS;
        let high = if above >= 64 { 0 } else { (self.now >> above) << above };
        let start = high | (u64::from(slot) << shift);
        if start > limit {
            return false;
        }
        self.now = start;
        self.occupied[level] &= !(1 << slot);
        let index = level * SLOTS + slot as usize;
        if level == 0 {
            std::mem::swap(&mut self.current, &mut self.slots[index]);
        } else {
            let mut events = std::mem::take(&mut self.slots[index]);
            for event in events.drain(..) {
                self.place(event);
            }
            // Its memory serves again, unless it was a crowd's.
            if events.capacity() <= 4_096 {
                self.slots[index] = events;
            }
        }
        true
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
            steps in prop::collection::vec((0_u64..5, prop_oneof![0_u64..4, 0_u64..100, 0_u64..1_000_000, any::<u64>()]), 1..200),
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
