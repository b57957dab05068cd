//! `version`: which program answers, and which daemon keeps the labs up. Starts nothing.

use std::process::ExitCode;

use control::client::Daemon;
use serde_json::json;

use super::running::paths;
use crate::exit::Result;
use crate::output::{Format, Output};

/// Prints versions.
pub fn run(output: &Output) -> Result {
    let daemon = match Daemon::find(paths()?)? {
        Some(daemon) => Some(daemon.about()?),
        None => None,
    };
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()).ok();
    if output.format == Format::Json {
        let daemon = daemon.map(|daemon| json!({"version": daemon.version, "pid": daemon.pid}));
        output.json(&json!({"version": control::api::VERSION, "daemon": daemon, "kernel": kernel}))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(format!("vpclab {}", control::api::VERSION));
    output.line(match daemon {
        Some(daemon) => format!("daemon {}, process {}", daemon.version, daemon.pid),
        None => "daemon not running".to_owned(),
    });
    kernel.iter().for_each(|kernel| output.line(format!("kernel {kernel}")));
    Ok(ExitCode::SUCCESS)
}
