//! `containers run`, `create`, `start` and `attach`: a container's program on this terminal.

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use container::engine::{Engine, Error, Id, Record, Removal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::tcgetwinsize;
use sandbox::ContainerExit;
use sandbox::container::spec::{Attach, ContainerStreams};

use super::create::{CreateArgs, check_image};
use super::{Place, failed, signals};
use crate::command::exec::{Raw, write_all};
use crate::exit::{Code, Failure, Result};
use crate::output::{Format, Output};

/// What Docker's `run` ends with when the container could not be made or started.
const NOT_RUN: u8 = 125;
/// What ends whoever writes where nobody reads.
const SIGPIPE: i32 = 13;
/// Ctrl-P Ctrl-Q: let go of a terminal and leave the container.
const DETACH: [u8; 2] = [0x10, 0x11];

/// `containers run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Do not wait for it: print its id
    #[arg(short, long)]
    pub detach: bool,
    /// What it is
    #[command(flatten)]
    pub create: CreateArgs,
}

/// Makes a container and starts it; the exit code is its program's.
pub fn run(arguments: &RunArgs, place: &Place, output: &Output) -> Result {
    let as_docker = |failure: Failure| Failure { code: Code(NOT_RUN), ..failure };
    if arguments.create.tty && !arguments.detach && !std::io::stdin().is_terminal() && arguments.create.interactive {
        return Err(as_docker(Failure::usage("standard input is not a terminal").hint("leave -t out")));
    }
    let record = create(&arguments.create, place, output).map_err(as_docker)?;
    let attach = match arguments.detach {
        true => Attach::default(),
        false => Attach { input: arguments.create.interactive, output: true, errors: !arguments.create.tty },
    };
    let started = place.engine.start(&record.id, attach).map_err(|error| {
        // Docker keeps what did not start; with --rm nobody wants it.
        if arguments.create.rm {
            let _ = place.engine.remove(&record.id, Removal { force: true, volumes: true });
        }
        not_started(&error)
    })?;
    started.container.warnings.iter().for_each(|warning| output.note(warning));
    if arguments.detach {
        if output.format == Format::Json {
            output.json(&serde_json::json!({"id": record.id, "name": record.name}))?;
        } else {
            output.line(record.id.as_str());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let code = converse(&place.engine, &record, started.container.streams, started.container.exit, true).map_err(as_docker)?;
    if arguments.create.rm && code.is_some() {
        match place.engine.remove(&record.id, Removal { force: false, volumes: true }) {
            // The daemon was faster.
            Ok(()) | Err(Error::NoContainer(_)) => {}
            // The lab went down meanwhile, and took it along.
            Err(_) if sandbox::Client::connect(place.engine.client.socket()).is_err() => {}
            Err(error) => output.note(format!("it stays: {error}")),
        }
    }
    Ok(code.map_or(ExitCode::SUCCESS, exit_code))
}

/// Makes a container; pulls its image where it is not here.
pub fn create(arguments: &CreateArgs, place: &Place, output: &Output) -> Result<Record> {
    check_image(arguments.image())?;
    let instance = place.instance_or_only(arguments.instance.as_deref())?;
    let options = arguments.options()?;
    place.bring_image(arguments.image(), output)?;
    place.engine.create(&instance, options, None).map_err(|error| failed(&error))
}

/// `containers create`.
pub fn create_only(arguments: &CreateArgs, place: &Place, output: &Output) -> Result {
    let record = create(arguments, place, output)?;
    if output.format == Format::Json {
        output.json(&serde_json::json!({"id": record.id, "name": record.name}))?;
    } else {
        output.line(record.id.as_str());
    }
    Ok(ExitCode::SUCCESS)
}

/// `containers start`.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Print what it prints, and end with its exit code
    #[arg(short, long)]
    pub attach: bool,
    /// Pass standard input on
    #[arg(short, long)]
    pub interactive: bool,
    /// Only containers of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Containers: names, ids, or beginnings of ids
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

/// Starts containers that do not run.
pub fn start(arguments: &StartArgs, place: &Place, output: &Output) -> Result {
    let is_attached = arguments.attach || arguments.interactive;
    if is_attached && arguments.containers.len() > 1 {
        return Err(Failure::usage("one container can be attached to at once"));
    }
    super::each(&arguments.containers, place, arguments.instance.as_deref(), output, |record| {
        if record.state.status.is_alive() && !is_attached {
            return Ok(None);
        }
        let attach = match is_attached {
            true => Attach { input: arguments.interactive, output: true, errors: !record.options.terminal },
            false => Attach::default(),
        };
        let started = match place.engine.start(&record.id, attach) {
            // Somebody else was faster: it runs, as was asked for.
            Err(Error::State { state: "running", .. }) if !is_attached => return Ok(None),
            started => started.map_err(|error| not_started(&error))?,
        };
        started.container.warnings.iter().for_each(|warning| output.note(warning));
        if !is_attached {
            return Ok(None);
        }
        converse(&place.engine, record, started.container.streams, started.container.exit, true)
    })
}

/// `containers attach`.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Only look: pass no input on
    #[arg(long)]
    pub no_stdin: bool,
    /// Container: name, id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    pub container: String,
    /// Only containers of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
}

/// Joins a container that runs.
pub fn attach(arguments: &AttachArgs, place: &Place) -> Result {
    let record = place.find(&arguments.container, arguments.instance.as_deref())?;
    let input = record.options.stdin_open && !arguments.no_stdin;
    let attach = Attach { input, output: true, errors: !record.options.terminal };
    let exit = place.engine.client.wait_container(record.id.as_str()).map_err(|_| not_running(&record))?;
    let streams = place.engine.client.attach_container(record.id.as_str(), attach).map_err(|_| not_running(&record))?;
    let code = converse(&place.engine, &record, streams, exit, true)?;
    Ok(code.map_or(ExitCode::SUCCESS, exit_code))
}

fn not_running(record: &Record) -> Failure {
    let failure = Failure { code: crate::exit::NO, message: format!("container {} does not run", record.name), hint: None };
    failure.hint(format!("vpclab containers start {}", record.name))
}

/// Why a program did not start, with the code that Docker's `run` has for it.
pub fn not_started(error: &Error) -> Failure {
    match error {
        Error::NotStarted { code, why } => {
            Failure { code: Code(u8::try_from(*code).unwrap_or(NOT_RUN)), message: why.clone(), hint: None }
        }
        other => Failure { code: Code(NOT_RUN), ..failed(other) },
    }
}

pub fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).unwrap_or(u8::MAX).into()
}

