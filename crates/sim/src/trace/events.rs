//! The events of a trace, packed: 16 bytes each, and 16 more for the few that carry a number or more to say. They lie in
//! blocks that never move, so that a trace grows without being copied; what costs is memory that is touched for the first
//! time, and half as much of it costs half.

use crate::frame::FrameId;
use crate::node::NodeId;
use crate::time::Time;

use super::{Reason, TraceEvent, Verb};

/// Events of a block: 2 MiB.
const BLOCK: usize = 1 << 17;
/// Set beside the verb of an event that has an entry in [`Recorded::extras`].
const HAS_EXTRA: u8 = 0x80;

const _: () = assert!(Verb::ALL.len() <= HAS_EXTRA as usize);

#[derive(Debug, Clone, Copy)]
struct Packed {
    /// The lowest 32 bits of the time.
    time: u32,
    node: u32,
    frame: FrameId,
    port: u16,
    verb: u8,
    reason: Reason,
}

const _: () = assert!(size_of::<Packed>() == 16);

/// What few events have.
#[derive(Debug, Clone, Copy)]
struct Extra {
    event: usize,
    value: u32,
    detail: u32,
}

/// Events as they were recorded.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// Full ones.
    blocks: Vec<Vec<Packed>>,
    /// The last one, which is being filled.
    open: Vec<Packed>,
    extras: Vec<Extra>,
    /// From which event on the highest 32 bits of the time are these. Time never goes back.
    eras: Vec<(usize, u32)>,
    /// The highest 32 bits of the last time.
    era: u32,
}

impl Recorded {
    pub fn len(&self) -> usize {
        self.blocks.len() * BLOCK + self.open.len()
    }

    /// Whether an event of this time can be pushed.
    #[inline]
    pub fn is_ready(&self, time: Time) -> bool {
        self.open.len() < self.open.capacity().min(BLOCK) && (time.0 >> 32) as u32 == self.era
    }

    /// Sees to it that it can.
    pub fn make_ready(&mut self, time: Time) {
        if self.open.len().is_multiple_of(BLOCK) {
            self.begin_block();
        }
        let era = (time.0 >> 32) as u32;
        if era != self.era {
            self.era = era;
            self.eras.push((self.len(), era));
        }
    }

    /// Adds an event, for which it is ready.
    #[inline]
    pub fn push(&mut self, event: &TraceEvent) {
        let has_extra = event.value != 0 || event.detail != TraceEvent::NO_DETAIL;
        if has_extra {
            self.push_extra(event.value, event.detail);
        }
        let packed = Packed {
            time: event.time.0 as u32,
            node: event.node.0,
            frame: event.frame,
            port: event.port,
            verb: event.verb as u8 | if has_extra { HAS_EXTRA } else { 0 },
            reason: event.reason,
        };
        self.open.push(packed);
    }

    #[inline(never)]
    fn push_extra(&mut self, value: u32, detail: u32) {
        self.extras.push(Extra { event: self.len(), value, detail });
    }

    fn begin_block(&mut self) {
        if !self.open.is_empty() {
            self.blocks.push(std::mem::take(&mut self.open));
        }
        self.open.reserve_exact(BLOCK);
    }

    /// Forgets everything; memory of one block stays.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.open.clear();
        self.extras.clear();
        self.eras.clear();
        self.era = 0;
    }

    fn at(&self, index: usize) -> TraceEvent {
        let packed = self.blocks.get(index / BLOCK).unwrap_or(&self.open)[index % BLOCK];
        let era = match self.eras.partition_point(|(from, _)| *from <= index) {
            0 => 0,
            after => self.eras[after - 1].1,
        };
        let extra = (packed.verb & HAS_EXTRA != 0).then(|| {
            let place = self.extras.partition_point(|extra| extra.event < index);
            self.extras[place]
        });
        TraceEvent {
            time: Time(u64::from(era) << 32 | u64::from(packed.time)),
            node: NodeId(packed.node),
            frame: packed.frame,
            detail: extra.map_or(TraceEvent::NO_DETAIL, |extra| extra.detail),
            port: packed.port,
            verb: Verb::ALL[usize::from(packed.verb & !HAS_EXTRA)],
            reason: packed.reason,
            value: extra.map_or(0, |extra| extra.value),
        }
    }
}

