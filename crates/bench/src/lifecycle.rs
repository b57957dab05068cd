//! Up and down of labs of several sizes.

use std::time::Instant;

use crate::cli::Result;
use crate::cloud::Cloud;
use crate::figure::{Figure, table};
use crate::machine::{load, spent_by, wait_for_namespaces_to_go};
use crate::packet::cpu;
use crate::peer::ip_batch;
use crate::peer::mininet::Mininet;
use crate::running::Running;

#[derive(Default)]
struct Size {
    file: Figure,
    compile: Figure,
    holder: Figure,
    apply: Figure,
    services: Figure,
    up: Figure,
    processor: Figure,
    down: Figure,
    gone: Figure,
    ip_up: Figure,
    ip_down: Figure,
    mininet_up: Figure,
    mininet_down: Figure,
}

/// Measures and prints.
pub fn measure(sizes: &[usize], runs: usize, peers: bool) -> Result {
    let mininet = if peers { Mininet::find() } else { None };
    match (&mininet, peers) {
        (Some(mininet), _) => println!("Mininet {} with its Linux bridge, one run a size", mininet.version),
        (None, true) => println!("Mininet is not installed here (`apt-get install mininet bridge-utils`): left out"),
        (None, false) => {}
    }
    let (mut times, mut ratios) = (Vec::new(), Vec::new());
    for &count in sizes {
        let mut size = Size::default();
        for run in 0..runs {
            one(count, &mut size)?;
            let ip = ip_batch::run(count)?;
            size.ip_up.values.push(ip.up);
            size.ip_down.values.push(ip.down);
            wait_for_namespaces_to_go();
            if let (Some(mininet), 0) = (&mininet, run) {
                let other = mininet.run(count)?;
                size.mininet_up.values.push(other.up);
                size.mininet_down.values.push(other.down);
                wait_for_namespaces_to_go();
            }
        }
        let milliseconds = |figure: &Figure| format!("{:.1}", figure.median() * 1e3);
        times.push(vec![
            count.to_string(),
            size.up.show(3),
            format!("{:.2}", size.up.median() * 1e3 / count as f64),
            size.processor.show(2),
            milliseconds(&size.compile),
            milliseconds(&size.holder),
            milliseconds(&size.apply),
            milliseconds(&size.services),
            milliseconds(&size.file),
            size.down.show(3),
            size.gone.show(3),
        ]);
        let mut row = vec![
            count.to_string(),
            size.ip_up.show(3),
            format!("{:.2}", size.up.ratio(&size.ip_up)),
            size.ip_down.show(3),
            format!("{:.2}", size.down.ratio(&size.ip_down)),
        ];
        if mininet.is_some() {
            row.push(format!("{:.2}", size.mininet_up.median()));
            row.push(format!("{:.1}", size.mininet_up.ratio(&size.up)));
            row.push(format!("{:.2}", size.mininet_down.median()));
            row.push(format!("{:.1}", size.mininet_down.ratio(&size.down)));
        }
        ratios.push(row);
    }
    let head = [
        "N",
        "up s",
        "ms each",
        "CPU ms each",
        "compile ms",
        "holder ms",
        "apply ms",
        "services ms",
        "file ms",
        "down s",
        "kernel done s",
    ];
    table(&format!("Up and down, median of {runs} runs (load {})", load()), &head, &times);
    let head =
        ["N", "ip up s", "up ÷ ip", "ip down s", "down ÷ ip", "Mininet up s", "Mininet ÷ up", "Mininet down s", "Mininet ÷ down"];
    table("Against other programs in the same run", &head[..if mininet.is_some() { 9 } else { 5 }], &ratios);
    Ok(())
}

fn one(count: usize, size: &mut Size) -> Result {
    let start = Instant::now();
    let model = Cloud { instances: count, rules: 0 }.model()?;
    size.file.values.push(start.elapsed().as_secs_f64());
    let before = cpu();
    let (running, steps) = Running::up(&model)?;
    let spent = cpu() - before + spent_by(running.holder);
    size.processor.values.push(spent / 1e6 / count as f64);
    size.compile.values.push(steps.compile.as_secs_f64());
    size.holder.values.push(steps.holder.as_secs_f64());
    size.apply.values.push(steps.apply.as_secs_f64());
    size.services.values.push(steps.services.as_secs_f64());
    size.up.values.push(steps.total().as_secs_f64());
    let start = Instant::now();
    size.down.values.push(running.down()?.as_secs_f64());
    wait_for_namespaces_to_go();
    size.gone.values.push(start.elapsed().as_secs_f64());
    Ok(())
}
