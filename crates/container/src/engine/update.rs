//! What may be changed of a container that is there: when it is started again, and what it may use.

use super::error::{Error, Result};
use super::id::Id;
use super::lab::Engine;
use super::options::{Options, RestartPolicy};
use super::spec;

/// The least memory that a container may be limited to, as Docker has it.
const LEAST_MEMORY: u64 = 6 << 20;

/// What is to be changed; the rest stays. Within, `None` takes a limit away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Update {
    /// When it is started again.
    pub restart: Option<RestartPolicy>,
    /// Memory, bytes.
    pub memory_bytes: Option<Option<u64>>,
    /// Time of processors in hundredths of one.
    pub cpu_percent: Option<Option<u32>>,
    /// Processes and threads.
    pub processes: Option<Option<u64>>,
}

impl Update {
    /// What it makes of options.
    fn apply(&self, options: &mut Options) -> Result<()> {
        if let Some(restart) = self.restart {
            if options.auto_remove && restart != RestartPolicy::No {
                let why = "Restart policy cannot be updated because AutoRemove is enabled for the container";
                return Err(Error::Conflict(why.into()));
            }
            options.restart = restart;
        }
        if let Some(memory) = self.memory_bytes {
            if let Some(bytes) = memory.filter(|bytes| *bytes < LEAST_MEMORY) {
                return Err(Error::option("--memory", bytes.to_string(), "minimum memory limit allowed is 6MB"));
            }
            options.memory_bytes = memory;
        }
        if let Some(share) = self.cpu_percent {
            options.cpu_percent = share;
        }
        if let Some(processes) = self.processes {
            options.processes = processes;
        }
        Ok(())
    }

    fn changes_limits(&self) -> bool {
        self.memory_bytes.is_some() || self.cpu_percent.is_some() || self.processes.is_some()
    }
}

impl Engine {
    /// Changes a container, at once where it runs. Answers what is written down and cannot be enforced. Errors: what makes no
    /// sense; the kernel refuses a limit, and nothing is changed then.
    pub fn update(&self, id: &Id, update: &Update) -> Result<Vec<String>> {
        let mut held = self.folder.hold(id)?;
        self.settle(&mut held)?;
        let mut options = held.record.options.clone();
        update.apply(&mut options)?;
        let mut warnings = Vec::new();
        if update.changes_limits() && held.record.state.status.is_alive() {
            match self.client.container_status(id.as_str())?.cgroup {
                Some(cgroup) => sandbox::container::limit(&cgroup, &spec::limits(&options))
                    .map_err(Error::io(format!("limiting container {}", held.record.name)))?,
                None => warnings.push(
                    "no part of the tree of control groups was given to this user: limits are written down and not enforced".to_owned(),
                ),
            }
        }
        held.record.options = options;
        held.save()?;
        Ok(warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_stays_and_nothing_takes_a_limit_away() {
        let mut options = Options { memory_bytes: Some(1 << 30), processes: Some(10), cpu_percent: Some(50), ..Options::default() };
        let update = Update { memory_bytes: Some(None), processes: Some(Some(20)), ..Update::default() };
        update.apply(&mut options).unwrap();
        assert_eq!((options.memory_bytes, options.processes, options.cpu_percent), (None, Some(20), Some(50)));
        assert!(update.changes_limits() && !Update { restart: Some(RestartPolicy::Always), ..Update::default() }.changes_limits());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut options = Options { auto_remove: true, ..Options::default() };
        let again = Update { restart: Some(RestartPolicy::Always), ..Update::default() };
        assert!(again.apply(&mut options).unwrap_err().to_string().contains("AutoRemove"));
        let little = Update { memory_bytes: Some(Some(1 << 20)), ..Update::default() };
        assert!(little.apply(&mut options).unwrap_err().to_string().contains("6MB"));
    }
}
