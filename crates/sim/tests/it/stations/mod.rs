//! A node for tests of media and devices: it sends what it is told and notes what comes.

use sim::{Context, FrameId, Node, NodeId, Reason, Simulator, Table, Time, TraceEvent, Verb};

/// Sends what it is told and notes what comes.
#[derive(Default)]
pub struct Station {
    pub came: Vec<(Time, Vec<u8>)>,
}

impl Node for Station {
    fn kind(&self) -> &'static str {
        "station"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, _: u16, frame: FrameId) {
        self.came.push((context.now(), context.bytes(frame).to_vec()));
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        Vec::new()
    }
}

/// The address of station N: 02:00:00:00:00:NN.
pub fn mac(number: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, number]
}

pub const EVERYBODY: [u8; 6] = [0xff; 6];

/// An Ethernet frame without anything to say.
pub fn frame(to: [u8; 6], from: [u8; 6], length: usize) -> Vec<u8> {
    let mut bytes = [&to[..], &from[..], &[0x88, 0xb5]].concat();
    bytes.resize(length.max(14), 0);
    bytes
}

/// Lets a station send bytes by its port 0.
pub fn send(sim: &mut Simulator, station: NodeId, bytes: Vec<u8>) {
    sim.with(station, |_: &mut Station, context| {
        let frame = context.make(FrameId::NONE, |room| *room = bytes);
        context.send(0, frame);
    })
    .expect("a station");
}

/// When each frame came to a station.
pub fn times(sim: &Simulator, station: NodeId) -> Vec<u64> {
    sim.get::<Station>(station).expect("a station").came.iter().map(|(time, _)| time.0).collect()
}

/// How many frames came to a station.
pub fn count(sim: &Simulator, station: NodeId) -> usize {
    sim.get::<Station>(station).expect("a station").came.len()
}

/// Events with a verb and a reason.
pub fn events(sim: &Simulator, verb: Verb, reason: Reason) -> Vec<TraceEvent> {
    sim.trace().events().iter().filter(|event| (event.verb, event.reason) == (verb, reason)).collect()
}
