//! Health checks: commands inside that are asked at intervals, and what their answers come to.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use sandbox::{Process, Stdio};

use super::error::{Error, Result};
use super::exec::Exec;
use super::id::Id;
use super::lab::Engine;
use super::record::{HealthAnswer, HealthState, HealthStatus, Record, Status};
use super::time::Moment;
use crate::work::in_memory;

/// What Docker calls a check that did not answer in time.
const TIMED_OUT: i32 = -1;

/// Checks of one lab's containers.
#[derive(Debug, Default)]
pub struct Checks {
    all: BTreeMap<Id, Check>,
}

#[derive(Debug)]
struct Check {
    /// Which run of the container it belongs to.
    run: Option<Moment>,
    /// When the next one is due.
    due: Instant,
    asked: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    process: Process,
    output: File,
    start: Moment,
    deadline: Instant,
}

/// How soon an answer is looked for.
const SOON: Duration = Duration::from_millis(50);

impl Checks {
    /// When there is something to ask or to hear.
    pub fn next(&self) -> Option<Instant> {
        let next = |check: &Check| match check.asked {
            Some(_) => Instant::now() + SOON,
            None => check.due,
        };
        self.all.values().map(next).min()
    }

    /// Asks those whose time has come, and takes the answers that are there. `records` are all containers of the lab.
    /// Answers what went wrong, by container.
    pub fn tend(&mut self, engine: &Engine, records: &[Record]) -> Vec<(String, Error)> {
        let is_checked = |record: &&Record| {
            record.state.status == Status::Running && record.settings.health.is_some()
        };
        let checked: BTreeMap<&Id, &Record> = records
            .iter()
            .filter(is_checked)
            .map(|record| (&record.id, record))
            .collect();
        self.all.retain(|id, check| {
            checked
                .get(id)
                .is_some_and(|record| record.state.started == check.run)
        });
        let mut failures = Vec::new();
        for (id, record) in checked {
            let check = self.all.entry(id.clone()).or_insert_with(|| Check {
                run: record.state.started,
                due: Instant::now() + pause(record),
                asked: None,
            });
            if let Err(error) = check.tend(engine, record) {
                failures.push((record.name.clone(), error));
            }
        }
        failures
    }
}

/// How long until the next question: shorter while it starts.
fn pause(record: &Record) -> Duration {
    let Some(health) = &record.settings.health else {
        return Duration::from_secs(30);
    };
    if is_starting(record) {
        health.start_interval.min(health.interval)
    } else {
        health.interval
    }
}

/// Whether bad answers do not count yet.
fn is_starting(record: &Record) -> bool {
    let Some(health) = &record.settings.health else {
        return false;
    };
    let ran = record
        .state
        .started
        .map_or(Duration::ZERO, |started| started.until(Moment::now()));
    record
        .state
        .health
        .as_ref()
        .is_none_or(|state| state.status == HealthStatus::Starting)
        && ran < health.start_period
}

impl Check {
    fn tend(&mut self, engine: &Engine, record: &Record) -> Result<()> {
        let Some(health) = &record.settings.health else {
            return Ok(());
        };
        if let Some(mut asked) = self.asked.take() {
            let exit_code = match asked.process.try_wait()? {
                Some(status) => status.shell_code(),
                None if Instant::now() < asked.deadline => {
                    self.asked = Some(asked);
                    return Ok(());
                }
                None => {
                    let _ = engine.client.signal(asked.process.id, 9);
                    TIMED_OUT
                }
            };
            let output = match exit_code {
                TIMED_OUT => format!("Health check exceeded timeout ({:?})", health.timeout),
                _ => asked.printed(),
            };
            self.due = Instant::now() + pause(record);
            return note(
                engine,
                record,
                HealthAnswer {
                    start: asked.start,
                    end: Moment::now(),
                    exit_code,
                    output,
                },
            );
        }
        if Instant::now() < self.due {
            return Ok(());
        }
        let start = Moment::now();
        match Asked::new(engine, record, start, Instant::now() + health.timeout) {
            Ok(asked) => {
                self.asked = Some(asked);
                Ok(())
            }
            Err(Error::NotStarted { code, why }) => {
                self.due = Instant::now() + pause(record);
                note(
                    engine,
                    record,
                    HealthAnswer {
                        start,
                        end: Moment::now(),
                        exit_code: code,
                        output: why,
                    },
                )
            }
            // It ended just now.
            Err(Error::State { .. }) => Ok(()),
            Err(error) => {
                self.due = Instant::now() + pause(record);
                Err(error)
            }
        }
    }
}

impl Asked {
    fn new(engine: &Engine, record: &Record, start: Moment, deadline: Instant) -> Result<Asked> {
        let arguments = record
            .settings
            .health
            .as_ref()
            .map(|health| health.command.clone())
            .unwrap_or_default();
        let exec = Exec {
            arguments,
            ..Exec::default()
        };
        let null = File::open("/dev/null").map_err(Error::io("opening /dev/null"))?;
        let output = in_memory()?;
        let both = || {
            output
                .try_clone()
                .map(OwnedFd::from)
                .map_err(Error::io("duplicating a descriptor"))
        };
        let process = engine.exec(
            &record.id,
            &exec,
            Stdio::Descriptors([null.into(), both()?, both()?]),
        )?;
        Ok(Asked {
            process,
            output,
            start,
            deadline,
        })
    }

    /// The beginning of what it printed.
    fn printed(&mut self) -> String {
        let mut bytes = Vec::new();
        let limit = HealthState::OUTPUT as u64;
        // What cannot be read is not shown.
        let _ = self
            .output
            .rewind()
            .and_then(|()| (&mut self.output).take(limit).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Puts an answer on record, unless the container was started anew meanwhile.
fn note(engine: &Engine, record: &Record, answer: HealthAnswer) -> Result<()> {
    let Some(health) = &record.settings.health else {
        return Ok(());
    };
    let is_starting = is_starting(record);
    let mut held = match engine.folder.hold(&record.id) {
        Ok(held) => held,
        Err(Error::NoContainer(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    if held.record.state.started != record.state.started
        || held.record.state.status != Status::Running
    {
        return Ok(());
    }
    let state = held
        .record
        .state
        .health
        .get_or_insert_with(HealthState::starting);
    let before = state.status;
    state.note(answer, health.retries.max(1), is_starting);
    let status = state.status;
    held.save()?;
    if status != before {
        engine.note(&held.record, &format!("health_status: {}", status.name()));
    }
    Ok(())
}
