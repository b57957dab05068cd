//! `ip -batch`: as many named namespaces and veth pairs, the far end born inside, the near end up with a route to it.
//!
//! Less than a lab is: no addresses, filters, processes or services inside, for that would take one `ip` a namespace.

use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{UpAndDown, inside_namespaces, parse};
use crate::cli::Result;

/// Runs it in namespaces of its own. Errors: `ip` or `unshare` is not there, or failed.
pub fn run(count: usize) -> Result<UpAndDown> {
    let own = std::env::current_exe()?;
    let output = inside_namespaces().arg(own).arg("peer-ip-batch").arg(count.to_string()).output()?;
    parse(&output)
}

/// The part that runs inside; prints seconds up and down.
pub fn inside(count: usize) -> Result {
    // `ip netns` keeps its names under /run, which here is this mount namespace's own.
    check(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run"]))?;
    std::fs::create_dir_all("/run/netns")?;
    let (mut up, mut down) = (String::new(), String::new());
    for n in 0..count {
        let (high, low) = (n / 250, n % 250 + 1);
        writeln!(up, "netns add n{n}\nlink add v{n} type veth peer name eth0 netns n{n}")?;
        writeln!(up, "link set v{n} up\nroute add 10.0.{high}.{low}/32 dev v{n}")?;
        writeln!(down, "netns del n{n}")?;
    }
    let mut seconds = Vec::new();
    for (name, text) in [("up", up), ("down", down)] {
        let path = format!("/run/{name}");
        std::fs::write(&path, text)?;
        let start = Instant::now();
        check(Command::new("ip").args(["-batch", &path]))?;
        seconds.push(start.elapsed().as_secs_f64().to_string());
    }
    println!("{}", seconds.join(" "));
    Ok(())
}

fn check(command: &mut Command) -> Result {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
