//! `exec`: a command inside an instance, on this terminal, with its own exit code.

use std::io::IsTerminal;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use sandbox::{ExecSpec, ExitStatus, Process, Stdio};

use super::running::Running;
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::Output;

/// Exit codes of shells for commands that cannot be found or executed.
const NOT_FOUND: exit::Code = exit::Code(127);
const NOT_EXECUTABLE: exit::Code = exit::Code(126);
/// `ENOENT`, `EACCES`.
const ERRNO_NO_ENTRY: i32 = 2;
const ERRNO_ACCESS: i32 = 13;

/// `exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Instance: name, id or address
    pub name: String,
    /// Pass standard input on (always done; accepted for the habit)
    #[arg(short, long)]
    pub interactive: bool,
    /// Allocate a terminal; default: when standard input and output are one and no command is given
    #[arg(short, long)]
    pub tty: bool,
    /// Set an environment variable for the command
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// In this container of the instance
    #[arg(short, long, value_name = "CONTAINER")]
    pub container: Option<String>,
    /// Working directory inside
    #[arg(short, long, value_name = "PATH")]
    pub workdir: Option<String>,
    /// Command and its arguments; default: a shell
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Runs the command; the exit code is the command's.
pub fn run(arguments: &ExecArgs, global: &Global, _output: &Output) -> Result {
    if let Some(container) = &arguments.container {
        return super::containers::in_container(arguments, container, global);
    }
    let running = Running::open(global)?;
    let namespace = running.namespace(&arguments.name).map_err(|failure| or_container(failure, arguments, &running))?;
    let holder = running.holder()?;
    let has_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let shell = ["sh", "-c", "command -v bash >/dev/null && exec bash; exec sh"].map(str::to_owned);
    let argv = if arguments.command.is_empty() { shell.to_vec() } else { arguments.command.clone() };
    let mut spec = ExecSpec { kill_on_disconnect: true, working_directory: arguments.workdir.clone(), ..ExecSpec::new(argv) };
    if let Some(term) = std::env::var_os("TERM") {
        spec.environment.insert("TERM".to_owned(), term.to_string_lossy().into_owned());
    }
    for setting in &arguments.env {
        let (name, value) = setting
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::usage(format!("`{setting}` is no NAME=VALUE")))?;
        spec.environment.insert(name.to_owned(), value.to_owned());
    }
    let program = spec.argv[0].clone();
    let refused = |error: sandbox::Error| not_started(&arguments.name, &program, arguments.workdir.as_deref(), error);
    if arguments.tty && !std::io::stdin().is_terminal() {
        return Err(Failure::usage("standard input is not a terminal").hint("leave -t out"));
    }
    if arguments.tty || (has_terminal && arguments.command.is_empty()) {
        let size = tcgetwinsize(std::io::stdin()).map_err(|e| Failure::environment(format!("the terminal's size: {e}")))?;
        let stdio = Stdio::Terminal { rows: size.ws_row, columns: size.ws_col };
        let process = holder.exec(&namespace, spec, stdio).map_err(refused)?;
        return on_terminal(process).map(code);
    }
    let own = |fd: std::io::Result<OwnedFd>| fd.map_err(|e| Failure::environment(format!("duplicating a descriptor: {e}")));
    let standard = [
        own(std::io::stdin().as_fd().try_clone_to_owned())?,
        own(std::io::stdout().as_fd().try_clone_to_owned())?,
        own(std::io::stderr().as_fd().try_clone_to_owned())?,
    ];
    let process = holder.exec(&namespace, spec, Stdio::Descriptors(standard)).map_err(refused)?;
    process.wait().map(code).map_err(|e| Failure::environment(e.to_string()))
}

/// Whoever names a container where an instance is meant is told how.
fn or_container(failure: Failure, arguments: &ExecArgs, running: &Running) -> Failure {
    let Some((record, instance)) = super::containers::named(running, &arguments.name) else { return failure };
    let name = &record.name;
    let flags = match (arguments.interactive, arguments.tty) {
        (true, true) => "-it ",
        (true, false) => "-i ",
        (false, true) => "-t ",
        (false, false) => "",
    };
    let command = if arguments.command.is_empty() { "sh".to_owned() } else { arguments.command.join(" ") };
    failure.hint(format!("{name} is a container of {instance}: vpclab exec {flags}-c {name} {instance} -- {command}"))
}

