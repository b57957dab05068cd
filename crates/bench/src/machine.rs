//! The machine that measures: what it is, how busy it is, and when it is done with what came before.

use std::time::{Duration, Instant};

/// One line for the head of every run.
pub fn describe() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let processor = read("/proc/cpuinfo");
    let processor =
        processor.lines().find_map(|line| line.strip_prefix("model name")).map_or("", |l| l.trim_start_matches([' ', '\t', ':']));
    let who = if rustix::process::geteuid().is_root() { "root" } else { "an ordinary user" };
    format!("kernel {}, {cores} cores ({processor}), load {}, run by {who}", read("/proc/sys/kernel/osrelease"), load())
}

/// Load averages over 1, 5 and 15 minutes.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Nanoseconds on a processor of a process and of its children that live.
pub fn spent_by(process: i32) -> f64 {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let own = process.to_string();
    std::iter::once(own.as_str())
        .chain(children.split_whitespace())
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Longest wait for the kernel's cleaning up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until the kernel's worker for dead namespaces rests: they are taken apart after their last process has ended, and the
/// next run must not pay for that. True when it does.
pub fn wait_for_namespaces_to_go() -> bool {
    let start = Instant::now();
    // Death and the worker's beginning are not at one moment: two looks in a row must find it at rest.
    let mut quiet = 0;
    while start.elapsed() < PATIENCE {
        quiet = if cleans_up() { 0 } else { quiet + 1 };
        if quiet == 2 {
            return true;
        }
        std::thread::sleep(Duration::from_millis(if quiet > 0 { 2 } else { 1 }));
    }
    false
}

/// Whether a kernel worker is at the work queue `netns` right now: its name ends in `+netns` then (`-netns` when it was the
/// last that it did).
fn cleans_up() -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes.flatten().any(|entry| {
        let name = entry.file_name();
        let is_process = name.to_str().is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        is_process
            && std::fs::read_to_string(entry.path().join("comm"))
                .is_ok_and(|comm| comm.starts_with("kworker") && comm.contains("+netns"))
    })
}
