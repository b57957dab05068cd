//! `env`: the lines that make every later command of a shell mean this lab, wherever the shell goes. Starts nothing.

use std::process::ExitCode;

use clap::Args;
use control::api::CloudServed;
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
    if let Some(path) = source::find_if_any(None, global)?.filter(|path| path.to_str() != Some("-")) {
        let path = std::path::absolute(&path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
        settings.push(("VPCLAB_FILE", path.display().to_string()));
    }
    let lab = match named(global)? {
        Some(name) => Some(name),
        None => Running::only()?.map(|lab| lab.name),
    };
    if let Some(lab) = lab {
        let served = daemon_of_labs()?.map(|daemon| daemon.cloud(&lab)).transpose()?.flatten();
        let served = match (served, &arguments.user) {
            (Some(served), Some(user)) => Some(with_key_of(served, user, &lab)?),
            (None, Some(_)) => {
                let failure = Failure::usage(format!("clients of AWS are not answered for lab {lab}"));
                return Err(failure.hint("vpclab serve --ec2 127.0.0.1:0 opens a door for them"));
            }
            (served, None) => served,
        };
        settings.push(("VPCLAB_LAB", lab));
        settings.extend(served.iter().flat_map(aws));
    } else if arguments.user.is_some() {
        return Err(Failure::usage("no lab is up").hint("vpclab up -f FILE brings one up"));
    }
    if output.format == Format::Json {
        let object: Map<String, Value> = settings.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        output.json(&object)?;
        return Ok(ExitCode::SUCCESS);
    }
    settings.iter().for_each(|(name, value)| output.line(format!("export {name}={}", quoted(value))));
    output.line("# eval \"$(vpclab env)\"");
    Ok(ExitCode::SUCCESS)
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
