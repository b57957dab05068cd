//! `GET /containers/{id}/top`: a table of processes as ps(1) would print it.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use container::engine::processes::ProcessRow;
use serde_json::{Value, json};

use super::list::find_fresh;
use crate::error::{Failure, Result};
use crate::query::Query;
use crate::state::{Api, blocking};

/// A column: how ps calls it, its title.
const COLUMNS: [(&[&str], &str); 11] = [
    (&["uid", "euid", "ruid"], "UID"),
    (&["user", "euser", "ruser", "uname"], "USER"),
    (&["pid", "tgid"], "PID"),
    (&["ppid"], "PPID"),
    (&["time", "cputime"], "TIME"),
    (&["rss", "rssize", "rsz"], "RSS"),
    (&["tty", "tt", "tname"], "TTY"),
    (&["cmd"], "CMD"),
    (&["args", "command"], "COMMAND"),
    (&["comm", "ucmd"], "COMMAND"),
    (&["c"], "C"),
];

pub(super) async fn top(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<Json<Value>> {
    blocking(&api, move |docker| {
        let columns = columns(query.get("ps_args").unwrap_or("-ef"))?;
        let record = find_fresh(docker, &id)?;
        if !record.state.status.is_alive() {
            return Err(Failure::conflict(format!("container {} is not running", record.id)));
        }
        let rows = docker.engine.processes(&record)?;
        let titles: Vec<&str> = columns.iter().map(|(_, title)| title.as_str()).collect();
        let rows: Vec<Vec<String>> = rows.iter().map(|row| columns.iter().map(|(name, _)| field(name, row)).collect()).collect();
        Ok(Json(json!({"Titles": titles, "Processes": rows})))
    })
    .await
}

/// Columns by name with their titles. Errors: 400 for options of ps that are not read here.
fn columns(arguments: &str) -> Result<Vec<(String, String)>> {
    let named = |names: &[&str]| names.iter().map(|name| column(name)).collect::<Result<Vec<_>>>();
    let mut all = Vec::new();
    let mut words = arguments.split_whitespace().peekable();
    while let Some(word) = words.next() {
        match word {
            "-ef" | "-e" | "-f" | "-A" | "ef" => all.extend(named(&["uid", "pid", "ppid", "c", "tty", "time", "cmd"])?),
            "aux" | "-aux" | "u" | "ux" | "ax" | "a" | "x" => all.extend(named(&["user", "pid", "rss", "tty", "time", "command"])?),
            "-o" | "o" | "-eo" | "-Ao" | "axo" | "--format" => {
                let Some(list) = words.next() else {
                    return Err(Failure::bad_request("ps: what is to be shown is missing behind -o"));
                };
                for name in list.split(',').filter(|name| !name.is_empty()) {
                    all.push(match name.split_once('=') {
                        Some((name, title)) => (column(name)?.0, title.to_owned()),
                        None => column(name)?,
                    });
                }
            }
            other if other.starts_with("-o") => all.extend(named(&other[2..].split(',').collect::<Vec<_>>())?),
            other => return Err(Failure::bad_request(format!("ps: {other} is not read here: -ef, aux, or -o with names of columns"))),
        }
    }
    if !all.iter().any(|(name, _)| name == "pid") {
        return Err(Failure::bad_request("Couldn't find PID field in ps output"));
    }
    Ok(all)
}

fn column(name: &str) -> Result<(String, String)> {
    let found = COLUMNS.iter().find(|(names, _)| names.contains(&name.to_ascii_lowercase().as_str()));
    match found {
        Some((names, title)) => Ok((names[0].to_owned(), (*title).to_owned())),
        None => {
            let known: Vec<&str> = COLUMNS.iter().map(|(names, _)| names[0]).collect();
            Err(Failure::bad_request(format!("ps: there is no column {name} here: {}", known.join(", "))))
        }
    }
}

fn field(name: &str, row: &ProcessRow) -> String {
    match name {
        "uid" | "user" if row.uid == 0 => "root".to_owned(),
        "uid" | "user" => row.uid.to_string(),
        "pid" => row.pid.to_string(),
        "ppid" => row.parent.to_string(),
        "time" => clock(row.time),
        "rss" => (row.resident / 1024).to_string(),
        "tty" => "?".to_owned(),
        "c" => "0".to_owned(),
        "comm" => {
            let program = row.command.split(' ').next().unwrap_or_default();
            program.rsplit('/').next().unwrap_or(program).to_owned()
        }
        _ => row.command.clone(),
    }
}

fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_ps_say_which_columns() {
        let titles = |text: &str| columns(text).map(|all| all.into_iter().map(|(_, title)| title).collect::<Vec<_>>().join(" "));
        assert_eq!(titles("-ef").unwrap(), "UID PID PPID C TTY TIME CMD");
        assert_eq!(titles("aux").unwrap(), "USER PID RSS TTY TIME COMMAND");
        assert_eq!(titles("-o pid,comm").unwrap(), "PID COMMAND");
        assert_eq!(titles("-eo pid=Number,args").unwrap(), "Number COMMAND");
        for (wrong, words) in [("-o comm", "PID field"), ("-o pid,weather", "weather"), ("-z", "-z"), ("-o", "missing")] {
            assert!(columns(wrong).unwrap_err().message.contains(words), "{wrong}");
        }
    }
}
