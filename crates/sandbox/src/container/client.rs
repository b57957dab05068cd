//! The caller's side of containers.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::spec::{
    Attach, ContainerExecSpec, ContainerSpec, ContainerStatus, ContainerStreams, PauseMethod,
};
use crate::client::{Client, unexpected};
use crate::connection::Pending;
use crate::error::{Error, Result};
use crate::process::{ExitStatus, Process, poll_readable, read_status};
use crate::protocol::{Answer, Request, StdioKind};
use crate::spec::Stdio;

/// The end of a container, to wait for. Dropping it changes nothing.
#[derive(Debug)]
pub struct ContainerExit {
    exit: std::fs::File,
}

impl ContainerExit {
    /// Readable once the container has ended. For event loops.
    pub fn exit_descriptor(&self) -> BorrowedFd<'_> {
        self.exit.as_fd()
    }

    /// Waits until it ends; its log is complete then.
    pub fn wait(mut self) -> Result<ExitStatus> {
        read_status(&mut self.exit)
    }

    /// Waits until it ends, at most for `timeout`; `None` when it still runs then.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<ExitStatus>> {
        if poll_readable(self.exit.as_fd(), timeout)? {
            read_status(&mut self.exit).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// A container that was started: its program runs.
#[derive(Debug)]
pub struct StartedContainer {
    /// Pid of its first process in the lab.
    pub pid: i32,
    /// The same in its instance.
    pub instance_pid: i32,
    /// Nanoseconds since 1970.
    pub started: u64,
    /// What was asked for and cannot be had here, in sentences.
    pub warnings: Vec<String>,
    /// What [`Attach`] asked for.
    pub streams: ContainerStreams,
    /// Its end, to wait for: known even when it is removed at once.
    pub exit: ContainerExit,
}

/// A network namespace that is being made.
pub struct NetnsPending<'a>(Pending<'a>);

impl NetnsPending<'_> {
    /// Waits until it is there. Errors: as of [`Client::create_container_netns`].
    pub fn finish(self) -> Result<OwnedFd> {
        match self.0.answer()? {
            (Answer::Done, mut message) => {
                let handed = message.descriptors.pop_front();
                handed.ok_or_else(|| Error::Malformed("no descriptor".into()))
            }
            (other, _) => Err(unexpected(&other)),
        }
    }
}

/// A container that is starting.
pub struct Starting<'a> {
    pending: Pending<'a>,
    attach: Attach,
}

impl Starting<'_> {
    /// Waits until its program runs. Errors: as of [`Client::start_container`].
    pub fn finish(self) -> Result<StartedContainer> {
        let (answer, message) = self.pending.answer()?;
        crate::abort::point("an answer of the holder");
        let mut handed = message.descriptors;
        match answer {
            Answer::ContainerStarted(started) => Ok(StartedContainer {
                pid: started.pid,
                instance_pid: started.instance_pid,
                started: started.started,
                warnings: started.warnings,
                exit: ContainerExit {
                    exit: handed
                        .pop_back()
                        .ok_or_else(|| Error::Malformed("no exit pipe".into()))?
                        .into(),
                },
                streams: streams(self.attach, handed)?,
            }),
            other => Err(unexpected(&other)),
        }
    }
}

impl Client {
    /// Makes a network namespace for a container of an instance (which owns it, so that its root may change it), with
    /// `lo` up, and hands it over. It stays until [`Client::remove_netnses`], and gives sockets and descriptors like any
    /// other. Errors: `AlreadyExists`; `NotFound` for the instance.
    pub fn create_container_netns(&self, key: &str, instance: &str, ipv6: bool) -> Result<OwnedFd> {
        self.begin_container_netns(key, instance, ipv6)?.finish()
    }

