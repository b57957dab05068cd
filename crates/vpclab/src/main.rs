//! The command line: parse, call, print. What a command does is decided in the rooms below.
#![forbid(unsafe_code)]

mod cli;
mod command;
mod exit;
mod output;
mod reference;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

/// The system's, until a command reads something large.
#[global_allocator]
static HEAP: heap::Heap = heap::Heap;

fn main() -> ExitCode {
    // The lab's holder and the first process of every instance are this same program under another name.
    #[cfg(target_os = "linux")]
    sandbox::entry::dispatch();
    if let Some(code) = hidden() {
        return code;
    }
    let cli = match parsed(arrowed(followed(std::env::args_os().collect()))) {
        Ok(cli) => cli,
        Err(error) => {
            return match error.print() {
                _ if error.use_stderr() => exit::USAGE.into(),
                Ok(()) => ExitCode::SUCCESS,
                Err(why) if why.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
                Err(why) => {
                    eprintln!("error: standard output: {why}");
                    exit::ENVIRONMENT.into()
                }
            };
        }
    };
    let output = output::Output::new(&cli.global);
    let ran = enough_descriptors().and_then(|()| command::run(cli.command, &cli.global, &output));
    match ran.and_then(|code| output.finish().map(|()| code)) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.code.into()
        }
    }
}

/// The command line, and what of it was typed.
fn parsed(arguments: Vec<OsString>) -> Result<cli::Cli, clap::Error> {
    let mut command = cli::Cli::command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    let mut cli = cli::Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    command::meant::settle(&mut cli.global, &matches);
    Ok(cli)
}

/// Descriptors that any command needs: with fewer, libraries that nobody can ask end the process in the middle.
const DESCRIPTORS: u64 = 32;

fn enough_descriptors() -> Result<(), exit::Failure> {
    #[cfg(target_os = "linux")]
    if let Some(limit) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.filter(|limit| *limit < DESCRIPTORS) {
        let failure = exit::Failure::environment(format!("{limit} open files are allowed here, {DESCRIPTORS} at least are needed"));
        return Err(failure.hint("ulimit -n 1024"));
    }
    Ok(())
}

/// `images build -f` names the Dockerfile, as everywhere.
fn dockerfiled(mut arguments: Vec<OsString>, from: usize) -> Vec<OsString> {
    for argument in arguments.iter_mut().skip(from) {
        let Some(text) = argument.to_str() else { continue };
        let value = text.strip_prefix("--file").or_else(|| text.strip_prefix("-f"));
        match value {
            Some("") => *argument = "--dockerfile".into(),
            Some(value) if value.starts_with('=') => *argument = format!("--dockerfile{value}").into(),
            Some(value) if !text.starts_with("--") => *argument = format!("--dockerfile={value}").into(),
            _ => {}
        }
    }
    arguments
}

/// `logs -f` follows and `rm -f` forces, as everywhere, unless a file comes behind it: elsewhere here -f means the lab file.
fn followed(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let Some(at) = verb(&arguments) else { return arguments };
    if arguments[at] == "images" && arguments.get(at + 1).is_some_and(|word| word == "build") {
        return dockerfiled(arguments, at + 2);
    }
    let is_group = ["containers", "networks", "volumes"].iter().any(|group| arguments[at] == *group);
    let (verb, group) = if is_group { (at + 1, arguments[at].clone()) } else { (at, OsString::new()) };
    let long = match arguments.get(verb).and_then(|word| word.to_str()) {
        Some("logs") if group != "volumes" && group != "networks" => "--follow",
        Some("disconnect") if group == "networks" => "--force",
        Some("rm") if is_group => "--force",
        _ => return arguments,
    };
    for at in verb + 1..arguments.len() {
        let is_file = arguments.get(at + 1).is_some_and(|next| std::path::Path::new(next).is_file());
        if arguments[at] == "-f" && !is_file {
            arguments[at] = OsString::from(long);
        }
    }
    arguments
}

