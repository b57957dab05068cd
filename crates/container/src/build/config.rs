//! Instructions that change what an image says of itself, and none of its files.

use std::collections::BTreeMap;

use super::dockerfile::Instruction;
use super::dockerfile::instruction::{Command, Health};
use super::dockerfile::line::Source;
use super::error::{Error, Result};
use super::reading::{Reading, Scope};
use crate::engine::words;
use crate::network::parse_exposed;
use crate::oci::{Healthcheck, Process};

/// What runs lines where nobody says so.
pub const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// Changes what `process` says as an instruction wants, and answers how the history tells it; none where the instruction does
/// something else. `is_command_given`: a `CMD` came before it in the same stage.
pub fn apply(
    process: &mut Process,
    instruction: &Instruction,
    is_command_given: &mut bool,
    reading: &Reading,
) -> Result<Option<String>> {
    Ok(Some(match instruction {
        Instruction::Env(pairs) => {
            let mut told = String::from("ENV");
            // All of them see the variables as they were before.
            let mut new = Vec::new();
            for (name, value) in pairs {
                new.push((reading.word(name)?, reading.word(value)?));
            }
            let all = process.env.get_or_insert_default();
            for (name, value) in new {
                if name.is_empty() {
                    return Err(reading.mistake(&pairs[0].0, "ENV names can not be blank").into());
                }
                told.push_str(&format!(" {name}={value}"));
                set_variable(all, &name, &value);
            }
            told
        }
        Instruction::Label(pairs) => {
            let mut told = String::from("LABEL");
            for (name, value) in pairs {
                let (name, value) = (reading.word(name)?, reading.word(value)?);
                told.push_str(&format!(" {name}={value}"));
                process.labels.get_or_insert_default().insert(name, value);
            }
            told
        }
        Instruction::Cmd(command) => {
            *is_command_given = true;
            let words = words_of(process, command);
            let told = format!("CMD {}", json(&words));
            process.cmd = Some(words);
            told
        }
        Instruction::Entrypoint(command) => {
            let words = words_of(process, command);
            let told = format!("ENTRYPOINT {}", json(&words));
            process.entrypoint = Some(words);
            // The base image's command would be arguments of another program.
            if !*is_command_given {
                process.cmd = None;
            }
            told
        }
        Instruction::Workdir(word) => {
            let path = directory(process, &reading.word(word)?).map_err(|why| reading.mistake(word, why))?;
            process.working_dir = Some(path.clone());
            format!("WORKDIR {path}")
        }
        Instruction::User(word) => {
            let user = reading.word(word)?;
            if user.is_empty() {
                return Err(reading.mistake(word, "USER requires a name or a number").into());
            }
            process.user = Some(user.clone());
            format!("USER {user}")
        }
        Instruction::Volume(paths) => {
            let mut told = Vec::new();
            for word in paths {
                let path = reading.word(word)?;
                if path.trim().is_empty() {
                    return Err(reading.mistake(word, "VOLUME specified can not be an empty string").into());
                }
                let path = directory(process, &path).map_err(|why| reading.mistake(word, why))?;
                process.volumes.get_or_insert_default().insert(path.clone(), serde_json::json!({}));
                told.push(path);
            }
            format!("VOLUME {}", json(&told))
        }
        Instruction::Expose(ports) => {
            let mut told = Vec::new();
            for word in ports {
                for text in reading.word(word)?.split_whitespace() {
                    let ports = parse_exposed(text).map_err(|error| reading.mistake(word, error.to_string()))?;
                    for port in ports {
                        process.exposed_ports.get_or_insert_default().insert(port.to_string(), serde_json::json!({}));
                    }
                    told.push(text.to_owned());
                }
            }
            format!("EXPOSE {}", told.join(" "))
        }
        Instruction::StopSignal(word) => {
            let signal = reading.word(word)?;
            words::signal(&signal).map_err(|_| {
                let mistake = reading.mistake(word, format!("`{signal}` is no signal"));
                mistake.with_hint("a name such as SIGTERM, or a number")
            })?;
            process.stop_signal = Some(signal.clone());
            format!("STOPSIGNAL {signal}")
        }
        Instruction::Healthcheck(health) => {
            process.healthcheck = Some(healthcheck(health));
            let test = process.healthcheck.as_ref().and_then(|check| check.test.clone()).unwrap_or_default();
            format!("HEALTHCHECK {}", json(&test))
        }
        Instruction::Shell(words) => {
            process.shell = Some(words.clone());
            format!("SHELL {}", json(words))
        }
        Instruction::OnBuild(inner) => {
            process.on_build.get_or_insert_default().push(inner.text.clone());
            format!("ONBUILD {}", inner.text)
        }
        _ => return Ok(None),
    }))
}

/// Sets `NAME=VALUE` where it is, or at the end.
pub fn set_variable(all: &mut Vec<String>, name: &str, value: &str) {
    let new = format!("{name}={value}");
    match all.iter_mut().find(|one| one.split('=').next() == Some(name)) {
        Some(held) => *held = new,
        None => all.push(new),
    }
}

/// The words that a command comes to; a line is given to the image's shell.
pub fn words_of(process: &Process, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(line) => {
            let default = || SHELL.map(str::to_owned).to_vec();
            let mut words = process.shell.clone().unwrap_or_else(default);
            words.push(line.clone());
            words
        }
    }
}

/// An absolute path, seen from the image's working directory.
pub fn directory(process: &Process, path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Err("the path is empty".into());
    }
    let from = process.working_dir.as_deref().filter(|from| from.starts_with('/')).unwrap_or("/");
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{from}/{path}") };
    words::inside("path", &whole).map_err(|error| error.to_string())
}

fn healthcheck(health: &Health) -> Healthcheck {
    let mut check = Healthcheck::default();
    match health {
        Health::None => check.test = Some(vec!["NONE".into()]),
        Health::Check { command, interval, timeout, start_period, start_interval, retries } => {
            check.test = Some(match command {
                Command::Exec(words) => [&["CMD".to_owned()], &words[..]].concat(),
                Command::Shell(line) => vec!["CMD-SHELL".into(), line.clone()],
            });
            (check.interval, check.timeout, check.retries) = (*interval, *timeout, *retries);
            (check.start_period, check.start_interval) = (*start_period, *start_interval);
        }
    }
    check
}

/// Words as a list of JSON, as the history tells them.
pub fn json(words: &[String]) -> String {
    serde_json::to_string(words).unwrap_or_default()
}

/// Changes `process` as the lines of `commit --change` say.
pub fn apply_changes(process: &mut Process, changes: &[String]) -> Result<Vec<String>> {
    let (mut told, mut is_command_given) = (Vec::new(), false);
    for text in changes {
        let step = super::dockerfile::change(text)?;
        let source = Source { name: "--change".into(), lines: vec![text.trim().to_owned()] };
        let scope = Scope { process: process.clone(), arguments: BTreeMap::new() };
        let lookup = |name: &str| scope.value(name);
        let reading = Reading { source: &source, line: &step.line, escape: '\\', lookup: &lookup };
        let done = apply(process, &step.instruction, &mut is_command_given, &reading)?;
        let Some(done) = done else {
            return Err(Error::Option {
                option: "--change",
                why: format!("`{text}` changes nothing of an image's configuration"),
            });
        };
        told.push(done);
    }
    Ok(told)
}
