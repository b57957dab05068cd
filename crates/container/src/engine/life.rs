//! What happens to a container that was started: stop, kill, pause, restart, removal; and what the holder says of one.

use std::time::{Duration, Instant};

use sandbox::container::spec::{Attach, ContainerEnd, PauseMethod};
use sandbox::{FaultKind, SelfCommand};

use super::error::{Error, Result};
use super::events::Event;
use super::folder::Held;
use super::id::{self, Id};
use super::lab::Engine;
use super::options::RestartPolicy;
use super::record::{Record, Status};
use super::start::Started;
use super::time::Moment;
use crate::network::NetworkMode;

/// SIGKILL and SIGCONT.
const KILL: i32 = 9;
const CONTINUE: i32 = 18;
/// How long the end of a killed container is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// The first pause before a container is started again, the longest one, and how long one must run for the pauses to begin
/// anew: Docker's figures.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const STEADY: Duration = Duration::from_secs(10);

/// Why a container is removed or stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removal {
    /// Also while it runs: it is killed.
    pub force: bool,
    /// Its anonymous volumes too.
    pub volumes: bool,
}

impl Engine {
    /// Brings a record to what the holder says.
    pub fn settle(&self, held: &mut Held) -> Result<()> {
        let is_alive = held.record.state.status.is_alive();
        let end = match self.client.container_status(held.record.id.as_str()) {
            Ok(status) => match status.ended {
                Some(end) => {
                    let started = moment(status.started);
                    if !is_alive && held.record.state.started.is_none_or(|known| known < started) {
                        // A command died between its start and its record, and its program ended since.
                        held.record.state.started = Some(started);
                        return self.note_end(held, Some(end));
                    }
                    Some(end)
                }
                None => {
                    let status_now = if status.paused {
                        Status::Paused
                    } else {
                        Status::Running
                    };
                    if held.record.state.status != status_now {
                        // A command died between its start and its record.
                        let state = &mut held.record.state;
                        (state.status, state.pid) = (status_now, status.instance_pid);
                        state.started = Some(moment(status.started));
                        state.restart_at = None;
                        held.save()?;
                    }
                    return Ok(());
                }
            },
            // Its instance stopped, or the lab was down meanwhile.
            Err(error) if is_unknown(&error) => None,
            Err(error) => return Err(error.into()),
        };
        if is_alive {
            self.note_end(held, end)?;
        } else if !held.record.endpoints.is_empty() {
            // A command died while it gave up its places, or before its program ran.
            self.disconnect(held)?;
        }
        Ok(())
    }

    /// Puts the end of a container on record, and what follows from it.
    fn note_end(&self, held: &mut Held, end: Option<ContainerEnd>) -> Result<()> {
        let ended_from_outside = end.as_ref().is_none_or(|end| end.error.is_some());
        let state = &mut held.record.state;
        let ran = state
            .started
            .map_or(Duration::ZERO, |started| started.until(Moment::now()));
        state.pid = 0;
        state.exit_code = end
            .as_ref()
            .map_or(128 + KILL, |end| end.status.shell_code());
        state.oom_killed = end.as_ref().is_some_and(|end| end.out_of_memory);
        state.finished = Some(
            end.as_ref()
                .map_or_else(Moment::now, |end| moment(end.finished)),
        );
        state.error = end.and_then(|end| end.error).unwrap_or_default();
        if let Some(health) = &mut state.health {
            health.failing = 0;
        }
        if ran >= STEADY {
            state.restarts = 0;
        }
        let policy = held.record.options.restart;
        match pause_before(
            policy,
            state.exit_code,
            state.is_stopped,
            state.restarts,
            ended_from_outside,
        ) {
            Some(pause) => {
                state.status = Status::Restarting;
                state.restarts = state.restarts.saturating_add(1);
                state.restart_at = state.finished.map(|finished| finished.after(pause));
            }
            None => (state.status, state.restart_at) = (Status::Exited, None),
        }
        held.save()?;
        let record = &held.record;
        if record.state.oom_killed {
            self.note(record, "oom");
        }
        // As soon as it is on record: who waits for the end does not wait for cables.
        let died = Event::of(record, "die").with("exitCode", record.state.exit_code.to_string());
        self.events
            .say(&died.with("execDuration", ran.as_secs().to_string()));
        self.disconnect(held)
    }

