//! All pairs of big accounts, one rule more, one question: what the analyzer costs.

use std::time::Instant;

use fabric::Fabric;
use proof::{Options, Reach};

use crate::account::Account;
use crate::cli::Result;
use crate::figure::{Figure, table, verdict};
use crate::machine::load;

/// Questions of one pair, each with another pair.
const QUESTIONS: usize = 2_000;

/// Measures and prints.
pub fn measure(runs: usize, largest: bool) -> Result {
    let account = |interfaces, vpcs, groups, rules, own_sets| Account { interfaces, vpcs, groups, rules, own_sets };
    let mut accounts = vec![
        ("1,000 interfaces, 1 VPC, 360 rules", account(1_000, 1, 60, 360, false), None),
        ("10,000 interfaces, 10 VPCs, 6,000 rules", account(10_000, 10, 600, 6_000, false), Some(0.05)),
        ("10,000 interfaces, 1 VPC, 2,000 rules", account(10_000, 1, 200, 2_000, false), Some(0.05)),
    ];
    if largest {
        accounts.push(("100,000 interfaces, 100 VPCs, 100,000 rules", account(100_000, 100, 10_000, 100_000, false), Some(1.5)));
        accounts.push(("20,000 interfaces, 1 VPC, each its own groups", account(20_000, 1, 400, 4_000, true), Some(2.0)));
    }
    let mut rows = Vec::new();
    for (name, account, most) in accounts {
        let model = account.world().model;
        let (mut compile, mut ready, mut all, mut ask) = (Figure::default(), Figure::default(), Figure::default(), Figure::default());
        let mut memory = Figure::default();
        let mut totals = proof::matrix::Totals::default();
        let mut classes = 0;
        for _ in 0..runs {
            let start = Instant::now();
            let fabric = Fabric::compile(&model);
            compile.values.push(start.elapsed().as_secs_f64());
            let start = Instant::now();
            let reach = Reach::of(&fabric, Options::default())?;
            ready.values.push(start.elapsed().as_secs_f64());
            // What the process had at most before is forgotten (proc(5), clear_refs).
            std::fs::write("/proc/self/clear_refs", "5")?;
            let before = kib("VmRSS:");
            let start = Instant::now();
            totals = reach.totals();
            all.values.push(start.elapsed().as_secs_f64());
            memory.values.push(kib("VmHWM:").saturating_sub(before) as f64 / 1_024.0);
            classes = reach.classes().len();
            let places: Vec<_> = reach.indices().map(|(place, _)| place).collect();
            let start = Instant::now();
            for number in 0..QUESTIONS {
                let (from, to) = (places[number * 7919 % places.len()], places[number * 104_729 % places.len()]);
                std::hint::black_box(reach.between(from, to));
            }
            ask.values.push(start.elapsed().as_secs_f64() / QUESTIONS as f64 * 1e6);
        }
        let target = most.map_or_else(|| "–".to_owned(), |most: f64| format!("≤ {most} s: {}", verdict(all.median(), most)));
        rows.push(vec![
            name.to_owned(),
            classes.to_string(),
            compile.show(3),
            ready.show(3),
            all.show(4),
            target,
            memory.show(0),
            totals.pairs.to_string(),
            ask.show(1),
        ]);
    }
    table(
        &format!("All pairs, all ports; load {}", load()),
        &["account", "classes", "compile s", "ready s", "all pairs s", "target", "MiB for it", "pairs open", "one pair, all ports, µs"],
        &rows,
    );
    Ok(())
}

/// A line of what the kernel says of this process, KiB.
fn kib(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
