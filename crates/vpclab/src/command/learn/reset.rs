//! `learn reset`: the lab file as it was at the beginning, with a copy of what it is now beside it.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lesson::Language;
use serde_json::json;

use super::place::{begun, write_new};
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// Copies of one lab file at most; more of them are not told apart by anybody.
const MOST_COPIES: u32 = 1000;

/// Puts one file back.
pub fn run(name: Option<&str>, is_meant: bool, global: &Global, language: Language, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let begun = begun(name, global, language)?;
    let [one] = begun.as_slice() else {
        let names: Vec<&str> = begun.iter().map(|begun| begun.lesson.name).collect();
        let which = match language {
            Language::English => format!("which lesson? Here are {}", names.join(", ")),
            Language::Korean => format!("어느 강의인가요? 여기에는 {} 강의가 있습니다", names.join(", ")),
        };
        return Err(Failure::usage(which).hint(format!("vpclab learn reset {}", names[0])));
    };
    let path = &one.path;
    let failed = |error: std::io::Error| Failure::environment(format!("{}: {error}", path.display()));
    let now = std::fs::read(path).map_err(failed)?;
    if now == one.lesson.lab.as_bytes() {
        return say(path, None, language, output);
    }
    if !is_meant && !is_agreed(path, language)? {
        let shown = path.display();
        return Err(match language {
            Language::English => {
                Failure::usage(format!("{shown} has changes and stays as it is")).hint("-y says that it is meant; a copy is kept")
            }
            Language::Korean => {
                Failure::usage(format!("{shown}: 고친 내용이 있어 그대로 두었습니다")).hint("정말 되돌리려면 -y를 붙이세요. 복사본은 남겨 둡니다")
            }
        });
    }
    let copy = keep(path, &now)?;
    std::fs::write(path, one.lesson.lab).map_err(failed)?;
    say(path, Some(&copy), language, output)
}

/// Asks on a terminal; elsewhere nobody could answer.
fn is_agreed(path: &Path, language: Language) -> Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    let mut terminal = std::io::stderr();
    let shown = path.display();
    let _ = match language {
        Language::English => write!(terminal, "put {shown} back to the beginning? A copy of it is kept. [y/N] "),
        Language::Korean => write!(terminal, "{shown} 파일을 처음으로 되돌릴까요? 복사본은 남겨 둡니다. [y/N] "),
    };
    let _ = terminal.flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::environment(error.to_string()))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "예" | "네"))
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

fn say(path: &Path, copy: Option<&Path>, language: Language, output: &Output) -> Result {
    let shown = path.display();
    match (output.format, copy, language) {
        (Format::Json, ..) => {
            output.json(&json!({"file": shown.to_string(), "copy": copy.map(|copy| copy.display().to_string())}))?
        }
        (_, Some(copy), Language::English) => {
            output.line(format!("{shown}: as at the beginning; what it was is {}", copy.display()))
        }
        (_, Some(copy), Language::Korean) => {
            output.line(format!("{shown}: 처음으로 되돌렸습니다. 고쳤던 파일은 {}에 있습니다", copy.display()))
        }
        (_, None, Language::English) => output.line(format!("{shown}: is as at the beginning")),
        (_, None, Language::Korean) => output.line(format!("{shown}: 이미 처음 그대로입니다")),
    }
    Ok(ExitCode::SUCCESS)
}