    /// Asks a container to end, and kills it when it has not after `grace` (its own where none is given); waits. One that does
    /// not run stays as it is, and is not started again.
    pub fn stop(&self, id: &Id, signal: Option<i32>, grace: Option<Duration>) -> Result<Record> {
        let mut held = self.folder.hold(id)?;
        self.settle(&mut held)?;
        held.record.state.is_stopped = true;
        if held.record.state.status == Status::Restarting {
            (held.record.state.status, held.record.state.restart_at) = (Status::Exited, None);
        }
        held.save()?;
        if !held.record.state.status.is_alive() {
            return Ok(held.record.clone());
        }
        if held.record.state.status == Status::Paused {
            // What is frozen cannot end.
            self.client.unpause_container(id.as_str())?;
        }
        let grace = grace.unwrap_or(Duration::from_secs(held.record.settings.stop_seconds));
        let signal = signal.unwrap_or(held.record.settings.stop_signal);
        // Let go of meanwhile: somebody may want to kill it before the grace is over.
        let mut record = held.record.clone();
        drop(held);
        self.note_signal(&record, signal);
        self.end(id, signal, grace)?;
        match self.folder.hold(id) {
            Ok(mut held) => {
                self.settle(&mut held)?;
                self.note(&held.record, "stop");
                Ok(held.record.clone())
            }
            // It was to be removed at its end.
            Err(Error::NoContainer(_)) => {
                record.state.status = Status::Exited;
                Ok(record)
            }
            Err(error) => Err(error),
        }
    }

    fn note_signal(&self, record: &Record, signal: i32) {
        let killed = Event::of(record, "kill").with("signal", signal.to_string());
        self.events.say(&killed);
    }

    /// Sends a signal and waits for the end; after `grace` SIGKILL.
    fn end(&self, id: &Id, signal: i32, grace: Duration) -> Result<()> {
        let mut exit = self.client.wait_container(id.as_str())?;
        // One that is gone already has its end on the way: who goes on before that finds it running.
        let send = |signal| match self.client.signal_container(id.as_str(), signal) {
            Err(error) if !is_unknown(&error) => Err(error),
            _ => Ok(()),
        };
        send(signal)?;
        if signal != KILL {
            if exit.wait_timeout(grace)?.is_some() {
                return Ok(());
            }
            send(KILL)?;
        }
        match exit.wait_timeout(PATIENCE)? {
            Some(_) => Ok(()),
            None => Err(Error::Conflict(format!(
                "container {} does not end, though it was killed",
                id.short()
            ))),
        }
    }

    /// Sends a signal to a container that runs.
    pub fn kill(&self, id: &Id, signal: i32) -> Result<()> {
        let mut held = self.folder.hold(id)?;
        self.settle(&mut held)?;
        if !held.record.state.status.is_alive() {
            return Err(wrong(&held.record, "it does not run"));
        }
        self.note_signal(&held.record, signal);
        if signal == KILL {
            // As Docker: whoever kills it means it.
            held.record.state.is_stopped = true;
            held.save()?;
            if held.record.state.status == Status::Paused {
                self.client.unpause_container(id.as_str())?;
            }
            self.end(id, KILL, Duration::ZERO)?;
            return self.settle(&mut held);
        }
        self.client.signal_container(id.as_str(), signal)?;
        if held.record.state.status == Status::Paused && signal == CONTINUE {
            self.client.unpause_container(id.as_str())?;
        }
        Ok(())
    }

    /// Stops a container where it runs, and starts it.
    pub fn restart(
        &self,
        id: &Id,
        signal: Option<i32>,
        grace: Option<Duration>,
    ) -> Result<Started> {
        self.stop(id, signal, grace)?;
        let started = self.start(id, Attach::default())?;
        self.note(&started.record, "restart");
        Ok(started)
    }

