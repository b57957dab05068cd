//! Two ends and a path between them that loses, duplicates and reorders by a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sim::tcp::{Connection, Outgoing, Segment, State, Terms};
use sim::{Span, Time};
use wire::Tcp;
use wire::tcp::Flags;

/// What the path does to segments, in parts of 100.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    pub delay: Span,
    pub jitter: Span,
    pub loss: u32,
    pub duplication: u32,
    pub seed: u64,
}

impl Path {
    pub const PERFECT: Path =
        Path { delay: Span::milliseconds(10), jitter: Span::ZERO, loss: 0, duplication: 0, seed: 0 };
}

/// A segment that was sent: by which end, when, its header and its data.
#[derive(Debug, Clone)]
pub struct Sent {
    pub end: usize,
    pub time: Time,
    pub header: Tcp,
    pub payload: Vec<u8>,
}

impl Sent {
    pub fn has(&self, flags: Flags) -> bool {
        self.header.flags.has(flags)
    }
}

type Arrival = Reverse<(Time, u64, usize, usize)>;
type Drops = Box<dyn FnMut(&Sent) -> bool>;

/// Two ends; end 0 begins, end 1 is made by its SYN unless it is there.
pub struct Pair {
    pub now: Time,
    pub ends: [Option<Connection>; 2],
    pub terms: [Terms; 2],
    pub sent: Vec<Sent>,
    pub path: Path,
    /// Says of segments that they are lost, beside what the path loses.
    pub drops: Drops,
    pub listens: bool,
    arrivals: BinaryHeap<Arrival>,
    count: u64,
    chance: ChaCha8Rng,
}

// Both wrap early: one around zero, one around the middle of the space.
pub const CLIENT_ISN: u32 = u32::MAX - 20_000;
pub const SERVER_ISN: u32 = (1 << 31) - 10_000;

impl Pair {
    pub fn new(client: Terms, server: Terms, path: Path) -> Self {
        let connection = Connection::connect(Time::ZERO, &client, 40_000, 80, CLIENT_ISN);
        Self {
            now: Time::ZERO,
            ends: [Some(connection), None],
            terms: [client, server],
            sent: Vec::new(),
            path,
            drops: Box::new(|_| false),
            listens: true,
            arrivals: BinaryHeap::new(),
            count: 0,
            chance: ChaCha8Rng::seed_from_u64(path.seed),
        }
    }

    pub fn established(client: Terms, server: Terms, path: Path) -> Self {
        let mut pair = Self::new(client, server, path);
        pair.run_until(|pair| pair.state(0) == State::Established && pair.state(1) == State::Established);
        pair
    }

    pub fn end(&mut self, end: usize) -> &mut Connection {
        self.ends[end].as_mut().expect("the end is there")
    }

    pub fn state(&self, end: usize) -> State {
        self.ends[end].as_ref().map_or(State::Closed, Connection::state)
    }

    fn hundredth(&mut self, parts: u32) -> bool {
        parts > 0 && self.chance.next_u32() % 100 < parts
    }

    fn deliver_later(&mut self, index: usize, to: usize) {
        let jitter = if self.path.jitter.0 == 0 { 0 } else { self.chance.next_u64() % self.path.jitter.0 };
        self.count += 1;
        self.arrivals.push(Reverse((self.now + self.path.delay + Span(jitter), self.count, index, to)));
    }

    /// Sends what both ends want to send now.
    pub fn flush(&mut self) {
        for end in 0..2 {
            while let Some(outgoing) = self.ends[end].as_mut().and_then(|connection| connection.poll_transmit(self.now))
            {
                let payload = self.payload(end, &outgoing);
                self.put(end, outgoing.header, payload);
            }
        }
    }

    fn payload(&self, end: usize, outgoing: &Outgoing) -> Vec<u8> {
        let (first, second) = self.ends[end].as_ref().expect("it sent").payload(outgoing);
        [first, second].concat()
    }

    /// A segment enters the path.
    pub fn put(&mut self, end: usize, header: Tcp, payload: Vec<u8>) {
        let sent = Sent { end, time: self.now, header, payload };
        let dropped = (self.drops)(&sent);
        self.sent.push(sent);
        if dropped || self.hundredth(self.path.loss) {
            return;
        }
        self.deliver_later(self.sent.len() - 1, 1 - end);
        if self.hundredth(self.path.duplication) {
            self.deliver_later(self.sent.len() - 1, 1 - end);
        }
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Time> {
        let arrival = self.arrivals.peek().map(|Reverse((time, ..))| *time);
        let timers = self.ends.iter().flatten().filter_map(Connection::next_timer);
        timers.chain(arrival).min().map(|time| time.max(self.now))
    }

    /// Goes on to the next moment at which something happens. False if nothing ever will.
    pub fn step(&mut self) -> bool {
        self.flush();
        let Some(time) = self.next() else { return false };
        self.now = time;
        while let Some(&Reverse((at, _, index, to))) = self.arrivals.peek() {
            if at > time {
                break;
            }
            self.arrivals.pop();
            let Sent { header, payload, .. } = self.sent[index].clone();
            self.arrive(to, &Segment { header: &header, payload: &payload });
            self.flush();
        }
        for connection in self.ends.iter_mut().flatten() {
            connection.on_timer(time);
        }
        self.flush();
        true
    }

    fn arrive(&mut self, to: usize, segment: &Segment<'_>) {
        match &mut self.ends[to] {
            Some(connection) if connection.state() != State::Closed => connection.on_segment(self.now, segment),
            _ if to == 1 && self.listens && segment.has(Flags::SYN) && !segment.has(Flags::ACK) => {
                self.ends[1] = Connection::accept(self.now, &self.terms[1], segment, SERVER_ISN);
            }
            _ => {
                if let Some(reset) = sim::tcp::reset_for(segment) {
                    self.put(to, reset, Vec::new());
                }
            }
        }
    }

    /// Steps until it is so; panics if it never will be.
    pub fn run_until(&mut self, mut so: impl FnMut(&mut Pair) -> bool) {
        for _ in 0..2_000_000 {
            if so(self) {
                return;
            }
            assert!(self.step(), "nothing will happen any more: {:?} {:?}", self.state(0), self.state(1));
        }
        panic!("it takes too long: {:?}", self.ends.each_ref().map(|end| end.as_ref().map(Connection::inspect)));
    }

    /// Steps until a moment.
    pub fn run_to(&mut self, time: Time) {
        self.flush();
        while self.next().is_some_and(|next| next <= time) {
            self.step();
        }
        self.now = time;
    }

    /// Steps until nothing happens any more.
    pub fn run_out(&mut self) {
        for _ in 0..2_000_000 {
            if !self.step() {
                return;
            }
        }
        panic!("it never ends");
    }

    /// Reads all there is at an end.
    pub fn read(&mut self, end: usize) -> Vec<u8> {
        let connection = self.end(end);
        let mut bytes = vec![0; connection.receivable()];
        let read = connection.receive(&mut bytes);
        assert_eq!(read, bytes.len());
        bytes
    }

    /// Times, in milliseconds, and segments of one end that fit.
    pub fn times(&self, end: usize, fits: impl Fn(&Sent) -> bool) -> Vec<u64> {
        self.sent.iter().filter(|sent| sent.end == end && fits(sent)).map(|sent| sent.time.0 / 1_000_000).collect()
    }
}

/// Bytes that tell where they belong.
pub fn bytes(length: usize, salt: u8) -> Vec<u8> {
    (0..length).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ salt).collect()
}
