//! What is kept of a container: what was asked for, what came of it, and what it does now.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::id::Id;
use super::options::Options;
use super::settings::Settings;
use super::time::Moment;
use crate::digest::Digest;
use crate::network::Endpoint;

/// A container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this document.
    pub version: u32,
    /// Its id.
    pub id: Id,
    /// Its name, unique in its instance.
    pub name: String,
    /// The holder's key of its instance.
    pub instance: String,
    /// When it was made.
    pub created: Moment,
    /// Its image.
    pub image: ImageOf,
    /// What was asked for.
    pub options: Options,
    /// What that and the image come to.
    pub settings: Settings,
    /// What is mounted, as `settings.mounts` has them.
    pub mounts: Vec<MountPoint>,
    /// What the lab file called it, and what it said: who is replaced when the file says something else.
    pub declared: Option<Declared>,
    /// What it does.
    pub state: State,
    /// Its places in networks, while it runs.
    pub endpoints: Vec<Endpoint>,
}

/// The version that is written.
pub const VERSION: u32 = 1;

/// Which image a container was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageOf {
    /// Its id.
    pub id: Digest,
    /// What it was called by whom asked.
    pub name: String,
}

/// A container of the lab file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Its name there.
    pub name: String,
    /// Digest of what the file says of it, with the image's id.
    pub digest: String,
    /// Where its image comes of files: how they looked then ([`crate::build::stamp`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Something mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPoint {
    /// Where, inside.
    pub target: String,
    /// What.
    pub kind: MountKind,
    /// Refuse writes.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountKind {
    /// A path of this machine.
    Bind {
        /// The path.
        path: PathBuf,
        /// See [`super::options::MountSource::Bind`].
        propagation: Option<String>,
    },
    /// A volume.
    Volume {
        /// Its name.
        name: String,
        /// Goes with the container.
        is_anonymous: bool,
        /// To be filled from the image while it is empty.
        copy: bool,
    },
    /// Memory.
    Tmpfs {
        /// Bytes.
        bytes: Option<u64>,
        /// Permissions.
        mode: Option<u32>,
    },
}

/// What a container does, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It never ran.
    Created,
    /// It runs.
    Running,
    /// It stands still.
    Paused,
    /// It ended and will be started again.
    Restarting,
    /// It ended.
    Exited,
    /// Its removal was begun and not finished.
    Dead,
}

impl Status {
    /// As Docker writes it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Restarting => "restarting",
            Status::Exited => "exited",
            Status::Dead => "dead",
        }
    }

    /// Whether its processes are there.
    pub fn is_alive(self) -> bool {
        matches!(self, Status::Running | Status::Paused)
    }
}

/// What a container does and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What it does.
    pub status: Status,
    /// Its first process as its instance numbers it; 0 while it does not run.
    pub pid: i32,
    /// How it ended last.
    pub exit_code: i32,
    /// Why it could not be started.
    pub error: String,
    /// When it began last.
    pub started: Option<Moment>,
    /// When it ended last.
    pub finished: Option<Moment>,
    /// The kernel ended it for want of memory.
    pub oom_killed: bool,
    /// How often it was started again since somebody started it.
    pub restarts: u32,
    /// When it will be started again.
    pub restart_at: Option<Moment>,
    /// Somebody stopped it; it stays stopped until somebody starts it.
    pub is_stopped: bool,
    /// What was found of its health.
    pub health: Option<HealthState>,
}

impl Default for State {
    fn default() -> State {
        State {
            status: Status::Created,
            pid: 0,
            exit_code: 0,
            error: String::new(),
            started: None,
            finished: None,
            oom_killed: false,
            restarts: 0,
            restart_at: None,
            is_stopped: false,
            health: None,
        }
    }
}

/// What was found of a container's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthState {
    /// In one word.
    pub status: HealthStatus,
    /// Bad answers in a row.
    pub failing: u32,
    /// The last answers, at most [`HealthState::KEPT`].
    pub log: Vec<HealthAnswer>,
}

