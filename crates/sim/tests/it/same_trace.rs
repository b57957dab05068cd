//! The networks that are measured leave the trace that they always left: what makes the simulator faster changes nothing of
//! what is simulated. Whoever changes that on purpose writes the new numbers here.

#[path = "../../benches/speed/nets.rs"]
#[expect(dead_code, reason = "the measurement uses more of it")]
mod nets;

use sim::{Bounds, Simulator, Time};

/// How it is made, how much of it, how many events happen, and the hash of the trace.
type Left = (fn(Bounds, u64) -> Simulator, u64, u64, u64);

const LEFT: [Left; 3] = [
    (nets::chain, 50, 3_300, 3_946_115_283_357_385_088),
    (nets::subnets, 20, 11_836, 2_658_919_965_439_068_097),
    (nets::bulk, 2_000_000, 4_132, 7_945_547_740_007_565_852),
];

#[test]
fn the_measured_networks_leave_the_trace_that_they_always_left() {
    let left = LEFT.map(|(make, amount, ..)| {
        let mut sim = make(Bounds::default(), amount);
        sim.run_until(Time(u64::MAX - 1), u64::MAX);
        (sim.happened(), sim.trace_hash())
    });
    assert_eq!(left, LEFT.map(|(_, _, happened, hash)| (happened, hash)));
}