    /// Stands a container still, and says how.
    pub fn pause(&self, id: &Id) -> Result<PauseMethod> {
        let mut held = self.folder.hold(id)?;
        self.settle(&mut held)?;
        if held.record.state.status != Status::Running {
            return Err(wrong(&held.record, "only what runs can be paused"));
        }
        let method = self.client.pause_container(id.as_str())?;
        held.record.state.status = Status::Paused;
        if let Err(error) = held.save() {
            // What was refused is not so: nobody would let it go on.
            self.client.unpause_container(id.as_str())?;
            return Err(error);
        }
        self.note(&held.record, "pause");
        Ok(method)
    }

    /// Lets a paused container go on.
    pub fn unpause(&self, id: &Id) -> Result<()> {
        let mut held = self.folder.hold(id)?;
        self.settle(&mut held)?;
        if held.record.state.status != Status::Paused {
            return Err(wrong(&held.record, "it is not paused"));
        }
        self.client.unpause_container(id.as_str())?;
        held.record.state.status = Status::Running;
        held.save()?;
        self.note(&held.record, "unpause");
        Ok(())
    }

    /// Removes a container with its writable layer and its log.
    pub fn remove(&self, id: &Id, removal: Removal) -> Result<()> {
        let mut held = self.folder.hold(id)?;
        self.settle(&mut held)?;
        let status = held.record.state.status;
        if (status.is_alive() || status == Status::Restarting) && !removal.force {
            return Err(wrong(&held.record, "stop it first, or remove it by force"));
        }
        if status.is_alive() {
            held.record.state.is_stopped = true;
            held.save()?;
            if held.record.state.status == Status::Paused {
                self.client.unpause_container(id.as_str())?;
            }
            self.note_signal(&held.record, KILL);
            self.end(id, KILL, Duration::ZERO)?;
            self.settle(&mut held)?;
        }
        self.remove_held(held, removal.volumes)
    }

    /// Removes one that is held and does not run.
    pub(super) fn remove_held(&self, mut held: Held, volumes: bool) -> Result<()> {
        // Whoever finds it half-removed knows that it is not to be started.
        (held.record.state.status, held.record.state.restart_at) = (Status::Dead, None);
        held.save()?;
        self.disconnect(&mut held)?;
        if matches!(held.record.options.network, NetworkMode::Bridge(_)) {
            // A command that died may have held more than was on record.
            self.let_go(&held.record)?;
        }
        match self.client.remove_container(held.record.id.as_str()) {
            Ok(()) => {}
            Err(error) if is_unknown(&error) => {}
            Err(error) => return Err(error.into()),
        }
        let record = held.record.clone();
        let gone = self.folder.remove(held)?;
        self.note(&record, "destroy");
        if volumes {
            self.remove_anonymous(&record)?;
        }
        Ok(sandbox::remove_tree(&gone, &SelfCommand::current()?)?)
    }

