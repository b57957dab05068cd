//! Analyzers written in Python, each in a virtual environment of its own (`make bench-peers` makes them): run on a folder,
//! bounded in time, what they say read back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::Result;
use crate::machine::spent_by;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Analyzer {
    /// Its package.
    pub name: &'static str,
    /// How it is asked.
    script: &'static str,
}

/// Follows one packet from one interface to one address at a time.
pub const AWS_VPC_ANALYZER: Analyzer = Analyzer { name: "aws-vpc-analyzer", script: include_str!("aws_vpc_analyzer.py") };
/// Network policies: sets of pods, protocols and ports, all at once.
pub const NETWORK_CONFIG_ANALYZER: Analyzer =
    Analyzer { name: "network-config-analyzer", script: include_str!("network_config_analyzer.py") };

/// What it said, and what it took: seconds of the processor. A run of a minute shares a busy machine with others, one of a
/// millisecond does not, so the clock on the wall would flatter the faster.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its version.
    pub version: String,
    /// From what it has read to the answer.
    pub answer: f64,
    /// Reading.
    pub load: f64,
    /// From the start of its process to the answer.
    pub whole: f64,
    /// A line for each sender, a digit for each receiver: 1 open, 0 not, ? not known; by packet.
    pub pairs: BTreeMap<String, Vec<String>>,
}

/// How a run ended.
pub enum Ended {
    /// With an answer.
    Said(Box<Said>),
    /// Not before it was ended, after so many seconds of the processor.
    TooLong(f64),
}

impl Analyzer {
    /// The Python of its environment below a folder, if it is there.
    pub fn python(&self, environments: &Path) -> Option<PathBuf> {
        // Not the file that the link leads to: the environment is told by the link's place.
        Some(environments.join(self.name).join("bin/python")).filter(|python| python.exists())
    }

    /// Runs it on a folder for `most` seconds of the processor. Errors: it failed, in its own words.
    pub fn run(&self, python: &Path, folder: &Path, packets: &[&str], most: f64) -> Result<Ended> {
        let beside = tempfile::tempdir()?;
        let [script, target, remarks] = ["ask.py", "answer.json", "remarks"].map(|name| beside.path().join(name));
        std::fs::write(&script, self.script)?;
        let mut command = Command::new(python);
        command.arg("-I").arg(&script).arg(folder).arg(&target).args(packets);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&remarks)?);
        let mut child = command.spawn()?;
        let status = match wait(&mut child, most, Duration::from_secs_f64(most * PATIENCE))? {
            Waited::Exited(status) => status,
            Waited::Ended(spent) => return Ok(Ended::TooLong(spent)),
        };
        if !status.success() {
            return Err(format!("{}: {status}: {}", self.name, std::fs::read_to_string(&remarks)?.trim()).into());
        }
        let answer: Value = serde_json::from_str(&std::fs::read_to_string(&target)?)?;
        let seconds = |key: &str| answer[key].as_f64().ok_or_else(|| format!("{}: no `{key}` in its answer", self.name));
        Ok(Ended::Said(Box::new(Said {
            version: answer["version"].as_str().unwrap_or_default().to_owned(),
            answer: seconds("answer")?,
            load: seconds("load")?,
            whole: seconds("whole")?,
            pairs: serde_json::from_value(answer["pairs"].clone())?,
        })))
    }
}

/// How the wait for a process was over.
enum Waited {
    Exited(ExitStatus),
    /// By us, after so many seconds of the processor.
    Ended(f64),
}

/// Clock time that a process gets for one second of the processor, at most: it may have to share, not to sleep.
const PATIENCE: f64 = 10.0;

/// Waits for a process of ours, for `most` seconds of the processor and no longer than `patience` by the clock.
fn wait(child: &mut Child, most: f64, patience: Duration) -> std::io::Result<Waited> {
    let end = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Waited::Exited(status));
        }
        let spent = spent_by(child.id().cast_signed()) / 1e9;
        if spent > most || Instant::now() > end {
            child.kill()?;
            child.wait()?;
            return Ok(Waited::Ended(spent));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_takes_too_long_is_ended() {
        let run = |program: &str, arguments: &[&str], most, patience| {
            let mut child = Command::new(program).args(arguments).spawn().expect("started");
            let waited = wait(&mut child, most, Duration::from_millis(patience)).expect("waited");
            assert!(child.try_wait().expect("known").is_some(), "{program} is gone");
            waited
        };
        assert!(matches!(run("sleep", &["60"], 10.0, 200), Waited::Ended(spent) if spent < 10.0), "it sleeps");
        let busy = run("sh", &["-c", "while :; do :; done"], 0.05, 3_600_000);
        assert!(matches!(busy, Waited::Ended(spent) if spent > 0.05), "it works");
        assert!(matches!(run("true", &[], 20.0, 3_600_000), Waited::Exited(status) if status.success()));
    }
}
