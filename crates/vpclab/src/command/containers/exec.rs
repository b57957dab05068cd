//! `containers exec`, and `exec -c`: a command in a container, on this terminal, with its own exit code.

use std::io::IsTerminal;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use clap::Args;
use container::engine::{Error, Exec, words};
use rustix::termios::tcgetwinsize;
use sandbox::Stdio;

use super::{Place, failed};
use crate::command::exec::on_terminal;
use crate::exit::{Code, Failure, Result};

/// `containers exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Pass standard input on
    #[arg(short, long)]
    pub interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Do not wait for it
    #[arg(short, long)]
    pub detach: bool,
    /// Variable of its environment
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Working directory inside; default: the container's
    #[arg(short, long, value_name = "PATH")]
    pub workdir: Option<String>,
    /// Who it runs as; default: the container's user
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// With all capabilities that root has in the instance
    #[arg(long)]
    pub privileged: bool,
    /// Only containers of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Container, then the command and its arguments
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, allow_hyphen_values = true, value_name = "CONTAINER COMMAND")]
    pub words: Vec<String>,
}

/// Runs the command; the exit code is the command's, 126 or 127 where it cannot be run.
pub fn run(arguments: &ExecArgs, place: &Place) -> Result {
    let [container, command @ ..] = arguments.words.as_slice() else { return Err(Failure::usage("which container, and what to run there")) };
    let record = place.find(container, arguments.instance.as_deref())?;
    // What is behind a lone -- is the command.
    let command = command.strip_prefix(&["--".to_owned()]).unwrap_or(command);
    let variables = arguments.env.iter().map(|text| words::variable(text, |name| std::env::var(name).ok()));
    let exec = Exec {
        arguments: command.to_vec(),
        environment: variables.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| failed(&error))?.into_iter().flatten().collect(),
        working_directory: arguments.workdir.clone(),
        user: arguments.user.clone(),
        terminal: arguments.tty,
        privileged: arguments.privileged,
    };
    let refused = |error: Error| match &error {
        Error::NotStarted { code, why } => Failure { code: Code(u8::try_from(*code).unwrap_or(126)), message: why.clone(), hint: None },
        _ => failed(&error),
    };
    if arguments.detach {
        place.engine.exec(&record.id, &exec, Stdio::Null).map_err(refused)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.tty {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage("standard input is not a terminal").hint("leave -t out"));
        }
        let size = tcgetwinsize(std::io::stdin()).map_err(|e| Failure::environment(format!("the terminal's size: {e}")))?;
        let stdio = Stdio::Terminal { rows: size.ws_row, columns: size.ws_col };
        let process = place.engine.exec(&record.id, &exec, stdio).map_err(refused)?;
        return on_terminal(process).map(|status| super::run::exit_code(status.shell_code()));
    }
    let own = |fd: std::io::Result<OwnedFd>| fd.map_err(|e| Failure::environment(format!("duplicating a descriptor: {e}")));
    let input = match arguments.interactive {
        true => own(std::io::stdin().as_fd().try_clone_to_owned())?,
        false => own(std::fs::File::open("/dev/null").map(OwnedFd::from))?,
    };
    let standard = [input, own(std::io::stdout().as_fd().try_clone_to_owned())?, own(std::io::stderr().as_fd().try_clone_to_owned())?];
    let process = place.engine.exec(&record.id, &exec, Stdio::Descriptors(standard)).map_err(refused)?;
    let status = process.wait().map_err(|e| Failure::environment(e.to_string()))?;
    Ok(super::run::exit_code(status.shell_code()))
}

/// `exec -c CONTAINER INSTANCE -- …`.
pub fn in_container(arguments: &crate::command::exec::ExecArgs, container: &str, global: &crate::cli::Global) -> Result {
    let place = Place::open(global)?;
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let command = if arguments.command.is_empty() { vec!["/bin/sh".to_owned()] } else { arguments.command.clone() };
    let wants_terminal = arguments.tty || (is_terminal && arguments.command.is_empty());
    let exec = ExecArgs {
        // As `exec` in an instance, which always passes input on.
        interactive: true,
        tty: wants_terminal,
        detach: false,
        env: arguments.env.clone(),
        workdir: arguments.workdir.clone(),
        user: None,
        privileged: false,
        instance: Some(arguments.name.clone()),
        words: std::iter::once(container.to_owned()).chain(command).collect(),
    };
    run(&exec, &place)
}