impl HealthState {
    /// How many answers are kept, as Docker does.
    pub const KEPT: usize = 5;
    /// How much of what a check printed is kept, bytes, as Docker does.
    pub const OUTPUT: usize = 4_096;

    /// Nothing is known yet.
    pub fn starting() -> HealthState {
        HealthState {
            status: HealthStatus::Starting,
            failing: 0,
            log: Vec::new(),
        }
    }

    /// One more answer. `is_starting`: bad ones do not count yet.
    pub fn note(&mut self, answer: HealthAnswer, retries: u32, is_starting: bool) {
        if answer.exit_code == 0 {
            (self.status, self.failing) = (HealthStatus::Healthy, 0);
        } else if self.status != HealthStatus::Starting || !is_starting {
            self.failing = self.failing.saturating_add(1);
            if self.failing >= retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
        self.log.push(answer);
        let surplus = self.log.len().saturating_sub(Self::KEPT);
        self.log.drain(..surplus);
    }
}

/// Health in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthStatus {
    /// Not known yet.
    Starting,
    /// The last answer was good.
    Healthy,
    /// Too many were bad.
    Unhealthy,
}

impl HealthStatus {
    /// As Docker writes it.
    pub fn name(self) -> &'static str {
        match self {
            HealthStatus::Starting => "starting",
            HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
        }
    }
}

/// One answer of a health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthAnswer {
    /// When it was asked.
    pub start: Moment,
    /// When it was answered.
    pub end: Moment,
    /// 0: healthy; -1: it did not answer in time.
    pub exit_code: i32,
    /// What it printed.
    pub output: String,
}

impl Record {
    /// `NAME=VALUE` of the settings' environment, as a map.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let pairs = self
            .settings
            .environment
            .iter()
            .filter_map(|variable| variable.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Names of its volumes.
    pub fn volumes(&self) -> impl Iterator<Item = &str> {
        self.mounts.iter().filter_map(|mount| match &mount.kind {
            MountKind::Volume { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// What Docker's column `STATUS` says: `Up 3 minutes (healthy)`, `Exited (1) 2 hours ago`.
    pub fn status_text(&self, now: Moment) -> String {
        let ago = |moment: Option<Moment>| {
            moment.map_or_else(String::new, |moment| super::time::rough(moment.until(now)))
        };
        let state = &self.state;
        match state.status {
            Status::Created => "Created".into(),
            Status::Running => match &state.health {
                None => format!("Up {}", ago(state.started)),
                Some(health) if health.status == HealthStatus::Starting => {
                    format!("Up {} (health: starting)", ago(state.started))
                }
                Some(health) => format!("Up {} ({})", ago(state.started), health.status.name()),
            },
            Status::Paused => format!("Up {} (Paused)", ago(state.started)),
            Status::Restarting => format!(
                "Restarting ({}) {} ago",
                state.exit_code,
                ago(state.finished)
            ),
            Status::Exited => format!("Exited ({}) {} ago", state.exit_code, ago(state.finished)),
            Status::Dead => "Dead".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(exit_code: i32) -> HealthAnswer {
        let at = Moment {
            seconds: 0,
            nanoseconds: 0,
        };
        HealthAnswer {
            start: at,
            end: at,
            exit_code,
            output: String::new(),
        }
    }

    #[test]
    fn health_needs_bad_answers_in_a_row() {
        let mut health = HealthState::starting();
        for (code, is_starting, status, failing) in [
            (1, true, HealthStatus::Starting, 0),
            (1, false, HealthStatus::Starting, 1),
            (0, false, HealthStatus::Healthy, 0),
            (1, true, HealthStatus::Healthy, 1),
            (-1, false, HealthStatus::Unhealthy, 2),
            (0, false, HealthStatus::Healthy, 0),
        ] {
            health.note(answer(code), 2, is_starting);
            assert_eq!((health.status, health.failing), (status, failing), "{code}");
        }
        assert_eq!(health.log.len(), HealthState::KEPT);
    }
}
