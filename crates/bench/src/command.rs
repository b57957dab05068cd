//! Commands as a person types them, from start to exit, with a state folder of their own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::cli::Result;
use crate::figure::{Figure, table, verdict};
use crate::machine::load;

/// `up` may take this long once a daemon runs, seconds.
const UP: f64 = 0.3;

/// Measures and prints.
pub fn measure(program: &Path, lab: &Path, runs: usize) -> Result {
    let program = std::fs::canonicalize(program).map_err(|error| format!("{}: {error}", program.display()))?;
    let home = tempfile::tempdir()?;
    let lab = lab.to_string_lossy().into_owned();
    let vpclab = |arguments: &[&str]| -> Result<f64> {
        let mut command = Command::new(&program);
        command.args(arguments).env("VPCLAB_HOME", home.path()).stdin(Stdio::null());
        let start = Instant::now();
        let output = command.output()?;
        match output.status.success() {
            true => Ok(start.elapsed().as_secs_f64()),
            false => Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    };
    let mut rows = Vec::new();
    let mut row = |name: &str, figure: &Figure, most: Option<f64>| {
        let target = most.map_or_else(String::new, |most| format!("≤ {most} s: {}", verdict(figure.median(), most)));
        rows.push(vec![name.to_owned(), figure.show(3), target]);
    };
    let mut check = Figure::default();
    for _ in 0..runs {
        check.values.push(vpclab(&["check", "-f", &lab, "web-1", "db-1", "tcp/3306"])?);
    }
    row("check: a lab of its own up, one probe, down", &check, None);
    if vpclab(&["up", "--help"]).is_ok() {
        // The first one starts the daemon too.
        let mut first = Figure::default();
        let (mut up, mut down) = (Figure::default(), Figure::default());
        first.values.push(vpclab(&["up", &lab])?);
        let stopped = (|| {
            down.values.push(vpclab(&["down"])?);
            for _ in 0..runs {
                up.values.push(vpclab(&["up", &lab])?);
                down.values.push(vpclab(&["down"])?);
            }
            Ok::<(), Box<dyn std::error::Error>>(())
        })();
        let ended = vpclab(&["daemon", "stop"]);
        stopped?;
        ended?;
        row("up, the daemon's start with it", &first, None);
        row("up once the daemon runs", &up, Some(UP));
        row("down", &down, None);
    } else {
        println!("this vpclab has no `up` yet: left out");
    }
    table(&format!("Commands on {lab}, seconds, median of {runs} runs (load {})", load()), &["command", "s", "target"], &rows);
    Ok(())
}
