//! `serve`: where clients of other programs are answered, as lines for a shell. The daemon serves as long as the lab is up.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::docker::{host, socket};
use super::env::quoted;
use super::running::Running;
use crate::cli::Global;
use crate::exit::Result;
use crate::output::{Format, Output};

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Instance whose containers are meant; left out: those of the whole lab
    #[arg(value_name = "INSTANCE")]
    pub instance: Option<String>,
}

/// Prints `export DOCKER_HOST=…` for `eval "$(vpclab serve)"`.
pub fn run(arguments: &ServeArgs, global: &Global, output: &Output) -> Result {
    let running = Running::open(global)?;
    let host = host(&socket(&running, arguments.instance.as_deref())?);
    if output.format == Format::Json {
        output.json(&json!({"DOCKER_HOST": host}))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(format!("export DOCKER_HOST={}", quoted(&host)));
    let instance = arguments.instance.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
    output.line(format!("# eval \"$(vpclab serve{instance})\""));
    Ok(ExitCode::SUCCESS)
}
