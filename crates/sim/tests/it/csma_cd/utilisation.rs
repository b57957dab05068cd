//! Utilisation, collisions and drops of 1 to 100 saturated stations in three geometries against a table of reference figures
//! (`utilisation.csv`): ±0.01 of utilisation, ±5 % of collisions and drops.
//!
//! The geometries: `star2us`, a hub with 2 µs between any two stations; `long4` and `span23us`, four clusters of stations at
//! even distances along a cable of 4 µs and 23 µs.

use sim::media::{Layout, SegmentSpec};
use sim::{Bounds, Span};

use super::saturated::Lan;

pub struct Row {
    pub geometry: &'static str,
    pub stations: u64,
    pub bytes: usize,
    pub utilisation: f64,
    collisions: f64,
    drops: f64,
    frames_per_second: f64,
}

pub fn rows() -> Vec<Row> {
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let lines = include_str!("utilisation.csv").lines().skip(1);
    lines
        .map(|line| {
            let fields: Vec<&'static str> = line.split(',').collect();
            Row {
                geometry: fields[0],
                stations: number(fields[1]) as u64,
                bytes: number(fields[2]) as usize,
                utilisation: number(fields[3]),
                collisions: number(fields[6]),
                drops: number(fields[8]),
                frames_per_second: number(fields[10]),
            }
        })
        .collect()
}

fn geometry(name: &str, stations: u64) -> (Layout, Vec<u64>) {
    let clusters = |span: u64| (0..stations).map(|station| station * 4 / stations * span / 3).collect();
    match name {
        "star2us" => (Layout::Star { hub: Span::ZERO }, vec![1_000; stations as usize]),
        "long4" => (Layout::Bus, clusters(4_000)),
        "span23us" => (Layout::Bus, clusters(23_000)),
        other => panic!("{other}"),
    }
}

/// Runs a row until so many frames were sent; `slack` widens what chance may do in a short run.
fn compare(row: &Row, frames: f64, slack: f64) {
    let (layout, positions) = geometry(row.geometry, row.stations);
    let mut lan = Lan::new(SegmentSpec::default(), layout, &positions, row.bytes, 11, Bounds::NONE);
    let span = Span::milliseconds((1e3 * frames / row.frames_per_second) as u64);
    let figures = lan.run(span);
    let told = format!("{} {} {}: {figures:?}", row.geometry, row.stations, row.bytes);
    assert!((figures.utilisation - row.utilisation).abs() <= 0.01, "utilisation {}: {told}", row.utilisation);
    // The table rounds to three digits and two.
    let near = |ours: f64, theirs: f64, rounding: f64| (ours - theirs).abs() <= theirs * 0.05 * slack + rounding;
    assert!(near(figures.collisions_per_frame, row.collisions, 0.0006), "collisions {}: {told}", row.collisions);
    assert!(near(figures.drops_per_thousand, row.drops, 0.006), "drops {}: {told}", row.drops);
}

#[test]
fn crowded_media_are_as_busy_collide_and_drop_as_in_the_table() {
    let is_quick = |row: &&Row| matches!((row.stations, row.bytes), (24, 1_518) | (100, 512) | (64, 1_518));
    let quick: Vec<_> = rows().into_iter().filter(|row| is_quick(&row)).collect();
    assert_eq!(quick.len(), 9);
    for row in &quick {
        compare(row, 12_000.0, 1.5);
    }
}

/// A quarter of an hour in a debug build, a minute or two in a release build:
/// `cargo test --release -p sim --test it csma_cd -- --ignored`.
#[test]
#[ignore = "long: all rows of the table, until chance is below the tolerance"]
fn all_media_of_the_table_are_as_busy_collide_and_drop_as_in_it() {
    for row in rows() {
        // Some 3,000 drops or 100,000 collisions, at least 100,000 frames.
        let frames = if row.drops > 0.0 { (3e6 / row.drops).clamp(100_000.0, 8e6) } else { 100_000.0 };
        compare(&row, frames, 1.0);
    }
}
