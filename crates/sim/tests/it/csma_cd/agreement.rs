//! The lazy model and the one with a process at every station agree, event by event.

use proptest::prelude::*;
use sim::media::{Layout, Segment, SegmentSpec};
use sim::{Bounds, Medium, Reason, Simulator, Span, Time, Verb};

use super::oracle::Oracle;
use crate::stations::{EVERYBODY, Station, frame, mac};

/// A frame that is given to a station at a time.
#[derive(Debug, Clone)]
struct Sending {
    station: usize,
    after: u64,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Case {
    layout: Layout,
    positions: Vec<u64>,
    spec: SegmentSpec,
    sendings: Vec<Sending>,
    seed: u64,
}

/// What happened: when, at which node, what, why, with which number, and which frame it was.
type Happened = (u64, u32, Verb, Reason, u32, Vec<u8>);

fn run<M: Medium>(case: &Case, medium: impl Fn(sim::MediumId, SegmentSpec, Layout) -> M) -> Vec<Happened> {
    let mut sim = Simulator::new(case.seed, Bounds::default());
    let medium = medium(sim.next_medium(), case.spec, case.layout.clone());
    let medium = sim.add_medium(Box::new(medium));
    let stations: Vec<_> = (0..case.positions.len()).map(|n| sim.add(&format!("s{n}"), Station::default())).collect();
    for (station, position) in stations.iter().zip(&case.positions) {
        let port = sim.new_port(*station);
        sim.attach(*station, port, medium, *position);
    }
    let mut now = 0;
    for (number, sending) in case.sendings.iter().enumerate() {
        now += sending.after;
        sim.run_until(Time(now), u64::MAX);
        let station = sending.station % stations.len();
        let mut bytes = frame(EVERYBODY, mac(station as u8), sending.bytes);
        bytes[14] = number as u8;
        crate::stations::send(&mut sim, stations[station], bytes);
    }
    sim.run_until(Time::NEVER, u64::MAX);
    let told = |event: &sim::TraceEvent| !matches!(event.reason, Reason::CarrierBusy | Reason::Gap);
    let mut happened: Vec<_> = sim
        .trace()
        .events()
        .iter()
        .filter(told)
        .map(|event| {
            let bytes = sim.frames().bytes(event.frame)[6..15].to_vec();
            (event.time.0, event.node.0, event.verb, event.reason, event.value, bytes)
        })
        .collect();
    // What happens at one moment at several places has no order.
    happened.sort();
    happened
}

fn cases() -> impl Strategy<Value = Case> {
    let positions = prop::collection::vec(1_u64..120, 2..7);
    let sending = (0_usize..7, prop_oneof![Just(0_u64), 0_u64..40, 0_u64..2_000], prop_oneof![Just(60_usize), 60_usize..400])
        .prop_map(|(station, after, bytes)| Sending { station, after: after * 100, bytes });
    let sendings = prop::collection::vec(sending, 1..40);
    // Distances in whole bit times or not, short, or so long that stations collide late or without noticing.
    let scale = prop_oneof![Just(10_u64), Just(100), Just(333), Just(900)];
    (positions, sendings, scale, any::<bool>(), any::<u64>(), prop_oneof![Just(0_u64), Just(5_000), Just(60_000)]).prop_map(
        |(mut positions, sendings, scale, is_bus, seed, turnaround)| {
            positions.iter_mut().for_each(|position| *position *= scale);
            positions.sort_unstable();
            positions.dedup();
            let layout = if is_bus { Layout::Bus } else { Layout::Star { hub: Span(scale) } };
            let spec = SegmentSpec { turnaround: Span(turnaround), ..SegmentSpec::default() };
            Case { layout, positions, spec, sendings, seed }
        },
    )
}

proptest! {
    /// The law: whatever the distances and the traffic, both models see the same attempts, collisions, jams, waits, fragments,
    /// deliveries and drops at the same nanoseconds.
    #[test]
    fn the_lazy_model_and_the_per_station_model_agree(case in cases()) {
        let lazy = run(&case, Segment::new);
        let simple = run(&case, Oracle::new);
        for (place, (one, other)) in lazy.iter().zip(&simple).enumerate() {
            prop_assert_eq!(one, other, "event {}", place);
        }
        prop_assert_eq!(lazy.len(), simple.len());
    }
}
