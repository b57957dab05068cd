//! What others published about Ethernet: the formula of 1976, and the measurements of 1988.

use sim::media::{Layout, SegmentSpec};
use sim::{Bounds, Span};

use super::saturated::{Figures, Lan};
use super::utilisation::rows;

/// The efficiency of `stations` that always have a packet (Metcalfe and Boggs, CACM 19(7), 1976, section 6): the time of a
/// packet against that and the mean time to acquire the medium, each slot being taken with probability 1 / stations by each.
/// It is a curve to be shown beside ours and no target: real backoff knows nothing of the number of stations.
fn efficiency_of_1976(stations: f64, packet_seconds: f64, slot_seconds: f64) -> f64 {
    let acquired = (1.0 - 1.0 / stations).powf(stations - 1.0);
    packet_seconds / (packet_seconds + slot_seconds * (1.0 - acquired) / acquired)
}

#[test]
fn the_formula_of_1976_gives_the_figures_of_its_paper() {
    // Three megabits per second and slots of 16 µs.
    for (stations, bits, expected) in [(2.0, 48.0, 0.5), (2.0, 512.0, 0.9143), (2.0, 4_096.0, 0.9884), (10.0, 512.0, 0.8709)] {
        let efficiency = efficiency_of_1976(stations, bits / 3e6, 16e-6);
        assert!((efficiency - expected).abs() < 0.0001, "{stations} stations, {bits} bits: {efficiency}");
    }
}

#[test]
fn ethernet_carries_more_than_the_formula_of_1976_says_because_few_lost_slots_are_whole() {
    for row in rows().iter().filter(|row| row.geometry == "star2us" && row.stations >= 5) {
        let formula = efficiency_of_1976(row.stations as f64, row.bytes as f64 * 8e-7, 51.2e-6);
        assert!(row.utilisation > formula, "{} stations, {} bytes: {formula}", row.stations, row.bytes);
    }
}

/// 24 hosts in four clusters along 910 m of coaxial cable (3.9 µs), each of which needs a while after one frame until it has
/// the next one ready, as in Boggs, Mogul and Kent, "Measured capacity of an Ethernet" (SIGCOMM 1988). Preamble and gap are
/// counted as used, as there.
fn measured_in_1988(bytes: usize, turnaround: Span) -> Figures {
    let positions: Vec<u64> = (0..24).map(|host| host * 4 / 24 * 3_900 / 3).collect();
    let spec = SegmentSpec { turnaround, ..SegmentSpec::default() };
    Lan::new(spec, Layout::Bus, &positions, bytes, 1, Bounds::NONE).run(Span::seconds(4))
}

#[test]
fn hosts_of_1988_carry_8_to_8_5_megabits_in_short_frames_and_more_than_9_5_in_long_ones() {
    for microseconds in [100, 400, 800] {
        let turnaround = Span::microseconds(microseconds);
        let short = 10.0 * measured_in_1988(64, turnaround).with_overhead;
        assert!((8.0 * 0.9..=8.5 * 1.1).contains(&short) && short < 8.75, "{microseconds} µs: {short} Mb/s");
        let long = 10.0 * measured_in_1988(1_518, turnaround).with_overhead;
        assert!(long > 9.5 * 0.95 && long < 9.9, "{microseconds} µs: {long} Mb/s");
    }
}
