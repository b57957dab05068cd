//! What a link does to frames, by time.

use sim::{Bounds, Context, FrameId, LinkSpec, Node, NodeId, Reason, Simulator, Span, Stop, Table, Time, Verb};

/// Sends what it is told and notes what comes.
#[derive(Default)]
struct Station {
    came: Vec<(Time, Vec<u8>)>,
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

fn pair(spec: LinkSpec) -> (Simulator, NodeId, NodeId) {
    let mut sim = Simulator::new(1, Bounds::default());
    let (a, b) = (sim.add("a", Station::default()), sim.add("b", Station::default()));
    sim.join(a, b, spec);
    (sim, a, b)
}

fn send(sim: &mut Simulator, from: NodeId, byte: u8, length: usize) {
    sim.with(from, |_: &mut Station, context| {
        let frame = context.make(FrameId::NONE, |bytes| bytes.resize(length, byte));
        context.send(0, frame);
    })
    .expect("a station");
}

fn came(sim: &Simulator, node: NodeId) -> Vec<(u64, u8)> {
    sim.get::<Station>(node).expect("a station").came.iter().map(|(time, bytes)| (time.0, bytes[0])).collect()
}

fn drops(sim: &Simulator) -> Vec<Reason> {
    sim.trace().events().iter().filter(|event| event.verb == Verb::Drop).map(|event| event.reason).collect()
}

#[test]
fn a_frame_takes_its_bits_at_the_rate_and_then_the_delay() {
    let spec = LinkSpec { rate_bits_per_second: 10_000_000, delay: Span::microseconds(5), ..LinkSpec::default() };
    let (mut sim, a, b) = pair(spec);
    send(&mut sim, a, 1, 60);
    assert_eq!(sim.run_until(Time::NEVER, 100), Stop::Quiet);
    // 8 bytes of preamble and 64 of the frame, 100 ns each bit.
    assert_eq!(came(&sim, b), [(57_600 + 5_000, 1)]);
}

#[test]
fn frames_wait_for_each_other_and_keep_the_gap() {
    let spec = LinkSpec { rate_bits_per_second: 10_000_000, delay: Span::ZERO, ..LinkSpec::default() };
    let (mut sim, a, b) = pair(spec);
    send(&mut sim, a, 1, 60);
    send(&mut sim, a, 2, 60);
    send(&mut sim, b, 3, 60);
    sim.run_until(Time::NEVER, 100);
    assert_eq!(came(&sim, b), [(57_600, 1), (57_600 + 9_600 + 57_600, 2)]);
    assert_eq!(came(&sim, a), [(57_600, 3)], "the other way is free");
}

#[test]
fn a_full_queue_drops_and_says_so() {
    let spec = LinkSpec { rate_bits_per_second: 10_000_000, queue_frames: 2, ..LinkSpec::default() };
    let (mut sim, a, b) = pair(spec);
    (1..=5).for_each(|byte| send(&mut sim, a, byte, 60));
    sim.run_until(Time(70_000), 100);
    // One is gone: there is room for one more.
    (6..=7).for_each(|byte| send(&mut sim, a, byte, 60));
    sim.run_until(Time::NEVER, 100);
    assert_eq!(came(&sim, b).iter().map(|(_, byte)| *byte).collect::<Vec<_>>(), [1, 2, 3, 6]);
    assert_eq!(drops(&sim), [Reason::QueueFull; 3]);
}

#[test]
fn what_is_under_way_when_the_link_fails_is_lost_and_afterwards_it_works() {
    let (mut sim, a, b) = pair(LinkSpec { delay: Span::milliseconds(1), ..LinkSpec::default() });
    let link = sim.link_between(b, a).expect("a link");
    send(&mut sim, a, 1, 60);
    sim.run_until(Time(500_000), 100);
    sim.set_link(link, false);
    send(&mut sim, a, 2, 60);
    sim.set_link(link, true);
    send(&mut sim, a, 3, 60);
    sim.run_until(Time::NEVER, 100);
    assert_eq!(came(&sim, b).iter().map(|(_, byte)| *byte).collect::<Vec<_>>(), [3]);
    assert_eq!(drops(&sim), [Reason::LinkDown; 2]);
}

#[test]
fn loss_duplication_and_reordering_come_as_often_as_they_should_and_repeat_by_seed() {
    let spec = LinkSpec {
        queue_frames: 1_000_000,
        loss_per_million: 100_000,
        duplicate_per_million: 50_000,
        reorder_per_million: 20_000,
        ..LinkSpec::default()
    };
    let run = |seed| {
        let mut sim = Simulator::new(seed, Bounds::default());
        let (a, b) = (sim.add("a", Station::default()), sim.add("b", Station::default()));
        sim.join(a, b, spec);
        (0..10_000).for_each(|_| send(&mut sim, a, 1, 60));
        sim.run_until(Time::NEVER, 1_000_000);
        let count = |reason| sim.trace().events().iter().filter(|event| event.reason == reason).count();
        let counts = [count(Reason::Lost), count(Reason::Duplicated), count(Reason::Reordered), came(&sim, b).len()];
        (counts, sim.trace_hash())
    };
    let ([lost, twice, late, arrived], hash) = run(7);
    assert!((900..1_100).contains(&lost) && (380..520).contains(&twice) && (130..230).contains(&late), "{lost} {twice} {late}");
    assert_eq!(arrived, 10_000 - lost + twice);
    assert_eq!(run(7).1, hash);
    assert_ne!(run(8).1, hash);
}

#[test]
fn what_is_too_long_or_plugged_into_nothing_is_dropped() {
    let (mut sim, a, _) = pair(LinkSpec::default());
    send(&mut sim, a, 1, 1_519);
    let lonely = sim.add("lonely", Station::default());
    sim.new_port(lonely);
    send(&mut sim, lonely, 1, 60);
    assert_eq!(drops(&sim), [Reason::TooLong, Reason::NotConnected]);
}

#[test]
fn a_trace_stops_at_its_bound_and_the_simulation_goes_on() {
    let mut sim = Simulator::new(1, Bounds { events: 5, frame_bytes: 1 << 20 });
    let (a, b) = (sim.add("a", Station::default()), sim.add("b", Station::default()));
    sim.join(a, b, LinkSpec::default());
    (0..10).for_each(|_| send(&mut sim, a, 1, 60));
    sim.run_until(Time::NEVER, 100);
    assert_eq!((sim.trace().events().len(), sim.trace().is_cut(), came(&sim, b).len()), (5, true, 10));
    assert_eq!(sim.frames().held(), 5, "only what the trace speaks of is held");
    sim.clear_trace();
    assert_eq!((sim.frames().held(), sim.trace().is_cut()), (0, false));
}