/// Passes bytes between this process's streams and the container's until it ends; its code. None: the terminal let go of it.
fn converse(engine: &Engine, record: &Record, streams: ContainerStreams, exit: ContainerExit, forward: bool) -> Result<Option<i32>> {
    let broken = |what: &str| format!("{what} of container {}", record.name);
    if record.options.terminal && streams.output.is_some() && std::io::stdin().is_terminal() {
        return on_terminal(engine, &record.id, streams, exit);
    }
    if forward {
        signals::forward(engine.client.socket(), record.id.as_str());
    }
    if let Some(input) = streams.input {
        // It ends with this process: a read that waits is no reason to stay.
        std::thread::spawn(move || pass(std::io::stdin(), File::from(input)));
    }
    let errors = streams.errors.map(|errors| std::thread::spawn(move || pass(File::from(errors), std::io::stderr())));
    if let Some(output) = streams.output
        && pass(File::from(output), std::io::stdout()) == Ended::Reader
    {
        // As whoever writes into a pipe that `head` has left; the container goes on, as Docker's does.
        eprintln!("note: nobody reads any more; container {name} goes on: vpclab containers stop {name}", name = record.name);
        return Ok(Some(128 + SIGPIPE));
    }
    let status = exit.wait().map_err(|e| Failure::environment(format!("{}: {e}", broken("waiting for the end"))))?;
    // What it said last comes before its code.
    if let Some(errors) = errors {
        let _ = errors.join();
    }
    Ok(Some(status.shell_code()))
}

/// Which side of a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Who writes.
    Writer,
    /// Who reads.
    Reader,
}

