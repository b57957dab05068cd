//! `anatomy`: a container or an instance taken apart, as the kernel has it now. What is looked at is decided in
//! `container::engine::anatomy`, how it is drawn in the room `diagram`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use container::engine::Anatomy;
use container::engine::anatomy::Named;
use diagram::anatomy::Style;
use model::selector;

use super::containers::{Place, failed};
use super::picture_file;
use super::source::did_you_mean;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// Columns where nobody says how many there are: what every terminal has.
const WIDTH: usize = 80;

/// `anatomy`.
#[derive(Debug, Args)]
pub struct AnatomyArgs {
    /// Container (NAME, id, INSTANCE/NAME), or an instance
    #[arg(value_name = "CONTAINER")]
    pub name: String,
    /// It is an instance that is meant, where a container has the same name
    #[arg(long)]
    pub instance: bool,
    /// Where to write it: FILE.svg is a picture, FILE.txt the tree, FILE.json the data
    #[arg(long, short = 'w', value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Write it over whatever is there; without this, over what vpclab drew alone
    #[arg(long, requires = "write")]
    pub force: bool,
}

/// Prints what was found, or writes it.
pub fn run(arguments: &AnatomyArgs, global: &Global, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json])?;
    let place = Place::open(global)?;
    let found = look(arguments, &place)?;
    if let Some(path) = &arguments.write {
        let text = match path.extension().and_then(|ending| ending.to_str()) {
            Some("svg") => diagram::anatomy::svg(&found),
            Some("txt") => diagram::anatomy::text(&found, Style { width: WIDTH, colour: false }),
            Some("json") => serde_json::to_string_pretty(&found).map_err(|e| Failure::environment(e.to_string()))? + "\n",
            _ => {
                let failure = Failure::usage(format!("the ending of {} is no kind of picture", path.display()));
                return Err(failure.hint("a name that ends in .svg, .txt or .json"));
            }
        };
        picture_file::write(Path::new(path), &text, arguments.force)?;
        return Ok(ExitCode::SUCCESS);
    }
    match output.format {
        Format::Json => output.json(&found)?,
        _ => output.line(diagram::anatomy::text(&found, style(output)).trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

/// A container of that name, else an instance.
fn look(arguments: &AnatomyArgs, place: &Place) -> Result<Anatomy> {
    // A name that several instances have is refused below.
    let is_instance = || place.running.instance(&arguments.name).is_ok() || selector::instance(&place.running.model, &arguments.name).is_err_and(|e| e.several.is_some());
    let record = match arguments.instance {
        true => None,
        false => match place.find(&arguments.name, None) {
            Ok(record) => Some(record),
            Err(_) if is_instance() => None,
            Err(failure) => return Err(or_instance(failure, arguments, place)),
        },
    };
    let model = &place.running.model;
    let all = model.instances.values();
    let by_key = |key: &str| all.clone().find(|one| linux::naming::instance_namespace(&one.id) == key);
    let found = match &record {
        Some(record) => {
            let of = by_key(&record.instance);
            let name = place.instance_name(&record.instance).to_owned();
            let named = Named {
                lab: &place.running.name,
                instance: &name,
                id: of.map_or("", |one| one.id.as_str()),
                state: of.map_or("terminated", |one| one.state.as_str()),
            };
            place.engine.anatomy(record, &named)
        }
        None => {
            let one = place.running.instance(&arguments.name)?;
            let name = model::tag::name(&one.tags).unwrap_or(one.id.as_str());
            let named = Named { lab: &place.running.name, instance: name, id: one.id.as_str(), state: one.state.as_str() };
            place.engine.instance_anatomy(&linux::naming::instance_namespace(&one.id), &named)
        }
    };
    found.map_err(|error| failed(&error))
}

/// Instances are meant too where no container is.
fn or_instance(failure: Failure, arguments: &AnatomyArgs, place: &Place) -> Failure {
    let mut names: Vec<&str> = place.running.model.instances.values().filter_map(|one| model::tag::name(&one.tags)).collect();
    names.sort_unstable();
    let hint = did_you_mean(&arguments.name, "instance", &names);
    match (failure.hint.clone(), hint.contains("did you mean")) {
        (Some(own), false) if own.contains("did you mean") => failure,
        // Neither is near: both kinds are told.
        (Some(own), false) if own.starts_with("known: ") => {
            failure.hint(format!("containers {own}; instances {hint}"))
        }
        // Several containers have the name.
        (Some(own), false) if !own.starts_with("there is none") => failure.hint(own),
        _ => failure.hint(hint),
    }
}

fn style(output: &Output) -> Style {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok().filter(|size| size.ws_col > 0);
    let width = told.or(size.map(|size| usize::from(size.ws_col))).unwrap_or(WIDTH).clamp(60, 160);
    Style { width, colour: output.colour() }
}
