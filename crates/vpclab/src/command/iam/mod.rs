//! `iam`: who may do what with the lab's API, and why; what of it looks wrong; keys.

mod actions;
mod key;
mod lint;
pub mod listing;
mod why;

use std::process::ExitCode;

use ::iam::account::Account;
use clap::Subcommand;
use control::api::{Identities, ProblemKind};
use control::client::Daemon;
use door::rights::Unasked;

use super::running::until_first;
use super::source::did_you_mean;
use super::target::Target;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::Output;

pub use key::{KeyArgs, ensure as ensure_key};

/// `iam`.
#[derive(Debug, Subcommand)]
pub enum IamCommand {
    /// Why somebody may do something, or not, statement by statement
    Why(why::WhyArgs),
    /// What of users, roles and policies looks wrong: rights without bounds, ways to more rights, statements that say nothing
    Lint(lint::LintArgs),
    /// The key of a user of a lab that is up, made where there is none
    Key(KeyArgs),
    /// Actions that policies can name, and what each is asked for
    Actions(actions::ActionsArgs),
    /// Managed policies that a lab file can name, or what one says
    Policies(actions::PoliciesArgs),
}

/// Runs one of them.
pub fn run(command: &IamCommand, global: &Global, output: &Output) -> Result {
    match command {
        IamCommand::Why(arguments) => why::run(arguments, &Target::find(global, output)?, output),
        IamCommand::Lint(arguments) if arguments.list => lint::list(output),
        IamCommand::Lint(arguments) => lint::run(arguments, &Target::find(global, output)?, output),
        IamCommand::Key(arguments) => key::run(arguments, global, output),
        IamCommand::Actions(arguments) => actions::actions(arguments, output),
        IamCommand::Policies(arguments) => actions::policies(arguments, global, output),
    }
}

/// What could not be asked, with the nearest of the names there are.
pub fn failure(unasked: &Unasked) -> Failure {
    let failure = Failure::usage(&unasked.message);
    match (&unasked.hint, &unasked.near) {
        (Some(hint), _) => failure.hint(hint),
        (None, Some(near)) if near.known.is_empty() && matches!(near.what.as_str(), "user" | "role") => {
            failure.hint(format!("no {} is there at all: `{}s:` under `iam:` of the lab file, or aws iam create-{}", near.what, near.what, near.what))
        }
        (None, Some(near)) => {
            let known: Vec<&str> = near.known.iter().map(String::as_str).collect();
            failure.hint(did_you_mean(&near.word, &near.what, &known))
        }
        (None, None) => failure,
    }
}

/// Changes the identities of a lab that is up; again where somebody else was faster. Errors: those of the change, and of the daemon.
pub fn change<T>(daemon: &Daemon, lab: &str, mut change: impl FnMut(&mut Account) -> Result<T>) -> Result<T> {
    until_first(lab, || {
        let Identities { revision, mut account } = daemon.identities(lab)?;
        let before = account.clone();
        let value = change(&mut account)?;
        if account == before {
            return Ok(Some(value));
        }
        match daemon.identify(lab, &Identities { revision, account }) {
            Ok(_) => Ok(Some(value)),
            Err(problem) if problem.kind == ProblemKind::Conflict => Ok(None),
            Err(problem) => Err(problem.into()),
        }
    })
}

/// A word of success.
fn done() -> Result {
    Ok(ExitCode::SUCCESS)
}