/// The events of a trace, in order, or the first of them. Each is put together when it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Events<'a> {
    recorded: &'a Recorded,
    length: usize,
}

impl<'a> Events<'a> {
    pub(super) fn of(recorded: &'a Recorded) -> Self {
        Self { recorded, length: recorded.len() }
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.length == 0
    }

    /// The event at a place; panics beyond the last.
    pub fn at(self, index: usize) -> TraceEvent {
        assert!(index < self.length, "there are {} events, and none at {index}", self.length);
        self.recorded.at(index)
    }

    /// The event at a place, if there is one.
    pub fn get(self, index: usize) -> Option<TraceEvent> {
        (index < self.length).then(|| self.recorded.at(index))
    }

    /// Those before a place.
    #[must_use]
    pub fn before(self, index: usize) -> Self {
        Self { length: self.length.min(index), ..self }
    }

    /// Those up to a time, that time included.
    #[must_use]
    pub fn until(self, time: Time) -> Self {
        let (mut first, mut end) = (0, self.length);
        while first < end {
            let middle = first + (end - first) / 2;
            if self.recorded.at(middle).time <= time {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        self.before(first)
    }

    /// One after the other, from either end.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = TraceEvent> + ExactSizeIterator + Clone + use<'a> {
        (0..self.length).map(move |index| self.recorded.at(index))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events() -> impl Strategy<Value = Vec<TraceEvent>> {
        let value = prop_oneof![Just(0), any::<u32>()];
        let detail = prop_oneof![Just(TraceEvent::NO_DETAIL), any::<u32>()];
        let step = prop_oneof![0_u64..1_000, 0_u64..1 << 40];
        let kind = (0..Verb::ALL.len(), 0..Reason::ALL.len());
        let event = (step, any::<u32>(), any::<u32>(), any::<u16>(), kind, value, detail);
        prop::collection::vec(event, 0..200).prop_map(|events| {
            let mut time = Time::ZERO;
            let made = events.into_iter().map(|(step, node, frame, port, (verb, reason), value, detail)| {
                time.0 += step;
                let (verb, reason) = (Verb::ALL[verb], Reason::ALL[reason]);
                TraceEvent { time, node: NodeId(node), frame: FrameId(frame), detail, port, verb, reason, value }
            });
            made.collect()
        })
    }

    proptest! {
        /// The law: what is read is what was recorded, by place, forwards and backwards.
        #[test]
        fn events_come_back_as_they_were(events in events(), before: usize) {
            let mut recorded = Recorded::default();
            for event in &events {
                recorded.make_ready(event.time);
                recorded.push(event);
                prop_assert!(recorded.is_ready(event.time));
            }
            let read = Events::of(&recorded);
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), events.clone());
            prop_assert!(read.iter().rev().eq(events.iter().rev().copied()));
            let before = before % (events.len() + 1);
            prop_assert!(read.before(before).iter().eq(events[..before].iter().copied()));
            prop_assert_eq!(read.before(before).get(before), None);
            let time = events.get(before).map_or(Time(7), |event| event.time);
            prop_assert_eq!(read.until(time).len(), events.partition_point(|event| event.time <= time));
        }
    }

    #[test]
    fn a_trace_of_several_blocks_is_read_across_them() {
        let mut recorded = Recorded::default();
        let event = |value| TraceEvent {
            time: Time(u64::from(value) << 20),
            node: NodeId(1),
            frame: FrameId::NONE,
            detail: TraceEvent::NO_DETAIL,
            port: 0,
            verb: Verb::Note,
            reason: Reason::App,
            value,
        };
        let count = 2 * BLOCK as u32 + 1;
        let mut push = |event: &TraceEvent| {
            recorded.make_ready(event.time);
            recorded.push(event);
        };
        (0..count).map(event).for_each(|event| push(&event));
        assert!(Events::of(&recorded).iter().eq((0..count).map(event)));
        recorded.clear();
        recorded.make_ready(event(7).time);
        recorded.push(&event(7));
        assert!(Events::of(&recorded).iter().eq([event(7)]));
    }
}
