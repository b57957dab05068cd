//! Running scenarios on an engine.

mod analyze;
mod api;
mod call;
mod flow_log;
mod interpreter;
pub mod outcome;
mod probe;
pub mod report;
mod scope;

use std::io::{self, Write};
use std::path::PathBuf;

pub use report::{Report, ScenarioResult, Status};

use crate::engine::{EngineName, StartError};
use crate::scenario::{Corpus, LoadError, Scenario};

/// What a run shows and which scenarios it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Only these ids; all if empty.
    pub filter: Vec<String>,
    /// JSON in place of lines.
    pub json: bool,
}

/// Why nothing could be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The engine does not start on this machine.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The output cannot be written.
    #[error("cannot write the report: {0}")]
    Output(#[from] io::Error),
    /// No scenario has this id.
    #[error("no scenario has the id `{0}`")]
    NoSuchScenario(String),
    /// The files hold no scenario at all.
    #[error("there is no scenario in the given files")]
    Empty,
}

/// Runs the scenarios of files on an engine and writes a line for each as it ends.
pub fn run(paths: &[PathBuf], engine: EngineName, options: &Options, out: &mut dyn Write) -> Result<Report, RunError> {
    let corpus = Corpus::load(paths)?;
    run_corpus(&corpus, engine, options, out)
}

/// The same for a corpus that is already read.
pub fn run_corpus(
    corpus: &Corpus,
    engine: EngineName,
    options: &Options,
    out: &mut dyn Write,
) -> Result<Report, RunError> {
    if corpus.scenarios.is_empty() {
        return Err(RunError::Empty);
    }
    if let Some(missing) = options.filter.iter().find(|id| !corpus.scenarios.iter().any(|s| s.id == **id)) {
        return Err(RunError::NoSuchScenario(missing.clone()));
    }
    run_on(corpus, engine, &mut None, options, out)
}

/// The same on an engine that runs already, or that starts with the first scenario that it serves.
pub fn run_on(
    corpus: &Corpus,
    engine: EngineName,
    running: &mut Running,
    options: &Options,
    out: &mut dyn Write,
) -> Result<Report, RunError> {
    let wanted = |scenario: &&Scenario| options.filter.is_empty() || options.filter.contains(&scenario.id);
    let mut report = Report::default();
    for scenario in corpus.scenarios.iter().filter(wanted) {
        let result = run_one(corpus, scenario, engine, running)?;
        if !options.json {
            result.write(out)?;
        }
        report.results.push(result);
    }
    match options.json {
        true => report.write_json(out)?,
        false => writeln!(out, "{}", report.summary())?,
    }
    out.flush()?;
    Ok(report)
}

/// An engine that runs, if one does.
pub type Running = Option<Box<dyn fabric::Engine>>;

fn run_one(
    corpus: &Corpus,
    scenario: &Scenario,
    name: EngineName,
    running: &mut Running,
) -> Result<ScenarioResult, StartError> {
    let mut result = ScenarioResult {
        id: scenario.id.clone(),
        engine: name.as_str().to_owned(),
        status: Status::Passed,
        expected: None,
        got: None,
        reason: None,
        title: scenario.title.clone(),
    };
    // Faulty text fails on every engine; only what is understood can be beyond an engine.
    if scenario.body.is_ok() && !name.serves(scenario.kind) {
        result.status = Status::Skipped;
        result.reason = Some(format!("engine {} does not serve scenarios of kind {}", name.as_str(), scenario.kind.as_str()));
        return Ok(result);
    }
    if let Err(fault) = &scenario.body {
        result.status = Status::Failed;
        result.reason = Some(format!("{}:{}: {fault}", scenario.place.file, fault.line));
        return Ok(result);
    }
    let engine = match running {
        Some(engine) => engine,
        None => running.insert(name.start()?),
    };
    if let Err(mismatch) = interpreter::run(corpus, scenario, engine.as_mut()) {
        let text = |text: String| (!text.is_empty()).then_some(text);
        result.status = Status::Failed;
        (result.expected, result.got, result.reason) =
            (text(mismatch.expected), text(mismatch.got), text(mismatch.reason));
    }
    Ok(result)
}
