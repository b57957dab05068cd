//! `env`: the lines that make every later command of a shell mean this lab, wherever the shell goes. Starts no lab, and the daemon where a
//! lab is up without one: whoever is to be told where AWS is answered, and is not told, would ask AWS itself.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use control::api::{CloudServed, LabSummary};
use control::client::Daemon;
use serde_json::{Map, Value};

use super::running::{Running, daemon_of_labs, named, paths};
use super::source;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `env`.
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// With the key of this user instead of the owner's
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
}

/// Prints `export` lines for `eval "$(vpclab env)"`.
pub fn run(arguments: &EnvArgs, global: &Global, output: &Output) -> Result {
    let mut settings = vec![("VPCLAB_HOME", paths()?.home.display().to_string())];
    let daemon = daemon_of_labs()?;
    let up = daemon.as_ref().map(Daemon::labs).transpose()?.unwrap_or_default().into_iter().filter(|lab| lab.is_up).collect::<Vec<_>>();
    let lab = match named(global)? {
        Some(name) => name,
        None => only(&up)?,
    };
    let known = up.iter().find(|known| known.name == lab);
    let file = source::find_if_any(None, global)?.filter(|path| *path != Path::new("-"));
    // A file about another lab would have later commands mean two at once.
    let is_of_it = |path: &PathBuf| source::name_of(path) == lab || known.and_then(|known| known.file.as_deref()).is_some_and(|from| source::is_same(from, path));
    let file = file.filter(|path| path.exists() && is_of_it(path));
    if known.is_none() && file.is_none() {
        return Err(not_up(&lab, global));
    }
    if let Some(path) = &file {
        let path = std::path::absolute(path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
        settings.push(("VPCLAB_FILE", path.display().to_string()));
    }
    let served = daemon.filter(|_| known.is_some()).map(|daemon| daemon.cloud(&lab)).transpose()?.flatten();
    const OPEN: &str = "vpclab serve --ec2 127.0.0.1:0 opens a door for them";
    let served = match (served, &arguments.user) {
        (Some(served), Some(user)) => Some(with_key_of(served, user, &lab)?),
        (None, Some(_)) => return Err(Failure::usage(format!("clients of AWS are not answered for lab {lab}")).hint(OPEN)),
        (served, None) => served,
    };
    if served.is_none() {
        let why = if known.is_some() { "" } else { ", which is not up" };
        output.note(format!("clients of AWS are not answered for lab {lab}{why}, and are told nothing: {OPEN}"));
    }
    settings.push(("VPCLAB_LAB", lab));
    settings.extend(served.iter().flat_map(aws));
    if output.format == Format::Json {
        let object: Map<String, Value> = settings.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        output.json(&object)?;
        return Ok(ExitCode::SUCCESS);
    }
    settings.iter().for_each(|(name, value)| output.line(format!("export {name}={}", quoted(value))));
    if file.is_none() && std::env::var_os("VPCLAB_FILE").is_some() {
        output.line("unset VPCLAB_FILE");
    }
    output.line("# eval \"$(vpclab env)\"");
    Ok(ExitCode::SUCCESS)
}

/// The only lab that is up. Errors: none is, or several are.
fn only(up: &[LabSummary]) -> Result<String> {
    let whole: Vec<&str> = up.iter().filter(|lab| lab.part_of.is_none()).map(|lab| lab.name.as_str()).collect();
    match whole.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => {
            let failure = Failure::usage("no lab is up, and no lab file is here or in a parent folder");
            Err(failure.hint("vpclab up -f FILE brings a lab up; vpclab serve --ec2 127.0.0.1:0 begins one for clients of AWS"))
        }
        several => Err(Failure::usage(format!("several labs are up: {}", several.join(", "))).hint("say which one with --lab NAME")),
    }
}

/// A lab that is named, is not up, and no file at hand describes.
fn not_up(lab: &str, global: &Global) -> Failure {
    let failure = Failure::usage(format!("lab {lab} is not up"));
    match global.lab.is_some() && !global.typed.lab {
        true => failure.hint("VPCLAB_LAB of the environment names it: unset VPCLAB_LAB; vpclab ls shows what is up"),
        false => failure.hint("vpclab ls shows what is up"),
    }
}

/// The same door with the key of a user, made where the user has none.
pub fn with_key_of(served: CloudServed, user: &str, lab: &str) -> Result<CloudServed> {
    let running = Running::find(lab)?.ok_or_else(|| Failure::usage(format!("lab {lab} is not up")).hint("vpclab up brings it up"))?;
    let key = super::iam::ensure_key(&running, user)?;
    Ok(CloudServed { access_key_id: key.id, secret_access_key: key.secret, ..served })
}

/// What clients of AWS are told by. Of the two names of the region some read one, some the other.
pub fn aws(served: &CloudServed) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", format!("http://{}", served.address)),
        ("AWS_ACCESS_KEY_ID", served.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", served.secret_access_key.clone()),
        ("AWS_REGION", served.region.clone()),
        ("AWS_DEFAULT_REGION", served.region.clone()),
    ]
}

/// As one word of a POSIX shell, whatever it holds.
pub fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,".contains(c);
    if !value.is_empty() && value.chars().all(plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_one_word() {
        assert_eq!(quoted("/home/me/shop.yaml"), "/home/me/shop.yaml");
        assert_eq!(quoted("/my labs/$shop"), "'/my labs/$shop'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
