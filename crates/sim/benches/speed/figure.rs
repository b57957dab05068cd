//! Figures of several runs, what the processor spent, and what the machine was busy with.

use std::time::Instant;

/// The middle of the values; of an even number, the mean of the two in the middle. No values: not a number.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// Median, least and most.
pub fn show(values: &[f64], decimals: usize) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.decimals$} ({least:.decimals$}–{most:.decimals$})", median(values))
}

/// Median of the ratios, run by run: both were measured within moments of each other.
pub fn ratio(own: &[f64], reference: &[f64]) -> f64 {
    median(&own.iter().zip(reference).map(|(own, other)| own / other).collect::<Vec<_>>())
}

/// Whether at least so much was reached.
pub fn at_least(value: f64, target: f64) -> &'static str {
    if value >= target { "met" } else { "MISSED" }
}

/// Whether at most so much was needed.
pub fn at_most(value: f64, target: f64) -> &'static str {
    if value <= target { "met" } else { "MISSED" }
}

/// Prints a table in Markdown.
pub fn table(title: &str, head: &[&str], rows: &[Vec<String>]) {
    println!("\n### {title}\n\nLoad {}.\n", load());
    println!("| {} |", head.join(" | "));
    println!("|{}", " --- |".repeat(head.len()));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

/// Load averages over 1, 5 and 15 minutes, where the system tells.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Bytes of memory that the process has, where the system tells.
pub fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

/// Seconds that this thread was on a processor, where the system tells; otherwise seconds.
pub struct Clock {
    begun: Instant,
    spent: Option<f64>,
}

fn spent() -> Option<f64> {
    // The kernel keeps this account at its ticks, 4 ms apart, and whenever a thread gives way.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
}

impl Clock {
    /// From now on.
    pub fn start() -> Self {
        Self { begun: Instant::now(), spent: spent() }
    }

    /// Until now.
    pub fn seconds(&self) -> f64 {
        match (self.spent, spent()) {
            (Some(before), Some(now)) => now - before,
            _ => self.begun.elapsed().as_secs_f64(),
        }
    }
}
