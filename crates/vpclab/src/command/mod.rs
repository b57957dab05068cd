//! What each command does.

mod advice;
pub mod anatomy;
pub mod breakage;
pub mod capture;
mod capture_file;
mod check;
mod cidr;
pub mod containers;
pub mod daemon;
pub mod devices;
pub mod docker;
pub mod doctor;
pub mod diff;
pub mod down;
mod ends;
pub mod env;
pub mod exec;
pub mod explain;
pub mod export;
pub mod flowlogs;
pub mod forward;
pub mod frames;
pub mod fuzz;
mod from_within;
mod gaps;
pub mod graph;
mod grid;
mod heatmap;
pub mod iam;
pub mod images;
pub mod import;
pub mod init;
pub mod inspect;
mod lan_claims;
mod lan_ends;
pub mod learn;
pub mod lint;
mod listening;
pub mod logs;
pub mod ls;
pub mod man;
pub mod matrix;
pub mod meant;
mod mutate;
pub mod ping;
pub mod osi;
pub mod plan;
pub mod power;
pub mod networks;
mod picture_file;
mod probing;
mod promise;
mod report;
pub mod running;
pub mod sim;
mod simulated;
pub mod sockets;
mod sheet;
pub mod snapshot;
pub mod serve;
mod source;
mod target;
pub mod test;
mod test_rights;
pub mod traceroute;
pub mod up;
pub mod uplink;
mod validate;
pub mod version;
pub mod volumes;
mod whole_file;
pub mod who;
pub mod why;
mod within;

use std::process::ExitCode;

use clap::CommandFactory;
use conformance::{Options, RunError};

use self::target::Target;
use crate::cli::{Cli, Command, ConformanceCommand, Global};
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// Runs one command.
pub fn run(command: Command, global: &Global, output: &Output) -> Result {
    output.check_query()?;
    if matches!(output.format, Format::Tap | Format::Junit) && !reports_as_tests(&command) {
        return Err(Failure::usage("only `test`, `sim test` and `matrix` report as TAP or JUnit").hint("-o table or json"));
    }
    if output.format == Format::Html && !matches!(command, Command::Matrix(_)) {
        return Err(Failure::usage("only `matrix` prints a page").hint("-o table or json"));
    }
    if output.format == Format::Aws && !matches!(command, Command::Why(_)) {
        return Err(Failure::usage("only `why` prints in AWS's shape").hint("-o table or json"));
    }
    match command {
        Command::Init(arguments) => init::run(&arguments, global, output),
        Command::Validate(file) => validate::run(&file, global, output),
        Command::Import(command) => import::run(&command, output),
        Command::Export(command) => export::run(&command, global, output),
        Command::Snapshot(arguments) => snapshot::run(&arguments, global, output),
        Command::Plan(arguments) => plan::run(&arguments, global, output),
        Command::Diff(arguments) => diff::run(&arguments, output),
        Command::Up(arguments) => up::run(&arguments, global, output),
        Command::Down(arguments) => down::run(&arguments, global, output),
        Command::Ls(arguments) => ls::run(arguments.kind.as_deref(), &arguments, global, output),
        Command::Ps(arguments) => ls::run(Some("instances"), &arguments, global, output),
        Command::Inspect(arguments) => inspect::run(&arguments, global, output),
        Command::Exec(arguments) => exec::run(&arguments, global, output),
        Command::Logs(arguments) => logs::run(&arguments, global, output),
        Command::Start(arguments) => power::run(power::Verb::Start, &arguments, global, output),
        Command::Stop(arguments) => power::run(power::Verb::Stop, &arguments, global, output),
        Command::Rm(arguments) => power::run(power::Verb::Remove, &arguments, global, output),
        Command::Daemon(verb) => daemon::run(&verb, global, output),
        Command::Check(arguments) => check::run(&arguments, &Target::find_listening(global, output)?, output),
        Command::Why(arguments) => why::run(&arguments, &Target::find(global, output)?, output),
        Command::Test(arguments) => test::run(&arguments, &Target::find_listening(global, output)?, output),
        Command::Ping(arguments) => ping::run(&arguments, global, output),
        Command::Traceroute(arguments) => traceroute::run(&arguments, global, output),
        Command::Capture(arguments) => capture::run(&arguments, global, output),
        Command::Flowlogs(arguments) => flowlogs::run(&arguments, global, output),
        Command::Sockets(arguments) => sockets::run(&arguments, global, output),
        Command::Graph(arguments) => graph::run(&arguments, global, output),
        Command::Break(arguments) => breakage::run(&arguments, global, output),
        Command::Lint(arguments) if arguments.list => lint::list(output),
        Command::Lint(arguments) => lint::run(&arguments, global, output),
        Command::Who(arguments) => who::who(&arguments, &Target::find(global, output)?, output),
        Command::What(arguments) => who::what(&arguments, &Target::find(global, output)?, output),
        Command::Matrix(arguments) => matrix::run(&arguments, &Target::find_listening(global, output)?, output),
        Command::Anatomy(arguments) => anatomy::run(&arguments, global, output),
        Command::Images(command) => images::run(&command, global, output),
        Command::Containers(command) => containers::run(&command, global, output),
        Command::Networks(command) => networks::run(&command, global, output),
        Command::Volumes(command) => volumes::run(&command, global, output),
        Command::Docker(arguments) => docker::run(&arguments, global),
        Command::Serve(arguments) => serve::run(&arguments, global, output),
        Command::Cidr(command) => cidr::run(command, output),
        Command::Explain(arguments) => explain::run(&arguments, output),
        Command::Sim(command) => sim::run(command, global, output),
        Command::Osi(arguments) => osi::run(&arguments, output),
        Command::Learn(arguments) => learn::run(&arguments, global, output),
        Command::Forward(arguments) => forward::run(&arguments, global, output),
        Command::Uplink(arguments) => uplink::run(&arguments, global, output),
        Command::Doctor(arguments) => doctor::run(&arguments, global, output),
        Command::Iam(command) => iam::run(&command, global, output),
        Command::Env(arguments) => env::run(&arguments, global, output),
        Command::Version => version::run(output),
        Command::Man(arguments) => man::run(&arguments, output),
        Command::Schema => {
            output.json(&lab::schema())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "vpclab", &mut script);
            output.line(String::from_utf8_lossy(&script).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Conformance(ConformanceCommand::Fuzz(arguments)) => fuzz::run(&arguments, output),
        Command::Conformance(ConformanceCommand::Frames(arguments)) => frames::run(&arguments, global, output),
        Command::Conformance(ConformanceCommand::Run { paths, engine, filter }) => {
            let mut options = Options { json: output.format == Format::Json, ..Options::default() };
            options.filter.extend(filter);
            let report = conformance::run(&paths, engine, &options, &mut std::io::stdout().lock());
            match report {
                Ok(report) => Ok(ExitCode::from(report.exit_code())),
                Err(RunError::Output(error)) => {
                    output.written(Err(error));
                    Ok(ExitCode::SUCCESS)
                }
                Err(error @ RunError::Start(_)) => Err(Failure::environment(error.to_string())),
                Err(error) => Err(Failure::usage(error.to_string())),
            }
        }
    }
}

/// Whether a command's answers are passed and failed.
fn reports_as_tests(command: &Command) -> bool {
    matches!(command, Command::Test(_) | Command::Matrix(_) | Command::Sim(sim::SimCommand::Test(_)))
}
