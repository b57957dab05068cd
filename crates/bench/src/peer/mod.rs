//! Other programs. Those that make namespaces and links run inside user, network, mount and process namespaces of their own: the
//! host's network is never touched, and whatever they leave behind ends with them.

pub mod analyzer;
pub mod ip_batch;
pub mod mininet;

use std::process::Command;

/// How a peer's run went, seconds.
#[derive(Debug, Clone, Copy)]
pub struct UpAndDown {
    /// Everything up.
    pub up: f64,
    /// Everything gone, as far as the program waits for it.
    pub down: f64,
}

/// A command that runs in new namespaces as their root.
fn inside_namespaces() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command
}

/// The two numbers of a line `UP DOWN`.
fn parse(output: &std::process::Output) -> crate::cli::Result<UpAndDown> {
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.lines().last().unwrap_or_default().split(' ').filter_map(|word| word.parse().ok()).collect();
    match (output.status.success(), &numbers[..]) {
        (true, [up, down]) => Ok(UpAndDown { up: *up, down: *down }),
        _ => Err(format!("{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr)).into()),
    }
}
