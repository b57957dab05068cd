//! Stations on a shared medium that always have a frame to send: utilisation, collisions and drops, and how many frames the
//! simulator delivers in a second of a core.
//!
//! `cargo run --release -p sim --example saturated_hub -- STATIONS BYTES MILLISECONDS [star|bus SPAN_NANOSECONDS]`

use std::time::Instant;

use sim::media::{Layout, Segment, SegmentSpec};
use sim::{Bounds, Context, FrameId, Node, Simulator, Span, Table, Time};

struct Saturated {
    bytes: usize,
    came: u64,
    frame: Option<FrameId>,
}

/// How often the queue is filled, and with how many frames.
const FILL: Span = Span::milliseconds(10);
const FRAMES: usize = 200;

impl Node for Saturated {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn start(&mut self, context: &mut Context<'_>) {
        let (bytes, node) = (self.bytes, context.node().0 as u8);
        self.frame = Some(context.make(FrameId::NONE, |frame| {
            frame.extend([2, 0, 0, 0, 0, 255, 2, 0, 0, 0, 0, node, 0x88, 0xb5]);
            frame.resize(bytes - 4, 0);
        }));
        self.on_timer(context, 0);
    }

    fn on_frame(&mut self, context: &mut Context<'_>, _: u16, frame: FrameId) {
        self.came += u64::from(context.bytes(frame)[5] == 255);
    }

    fn on_timer(&mut self, context: &mut Context<'_>, _: u64) {
        let frame = self.frame.expect("made at the start");
        for _ in context.queued(0)..FRAMES {
            context.forward(0, frame);
        }
        context.wake_after(FILL, 0);
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        Vec::new()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, otherwise: u64| arguments.get(place).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (stations, bytes, milliseconds) = (number(0, 24), number(1, 64), number(2, 10_000));
    let span = number(4, 2_000);
    let is_bus = arguments.get(3).is_some_and(|layout| layout == "bus");
    let mut sim = Simulator::new(number(5, 1), Bounds::NONE);
    let layout = if is_bus { Layout::Bus } else { Layout::Star { hub: Span::ZERO } };
    let medium = Segment::new(sim.next_medium(), SegmentSpec::default(), layout);
    let medium = sim.add_medium(Box::new(medium));
    for index in 0..stations {
        let node = sim.add(&format!("s{index}"), Saturated { bytes: bytes as usize, came: 0, frame: None });
        let port = sim.new_port(node);
        let position = if is_bus { match number(6, 0) { 0 => span * index / (stations - 1).max(1), 1 => span * index / stations, 2 => (index * 4 / stations) * span / 3, _ => (index * 4 / stations) * span / 3 + index * number(7, 10) } } else { span / 2 };
        sim.attach(node, port, medium, position);
    }
    let begun = Instant::now();
    sim.run_until(Time::ZERO + Span::milliseconds(milliseconds), u64::MAX);
    let wall = begun.elapsed().as_secs_f64();
    let segment: &Segment = sim.medium(medium).expect("a segment");
    let total = segment.total();
    let seconds = milliseconds as f64 / 1e3;
    let came: u64 = sim.nodes().map(|node| sim.get::<Saturated>(node).expect("a host").came).sum();
    println!(
        "stations {stations} bytes {bytes}: utilisation {:.4} collisions/frame {:.3} drops/1000 {:.2} undelivered {}",
        total.sent as f64 * bytes as f64 * 8.0 / (seconds * 10e6),
        segment.collisions() as f64 / total.sent as f64,
        total.excessive as f64 * 1e3 / total.sent as f64,
        total.sent as i64 * (stations as i64 - 1) - came as i64,
    );
    println!("  attempts collided/frame {:.3}; of delivered frames {:.3}; late {}", total.collided as f64 / total.sent as f64,
        (total.collided - 16 * total.excessive) as f64 / total.sent as f64, total.late);
    println!("{:.0} frames/s, {:.0} events/s", total.sent as f64 / wall, sim.happened() as f64 / wall);
}