fn code(status: ExitStatus) -> ExitCode {
    u8::try_from(status.shell_code()).unwrap_or(u8::MAX).into()
}

fn not_started(instance: &str, program: &str, directory: Option<&str>, error: sandbox::Error) -> Failure {
    let errno = match &error {
        sandbox::Error::Os { source, .. } => source.raw_os_error(),
        sandbox::Error::Refused(fault) => fault.errno,
        _ => None,
    };
    let wanted = directory.filter(|_| error.to_string().contains("entering the working directory"));
    let (code, message) = match errno {
        Some(ERRNO_NO_ENTRY) if let Some(directory) = wanted => (NOT_FOUND, format!("{instance} has no directory {directory}")),
        Some(_) if let Some(directory) = wanted => (NOT_EXECUTABLE, format!("{directory} of {instance} cannot be entered: {error}")),
        Some(ERRNO_NO_ENTRY) => (NOT_FOUND, format!("{instance} has no program `{program}`")),
        Some(ERRNO_ACCESS) => (NOT_EXECUTABLE, format!("`{program}` cannot be executed in {instance}")),
        _ => (exit::ENVIRONMENT, error.to_string()),
    };
    Failure { code, message, hint: None }
}

/// Passes bytes between this terminal, in raw mode, and the one inside until the command ends.
pub fn on_terminal(mut process: Process) -> Result<ExitStatus> {
    let broken = |e: rustix::io::Errno| Failure::environment(format!("the terminal: {e}"));
    let Some(inside) = process.terminal.take() else { return Err(Failure::environment("the holder gave no terminal")) };
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let raw = Raw::enter().map_err(broken)?;
    let mut size = tcgetwinsize(&stdin).map_err(broken)?;
    let mut buffer = [0; 8_192];
    let mut typing = true;
    loop {
        let mut sources = vec![
            PollFd::new(&inside, PollFlags::IN),
            PollFd::from_borrowed_fd(process.exit_descriptor(), PollFlags::IN),
        ];
        if typing {
            sources.push(PollFd::new(&stdin, PollFlags::IN));
        }
        // Programs without signal handlers learn of a new window size by looking.
        let pause = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        match poll(&mut sources, Some(&pause)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(broken(error)),
        }
        let ready: Vec<bool> = sources.iter().map(|source| !source.revents().is_empty()).collect();
        drop(sources);
        let now = tcgetwinsize(&stdin).unwrap_or(size);
        if (now.ws_row, now.ws_col) != (size.ws_row, size.ws_col) {
            size = now;
            let _ = sandbox::process::set_terminal_size(&inside, size.ws_row, size.ws_col);
        }
        if ready[0] {
            match rustix::io::read(&inside, &mut buffer) {
                Ok(0) | Err(rustix::io::Errno::IO) => {
                    // The last program let go of the terminal; how the command ended follows at once.
                    drop(raw);
                    return process.wait().map_err(|e| Failure::environment(e.to_string()));
                }
                Ok(length) => write_all(&stdout, &buffer[..length]).map_err(broken)?,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(broken(error)),
            }
        } else if ready[1] {
            drop(raw);
            return process.wait().map_err(|e| Failure::environment(e.to_string()));
        }
        if ready.get(2) == Some(&true) {
            match rustix::io::read(&stdin, &mut buffer) {
                Ok(0) => typing = false,
                Ok(length) => match write_all(&inside, &buffer[..length]) {
                    Ok(()) | Err(rustix::io::Errno::IO) => {}
                    Err(error) => return Err(broken(error)),
                },
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(_) => typing = false,
            }
        }
    }
}

pub fn write_all(to: impl AsFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&to, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                poll(&mut [PollFd::new(&to, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The terminal in raw mode; as it was when this goes.
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// From now on.
    pub fn enter() -> rustix::io::Result<Raw> {
        let before = tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Raw { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
