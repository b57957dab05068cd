//! Flow logs of a lab that is up: what the engine counted is taken from time to time, and records of windows that are over
//! go to disk. What the lab held when this process ended the next one goes on with.

mod files;
mod journal;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fabric::Fabric;
use fabric::flow_log::{Batch, Harvest, Logger};
use model::{FlowLogId, Model, Timestamp};
use serde::{Deserialize, Serialize};

pub use journal::{Entry, Journal, Tail, journals};

/// How often the engine is asked, while some flow log is there.
pub const PERIOD: Duration = Duration::from_secs(5);
/// How old what is kept of open windows may be when nothing was seen: a process that is killed leaves no more than that unknown.
const OLDEST_STATE: u64 = 30;

/// What is kept between processes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    logger: Logger,
    /// Until when everything was counted.
    until: Option<Timestamp>,
}

/// The windows of a lab's flow logs, and the folder that its records go to.
pub struct Recorder {
    folder: PathBuf,
    state: State,
    kept: Option<Timestamp>,
    looked: Option<Instant>,
}

/// Lines of a window that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenWindow {
    /// The flow log.
    pub log: FlowLogId,
    /// Interfaces and lines.
    pub entries: Vec<Entry>,
}

impl Recorder {
    /// The recorder of a lab: with what an earlier process kept, if it can be read.
    pub fn open(folder: PathBuf) -> Recorder {
        let kept = std::fs::read(folder.join("state")).ok();
        let state: State = kept.and_then(|bytes| postcard::from_bytes(&bytes).ok()).unwrap_or_default();
        Recorder { folder, state, kept: None, looked: None }
    }

    /// Whether it is time to ask the engine.
    pub fn is_due(&self) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= PERIOD)
    }

    /// The lab comes up: what was before is over.
    pub fn resume(&mut self, model: &Model, now: Timestamp) {
        self.state.logger.resume(model, now);
        self.state.until = Some(now);
    }

    /// Counts what the engine saw until now, and writes the records of windows that are over.
    pub fn take(&mut self, model: &Model, fabric: &Fabric, harvest: &Harvest, now: Timestamp) -> std::io::Result<()> {
        self.looked = Some(Instant::now());
        // A clock that was set back counts on from where it was.
        let from = self.state.until.unwrap_or(now).min(now);
        self.state.logger.absorb(model, fabric, harvest, from, now);
        self.state.until = Some(now);
        let batches = self.state.logger.close(model, fabric, now);
        let written = batches.iter().try_for_each(|batch| write(&self.folder, model, batch));
        let is_news = !harvest.sightings.is_empty() || !harvest.lost.is_empty() || !batches.is_empty();
        let is_old = self.kept.is_none_or(|kept| now.0.saturating_sub(kept.0) >= OLDEST_STATE);
        if is_news || is_old {
            self.keep(now)?;
        }
        written
    }

    fn keep(&mut self, now: Timestamp) -> std::io::Result<()> {
        let bytes = postcard::to_stdvec(&self.state).map_err(std::io::Error::other)?;
        std::fs::create_dir_all(&self.folder)?;
        let new = self.folder.join("state.new");
        std::fs::write(&new, bytes)?;
        std::fs::rename(new, self.folder.join("state"))?;
        self.kept = Some(now);
        Ok(())
    }

    /// What windows that are not over hold.
    pub fn open_windows(&self, model: &Model, fabric: &Fabric, now: Timestamp) -> Vec<OpenWindow> {
        let batches = self.state.logger.open(model, fabric, now);
        let lines = |batch: &Batch| {
            let format = &model.flow_logs.get(&batch.log)?.format;
            let entry = |record: &fabric::flow_log::Record| Entry { interface: record.interface.clone(), line: record.line(format) };
            Some(OpenWindow { log: batch.log.clone(), entries: batch.records.iter().map(entry).collect() })
        };
        batches.iter().filter_map(lines).collect()
    }
}

/// Writes what a window held, where people read it and where its destination stands.
fn write(folder: &Path, model: &Model, batch: &Batch) -> std::io::Result<()> {
    let Some(log) = model.flow_logs.get(&batch.log) else { return Ok(()) };
    if batch.records.is_empty() {
        return Ok(());
    }
    let entry = |record: &fabric::flow_log::Record| Entry { interface: record.interface.clone(), line: record.line(&log.format) };
    let entries: Vec<Entry> = batch.records.iter().map(entry).collect();
    journal::append(folder, log, &entries)?;
    files::deliver(folder, model, log, batch.end, &entries)
}
