//! Results as lines for people and as JSON for programs.

use std::io::{self, Write};

use serde::Serialize;

/// How a scenario ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As expected.
    Passed,
    /// Otherwise, or not executable.
    Failed,
    /// The engine does not serve the kind.
    Skipped,
}

/// The result of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScenarioResult {
    /// Its id.
    pub id: String,
    /// The engine.
    pub engine: String,
    /// How it ended.
    pub status: Status,
    /// What was expected of the step that failed.
    pub expected: Option<String>,
    /// What came of it.
    pub got: Option<String>,
    /// Why it failed or was skipped, with its place.
    pub reason: Option<String>,
    /// Its title; in lines only.
    #[serde(skip)]
    pub title: String,
}

/// The results of a run, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// One a scenario.
    pub results: Vec<ScenarioResult>,
}

impl Report {
    /// How many scenarios ended so.
    pub fn count(&self, status: Status) -> usize {
        self.results.iter().filter(|result| result.status == status).count()
    }

    /// Exit code of the command: 0 if nothing failed, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.count(Status::Failed) > 0)
    }

    /// The closing line.
    pub fn summary(&self) -> String {
        let [passed, failed, skipped] = [Status::Passed, Status::Failed, Status::Skipped].map(|s| self.count(s));
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }

    /// Writes `[{"id","engine","status","expected","got","reason"}]`.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, &self.results)?;
        writeln!(out)
    }
}

impl ScenarioResult {
    /// Writes a line, and for a failure what was expected and what came.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let word = match self.status {
            Status::Passed => "ok  ",
            Status::Failed => "FAIL",
            Status::Skipped => "skip",
        };
        writeln!(out, "{}", format!("{word} {} {}", self.id, self.title).trim_end())?;
        let details = [("expected", &self.expected), ("got", &self.got), ("reason", &self.reason)];
        for (name, detail) in details.into_iter().filter(|_| self.status != Status::Passed) {
            if let Some(detail) = detail {
                writeln!(out, "       {:<9} {detail}", format!("{name}:"))?;
            }
        }
        Ok(())
    }
}
