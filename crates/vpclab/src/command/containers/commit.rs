//! `containers commit`: an image of what a container wrote.

use std::process::ExitCode;

use clap::Args;
use container::engine::CommitOptions;
use serde_json::json;

use super::{Place, failed};
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `containers commit`.
#[derive(Debug, Args)]
pub struct CommitArgs {
    /// Who made it
    #[arg(long, short, value_name = "NAME")]
    pub author: Option<String>,
    /// A remark for the image's history
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// Also do this to the image, as a Dockerfile says it: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR; may be given several times
    #[arg(long, short, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// Do not stand the container still meanwhile
    #[arg(long)]
    pub no_pause: bool,
    /// Only containers of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Container: name, id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// What to call the image
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Makes the image and prints its id.
pub fn run(arguments: &CommitArgs, place: &Place, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json, Format::Name])?;
    let name = |text: &String| text.parse().map_err(|error: container::Error| Failure::usage(error.to_string()));
    let options = CommitOptions {
        author: arguments.author.clone(),
        message: arguments.message.clone(),
        changes: arguments.change.clone(),
        pause: !arguments.no_pause,
        reference: arguments.name.as_ref().map(name).transpose()?,
    };
    let record = place.find(&arguments.container, arguments.instance.as_deref())?;
    let image = place.engine.commit(&record, &options).map_err(|error| failed(&error))?;
    match output.format {
        Format::Json => output.json(&json!({"id": image.id, "names": image.names.iter().map(|name| name.familiar()).collect::<Vec<_>>()}))?,
        _ => output.line(image.id.to_string()),
    }
    Ok(ExitCode::SUCCESS)
}
