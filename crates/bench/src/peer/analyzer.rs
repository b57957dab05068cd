//! Analyzers written in Python, each in a virtual environment of its own (`make bench-peers` makes them): run on a folder,
//! bounded in time, what they say read back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::Result;

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

/// What it said, and what it took; seconds.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its version.
    pub version: String,
    /// From what it has read to the answer.
    pub answer: f64,
    /// Reading.
    pub load: f64,
    /// From the start of its process to the end, without what only our own questions cost beside the timed one.
    pub whole: f64,
    /// A line for each sender, a digit for each receiver: 1 open, 0 not, ? not known; by packet.
    pub pairs: BTreeMap<String, Vec<String>>,
}

/// How a run ended.
pub enum Ended {
    /// With an answer.
    Said(Box<Said>),
    /// Not within the time.
    TooLong,
}

impl Analyzer {
    /// The Python of its environment below a folder, if it is there.
    pub fn python(&self, environments: &Path) -> Option<PathBuf> {
        // Not the file that the link leads to: the environment is told by the link's place.
        Some(environments.join(self.name).join("bin/python")).filter(|python| python.exists())
    }

    /// Runs it on a folder. Errors: it failed, in its own words.
    pub fn run(&self, python: &Path, folder: &Path, packets: &[&str], most: Duration) -> Result<Ended> {
        let beside = tempfile::tempdir()?;
        let [script, target, remarks] = ["ask.py", "answer.json", "remarks"].map(|name| beside.path().join(name));
        std::fs::write(&script, self.script)?;
        let mut command = Command::new(python);
        command.arg("-I").arg(&script).arg(folder).arg(&target).args(packets);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&remarks)?);
        let start = Instant::now();
        let mut child = command.spawn()?;
        let Some(status) = wait(&mut child, most)? else { return Ok(Ended::TooLong) };
        let whole = start.elapsed().as_secs_f64();
        if !status.success() {
            return Err(format!("{}: {status}: {}", self.name, std::fs::read_to_string(&remarks)?.trim()).into());
        }
        let answer: Value = serde_json::from_str(&std::fs::read_to_string(&target)?)?;
        let seconds = |key: &str| answer[key].as_f64().ok_or_else(|| format!("{}: no `{key}` in its answer", self.name));
        Ok(Ended::Said(Box::new(Said {
            version: answer["version"].as_str().unwrap_or_default().to_owned(),
            answer: seconds("answer")?,
            load: seconds("load")?,
            whole: whole - seconds("beside")?,
            pairs: serde_json::from_value(answer["pairs"].clone())?,
        })))
    }
}

/// Waits for a process of ours; `None`: it took too long and was ended.
fn wait(child: &mut Child, most: Duration) -> std::io::Result<Option<std::process::ExitStatus>> {
    let end = Instant::now() + most;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_takes_too_long_is_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        assert!(wait(&mut child, Duration::from_millis(20)).expect("waited").is_none());
        assert!(child.try_wait().expect("gone").is_some());
        let mut child = Command::new("true").spawn().expect("true");
        assert!(wait(&mut child, Duration::from_secs(20)).expect("waited").is_some_and(|status| status.success()));
    }
}