/// An arrow between two ends looks like a flag; as another arrow it reaches whoever reads the probe, and can say so.
fn arrowed(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let reads_probes = |word: &OsString| ["why", "check", "ping", "traceroute"].iter().any(|verb| word == verb);
    // `sim ping` reads what `ping` reads.
    let behind_sim = |at: usize| if arguments[at] == "sim" { at + 1 } else { at };
    let verb = verb(&arguments).map(behind_sim).filter(|at| arguments.get(*at).is_some_and(reads_probes));
    let Some(verb) = verb else { return arguments };
    let arrows = arguments[verb..].iter_mut().filter(|word| *word == "->");
    arrows.for_each(|word| *word = OsString::from("→"));
    arguments
}

/// Where the command stands: behind the flags of every command, and what those take.
fn verb(arguments: &[OsString]) -> Option<usize> {
    let root = cli::Cli::command();
    let takes_next = |word: &str| {
        let is_named = |flag: &&clap::Arg| match word.strip_prefix("--") {
            Some(long) => flag.get_long() == Some(long),
            None => word.strip_prefix('-').is_some_and(|short| flag.get_short().is_some_and(|own| short == own.to_string())),
        };
        root.get_arguments().find(is_named).is_some_and(|flag| flag.get_action().takes_values())
    };
    let mut at = 1;
    while let Some(word) = arguments.get(at) {
        match word.to_str() {
            Some(flag) if flag.starts_with('-') => at += if takes_next(flag) { 2 } else { 1 },
            _ => return Some(at),
        }
    }
    None
}

/// Starts that people never type: the tools of instances, the daemon, the process that holds built-in listeners.
fn hidden() -> Option<ExitCode> {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = tool::dispatch(&arguments) {
        return Some(code);
    }
    let first = arguments.get(1)?.to_str()?;
    if first == control::daemon::DAEMON {
        let code = match control::paths::Paths::of_user() {
            Ok(paths) => control::daemon::serve(paths),
            Err(error) => {
                eprintln!("{error}");
                1
            }
        };
        return Some(u8::try_from(code).unwrap_or(1).into());
    }
    if let Some(code) = container::engine::dispatch(&arguments) {
        return Some(u8::try_from(code).unwrap_or(1).into());
    }
    if first == control::store::CHECK {
        let path = arguments.get(2).map(std::path::PathBuf::from)?;
        return Some(u8::try_from(control::store::check(&path)).unwrap_or(1).into());
    }
    if first == control::host::LISTEN {
        let names: Vec<String> = arguments[2..].iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let descriptors = sandbox::entry::inherited(names.len());
        return Some(match control::listener::serve(&names, descriptors) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_logs_follows_with_f_and_only_where_no_file_comes_behind_it() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for (typed, wanted) in [
            ("vpclab logs -f web-1", "vpclab logs --follow web-1"),
            ("vpclab logs web-1 -f", "vpclab logs web-1 --follow"),
            ("vpclab -q --lab shop -o json logs -f web-1", "vpclab -q --lab shop -o json logs --follow web-1"),
            ("vpclab --lab=shop -l shop logs -f web-1", "vpclab --lab=shop -l shop logs --follow web-1"),
            (&format!("vpclab -f {file} logs web-1"), &format!("vpclab -f {file} logs web-1")),
            (&format!("vpclab logs -f {file} web-1"), &format!("vpclab logs -f {file} web-1")),
            ("vpclab containers logs -f db", "vpclab containers logs --follow db"),
            ("vpclab containers rm -f db", "vpclab containers rm --force db"),
            ("vpclab volumes rm data -f", "vpclab volumes rm data --force"),
            ("vpclab networks disconnect -f back web", "vpclab networks disconnect --force back web"),
            ("vpclab containers exec db rm -f x", "vpclab containers exec db rm -f x"),
            // Somebody else's -f, in a command that is run inside an instance, and in a lab of that name.
            ("vpclab exec web-1 -- logs -f x", "vpclab exec web-1 -- logs -f x"),
            ("vpclab --lab logs plan -f x", "vpclab --lab logs plan -f x"),
            ("vpclab", "vpclab"),
        ] {
            let words = followed(typed.split(' ').map(OsString::from).collect());
            assert_eq!(words, wanted.split(' ').map(OsString::from).collect::<Vec<_>>(), "{typed}");
        }
    }
}
