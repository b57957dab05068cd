//! What can be computed exactly.

use sim::media::{Layout, SegmentSpec};
use sim::{Bounds, Span, Time, Verb};

use super::saturated::Lan;
use crate::stations::{EVERYBODY, frame, mac, send};

const STAR: Layout = Layout::Star { hub: Span::ZERO };

#[test]
fn one_saturated_station_loses_only_preamble_and_gap() {
    for (bytes, utilisation, frames_per_second) in [(64, 0.7619, 14_880.95), (512, 0.9624, 2_349.62), (1_518, 0.9870, 812.74)] {
        let mut lan = Lan::new(SegmentSpec::default(), STAR, &[1_000], bytes, 1, Bounds::NONE);
        let figures = lan.run(Span::seconds(5));
        // A frame that is under way at the end is not counted.
        assert!((figures.frames_per_second - frames_per_second).abs() < 0.3, "{bytes}: {figures:?}");
        assert!((figures.utilisation - utilisation).abs() < 0.0003, "{bytes}: {figures:?}");
        assert_eq!(lan.counts().collided, 0);
    }
}

/// Two stations that begin at the same moment, once each trial; on which attempt one of them succeeded.
fn attempts_of_two(trials: usize) -> Vec<usize> {
    use sim::Simulator;
    use sim::media::Segment;

    let mut sim = Simulator::new(1, Bounds::NONE);
    let medium = Segment::new(sim.next_medium(), SegmentSpec::default(), STAR);
    let medium = sim.add_medium(Box::new(medium));
    let stations = [0, 1].map(|n| {
        let station = sim.add(&format!("s{n}"), crate::stations::Station::default());
        let port = sim.new_port(station);
        sim.attach(station, port, medium, 1_000);
        station
    });
    let mut before = 0;
    (0..trials)
        .map(|_| {
            for (number, station) in stations.iter().enumerate() {
                send(&mut sim, *station, frame(EVERYBODY, mac(number as u8), 60));
            }
            sim.run_until(Time::NEVER, u64::MAX);
            // Past the gap, so that the next trial begins in silence.
            sim.run_until(sim.now() + Span::microseconds(100), u64::MAX);
            // The other one has no collision after the success: it waits for the end and sends its only frame.
            let collided = sim.medium::<Segment>(medium).expect("a segment").counts(0).collided as usize;
            let attempts = collided - before + 1;
            before = collided;
            attempts
        })
        .collect()
}

#[test]
fn two_stations_that_collide_succeed_on_attempts_2_to_5_as_often_as_backoff_says() {
    const TRIALS: usize = 20_000;
    let attempts = attempts_of_two(TRIALS);
    for (attempt, probability) in [(2, 0.500), (3, 0.375), (4, 0.1094), (5, 0.0146)] {
        let share = attempts.iter().filter(|one| **one == attempt).count() as f64 / TRIALS as f64;
        // Four standard deviations.
        let tolerance = 4.0 * (probability * (1.0 - probability) / TRIALS as f64).sqrt();
        assert!((share - probability).abs() < tolerance, "attempt {attempt}: {share} instead of {probability}");
    }
    let mean = attempts.iter().sum::<usize>() as f64 / TRIALS as f64;
    assert!((mean - 2.6416).abs() < 0.022, "{mean}");
}

/// By attempts of the other one: how often a station at its first attempt went first, and how often the two had collided so.
fn captures(lan: &Lan) -> [(u32, u32); 6] {
    let mut counts = [(0, 0); 6];
    let mut last = [(Time::NEVER, 0); 2];
    // Who was at its first attempt when both collided, and attempts of the other one.
    let mut contest = None;
    for event in lan.sim.trace().events().iter() {
        let (station, other) = (event.node.0 as usize, 1 - event.node.0 as usize);
        match event.verb {
            Verb::Collide => {
                last[station] = (event.time, event.value);
                if last[other].0 == event.time {
                    contest = match (event.value, last[other].1) {
                        (1, loser @ 2..=5) => Some((station, loser)),
                        (loser @ 2..=5, 1) => Some((other, loser)),
                        _ => None,
                    };
                    if let Some((_, loser)) = contest {
                        counts[loser as usize].1 += 1;
                    }
                }
            }
            Verb::Receive => {
                if let Some((first, loser)) = contest.take()
                    && first == other
                {
                    counts[loser as usize].0 += 1;
                }
            }
            _ => {}
        }
    }
    counts
}

#[test]
fn the_station_that_won_last_wins_again_the_more_often_the_longer_the_other_has_lost() {
    // Both at one place, so that slots of both are the same.
    let mut lan = Lan::new(SegmentSpec::default(), Layout::Bus, &[0, 0], 1_518, 7, Bounds::default());
    lan.run(Span::seconds(250));
    let counts = captures(&lan);
    for (attempts, probability) in [(2, 5.0 / 8.0), (3, 13.0 / 16.0), (4, 29.0 / 32.0), (5, 61.0 / 64.0)] {
        let (won, met) = counts[attempts];
        let share = f64::from(won) / f64::from(met);
        let tolerance = 4.0 * (probability * (1.0 - probability) / f64::from(met)).sqrt();
        assert!(met > 500 && (share - probability).abs() < tolerance, "{attempts}: {won} of {met}, not {probability}");
    }
}

#[test]
fn two_saturated_stations_drop_frames_by_excessive_collisions_as_rarely_as_their_backoffs_are_long() {
    for (bytes, drops, seconds) in [(64, 0.37, 40), (1_518, 6.3, 150)] {
        let mut lan = Lan::new(SegmentSpec::default(), STAR, &[1_000; 2], bytes, 3, Bounds::NONE);
        let figures = lan.run(Span::seconds(seconds));
        let expected = drops * lan.counts().sent as f64 / 1e3;
        // Four standard deviations, were they independent; their backoffs add up to nearly the same each time.
        let tolerance = 4.0 / expected.sqrt();
        assert!((figures.drops_per_thousand / drops - 1.0).abs() < tolerance, "{bytes}: {figures:?}");
    }
}
