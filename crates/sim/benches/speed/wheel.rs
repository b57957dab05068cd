//! What an event costs, by how many are pending: each that is taken is scheduled anew, as timers and frames are.

use sim::node::NodeId;
use sim::wheel::{Event, Happening, Wheel};
use sim::{Random, Time};

use crate::figure::{Clock, at_most, median, show, table};

/// Events that are taken.
const TAKEN: u64 = 4_000_000;
/// Pending events that are compared.
const PENDING: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

fn timer(time: u64) -> Event {
    Event { time: Time(time), what: Happening::Timer { node: NodeId(0), token: 0 } }
}

/// Nanoseconds for an event that is taken and scheduled anew, up to twice `mean` nanoseconds later.
fn cost(pending: u64, mean: u32) -> f64 {
    let mut random = Random::new(1, NodeId(0), "events");
    // Drawn before, so that chance is not measured.
    let delays: Vec<u64> = (0..1 << 16).map(|_| u64::from(random.below(2 * mean))).collect();
    let mut wheel = Wheel::default();
    for index in 0..pending {
        wheel.push(timer(delays[index as usize & 0xffff]));
    }
    let mut turn = |count: u64| {
        for index in 0..count {
            if let Some(event) = wheel.pop(Time::NEVER) {
                wheel.push(timer(event.time.0 + delays[index as usize & 0xffff]));
            }
        }
    };
    // Until memory has what it will have.
    turn(2 * pending);
    let clock = Clock::start();
    turn(TAKEN);
    clock.seconds() * 1e9 / TAKEN as f64
}

/// Both as many in the same time, and the same density of events in time: an event every ten nanoseconds.
pub fn measure(runs: usize) {
    let mut rows = Vec::new();
    for (what, mean) in [("an event every 10 ns", None), ("each about 10 ms ahead", Some(10_000_000))] {
        let mut first = Vec::new();
        for pending in PENDING {
            let mean = mean.unwrap_or(pending as u32 * 10);
            let values: Vec<f64> = (0..runs).map(|_| cost(pending, mean)).collect();
            if first.is_empty() {
                first.clone_from(&values);
            }
            let growth = median(&values) / median(&first);
            rows.push(vec![
                what.to_owned(),
                pending.to_string(),
                show(&values, 1),
                format!("{growth:.2}"),
                at_most(growth, 1.5).to_owned(),
            ]);
        }
    }
    table("An event", &["events", "pending", "ns each", "÷ 1,000 pending", "≤ 1.5"], &rows);
}
