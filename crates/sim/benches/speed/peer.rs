//! ns-3 on the same networks: a program of its own, built by `make bench-peers`.

use std::path::Path;
use std::process::Command;

/// What it counted, and the seconds on a processor that it took.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    pub count: f64,
    pub seconds: f64,
}

/// Runs one network. Nothing if there is no ns-3, or it fails.
pub fn run(program: Option<&Path>, network: &str, amount: u64) -> Option<Counted> {
    let output = Command::new(program?).args([network, &amount.to_string()]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    match (words.next(), words.next()) {
        (Some(Ok(count)), Some(Ok(seconds))) if output.status.success() => Some(Counted { count, seconds }),
        _ => {
            eprintln!("speed: {network} on ns-3: {text}{}", String::from_utf8_lossy(&output.stderr));
            None
        }
    }
}
