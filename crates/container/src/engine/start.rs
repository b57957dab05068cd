//! A container is started: its root, its network and its program, and what is on record of it.

use sandbox::container::StartedContainer;
use sandbox::container::spec::Attach;

use super::error::{Error, Result};
use super::folder::Held;
use super::id::Id;
use super::joining::{self, Gate, Joining};
use super::lab::Engine;
use super::life::{is_unknown, moment, wrong};
use super::owners;
use super::record::{HealthState, Record, Status};
use super::spec;
use crate::network::NetworkMode;

/// A container that was started.
#[derive(Debug)]
pub struct Started {
    /// As it is now.
    pub record: Record,
    /// Its streams, its end to wait for, and what could not be had.
    pub container: StartedContainer,
}

impl Engine {
    /// Starts a container; `attach` hears it from its first byte. Errors: it runs already; [`Error::NotStarted`].
    pub fn start(&self, id: &Id, attach: Attach) -> Result<Started> {
        let mut held = self.folder.hold(id)?;
        self.settle(&mut held)?;
        match held.record.state.status {
            Status::Running => return Err(wrong(&held.record, "it was started already")),
            Status::Paused => return Err(wrong(&held.record, "unpause it first")),
            _ => {}
        }
        let before = held.record.state.clone();
        held.record.state.restarts = 0;
        held.record.state.is_stopped = false;
        let started = self.start_held(&mut held, attach);
        if started.is_err() && before.status == Status::Restarting {
            // Who tries it by hand in between ends none of the tries that its policy has left.
            let state = &mut held.record.state;
            (state.status, state.restarts) = (Status::Restarting, before.restarts);
            state.restart_at = before.restart_at;
            held.save()?;
        }
        started
    }

    /// Starts one that is held and does not run.
    pub(super) fn start_held(&self, held: &mut Held, attach: Attach) -> Result<Started> {
        let started = self.launch(held, attach).map_err(|error| match self.is_up(&held.record.instance) {
            Ok(false) => Error::Conflict(format!("the instance of container {} does not run", held.record.name)),
            _ => error,
        });
        let state = &mut held.record.state;
        state.restart_at = None;
        match started {
            Ok(container) => {
                state.status = Status::Running;
                state.pid = container.instance_pid;
                state.started = Some(moment(container.started));
                (state.exit_code, state.oom_killed, state.error) = (0, false, String::new());
                state.health = held
                    .record
                    .settings
                    .health
                    .as_ref()
                    .map(|_| HealthState::starting());
                held.save()?;
                self.note(&held.record, "start");
                Ok(Started {
                    record: held.record.clone(),
                    container,
                })
            }
            Err(error) => {
                if let Error::NotStarted { code, why } = &error {
                    (state.exit_code, state.error) = (*code, why.clone());
                }
                if state.status == Status::Restarting {
                    state.status = Status::Exited;
                }
                let undone = self.disconnect(held);
                held.save()?;
                undone?;
                Err(error)
            }
        }
    }

    fn launch(&self, held: &mut Held, attach: Attach) -> Result<StartedContainer> {
        if held.record.state.started.is_some() {
            // The end of its last run is on record; the holder may forget it.
            match self.client.remove_container(held.record.id.as_str()) {
                Ok(()) => {}
                Err(error) if is_unknown(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let joining = match &held.record.options.network {
            NetworkMode::Bridge(_) => Some(Joining::begin(self, &held.record)?),
            _ => None,
        };
        let other = match &held.record.options.network {
            NetworkMode::Container(text) => Some(self.network_of(&held.record, text)?),
            _ => None,
        };
        let image = self.store.find(&held.record.image.id.to_string())?;
        let lower = owners::stack(&self.store, &image, self.instance_ids()?)?;
        let (chosen, names) = match joining {
            Some(joining) => {
                let (chosen, names) = joining.choose(held)?;
                (Some(chosen), names)
            }
            None => (None, self.names_without(&held.record)?),
        };
        let spec = spec::spec(
            &held.record,
            &self.folder,
            &self.volumes,
            lower,
            names,
            other,
        )?;
        let started = match chosen {
            None => self.client.start_container(&spec, attach),
            Some(chosen) => {
                let gate = Gate::new()?;
                let starting = self.client.begin_start(&spec, attach, Some(gate.theirs))?;
                if let Err(error) = chosen.make(held) {
                    drop(gate.ours);
                    // It ends before anything of it is taken back.
                    let _ = starting.finish();
                    return Err(error);
                }
                joining::open(&gate.ours);
                starting.finish()
            }
        };
        started.map_err(|error| not_started(&error))
    }

    /// The id of the container whose network another one has.
    fn network_of(&self, record: &Record, text: &str) -> Result<String> {
        let other = self.find(text, Some(&record.instance))?;
        if other.id == record.id {
            return Err(Error::Conflict(
                "a container cannot have its own network".into(),
            ));
        }
        if !self
            .client
            .container_status(other.id.as_str())
            .is_ok_and(|status| status.ended.is_none())
        {
            return Err(Error::Conflict(format!(
                "cannot join the network of container {}: it does not run",
                other.name
            )));
        }
        Ok(other.id.as_str().to_owned())
    }
}

/// Why a program was not started, with the code that `docker run` ends with.
pub(super) fn not_started(error: &sandbox::Error) -> Error {
    Error::NotStarted {
        code: error.docker_code(),
        why: error.to_string(),
    }
}
