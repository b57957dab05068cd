//! What is to be done with containers while nobody asks: ends that nobody noticed, restarts, removals.

use std::collections::BTreeSet;

use sandbox::container::spec::Attach;

use super::error::{Error, Result};
use super::folder::Held;
use super::id::Id;
use super::lab::Engine;
use super::life::{has_come, moment, pause_before};
use super::record::{Record, Status};
use super::time::Moment;
use crate::network::hold;

/// Who has places on record, and so may hold ports.
fn holders(records: &[Record]) -> BTreeSet<&str> {
    let placed = records.iter().filter(|record| !record.endpoints.is_empty());
    placed.map(|record| record.id.as_str()).collect()
}

impl Engine {
    /// Whatever was noticed by nobody: brings every record to what the holder says, and starts and removes what is due.
    /// Answers what went wrong, by container.
    pub fn tend(&self, now: Moment) -> Result<Vec<(String, Error)>> {
        let running: Vec<String> = self
            .client
            .list_instances()?
            .into_iter()
            .map(|instance| instance.key)
            .collect();
        let containers = self.client.list_containers()?;
        let mut failures = Vec::new();
        let records = self.folder.list()?;
        for instance in hold::instances_with_others(&self.client, &holders(&records))? {
            let _lock = self.folder.lock_network(&instance)?;
            // Nobody starts one now: what is on no record is of a command that died.
            hold::forget_others(&self.client, &instance, &holders(&self.folder.list()?))?;
        }
        for record in records {
            let status = containers
                .iter()
                .find(|status| status.key == record.id.as_str());
            let is_due = record.state.restart_at.is_some_and(|at| has_come(at, now))
                && running.contains(&record.instance);
            let has_ended = record.state.status.is_alive()
                && status.is_none_or(|status| status.ended.is_some());
            let is_unnoticed = status.is_some_and(|status| {
                record.state.started.is_none_or(|known| known < moment(status.started))
            });
            let is_removable = record.options.auto_remove && record.state.status == Status::Exited;
            // A command died while it gave up its places.
            let has_places = !record.state.status.is_alive() && !record.endpoints.is_empty();
            if !(is_due || has_ended || is_unnoticed || is_removable || has_places || record.state.status == Status::Dead) {
                continue;
            }
            // Whoever has it does what is to be done.
            let Some(held) = self.folder.try_hold(&record.id)? else {
                continue;
            };
            if let Err(error) = self.tend_one(held, now) {
                failures.push((record.name, error));
            }
        }
        Ok(failures)
    }

    /// The same for one container whose end was noticed: its end is on record at once, and it is gone if it was to go.
    pub fn tend_container(&self, id: &Id) -> Result<()> {
        match self.folder.hold(id) {
            Ok(held) => self.tend_one(held, Moment::now()),
            // Somebody else removed it.
            Err(Error::NoContainer(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The same unless somebody has it; whether it was free.
    pub fn tend_if_free(&self, id: &Id) -> Result<bool> {
        match self.folder.try_hold(id) {
            Ok(Some(held)) => self.tend_one(held, Moment::now()).map(|()| true),
            Ok(None) => Ok(false),
            Err(Error::NoContainer(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn tend_one(&self, mut held: Held, now: Moment) -> Result<()> {
        if held.record.state.status == Status::Dead {
            return self.remove_held(held, true);
        }
        self.settle(&mut held)?;
        let state = &held.record.state;
        if held.record.options.auto_remove && state.status == Status::Exited {
            return self.remove_held(held, true);
        }
        if state.status == Status::Restarting && state.restart_at.is_some_and(|at| has_come(at, now)) {
            let restarts = state.restarts;
            let policy = held.record.options.restart;
            if let Err(error) = self.start_held(&mut held, Attach::default()) {
                // What cannot be started now may be later: the program's disk may have room again.
                if let Some(pause) = pause_before(policy, 1, false, restarts, false) {
                    let state = &mut held.record.state;
                    state.status = Status::Restarting;
                    state.restarts = restarts.saturating_add(1);
                    state.restart_at = Some(now.after(pause));
                    held.save()?;
                }
                return Err(error);
            }
        }
        Ok(())
    }
}
