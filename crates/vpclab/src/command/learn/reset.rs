//! `learn reset`: the lab file as it was at the beginning, with a copy of what it is now beside it.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::place::{begun, write_new};
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// Copies of one lab file at most; more of them are not told apart by anybody.
const MOST_COPIES: u32 = 1000;

/// Puts one file back.
pub fn run(name: Option<&str>, is_meant: bool, global: &Global, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let begun = begun(name, global)?;
    let [one] = begun.as_slice() else {
        let names: Vec<&str> = begun.iter().map(|begun| begun.lesson.name).collect();
        return Err(Failure::usage(format!("which lesson? Here are {}", names.join(", ")))
            .hint(format!("vpclab learn reset {}", names[0])));
    };
    let path = &one.path;
    let failed = |error: std::io::Error| Failure::environment(format!("{}: {error}", path.display()));
    let now = std::fs::read(path).map_err(failed)?;
    if now == one.lesson.lab.as_bytes() {
        return say(path, None, output);
    }
    if !is_meant && !is_agreed(path)? {
        return Err(Failure::usage(format!("{} has changes and stays as it is", path.display()))
            .hint("-y says that it is meant; a copy is kept"));
    }
    let copy = keep(path, &now)?;
    std::fs::write(path, one.lesson.lab).map_err(failed)?;
    say(path, Some(&copy), output)
}

/// Asks on a terminal; elsewhere nobody could answer.
fn is_agreed(path: &Path) -> Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    let mut terminal = std::io::stderr();
    let _ = write!(terminal, "put {} back to the beginning? A copy of it is kept. [y/N] ", path.display());
    let _ = terminal.flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::environment(error.to_string()))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Writes the copy under the first name that is free: `hub.cloud.yaml.1`, which no command takes for a lab file.
fn keep(path: &Path, content: &[u8]) -> Result<PathBuf> {
    let text = String::from_utf8_lossy(content);
    for number in 1..=MOST_COPIES {
        let copy = PathBuf::from(format!("{}.{number}", path.display()));
        if write_new(&copy, &text)? {
            return Ok(copy);
        }
    }
    Err(Failure::usage(format!("{MOST_COPIES} copies of {} are there", path.display())).hint("remove some"))
}

fn say(path: &Path, copy: Option<&Path>, output: &Output) -> Result {
    match (output.format, copy) {
        (Format::Json, _) => {
            output.json(&json!({"file": path.display().to_string(), "copy": copy.map(|copy| copy.display().to_string())}))?
        }
        (_, Some(copy)) => {
            output.line(format!("{}: as at the beginning; what it was is {}", path.display(), copy.display()))
        }
        (_, None) => output.line(format!("{}: is as at the beginning", path.display())),
    }
    Ok(ExitCode::SUCCESS)
}
