//! What an idle instance takes: of the kernel by difference, of programs by their proportional set sizes.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::Result;
use crate::cloud::Cloud;
use crate::figure::{Figure, table};
use crate::machine::{load, wait_for_namespaces_to_go};
use crate::running::Running;

/// Measures and prints.
pub fn measure(size: usize, runs: usize, program: &Path) -> Result {
    let model = Cloud { instances: size, rules: 10 }.model()?;
    let mut figures: BTreeMap<&str, Figure> = BTreeMap::new();
    let mut holder = Figure::default();
    for _ in 0..runs {
        let before = kernel()?;
        let (running, _) = Running::up(&model)?;
        let after = kernel()?;
        let mut inits = 0;
        for instance in running.lab.client().list_instances()? {
            inits += proportional(host_pid(running.holder, instance.pid)?)?;
        }
        let kib_each = |kib: i64| kib as f64 / size as f64;
        let mut put = |name, kib| figures.entry(name).or_default().values.push(kib_each(kib));
        put("5 init, PSS", inits as i64);
        for (name, key) in [
            ("1 kernel slab", "Slab"),
            ("2 kernel per-processor memory", "Percpu"),
            ("3 kernel stacks", "KernelStack"),
            ("4 page tables", "PageTables"),
        ] {
            put(name, after.get(key).unwrap_or(&0) - before.get(key).unwrap_or(&0));
        }
        put(
            "6 all of the machine, MemAvailable",
            before.get("MemAvailable").unwrap_or(&0) - after.get("MemAvailable").unwrap_or(&0),
        );
        holder.values.push(proportional(running.holder)? as f64);
        running.down()?;
        wait_for_namespaces_to_go();
    }
    let mut rows: Vec<_> = figures.iter().map(|(name, figure)| vec![name[2..].to_owned(), figure.show(1)]).collect();
    rows.push(vec!["holder, PSS, once a lab".to_owned(), holder.show(0)]);
    table(&format!("KiB per idle instance, {size} instances, median of {runs} runs (load {})", load()), &["what", "KiB"], &rows);
    match std::fs::metadata(program) {
        Ok(file) => println!("\n{}: {:.1} MiB", program.display(), file.len() as f64 / f64::from(1 << 20)),
        Err(error) => println!("\n{}: {error}; `cargo build --release -p vpclab` makes it", program.display()),
    }
    Ok(())
}

/// `/proc/meminfo`, KiB.
fn kernel() -> Result<BTreeMap<String, i64>> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = |line: &str| {
        let (key, rest) = line.split_once(':')?;
        Some((key.to_owned(), rest.trim().trim_end_matches(" kB").parse().ok()?))
    };
    Ok(text.lines().filter_map(line).collect())
}

/// Proportional set size of a process, KiB.
fn proportional(pid: i32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The host's number of a process that the holder knows by the lab's.
fn host_pid(holder: i32, pid: i32) -> Result<i32> {
    for entry in std::fs::read_dir(format!("/proc/{holder}/task/{holder}"))?.flatten() {
        if entry.file_name() == "children" {
            for child in std::fs::read_to_string(entry.path())?.split_whitespace() {
                let status = std::fs::read_to_string(format!("/proc/{child}/status"))?;
                let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
                // Outermost first: the host's, the lab's, the instance's own.
                if numbers.split_whitespace().nth(1).and_then(|n| n.parse().ok()) == Some(pid) {
                    return Ok(child.parse()?);
                }
            }
        }
    }
    Err(format!("no child {pid} of the holder").into())
}
