//! `learn check`: whether the learner's lab file does what the lesson asks for.

use std::process::ExitCode;

use lesson::{Condition, Finding, Language, Trial};
use serde::Serialize;

use super::super::source::{Disk, empty};
use super::place::{Begun, begun};
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// What came of a lesson.
#[derive(Debug, Serialize)]
struct Report {
    lesson: &'static str,
    file: String,
    done: bool,
    /// Why the file is no lab; then nothing was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    conditions: Vec<Checked>,
}

/// What came of a condition.
#[derive(Debug, Serialize)]
struct Checked {
    condition: String,
    holds: bool,
    wanted: String,
    seen: String,
}

/// Exit 1 unless every lesson that is meant is done.
pub fn run(name: Option<&str>, global: &Global, language: Language, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json, Format::Csv])?;
    let begun = begun(name, global, language)?;
    let reports = begun.iter().map(|begun| report(begun, language, output)).collect::<Result<Vec<_>>>()?;
    match output.format {
        Format::Json => output.json(&reports)?,
        Format::Csv => {
            let row = |report: &Report| {
                let met = report.conditions.iter().filter(|checked| checked.holds).count();
                let (done, of) = (if report.done { "yes" } else { "no" }, report.conditions.len());
                vec![report.lesson.to_owned(), report.file.clone(), done.to_owned(), met.to_string(), of.to_string()]
            };
            output.table(&["lesson", "file", "done", "met", "conditions"], &reports.iter().map(row).collect::<Vec<_>>());
        }
        _ => {
            for (at, (begun, report)) in begun.iter().zip(&reports).enumerate() {
                if at > 0 {
                    output.line("");
                }
                people(begun, report, reports.len() == 1, language, output)?;
            }
        }
    }
    Ok(if reports.iter().all(|report| report.done) { ExitCode::SUCCESS } else { exit::NO.into() })
}

fn report(begun: &Begun, language: Language, output: &Output) -> Result<Report> {
    let file = begun.path.display().to_string();
    let conditions = begun.lesson.conditions().map_err(|error| Failure::environment(error.to_string()))?;
    let colour = output.colour() && output.format == Format::Table;
    let cloud = lab::load(&file, &Disk).and_then(|lab| {
        let mut model = empty(&lab);
        lab.apply(&mut model).map(|_| model)
    });
    let model = match cloud {
        Ok(model) => model,
        Err(problems) => {
            let error = Some(problems.render(colour).trim_end().to_owned());
            return Ok(Report { lesson: begun.lesson.name, file, done: false, error, conditions: Vec::new() });
        }
    };
    let trial = Trial::new(model);
    let checked = |condition: Condition| {
        let Finding { holds, seen } = trial.finding(&condition);
        let wanted = condition.sentence().say(language).to_owned();
        Checked { condition: condition.to_string(), holds, wanted, seen: seen.say(language).to_owned() }
    };
    let conditions: Vec<Checked> = conditions.into_iter().map(checked).collect();
    let done = conditions.iter().all(|checked| checked.holds);
    Ok(Report { lesson: begun.lesson.name, file, done, error: None, conditions })
}

fn people(begun: &Begun, report: &Report, is_alone: bool, language: Language, output: &Output) -> Result<()> {
    let (done, not_done, yes, no) = match language {
        Language::English => ("done", "not done yet", "yes", "no "),
        Language::Korean => ("완료", "아직입니다", "예    ", "아니요"),
    };
    output.line(format!("{}: {}", report.lesson, if report.done { done } else { not_done }));
    if let Some(error) = &report.error {
        output.line(error);
    }
    for checked in &report.conditions {
        let seen = if checked.holds { String::new() } else { format!(" ({})", checked.seen) };
        output.line(format!("  {}  {}{seen}", if checked.holds { yes } else { no }, checked.wanted));
    }
    if is_alone && report.error.is_none() {
        let text = super::text(begun.lesson, language)?;
        let (heading, part) = match (report.done, language) {
            (true, Language::English) => ("ANSWER", text.answer),
            (true, Language::Korean) => ("답", text.answer),
            (false, Language::English) => ("HINT", text.hint),
            (false, Language::Korean) => ("힌트", text.hint),
        };
        output.line(format!("\n{heading}\n{part}"));
    }
    if is_alone && report.done {
        let next = lesson::LESSONS.iter().skip_while(|other| other.name != report.lesson).nth(1);
        if let Some(next) = next {
            output.hint(match language {
                Language::English => format!("the next one: vpclab learn {}, in the folder above", next.name),
                Language::Korean => format!("다음 강의는 상위 폴더에서 vpclab learn {}", next.name),
            });
        }
    }
    Ok(())
}
