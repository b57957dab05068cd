//! Many clouds: several at a time, because a lab mostly waits for packets that do not come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use super::tally::Tally;
use super::{Contender, Difference, FuzzError, Sight, differences, look};

/// Differences kept; more are counted. A whole lab file goes with each.
const MOST_KEPT: usize = 1_000;

/// What to try.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// The first cloud's seed; the next ones follow.
    pub first: u64,
    /// Clouds.
    pub labs: u64,
    /// Probes in each.
    pub probes: usize,
    /// Clouds at a time, at least one.
    pub jobs: usize,
    /// After this no cloud is begun.
    pub until: Option<Instant>,
}

/// What a round found.
#[derive(Debug, Default)]
pub struct Report {
    /// Clouds tried: those of so many seeds from the first on.
    pub labs: u64,
    /// What decided.
    pub tally: Tally,
    /// Differences by seed, as many as are kept.
    pub differences: Vec<Difference>,
    /// All of them.
    pub count: usize,
}

/// Carries out a round. `heard` is told of each cloud when it is done, in the order of their seeds: what is found does not
/// depend on how many are tried at a time. One difference of a kind is cut down.
pub fn run(
    round: Round,
    contenders: &[Contender<'_>],
    mut heard: impl FnMut(u64, &[Difference]),
) -> Result<Report, FuzzError> {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (tell, news) = mpsc::channel::<(u64, Result<Sight, FuzzError>)>();
    let work = |tell: mpsc::Sender<_>| {
        while !stop.load(Ordering::Relaxed) && round.until.is_none_or(|until| Instant::now() < until) {
            let offset = next.fetch_add(1, Ordering::Relaxed);
            if offset >= round.labs || tell.send((offset, look(round.first.wrapping_add(offset), round.probes, contenders))).is_err() {
                break;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..round.jobs.max(1) {
            let tell = tell.clone();
            scope.spawn(|| work(tell));
        }
        drop(tell);
        let (mut report, mut known, mut early) = (Report::default(), BTreeSet::new(), BTreeMap::new());
        for (offset, sight) in news {
            early.insert(offset, sight);
            while let Some(sight) = early.remove(&report.labs) {
                let seed = round.first.wrapping_add(report.labs);
                let sight = sight.inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
                report.labs += 1;
                report.tally.add(sight.tally.clone());
                let found = differences(seed, sight, contenders, &mut known);
                heard(seed, &found);
                report.count += found.len();
                let room = MOST_KEPT - report.differences.len();
                report.differences.extend(found.into_iter().take(room));
            }
        }
        Ok(report)
    })
}
