//! What each command does.

pub mod capture;
mod check;
mod cidr;
pub mod doctor;
mod ends;
pub mod explain;
pub mod forward;
pub mod graph;
mod grid;
pub mod init;
mod live;
pub mod man;
pub mod matrix;
pub mod ping;
mod probing;
mod promise;
mod report;
pub mod sockets;
mod target;
mod test;
pub mod traceroute;
pub mod uplink;
mod witness;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use conformance::{EngineName, Options};
use lab::{Files, Lab};
use model::{Context, Model, Timestamp};

use self::target::Target;
use crate::cli::{Cli, Command, ConformanceCommand, Global};
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// Account of every lab.
const ACCOUNT: &str = "000000000000";

/// Runs one command.
pub fn run(command: Command, global: &Global, output: &Output) -> Result {
    match command {
        Command::Init(arguments) => init::run(&arguments, output),
        Command::Validate(file) => {
            let lab = load(&find(file.positional.as_deref(), global)?, output)?;
            cloud(&lab, output)?;
            output.line(format!("{} is legal", lab.name));
            Ok(ExitCode::SUCCESS)
        }
        Command::Plan(file) => {
            let lab = load(&find(file.positional.as_deref(), global)?, output)?;
            let changes = lab.plan(&empty(&lab)).map_err(|e| Failure::usage(e.render(output.colour())))?;
            if output.format == Format::Json {
                output.json(&changes)?;
            } else {
                changes.iter().for_each(|change| output.line(change.to_string()));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(arguments) => check::run(&arguments, &Target::find(global, output)?, output),
        Command::Test(arguments) => test::run(&arguments, &Target::find(global, output)?, output),
        Command::Ping(arguments) => ping::run(&arguments, global, output),
        Command::Traceroute(arguments) => traceroute::run(&arguments, global, output),
        Command::Capture(arguments) => capture::run(&arguments, global, output),
        Command::Sockets(arguments) => sockets::run(&arguments, global, output),
        Command::Graph(arguments) => {
            let lab = load(&find(arguments.positional.as_deref(), global)?, output)?;
            graph::run(&arguments, &cloud(&lab, output)?, output)
        }
        Command::Matrix(arguments) => matrix::run(&arguments, &Target::find(global, output)?, output),
        Command::Cidr(command) => cidr::run(command, output),
        Command::Explain(arguments) => explain::run(&arguments, output),
        Command::Forward(arguments) => forward::run(&arguments, global, output),
        Command::Uplink(arguments) => uplink::run(&arguments, global, output),
        Command::Doctor(arguments) => doctor::run(&arguments, global, output),
        Command::Man(arguments) => man::run(&arguments, output),
        Command::Schema => {
            output.json(&lab::schema())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "vpclab", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Conformance(ConformanceCommand::Run { paths, engine, filter }) => {
            let named = EngineName::parse(&engine).ok_or_else(|| Failure::usage(format!("no engine is named `{engine}`")).hint("--engine proof or linux"))?;
            let mut options = Options { json: output.format == Format::Json, ..Options::default() };
            options.filter.extend(filter);
            let report = conformance::run(&paths, named, &options, &mut std::io::stdout().lock());
            Ok(ExitCode::from(report.map_err(|e| Failure::usage(e.to_string()))?.exit_code()))
        }
    }
}

/// The lab file meant: as given, else the one here or in a parent folder.
fn find(given: Option<&Path>, global: &Global) -> Result<PathBuf> {
    if let Some(path) = given.or(global.file.as_deref()) {
        return Ok(path.to_owned());
    }
    let here = std::env::current_dir().map_err(|e| Failure::environment(format!("the current folder cannot be read: {e}")))?;
    for folder in here.ancestors() {
        let plain = folder.join("vpclab.yaml");
        if plain.is_file() {
            return Ok(plain);
        }
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut named: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| p.to_string_lossy().ends_with(".cloud.yaml")).collect();
        named.sort();
        match named.as_slice() {
            [] => {}
            [one] => return Ok(one.clone()),
            several => {
                let list: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
                return Err(Failure::usage(format!("several lab files: {}", list.join(", "))).hint("say which one with -f FILE"));
            }
        }
    }
    Err(Failure::usage("no lab file here or in a parent folder (vpclab.yaml, *.cloud.yaml)").hint("say which one with -f FILE"))
}

fn load(path: &Path, output: &Output) -> Result<Lab> {
    lab::load(&path.to_string_lossy(), &Disk).map_err(|e| Failure::usage(e.render(output.colour())))
}

fn empty(lab: &Lab) -> Model {
    Model::new(ACCOUNT, lab.region(), Context::seeded(1, Timestamp::default()))
}

/// The cloud that a lab file describes.
fn cloud(lab: &Lab, output: &Output) -> Result<Model> {
    let mut model = empty(lab);
    lab.apply(&mut model).map_err(|e| Failure::usage(e.render(output.colour())))?;
    Ok(model)
}

/// Files of the disk; an include is meant from the folder of the file that includes it.
struct Disk;

impl Files for Disk {
    fn read(&self, name: &str, from: Option<&str>) -> std::result::Result<(String, String), String> {
        use std::io::Read;
        let beside = from.and_then(|from| Path::new(from).parent()).map_or_else(PathBuf::new, Path::to_owned);
        let path = beside.join(name);
        let file = std::fs::File::open(&path).map_err(|e| e.to_string())?;
        let mut text = String::new();
        // One byte more than a lab file may have tells one that is too large; a device cannot fill the memory.
        file.take(lab::yaml::MAX_BYTES as u64 + 1).read_to_string(&mut text).map_err(|e| e.to_string())?;
        Ok((path.display().to_string(), text))
    }
}
