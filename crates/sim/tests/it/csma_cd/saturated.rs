//! Stations that always have a frame to send.

use sim::media::{Counts, Layout, Segment, SegmentSpec};
use sim::{Bounds, Context, FrameId, MediumId, Node, Simulator, Span, Table, Time};

/// A station that always has a frame to send.
struct Saturated {
    bytes: usize,
    frame: Option<FrameId>,
}

/// How often the queue is filled, and with how many frames: more than can be sent in that time.
const FILL: Span = Span::milliseconds(10);
const FRAMES: usize = 160;

impl Node for Saturated {
    fn kind(&self) -> &'static str {
        "station"
    }

    fn start(&mut self, context: &mut Context<'_>) {
        let (length, node) = (self.bytes - 4, context.node().0 as u8);
        let bytes = crate::stations::frame(crate::stations::EVERYBODY, crate::stations::mac(node), length);
        self.frame = Some(context.make(FrameId::NONE, |room| *room = bytes));
        self.on_timer(context, 0);
    }

    fn on_frame(&mut self, _: &mut Context<'_>, _: u16, _: FrameId) {}

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

/// Saturated stations on one medium.
pub struct Lan {
    pub sim: Simulator,
    medium: MediumId,
    bytes: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Bits of frames, from destination address to check sequence, as a part of the rate.
    pub utilisation: f64,
    /// With preamble and gap.
    pub with_overhead: f64,
    pub collisions_per_frame: f64,
    pub drops_per_thousand: f64,
    pub frames_per_second: f64,
}

impl Lan {
    /// Stations at positions that send frames of so many bytes, check sequence included.
    pub fn new(spec: SegmentSpec, layout: Layout, positions: &[u64], bytes: usize, seed: u64, trace: Bounds) -> Self {
        let mut sim = Simulator::new(seed, trace);
        let medium = Segment::new(sim.next_medium(), spec, layout);
        let medium = sim.add_medium(Box::new(medium));
        for position in positions {
            let station = sim.add("station", Saturated { bytes, frame: None });
            let port = sim.new_port(station);
            sim.attach(station, port, medium, *position);
        }
        Self { sim, medium, bytes: bytes as u64 }
    }

    pub fn run(&mut self, span: Span) -> Figures {
        self.sim.run_until(self.sim.now() + span, u64::MAX);
        self.figures()
    }

    pub fn counts(&self) -> Counts {
        self.segment().total()
    }

    fn segment(&self) -> &Segment {
        self.sim.medium(self.medium).expect("a segment")
    }

    fn figures(&self) -> Figures {
        let (counts, seconds) = (self.counts(), self.sim.now().0 as f64 / 1e9);
        let frames = counts.sent as f64;
        Figures {
            utilisation: frames * (8 * self.bytes) as f64 / (seconds * 1e7),
            with_overhead: frames * (8 * self.bytes + 160) as f64 / (seconds * 1e7),
            collisions_per_frame: self.segment().collisions() as f64 / frames,
            drops_per_thousand: counts.excessive as f64 * 1e3 / frames,
            frames_per_second: frames / seconds,
        }
    }
}
