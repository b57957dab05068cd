//! Many containers at once: a hundred started and stopped in parallel, a thousand that do nothing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use container::engine::Id;
use sandbox::container::spec::Attach;

use super::place::{self, Place};
use super::{Wanted, peer};
use crate::cli::Result;
use crate::figure::{Figure, table, verdict};
use crate::machine::{load, wait_for_namespaces_to_go};

/// Containers that are started in parallel.
const HUNDRED: usize = 100;
/// Who starts and stops them, here and of the peer.
pub const WORKERS: usize = 16;
/// Memory of an idle container with its shim, MiB.
const MEMORY: f64 = 1.0;
/// Podman's time over ours at least.
const RATIO: f64 = 10.0;

/// Starts them all, then stops them all; seconds of both.
fn once(place: &Place, key: &str, count: usize) -> Result<(f64, f64)> {
    let ids: Mutex<Vec<Id>> = Mutex::default();
    let begun = Instant::now();
    in_parallel(count, |_| {
        // It listens to nobody: what is measured is the engine, not the grace.
        let record = place.engine.create(key, place::options(&["sleep", "1000"]), None)?;
        place.engine.start(&record.id, Attach::default())?;
        ids.lock().map_err(|_| "a starter failed")?.push(record.id);
        Ok(())
    })?;
    let started = begun.elapsed().as_secs_f64();
    let ids = ids.into_inner()?;
    let begun = Instant::now();
    in_parallel(count, |number| {
        place.engine.stop(&ids[number], Some(libc::SIGKILL), Some(Duration::ZERO))?;
        place::remove(&place.engine, &ids[number])
    })?;
    Ok((started, begun.elapsed().as_secs_f64()))
}

fn in_parallel(count: usize, work: impl Fn(usize) -> Result + Sync) -> Result {
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(count) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    if let Err(error) = work(number) {
                        if let Ok(mut failure) = failure.lock() {
                            failure.get_or_insert(error.to_string());
                        }
                        return;
                    }
                }
            });
        }
    });
    failure.into_inner()?.map_or(Ok(()), |why| Err(why.into()))
}

/// A hundred started and stopped, beside podman.
pub fn parallel(wanted: &Wanted, runs: usize) -> Result {
    let place = Place::up(&wanted.archive("busybox")?)?;
    let key = place.key("n-1")?;
    once(&place, &key, 5)?;
    let (mut up, mut down, mut both) = (Figure::default(), Figure::default(), Figure::default());
    for _ in 0..runs {
        let (started, stopped) = once(&place, &key, HUNDRED)?;
        up.values.push(started);
        down.values.push(stopped);
        both.values.push(started + stopped);
    }
    let here = load();
    place.down()?;
    let mut rows = vec![vec!["vpclab".to_owned(), up.show(3), down.show(3), both.show(3), String::new()]];
    if !wanted.alone {
        rows.push(match peer::hundred(&wanted.archive("busybox")?, HUNDRED) {
            Ok((started, stopped)) => {
                let ratio = (started + stopped) / both.median();
                let met = verdict(RATIO, ratio);
                let show = |seconds: f64| format!("{seconds:.2}");
                vec!["podman, without a network".to_owned(), show(started), show(stopped), show(started + stopped), format!("÷ vpclab: {ratio:.1}, ≥ {RATIO}: {met}")]
            }
            Err(why) => vec!["podman".to_owned(), "–".to_owned(), "–".to_owned(), "–".to_owned(), why.to_string()],
        });
    }
    let title = format!("{HUNDRED} containers by {WORKERS} threads, s, median of {runs}; podman once (load {here})");
    table(&title, &["what", "started", "stopped and removed", "both", ""], &rows);
    Ok(())
}

/// What idle ones take: what of programs is theirs alone, and what the machine lacks.
pub fn memory(wanted: &Wanted) -> Result {
    let place = Place::up(&wanted.archive("busybox")?)?;
    let key = place.key("n-1")?;
    let count = wanted.idle;
    let holder = place.running.holder;
    let before = (available()?, descendants(holder)?.len(), proportional(holder)?);
    in_parallel(count, |_| {
        let record = place.engine.create(&key, place::options(&["sleep", "100000"]), None)?;
        place.engine.start(&record.id, Attach::default())?;
        Ok(())
    })?;
    let after = (available()?, proportional(holder)?);
    let (mut shims, mut programs) = (0, 0);
    let all = descendants(holder)?;
    for pid in &all {
        let Ok(kib) = proportional(*pid) else { continue };
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.trim() == "sleep" { programs += kib } else { shims += kib }
    }
    let each = |kib: f64| format!("{:.0}", kib / count as f64);
    let programs_and_shims = (shims + programs) as f64 / count as f64 / 1024.0;
    let machine = (before.0 - after.0) as f64;
    let rows = vec![
        vec!["shims (and three inits), PSS".to_owned(), each(shims as f64), String::new()],
        vec!["programs (`sleep` of busybox), PSS".to_owned(), each(programs as f64), String::new()],
        vec!["both".to_owned(), format!("{:.0}", programs_and_shims * 1024.0), format!("≤ {MEMORY} MiB: {}", verdict(programs_and_shims, MEMORY))],
        vec!["holder, PSS, growth".to_owned(), each((after.1 - before.2) as f64), String::new()],
        vec!["all of the machine, MemAvailable".to_owned(), each(machine), format!("≤ {MEMORY} MiB: {}", verdict(machine / count as f64 / 1024.0, MEMORY))],
    ];
    let title = format!("KiB per idle container, {count} containers, {} processes (load {})", all.len() - before.1, load());
    table(&title, &["what", "KiB"], &rows.iter().map(|row| vec![row[0].clone(), format!("{} {}", row[1], row[2])]).collect::<Vec<_>>());
    place.down()?;
    wait_for_namespaces_to_go();
    Ok(())
}

/// `MemAvailable`, KiB.
fn available() -> Result<i64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).ok_or("no MemAvailable")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn proportional(pid: i32) -> Result<i64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// All processes below one.
fn descendants(of: i32) -> Result<Vec<i32>> {
    let (mut all, mut next) = (Vec::new(), vec![of]);
    while let Some(pid) = next.pop() {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children: Vec<i32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        all.extend(&children);
        next.extend(children);
    }
    Ok(all)
}
