//! Start to exit of `true`: inside the daemon, and through the docker CLI.

use std::process::{Command, Stdio};
use std::time::Instant;

use sandbox::container::spec::Attach;

use super::place::{self, Place};
use super::{Wanted, peer};
use crate::cli::Result;
use crate::figure::{Figure, table, verdict};
use crate::machine::load;

/// Start to exit within the daemon, milliseconds.
const ENGINE: f64 = 4.5;
/// The same through the docker CLI.
const CLI: f64 = 35.0;
/// Containers of one run.
const CONTAINERS: usize = 40;

/// Everything of isolation: overlay, bridge, cable, filter, log, shim.
pub fn engine(wanted: &Wanted, runs: usize) -> Result {
    let place = Place::up(&wanted.archive("busybox")?)?;
    let key = place.key("n-1")?;
    let (mut whole, mut ran) = (Figure::default(), Figure::default());
    let mut once = |counted: bool| -> Result {
        let begun = Instant::now();
        let record = place.engine.create(&key, place::options(&["true"]), None)?;
        let start = Instant::now();
        let started = place.engine.start(&record.id, Attach::default())?;
        let status = started.container.exit.wait()?;
        let took = start.elapsed();
        place::remove(&place.engine, &record.id)?;
        if status != sandbox::ExitStatus::Code(0) {
            return Err(format!("true ended with {status:?}").into());
        }
        if counted {
            ran.values.push(took.as_secs_f64() * 1e3);
            whole.values.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        Ok(())
    };
    for number in 0..runs * CONTAINERS + 5 {
        once(number >= 5)?;
    }
    let here = load();
    place.down()?;
    let mut rows = vec![
        vec!["vpclab, start to exit".to_owned(), ran.show(2), format!("≤ {ENGINE}: {}", verdict(ran.median(), ENGINE))],
        vec!["vpclab, create to removed".to_owned(), whole.show(2), String::new()],
    ];
    if !wanted.alone {
        for (name, figure) in peer::starts(&wanted.archive("busybox")?, runs * CONTAINERS / 4)? {
            rows.push(match figure {
                Ok(figure) => vec![name, figure.show(2), format!("÷ vpclab: {:.1}", figure.median() / whole.median())],
                Err(why) => vec![name, "–".to_owned(), why],
            });
        }
    }
    table(&format!("Start to exit of `true`, ms, median of {} (load {here})", runs * CONTAINERS), &["what", "ms", ""], &rows);
    Ok(())
}

/// `docker run --rm busybox true`, from the start of the process to its exit.
pub fn cli(wanted: &Wanted, runs: usize) -> Result {
    let docker = super::find_program("docker").ok_or("no docker CLI in PATH")?;
    let desk = peer::Desk::up(&wanted.program()?, &wanted.archive("busybox")?)?;
    let door = desk.door()?;
    let mut rows = Vec::new();
    for (name, arguments, most) in [
        ("docker version (nothing but the CLI and one answer)", &["version", "--format", "{{.Server.Version}}"][..], None),
        ("docker run --rm busybox true", &["run", "--rm", "busybox", "true"], Some(CLI)),
        ("docker run --rm --network none busybox true", &["run", "--rm", "--network", "none", "busybox", "true"], None),
    ] {
        let mut figure = Figure::default();
        for number in 0..runs * 10 + 2 {
            let start = Instant::now();
            let done = Command::new(&docker).args(arguments).env("DOCKER_HOST", &door).stdin(Stdio::null()).output()?;
            if !done.status.success() {
                return Err(format!("{name}: {}", String::from_utf8_lossy(&done.stderr)).into());
            }
            if number >= 2 {
                figure.values.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        let target = most.map_or_else(String::new, |most| format!("≤ {most}: {}", verdict(figure.median(), most)));
        rows.push(vec![name.to_owned(), figure.show(1), target]);
    }
    table(&format!("Through the docker CLI, ms, median of {} (load {})", runs * 10, load()), &["what", "ms", ""], &rows);
    Ok(())
}
