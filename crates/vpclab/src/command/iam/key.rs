//! `iam key`: the access key of a user of a lab that is up. A lab file has no secrets, so keys are made when somebody asks.

use ::iam::account::{Account, Key, Owner};
use ::iam::{Kind, operation};
use clap::Args;
use control::identity::with_environment;
use serde_json::json;

use super::change;
use crate::cli::Global;
use crate::command::running::Running;
use crate::command::source::did_you_mean;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `iam key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// User
    #[arg(value_name = "USER")]
    pub user: String,
    /// Make another key: a user has two at most
    #[arg(long, conflicts_with = "delete")]
    pub new: bool,
    /// Delete this key instead
    #[arg(long, value_name = "KEY-ID")]
    pub delete: Option<String>,
}

/// Prints the key, or deletes one.
pub fn run(arguments: &KeyArgs, global: &Global, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let running = Running::open(global)?;
    if let Some(id) = &arguments.delete {
        change(running.daemon(), &running.name, |account| {
            user(account, &arguments.user)?;
            operation::delete_access_key(account, &arguments.user, id).map_err(|error| {
                let known: Vec<String> = keys(account, &arguments.user).map(|key| key.id.clone()).collect();
                Failure::usage(error.message).hint(format!("keys of {}: {}", arguments.user, if known.is_empty() { "none".to_owned() } else { known.join(", ") }))
            })
        })?;
        output.line(format!("{id} deleted"));
        return super::done();
    }
    let key = made(&running, &arguments.user, arguments.new)?;
    if output.format == Format::Json {
        output.json(&json!({"UserName": arguments.user, "AccessKeyId": key.id, "SecretAccessKey": key.secret, "CreateDate": key.created.iso8601()}))?;
        return super::done();
    }
    output.line(format!("export AWS_ACCESS_KEY_ID={}", key.id));
    output.line(format!("export AWS_SECRET_ACCESS_KEY={}", key.secret));
    output.line("unset AWS_SESSION_TOKEN");
    output.line(format!("# eval \"$(vpclab iam key {})\"", arguments.user));
    super::done()
}

/// The key of a user that works, made where there is none.
pub fn ensure(running: &Running, user: &str) -> Result<Key> {
    made(running, user, false)
}

fn made(running: &Running, name: &str, is_new: bool) -> Result<Key> {
    change(running.daemon(), &running.name, |account| {
        let user = user(account, name)?;
        if let Some(key) = keys(account, &user).filter(|key| key.is_active && !is_new).max_by_key(|key| key.created) {
            return Ok(key.clone());
        }
        let made = with_environment(|environment| operation::create_access_key(account, environment, &user));
        let made = made.map_err(|error| Failure::environment(format!("/dev/urandom: {error}")))?;
        made.map_err(|error| Failure::usage(error.message).hint(format!("vpclab iam key {user} --delete KEY-ID; vpclab ls keys lists them")))
    })
}

fn keys<'a>(account: &'a Account, user: &str) -> impl Iterator<Item = &'a Key> {
    let owner = Owner::User(user.to_ascii_lowercase());
    account.keys().filter(move |key| key.owner == owner)
}

/// The user's name as it is written. Errors: there is no such user.
fn user(account: &Account, name: &str) -> Result<String> {
    account.entity(Kind::User, name).map(|user| user.name.clone()).map_err(|_| {
        let known: Vec<&str> = account.entities(Kind::User).map(|user| user.name.as_str()).collect();
        Failure::usage(format!("there is no user called `{name}`")).hint(did_you_mean(name, "user", &known))
    })
}
