//! Commands in a container that runs.

use sandbox::container::spec::ContainerExecSpec;
use sandbox::{Process, Stdio};

use super::error::{Error, Result};
use super::id::Id;
use super::lab::Engine;
use super::life::is_unknown;
use super::start::not_started;
use super::record::{Record, Status};
use super::spec;

/// What is asked of `exec`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exec {
    /// Program and arguments.
    pub arguments: Vec<String>,
    /// `NAME=VALUE` above the container's.
    pub environment: Vec<String>,
    /// The container's where none is given.
    pub working_directory: Option<String>,
    /// The container's where none is given.
    pub user: Option<String>,
    /// It has a terminal.
    pub terminal: bool,
    /// With all capabilities of the instance's root.
    pub privileged: bool,
}

impl Exec {
    /// What the holder is asked for.
    fn spec(&self, record: &Record) -> ContainerExecSpec {
        let mut environment = spec::pairs(&record.settings.environment);
        let own = spec::pairs(&self.environment);
        if self.terminal && !environment.iter().any(|(name, _)| name == "TERM") {
            environment.push(("TERM".into(), "xterm".into()));
        }
        environment.retain(|(name, _)| !own.iter().any(|(other, _)| other == name));
        environment.extend(own);
        ContainerExecSpec {
            args: self.arguments.clone(),
            environment,
            working_directory: self
                .working_directory
                .clone()
                .unwrap_or_else(|| record.settings.working_directory.clone()),
            user: spec::user(self.user.as_deref().unwrap_or(&record.settings.user)),
            privileged: self.privileged || record.options.privileged,
        }
    }
}

impl Engine {
    /// Runs a command in a container. Errors: it does not run; [`Error::NotStarted`].
    pub fn exec(&self, id: &Id, exec: &Exec, stdio: Stdio) -> Result<Process> {
        let record = self
            .folder
            .read(id)?
            .ok_or_else(|| Error::NoContainer(id.short().to_owned()))?;
        if record.state.status == Status::Paused {
            let why = "unpause it first".to_owned();
            return Err(Error::State {
                name: record.name,
                state: Status::Paused.name(),
                why,
            });
        }
        self.client
            .exec_in_container(id.as_str(), exec.spec(&record), stdio)
            .map_err(|error| match is_unknown(&error) {
                true => Error::State {
                    name: record.name.clone(),
                    state: not_running(&record),
                    why: "only what runs can run commands".into(),
                },
                false => not_started(&error),
            })
    }
}

/// What a container is that the holder does not know as running, whatever its record says yet.
fn not_running(record: &Record) -> &'static str {
    if record.state.status.is_alive() {
        Status::Exited.name()
    } else {
        record.state.status.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::folder::tests::record;

    #[test]
    fn a_command_has_the_containers_variables_user_and_place() {
        let mut record = record(1, "web");
        record.settings.environment = ["PATH=/bin", "A=1", "B=2"].map(str::to_owned).into();
        record.settings.user = "web".into();
        record.settings.working_directory = "/srv".into();
        let words = |list: &[&str]| {
            list.iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let exec = Exec {
            arguments: words(&["id"]),
            environment: words(&["A=3", "C=4"]),
            terminal: true,
            ..Exec::default()
        };
        let spec = exec.spec(&record);
        let pairs: Vec<String> = spec
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(pairs, ["PATH=/bin", "B=2", "TERM=xterm", "A=3", "C=4"]);
        assert_eq!(
            (spec.working_directory.as_str(), spec.user.name.as_deref()),
            ("/srv", Some("web"))
        );
        let other = Exec {
            user: Some("0".into()),
            working_directory: Some("/".into()),
            ..exec
        };
        assert_eq!(other.spec(&record).user.name.as_deref(), Some("0"));
    }
}
