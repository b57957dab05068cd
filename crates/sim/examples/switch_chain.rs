//! Pairs of stations at the ends of a chain of switches that send each other datagrams: how many are delivered in a second of
//! a core, with the trace and without.
//!
//! `cargo run --release -p sim --example switch_chain [SWITCHES [PAIRS [MILLISECONDS]]]`

use std::time::Instant;

use sim::device::{Switch, SwitchSettings};
use sim::{Bounds, Context, FrameId, LinkSpec, Node, Simulator, Span, Table, Time};

/// Sends a frame to another one at a constant rate.
struct Sender {
    own: [u8; 6],
    other: [u8; 6],
    sent: u32,
    came: u64,
}

/// One frame each: 100 bytes at a gigabit take 1 µs, and 32 pairs share a cable.
const PERIOD: Span = Span::microseconds(40);

impl Node for Sender {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn start(&mut self, context: &mut Context<'_>) {
        context.wake_after(Span::nanoseconds(u64::from(context.node().0) * 977), 0);
    }

    fn on_frame(&mut self, context: &mut Context<'_>, _: u16, frame: FrameId) {
        self.came += u64::from(context.bytes(frame)[..6] == self.own);
    }

    fn on_timer(&mut self, context: &mut Context<'_>, _: u64) {
        let (own, other, sent) = (self.own, self.other, self.sent);
        let frame = context.make(FrameId::NONE, |frame| {
            frame.extend(other);
            frame.extend(own);
            frame.extend([0x88, 0xb5]);
            frame.extend(sent.to_be_bytes());
            frame.resize(100, 0);
        });
        self.sent += 1;
        context.send(0, frame);
        context.wake_after(PERIOD, 0);
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        Vec::new()
    }
}

fn measure(name: &str, bounds: Bounds, switches: usize, pairs: usize, milliseconds: u64) {
    let mut sim = Simulator::new(1, bounds);
    let chain: Vec<_> = (0..switches).map(|_| sim.add("switch", Switch::new(SwitchSettings::default()))).collect();
    for pair in chain.windows(2) {
        sim.join(pair[0], pair[1], LinkSpec::default());
    }
    let address = |end: u8, pair: usize| [2, 0, 0, end, (pair >> 8) as u8, pair as u8];
    let ends = [(0, 1, chain[0]), (1, 0, chain[switches - 1])];
    let mut hosts = Vec::new();
    for pair in 0..pairs {
        for (end, other, switch) in ends {
            let host = Sender { own: address(end, pair), other: address(other, pair), sent: 0, came: 0 };
            let host = sim.add("host", host);
            sim.join(host, switch, LinkSpec::default());
            hosts.push(host);
        }
    }
    let begun = Instant::now();
    // The trace is emptied before it is full, so that everything is recorded.
    for millisecond in 1..=milliseconds {
        sim.run_until(Time::ZERO + Span::milliseconds(millisecond), u64::MAX);
        assert!(!sim.trace().is_cut(), "the trace is full");
        sim.clear_trace();
    }
    let wall = begun.elapsed().as_secs_f64();
    let came: u64 = hosts.iter().filter_map(|host| sim.get::<Sender>(*host)).map(|host| host.came).sum();
    let (delivered, events) = (came as f64 / wall / 1e6, sim.happened() as f64 / wall / 1e6);
    println!("{name}: {delivered:.2} M delivered/s, {events:.2} M events/s, {came} delivered in {wall:.2} s");
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let mut next = |otherwise| arguments.next().unwrap_or(otherwise);
    let (switches, pairs, milliseconds) = (next(3).max(1) as usize, next(16).max(1) as usize, next(2_000));
    println!("{switches} switches, {pairs} pairs");
    measure("trace off", Bounds::NONE, switches, pairs, milliseconds);
    measure("trace on", Bounds::default(), switches, pairs, milliseconds);
}
