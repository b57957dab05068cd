//! CSMA/CD as the standard tells it: every station has a process that watches its own carrier (IEEE 802.3 4.2.3.2). Slower
//! and simpler than `sim::media::Segment`, which must agree with it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use sim::frame::wire_bits;
use sim::media::{Layout, SegmentSpec};
use sim::simulator::MediumId;
use sim::wires::Wires;
use sim::{FrameId, Medium, NodeId, Random, Reason, Span, Time, Verb};

/// What happens at one moment happens in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The end of a signal reaches a station.
    Off { station: usize, signal: usize },
    /// A station has sent its last bit.
    End { station: usize, signal: usize, at: u64 },
    /// The gap is over.
    Gate { station: usize, gap: u32 },
    /// A station has a frame to send.
    Ready { station: usize },
    /// A signal reaches a station.
    On { station: usize, signal: usize },
    /// A station that heard nothing sends, unless something has reached it at this very moment.
    Start { station: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deference {
    Idle,
    Busy,
    Gap { since: u64 },
}

struct Signal {
    frame: FrameId,
    start: u64,
    end: u64,
    collided_at: Option<u64>,
    done: bool,
}

struct Station {
    node: NodeId,
    port: u16,
    position: u64,
    queue: VecDeque<FrameId>,
    attempts: u32,
    random: Option<Random>,
    deference: Deference,
    gaps: u32,
    is_waiting: bool,
    sending: Option<usize>,
    /// What it hears, and whether that was disturbed.
    hears: Vec<(usize, bool)>,
}

pub struct Oracle {
    number: u32,
    spec: SegmentSpec,
    layout: Layout,
    stations: Vec<Station>,
    signals: Vec<Signal>,
    steps: BinaryHeap<Reverse<(u64, Step)>>,
}

impl Oracle {
    pub fn new(number: MediumId, spec: SegmentSpec, layout: Layout) -> Self {
        let (stations, signals, steps) = (Vec::new(), Vec::new(), BinaryHeap::new());
        Self { number: number.0, spec, layout, stations, signals, steps }
    }

    fn bits(&self, bits: u64) -> u64 {
        Span::of_bits(bits, self.spec.rate_bits_per_second).0
    }

    fn away(&self, a: usize, b: usize) -> u64 {
        self.layout.between(self.stations[a].position, self.stations[b].position)
    }

    fn push(&mut self, wires: &mut Wires, at: u64, step: Step) {
        self.steps.push(Reverse((at, step)));
        wires.call_medium(Time(at), self.number, 0, 0);
    }

    fn record(&self, wires: &mut Wires, station: usize, verb: Verb, reason: Reason, frame: FrameId, value: u32) {
        wires.record(self.stations[station].node, self.stations[station].port, verb, reason, frame, value);
    }

    fn take(&mut self, wires: &mut Wires, step: Step) {
        let now = wires.now.0;
        match step {
            Step::Off { station, signal } => self.off(wires, station, signal),
            Step::End { station, signal, at } => {
                if self.signals[signal].end == at && !self.signals[signal].done {
                    self.end(wires, station, signal);
                }
            }
            Step::Ready { station } => {
                self.stations[station].is_waiting = true;
                if self.stations[station].deference == Deference::Idle {
                    self.push(wires, now, Step::Start { station });
                }
            }
            Step::Gate { station, gap } => self.gate(wires, station, gap),
            Step::On { station, signal } => self.on(wires, station, signal),
            Step::Start { station } => {
                let mut together = vec![station];
                while let Some(Reverse((at, Step::Start { station }))) = self.steps.peek().copied()
                    && at == now
                {
                    self.steps.pop();
                    together.push(station);
                }
                for station in together {
                    if self.stations[station].is_waiting && self.stations[station].deference == Deference::Idle {
                        self.begin(wires, station);
                    }
                }
            }
        }
    }

    fn begin(&mut self, wires: &mut Wires, index: usize) {
        let now = wires.now.0;
        let station = &mut self.stations[index];
        let frame = station.queue[0];
        (station.is_waiting, station.deference) = (false, Deference::Busy);
        station.attempts += 1;
        station.hears.iter_mut().for_each(|(_, damaged)| *damaged = true);
        station.sending = Some(self.signals.len());
        let (attempts, hears) = (station.attempts, !station.hears.is_empty());
        let end = now + self.bits(wire_bits(wires.frames.bytes(frame).len()));
        let signal = self.signals.len();
        self.signals.push(Signal { frame, start: now, end, collided_at: None, done: false });
        self.record(wires, index, Verb::Send, Reason::Wire, frame, attempts);
        for station in (0..self.stations.len()).filter(|station| *station != index) {
            let at = now + self.away(index, station);
            self.push(wires, at, Step::On { station, signal });
        }
        self.push(wires, end, Step::End { station: index, signal, at: end });
        if hears {
            self.collide(wires, index, signal);
        }
    }

    fn collide(&mut self, wires: &mut Wires, station: usize, signal: usize) {
        let (now, preamble, jam) = (wires.now.0, self.bits(64), self.bits(self.spec.jam_bits));
        let slot = self.bits(self.spec.slot_bits);
        let one = &mut self.signals[signal];
        if one.collided_at.is_some() {
            return;
        }
        one.collided_at = Some(now);
        one.end = now.max(one.start + preamble) + jam;
        let (frame, end, is_late) = (one.frame, one.end, now - one.start > slot);
        let reason = if is_late { Reason::LateCollision } else { Reason::Collision };
        self.record(wires, station, Verb::Collide, reason, frame, self.stations[station].attempts);
        self.record(wires, station, Verb::Jam, Reason::Collision, frame, self.spec.jam_bits as u32);
        self.push(wires, end, Step::End { station, signal, at: end });
    }

    fn end(&mut self, wires: &mut Wires, index: usize, signal: usize) {
        let now = wires.now.0;
        self.signals[signal].done = true;
        let (frame, collided) = (self.signals[signal].frame, self.signals[signal].collided_at.is_some());
        for station in (0..self.stations.len()).filter(|station| *station != index) {
            wires.frames.hold(frame);
            self.push(wires, now + self.away(index, station), Step::Off { station, signal });
        }
        self.stations[index].sending = None;
        self.listen(wires, index);
        let (seed, turnaround) = (wires.seed, self.spec.turnaround.0);
        let station = &mut self.stations[index];
        let mut ready = now + turnaround;
        let mut is_over = true;
        if collided && station.attempts < self.spec.attempts {
            let (node, port) = (station.node, station.port);
            let random = station.random.get_or_insert_with(|| Random::new(seed, node, &format!("backoff {port}")));
            let slots = random.below(1 << station.attempts.min(self.spec.backoff_limit));
            ready = now + u64::from(slots) * self.bits(self.spec.slot_bits);
            is_over = false;
            self.record(wires, index, Verb::Wait, Reason::Backoff, frame, slots);
        } else if collided {
            let attempts = station.attempts;
            self.record(wires, index, Verb::Drop, Reason::ExcessiveCollisions, frame, attempts);
        }
        let station = &mut self.stations[index];
        if is_over {
            station.queue.pop_front();
            station.attempts = 0;
            wires.frames.release(frame);
        }
        if !station.queue.is_empty() {
            self.push(wires, ready, Step::Ready { station: index });
        }
    }

    /// The gap begins, if nothing is to be heard.
    fn listen(&mut self, wires: &mut Wires, index: usize) {
        let (now, gap) = (wires.now.0, self.bits(self.spec.gap_bits));
        let station = &mut self.stations[index];
        if station.hears.is_empty() && station.sending.is_none() && station.deference == Deference::Busy {
            station.deference = Deference::Gap { since: now };
            station.gaps += 1;
            let step = Step::Gate { station: index, gap: station.gaps };
            self.push(wires, now + gap, step);
        }
    }

    fn gate(&mut self, wires: &mut Wires, index: usize, gap: u32) {
        let station = &mut self.stations[index];
        if station.gaps != gap || !matches!(station.deference, Deference::Gap { .. }) {
            return;
        }
        if station.is_waiting {
            self.begin(wires, index);
        } else {
            station.deference = if station.hears.is_empty() { Deference::Idle } else { Deference::Busy };
        }
    }

    fn on(&mut self, wires: &mut Wires, index: usize, signal: usize) {
        let (now, watched) = (wires.now.0, self.bits(self.spec.gap_bits * 2 / 3));
        let station = &mut self.stations[index];
        let damaged = !station.hears.is_empty() || station.sending.is_some();
        if damaged {
            station.hears.iter_mut().for_each(|(_, damaged)| *damaged = true);
        }
        station.hears.push((signal, damaged));
        match station.deference {
            Deference::Idle => station.deference = Deference::Busy,
            Deference::Gap { since } if now < since + watched => station.deference = Deference::Busy,
            _ => {}
        }
        if let Some(own) = station.sending {
            self.collide(wires, index, own);
        }
    }

    fn off(&mut self, wires: &mut Wires, index: usize, signal: usize) {
        let slot = self.bits(self.spec.slot_bits);
        let station = &mut self.stations[index];
        let place = station.hears.iter().position(|(heard, _)| *heard == signal).expect("it was heard");
        let (_, damaged) = station.hears.swap_remove(place);
        // During the last third of the gap it was heard and ignored.
        let one = &self.signals[signal];
        let frame = one.frame;
        let reason = match one.collided_at {
            Some(at) if at - one.start > slot => Some(Reason::LateCollision),
            Some(_) => Some(Reason::Runt),
            None => damaged.then_some(Reason::UndetectedCollision),
        };
        match reason {
            Some(reason) => {
                self.record(wires, index, Verb::Drop, reason, frame, 0);
                wires.frames.release(frame);
            }
            None => wires.deliver(wires.now, station.node, station.port, frame),
        }
        self.listen(wires, index);
    }
}

impl Medium for Oracle {
    fn attach(&mut self, node: NodeId, port: u16, position: u64) -> u32 {
        self.stations.push(Station {
            node,
            port,
            position,
            queue: VecDeque::new(),
            attempts: 0,
            random: None,
            deference: Deference::Idle,
            gaps: 0,
            is_waiting: false,
            sending: None,
            hears: Vec::new(),
        });
        (self.stations.len() - 1) as u32
    }

    fn transmit(&mut self, wires: &mut Wires, station: u32, frame: FrameId) {
        let station = station as usize;
        if self.stations[station].queue.len() > self.spec.queue_frames as usize {
            self.record(wires, station, Verb::Drop, Reason::QueueFull, frame, 0);
            return wires.frames.release(frame);
        }
        self.stations[station].queue.push_back(frame);
        if self.stations[station].queue.len() == 1 {
            self.push(wires, wires.now.0, Step::Ready { station });
        }
    }

    fn on_event(&mut self, wires: &mut Wires, _: u32, _: u32) {
        while let Some(Reverse((at, step))) = self.steps.peek().copied()
            && at <= wires.now.0
        {
            self.steps.pop();
            self.take(wires, step);
        }
    }

    fn rate(&self) -> u64 {
        self.spec.rate_bits_per_second
    }

    fn hearers(&self, _: u32) -> std::sync::Arc<[(NodeId, u16)]> {
        std::sync::Arc::default()
    }

    fn queued(&self, station: u32) -> usize {
        self.stations[station as usize].queue.len()
    }
}
