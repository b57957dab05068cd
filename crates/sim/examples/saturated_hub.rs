//! Stations on a hub that always have a frame to send: how busy the medium is, and how many frames the simulator delivers in a
//! second of a core. Beside it the efficiency that Metcalfe and Boggs computed in 1976 for ideal backoff.
//!
//! `cargo run --release -p sim --example saturated_hub [BYTES [SIMULATED SECONDS [STATIONS]]]`

use std::time::Instant;

use sim::media::{Layout, Segment, SegmentSpec};
use sim::{Bounds, Context, FrameId, Node, Simulator, Span, Table, Time};

/// A station that always has a frame to send, and takes note of those that are for it.
struct Saturated {
    bytes: usize,
    came: u64,
    frame: Option<FrameId>,
}

/// How often the queue is filled, and with how many frames.
const FILL: Span = Span::milliseconds(10);
const FRAMES: usize = 160;

impl Node for Saturated {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn start(&mut self, context: &mut Context<'_>) {
        let (bytes, node) = (self.bytes, context.node().0 as u8);
        self.frame = Some(context.make(FrameId::NONE, |frame| {
            frame.extend([0xff; 6]);
            frame.extend([2, 0, 0, 0, 0, node, 0x88, 0xb5]);
            frame.resize(bytes - 4, 0);
        }));
        self.on_timer(context, 0);
    }

    fn on_frame(&mut self, context: &mut Context<'_>, _: u16, frame: FrameId) {
        self.came += u64::from(context.bytes(frame)[0] == 0xff);
    }

    fn on_timer(&mut self, context: &mut Context<'_>, _: u64) {
        if let Some(frame) = self.frame {
            for _ in context.queued(0)..FRAMES {
                context.forward(0, frame);
            }
        }
        context.wake_after(FILL, 0);
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        Vec::new()
    }
}

fn measure(stations: u32, bytes: usize, seconds: u64) {
    let mut sim = Simulator::new(1, Bounds::NONE);
    let segment = Segment::new(sim.next_medium(), SegmentSpec::default(), Layout::Star { hub: Span::ZERO });
    let medium = sim.add_medium(Box::new(segment));
    let nodes: Vec<_> = (0..stations).map(|_| sim.add("host", Saturated { bytes, came: 0, frame: None })).collect();
    for node in &nodes {
        let port = sim.new_port(*node);
        sim.attach(*node, port, medium, 1_000);
    }
    let begun = Instant::now();
    sim.run_until(Time::ZERO + Span::seconds(seconds), u64::MAX);
    let wall = begun.elapsed().as_secs_f64();
    let Some(segment) = sim.medium::<Segment>(medium) else { return };
    let (sent, excessive) = (segment.total().sent as f64, segment.total().excessive as f64);
    let came: u64 = nodes.iter().filter_map(|node| sim.get::<Saturated>(*node)).map(|host| host.came).sum();
    let acquired = (1.0 - 1.0 / f64::from(stations)).powi(stations as i32 - 1);
    let (packet, slots) = (bytes as f64 * 8e-7, 51.2e-6 * (1.0 - acquired) / acquired);
    println!(
        "{stations:8}  {:11.4}  {:6.4}  {:16.3}  {:12.2}  {:13.2}  {:17.2}",
        sent * bytes as f64 * 8e-7 / seconds as f64,
        packet / (packet + slots),
        segment.collisions() as f64 / sent,
        excessive * 1e3 / sent,
        sent / wall / 1e6,
        came as f64 / wall / 1e6,
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let bytes = arguments.next().unwrap_or(64).clamp(64, 1_518) as usize;
    let seconds = arguments.next().unwrap_or(100);
    println!("stations  utilisation  1976    collisions/frame  drops/1,000  M frames/s     M frames received/s");
    match arguments.next() {
        Some(stations) => measure(stations.clamp(1, 1_000) as u32, bytes, seconds),
        None => [1, 2, 5, 10, 24].into_iter().for_each(|stations| measure(stations, bytes, seconds)),
    }
}