    /// Waits until a container does not run; its code. One that never ran has none to wait for and answers 0.
    pub fn wait(&self, id: &Id) -> Result<i32> {
        let begun = Instant::now();
        loop {
            match self.client.wait_container(id.as_str()) {
                Ok(exit) => return Ok(exit.wait()?.shell_code()),
                Err(error) if is_unknown(&error) => {}
                Err(error) => return Err(error.into()),
            }
            let Some(record) = self.folder.read(id)? else {
                return Err(Error::NoContainer(id.short().to_owned()));
            };
            if !record.state.status.is_alive() && record.state.status != Status::Restarting {
                return Ok(record.state.exit_code);
            }
            if begun.elapsed() > PATIENCE {
                // The holder does not know it, and nobody put its end on record: this does.
                self.settle(&mut self.folder.hold(id)?)?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Gives a container another name.
    pub fn rename(&self, id: &Id, name: &str) -> Result<()> {
        id::check_name("container", name)?;
        let _lock = self.folder.lock()?;
        let mut held = self.folder.hold(id)?;
        let all = self.folder.list()?;
        let other = all.iter().find(|other| {
            other.instance == held.record.instance && other.name == name && other.id != *id
        });
        if let Some(other) = other {
            return Err(Error::NameTaken {
                name: name.to_owned(),
                by: other.id.as_str().to_owned(),
            });
        }
        let old = std::mem::replace(&mut held.record.name, name.to_owned());
        for endpoint in &mut held.record.endpoints {
            endpoint.name = name.to_owned();
        }
        held.save()?;
        let renamed = Event::of(&held.record, "rename").with("oldName", format!("/{old}"));
        self.events.say(&renamed);
        Ok(())
    }
}

/// How long after its end a container is started again; `None`: not at all. Ended from outside, with its instance, it comes
/// back with it where its policy says always.
pub(super) fn pause_before(
    policy: RestartPolicy,
    code: i32,
    is_stopped: bool,
    restarts: u32,
    from_outside: bool,
) -> Option<Duration> {
    let again = match policy {
        _ if is_stopped => false,
        RestartPolicy::No => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::OnFailure(most) => {
            code != 0 && !from_outside && most.is_none_or(|most| restarts < most)
        }
    };
    again.then(|| {
        FIRST_PAUSE
            .saturating_mul(1 << restarts.min(16))
            .min(LONGEST_PAUSE)
    })
}

/// Whether the moment to start one again has come. One further ahead than the longest pause was written before the clock was
/// set back: nobody waits for that.
pub(super) fn has_come(at: Moment, now: Moment) -> bool {
    at <= now || now.until(at) > LONGEST_PAUSE
}

pub(super) fn wrong(record: &Record, why: &str) -> Error {
    Error::State {
        name: record.name.clone(),
        state: record.state.status.name(),
        why: why.to_owned(),
    }
}

/// Whether the holder does not know whom it was asked about.
pub(super) fn is_unknown(error: &sandbox::Error) -> bool {
    matches!(error, sandbox::Error::Refused(fault) if fault.kind == FaultKind::NotFound)
}

pub(super) fn moment(nanoseconds: u64) -> Moment {
    Moment {
        seconds: (nanoseconds / 1_000_000_000).cast_signed(),
        nanoseconds: u32::try_from(nanoseconds % 1_000_000_000).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_keeps_no_container_waiting() {
        let now = Moment::now();
        let cases = [
            (Duration::ZERO, true),
            (Duration::from_millis(100), false),
            (LONGEST_PAUSE, false),
            (LONGEST_PAUSE + Duration::from_secs(1), true),
            (Duration::from_secs(86_400), true),
        ];
        for (ahead, expected) in cases {
            assert_eq!(has_come(now.after(ahead), now), expected, "{ahead:?}");
            assert!(has_come(now, now.after(ahead)), "{ahead:?} ago");
        }
    }

    #[test]
    fn pauses_double_to_a_minute() {
        let pause =
            |restarts| pause_before(RestartPolicy::Always, 0, false, restarts, false).unwrap();
        assert_eq!(
            [0, 1, 2, 3].map(pause),
            [100, 200, 400, 800].map(Duration::from_millis)
        );
        assert_eq!(
            (pause(9), pause(10), pause(4_000_000_000)),
            (Duration::from_millis(51_200), LONGEST_PAUSE, LONGEST_PAUSE)
        );
    }

    #[test]
    fn policies_say_who_is_started_again() {
        use RestartPolicy::{Always, No, OnFailure, UnlessStopped};
        for (policy, code, is_stopped, restarts, from_outside, expected) in [
            (No, 1, false, 0, false, false),
            (Always, 0, false, 0, false, true),
            (Always, 0, true, 0, false, false),
            (UnlessStopped, 0, false, 7, true, true),
            (OnFailure(None), 0, false, 0, false, false),
            (OnFailure(None), 3, false, 99, false, true),
            (OnFailure(Some(2)), 3, false, 1, false, true),
            (OnFailure(Some(2)), 3, false, 2, false, false),
            (OnFailure(None), 137, false, 0, true, false),
        ] {
            let found = pause_before(policy, code, is_stopped, restarts, from_outside).is_some();
            assert_eq!(
                found, expected,
                "{policy:?} {code} {is_stopped} {restarts} {from_outside}"
            );
        }
    }
}