    /// As [`Client::create_container_netns`], which is made while other things are done.
    pub fn begin_container_netns(&self, key: &str, instance: &str, ipv6: bool) -> Result<NetnsPending<'_>> {
        let request = Request::CreateContainerNamespace {
            key: key.to_owned(),
            instance: instance.to_owned(),
            ipv6,
        };
        self.begin(&request, Vec::new()).map(NetnsPending)
    }

    /// Starts a container and returns once its program runs. `attach` gets all that it says from its first byte.
    /// Errors: `NotFound` (instance, namespace), `AlreadyExists` (also one that has ended and was not removed),
    /// `Os` with the reason; see [`Error::docker_code`].
    pub fn start_container(&self, spec: &ContainerSpec, attach: Attach) -> Result<StartedContainer> {
        self.begin_start(spec, attach, None)?.finish()
    }

    /// As [`Client::start_container`], while other things are done. Its program does not run before a byte comes out of
    /// `gate` (the read end of a pipe); when that closes without one the start fails.
    pub fn begin_start(&self, spec: &ContainerSpec, attach: Attach, gate: Option<OwnedFd>) -> Result<Starting<'_>> {
        let request = Request::StartContainer {
            spec: Box::new(spec.clone()),
            attach,
        };
        let pending = self.begin(&request, gate.into_iter().collect())?;
        Ok(Starting { pending, attach })
    }

    /// Containers that run, and those that ended and were not removed, by key.
    pub fn list_containers(&self) -> Result<Vec<ContainerStatus>> {
        match self.ask(&Request::ListContainers)? {
            Answer::Containers(list) => Ok(list),
            other => Err(unexpected(&other)),
        }
    }

    /// One of them. Errors: `NotFound`.
    pub fn container_status(&self, key: &str) -> Result<ContainerStatus> {
        match self.ask(&Request::ContainerStatus { key: key.to_owned() })? {
            Answer::Containers(mut list) => list.pop().ok_or_else(|| Error::Malformed("no container".into())),
            other => Err(unexpected(&other)),
        }
    }

    /// Something to wait for its end with; works after it, too. Errors: `NotFound`.
    pub fn wait_container(&self, key: &str) -> Result<ContainerExit> {
        let exit = self.one_descriptor(&Request::WaitContainer { key: key.to_owned() })?;
        Ok(ContainerExit { exit: exit.into() })
    }

    /// Sends a signal to its first process. Errors: `NotFound`, also when it has ended.
    pub fn signal_container(&self, key: &str, signal: i32) -> Result<()> {
        self.done(&Request::SignalContainer {
            key: key.to_owned(),
            signal,
        })
    }

    /// Stops all of its processes where they are, and says how. Errors: `Invalid` when it is paused.
    pub fn pause_container(&self, key: &str) -> Result<PauseMethod> {
        match self.ask(&Request::PauseContainer {
            key: key.to_owned(),
            pause: true,
        })? {
            Answer::Paused(method) => Ok(method),
            other => Err(unexpected(&other)),
        }
    }

    /// Lets it go on. Errors: `Invalid` when it is not paused.
    pub fn unpause_container(&self, key: &str) -> Result<()> {
        match self.ask(&Request::PauseContainer {
            key: key.to_owned(),
            pause: false,
        })? {
            Answer::Paused(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Sets the size of its terminal. Errors: `Invalid` when it has none.
    pub fn resize_container(&self, key: &str, rows: u16, columns: u16) -> Result<()> {
        self.done(&Request::ResizeContainer {
            key: key.to_owned(),
            rows,
            columns,
        })
    }

    /// Its streams from now on. A caller that leaves a mebibyte unread makes the container wait; one that then reads
    /// nothing for a minute is dropped. Errors: `NotFound`, also when it has ended.
    pub fn attach_container(&self, key: &str, attach: Attach) -> Result<ContainerStreams> {
        let request = Request::AttachContainer {
            key: key.to_owned(),
            attach,
        };
        let (answer, message) = self.call(&request, Vec::new())?;
        match answer {
            Answer::Done => streams(attach, message.descriptors),
            other => Err(unexpected(&other)),
        }
    }

    /// Runs a command in a container. The process is one like [`Client::exec`]'s: [`Client::signal`] and
    /// [`Client::attach`] know it, its pid is the instance's. Errors: `NotFound`, also when the container has ended;
    /// `Os` with the errno of `execve`; see [`Error::docker_code`].
    pub fn exec_in_container(&self, key: &str, spec: ContainerExecSpec, stdio: Stdio) -> Result<Process> {
        let (stdio, descriptors) = match stdio {
            Stdio::Null => (StdioKind::Null, Vec::new()),
            Stdio::Descriptors(three) => (StdioKind::Descriptors, three.into()),
            Stdio::Terminal { rows, columns } => (StdioKind::Terminal { rows, columns }, Vec::new()),
        };
        let wants_terminal = matches!(stdio, StdioKind::Terminal { .. });
        let request = Request::ExecInContainer {
            key: key.to_owned(),
            spec,
            stdio,
        };
        self.started(&request, descriptors, wants_terminal)
    }

    /// Replaces the content of one of [`ContainerSpec::files`] while the container runs: a name that a network gave or
    /// took away. Errors: `NotFound`; `Invalid` for a path that was not among them.
    pub fn write_container_file(&self, key: &str, path: &str, content: &str) -> Result<()> {
        self.done(&Request::WriteContainerFile {
            key: key.to_owned(),
            path: path.to_owned(),
            content: content.to_owned(),
        })
    }

    /// Pids of its processes in its instance, ascending. Errors: `NotFound`, also when it has ended.
    pub fn container_processes(&self, key: &str) -> Result<Vec<i32>> {
        match self.ask(&Request::ContainerProcesses { key: key.to_owned() })? {
            Answer::Pids(pids) => Ok(pids),
            other => Err(unexpected(&other)),
        }
    }

    /// The root of its files as its own processes see it, with all that is mounted there, by path only. What is looked up
    /// from it is looked up as the caller: see [`crate::instance_ids`]. Errors: `NotFound`, also when it has ended.
    pub fn container_root(&self, key: &str) -> Result<OwnedFd> {
        self.one_descriptor(&Request::ContainerRoot { key: key.to_owned() })
    }

    /// Forgets one that has ended; its folders stay. Errors: `NotFound`; `Invalid` while it runs.
    pub fn remove_container(&self, key: &str) -> Result<()> {
        self.done(&Request::RemoveContainer { key: key.to_owned() })
    }
}

/// In the order in which the holder sends them.
fn streams(attach: Attach, mut received: VecDeque<OwnedFd>) -> Result<ContainerStreams> {
    let mut next = |wanted: bool| match wanted {
        true => received.pop_front().map(Some).ok_or_else(|| Error::Malformed("no stream".into())),
        false => Ok(None),
    };
    Ok(ContainerStreams {
        input: next(attach.input)?,
        output: next(attach.output)?,
        errors: next(attach.errors)?,
    })
}