/// Copies as bytes come; ends with either side.
fn pass(mut from: impl Read, mut to: impl Write) -> Ended {
    let mut buffer = [0; 1 << 14];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ended::Writer,
            Ok(length) => {
                if to.write_all(&buffer[..length]).and_then(|()| to.flush()).is_err() {
                    return Ended::Reader;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Ended::Writer,
        }
    }
}

/// This terminal, in raw mode, is the container's.
fn on_terminal(engine: &Engine, id: &Id, streams: ContainerStreams, exit: ContainerExit) -> Result<Option<i32>> {
    let broken = |e: rustix::io::Errno| Failure::environment(format!("the terminal: {e}"));
    let ended = |exit: ContainerExit| exit.wait().map(|status| Some(status.shell_code())).map_err(|e| Failure::environment(e.to_string()));
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let Some(output) = streams.output else { return ended(exit) };
    let mut input: Option<Arc<OwnedFd>> = streams.input.map(Arc::new);
    let raw = Raw::enter().map_err(broken)?;
    let mut size = (0, 0);
    let (mut buffer, mut held) = ([0; 8_192], false);
    loop {
        // Programs without signal handlers learn of a new window size by looking.
        if let Ok(now) = tcgetwinsize(&stdin)
            && (now.ws_row, now.ws_col) != size
        {
            size = (now.ws_row, now.ws_col);
            let _ = engine.client.resize_container(id.as_str(), size.0, size.1);
        }
        let mut sources = vec![PollFd::new(&output, PollFlags::IN)];
        if input.is_some() {
            sources.push(PollFd::new(&stdin, PollFlags::IN));
        }
        let pause = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        match poll(&mut sources, Some(&pause)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(broken(error)),
        }
        let ready: Vec<bool> = sources.iter().map(|source| !source.revents().is_empty()).collect();
        drop(sources);
        if ready[0] {
            match rustix::io::read(&output, &mut buffer) {
                Ok(0) | Err(rustix::io::Errno::IO) => {
                    drop(raw);
                    return ended(exit);
                }
                Ok(length) => write_all(&stdout, &buffer[..length]).map_err(broken)?,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(broken(error)),
            }
        }
        if ready.get(1) == Some(&true) {
            let length = match rustix::io::read(&stdin, &mut buffer) {
                Ok(0) | Err(rustix::io::Errno::IO) => {
                    input = None;
                    continue;
                }
                Ok(length) => length,
                Err(_) => continue,
            };
            let (typed, detached) = without_detach(&buffer[..length], &mut held);
            if let Some(input) = &input {
                let _ = write_all(&**input, &typed);
            }
            if detached {
                drop(raw);
                eprintln!();
                return Ok(None);
            }
        }
    }
}

/// What is passed on of what was typed, and whether it ends with Ctrl-P Ctrl-Q. `held`: a Ctrl-P waits for what comes behind.
fn without_detach(typed: &[u8], held: &mut bool) -> (Vec<u8>, bool) {
    let mut passed = Vec::with_capacity(typed.len() + 1);
    for &byte in typed {
        match (*held, byte) {
            (true, byte) if byte == DETACH[1] => return (passed, true),
            (true, byte) if byte == DETACH[0] => passed.push(byte),
            (true, byte) => {
                *held = false;
                passed.extend([DETACH[0], byte]);
            }
            (false, byte) if byte == DETACH[0] => *held = true,
            (false, byte) => passed.push(byte),
        }
    }
    (passed, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_let_go_and_one_is_passed_on() {
        for (typed, passed, detached) in [
            (vec![&b"abc"[..]], &b"abc"[..], false),
            (vec![b"a\x10\x11b"], b"a", true),
            (vec![b"a\x10", b"\x11"], b"a", true),
            (vec![b"\x10x"], b"\x10x", false),
            (vec![b"\x10\x10\x11"], b"\x10", true),
        ] {
            let (mut held, mut all, mut is_detached) = (false, Vec::new(), false);
            for part in &typed {
                let (part, now) = without_detach(part, &mut held);
                all.extend(part);
                is_detached |= now;
            }
            assert_eq!((&all[..], is_detached), (passed, detached), "{typed:?}");
        }
    }
}
