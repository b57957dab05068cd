//! Making an instance: a clone with namespaces and no exec. The holder goes on to the next while inits finish on the other cores,
//! and collects their reports at the end of the batch.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::Pid;
use rustix::thread::LinkNameSpaceType;

use super::super::Holder;
use super::super::namespaces::{Namespace, open};
use super::Instance;
use crate::channel::{Channel, Received};
use crate::error::Fault;
use crate::process::poll_readable;
use crate::protocol::{Event, NetworkStart, Order};
use crate::spec::InstanceSpec;
use crate::{identity, init, sys};

/// The longest that an init may take to report.
const READY_TIMEOUT: Duration = Duration::from_secs(20);
/// What a process of an instance is born with, besides user and network namespaces. Mounts and IPC
/// follow with the root file system, when the first command runs.
const OWN_PROCESSES: i32 = libc::CLONE_NEWPID | libc::CLONE_NEWUTS;

impl Holder {
    /// Answers with those that failed.
    pub(in crate::holder) fn start_instances(&mut self, specs: Vec<InstanceSpec>) -> BTreeMap<String, Fault> {
        let mut failures = BTreeMap::new();
        let mut begun = Vec::new();
        for spec in specs {
            let key = spec.key.clone();
            match self.begin_instance(spec) {
                Ok(made_network) => begun.push((key, made_network)),
                Err(fault) => {
                    failures.insert(key, fault);
                }
            }
        }
        let deadline = Instant::now() + READY_TIMEOUT;
        for (key, made_network) in begun {
            if let Err(fault) = self.await_ready(&key, deadline) {
                if let Some(instance) = self.instances.running.get(&key) {
                    let _ = sys::kill(instance.pid, libc::SIGKILL, false);
                }
                if made_network {
                    self.namespaces.remove(&key);
                }
                failures.insert(key, fault);
            }
        }
        failures
    }

    /// Makes the processes and namespaces of one; true when its network namespace is new.
    fn begin_instance(&mut self, spec: InstanceSpec) -> Result<bool, Fault> {
        if spec.key.is_empty() || spec.hostname.is_empty() || spec.hostname.len() > 64 {
            return Err(Fault::invalid(
                "an instance needs a name, and a host name of 1 to 64 bytes",
            ));
        }
        if self.instances.running(&spec.key) {
            return Err(Fault::exists(format!("instance {}", spec.key)));
        }
        let (ours, theirs) = channel_pair()?;
        let limit = self.processes.descriptor_limit();
        let (pid, made) = match self.namespaces.get(&spec.key) {
            Some(Namespace {
                network,
                user: Some(user),
                ..
            }) => (join_namespaces(user, network, theirs, limit)?, None),
            Some(_) => {
                return Err(Fault::invalid(format!(
                    "network namespace {} belongs to the lab",
                    spec.key
                )));
            }
            None => {
                let flags = OWN_PROCESSES | libc::CLONE_NEWUSER | libc::CLONE_NEWNET;
                let Some(pid) = sys::clone3(flags).map_err(Fault::os("making an instance"))? else {
                    sys::child(|| init::begin(theirs, limit));
                };
                (pid, Some(self.own(pid)))
            }
        };
        let network = match made {
            Some(Ok(namespace)) => {
                self.namespaces.insert(spec.key.clone(), namespace);
                Some(NetworkStart {
                    ipv6: spec.ipv6,
                    sysctls: spec.sysctls,
                })
            }
            Some(Err(fault)) => {
                let _ = sys::kill(pid.as_raw_pid(), libc::SIGKILL, false);
                return Err(fault);
            }
            None => None,
        };
        let made_network = network.is_some();
        if let Some(tree) = &self.cgroup
            && let Err(error) = tree.take_instance(&spec.key, pid.as_raw_pid(), &spec.limits)
        {
            // What was delegated was taken back, say: a lab without limits, which says so, is better than none.
            crate::say!("holder: limits are not enforced any more: {error}");
            self.cgroup = None;
        }
        let token = self.server.new_token();
        let mut channel = Channel::new(ours);
        let begun = serde_json::to_vec(&Order::Go {
            hostname: spec.hostname.clone(),
            network,
        })
        .map_err(|error| Fault::invalid(error.to_string()))
        .and_then(|payload| {
            channel
                .send(0, payload, Vec::new())
                .map_err(Fault::os("starting an init"))
        })
        .and_then(|()| self.server.watch(&channel, token));
        if let Err(fault) = begun {
            let _ = sys::kill(pid.as_raw_pid(), libc::SIGKILL, false);
            if made_network {
                self.namespaces.remove(&spec.key);
            }
            return Err(fault);
        }
        let instance = Instance {
            pid: pid.as_raw_pid(),
            token,
            channel,
            hostname: spec.hostname,
            processes: None,
            volumes: spec.root.volumes.clone(),
            root: Some(Box::new(spec.root)),
        };
        self.instances.by_token.insert(token, spec.key.clone());
        self.instances.by_pid.insert(instance.pid, spec.key.clone());
        self.instances.running.insert(spec.key, instance);
        Ok(made_network)
    }

    /// Maps a new child's ids and takes hold of its namespaces, while it still is looked into like any
    /// process of this user.
    fn own(&self, pid: Pid) -> Result<Namespace, Fault> {
        identity::map_instance(pid, self.ids).map_err(Fault::os("mapping an instance's ids"))?;
        let raw = pid.as_raw_pid();
        let opened = |name: &str| {
            open(&format!("/proc/{raw}/ns/{name}")).map_err(Fault::os("opening a namespace"))
        };
        Ok(Namespace {
            network: opened("net")?,
            user: Some(opened("user")?),
            is_of_container: false,
        })
    }

    /// Namespaces of an instance without the instance.
    pub(in crate::holder) fn create_for_instance(&self, start: &NetworkStart) -> Result<Namespace, Fault> {
        let (ours, theirs) = channel_pair()?;
        let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNET;
        let Some(pid) = sys::clone3(flags).map_err(Fault::os("making namespaces"))? else {
            drop(ours);
            sys::child(|| {
                // Ends when the holder lets go, whether that is in order or not.
                let _ = poll_readable(theirs.as_fd(), READY_TIMEOUT);
                0
            });
        };
        let made = self.own(pid).and_then(|namespace| {
            sys::enter(namespace.network.as_fd(), LinkNameSpaceType::Network)
                .map_err(Fault::os("entering a namespace"))?;
            let result = crate::init::set_up_network(start);
            self.namespaces.come_home();
            result.map(|()| namespace)
        });
        drop(ours);
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
        made
    }

    fn await_ready(&mut self, key: &str, deadline: Instant) -> Result<(), Fault> {
        let gone = || Fault::invalid(format!("the init of {key} ended while starting"));
        let instance = self.instances.running.get_mut(key).ok_or_else(gone)?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let ready = poll_readable(instance.channel.as_fd(), left)
                .map_err(|error| Fault::invalid(error.to_string()))?;
            if !ready {
                return Err(Fault::invalid(format!("the init of {key} does not report")));
            }
            match instance
                .channel
                .receive()
                .map_err(Fault::os("hearing an init"))?
            {
                Received::Message(message) => match serde_json::from_slice(&message.payload) {
                    Ok(Event::Ready) => {
                        instance.processes = message.descriptors.into_iter().next();
                        return Ok(());
                    }
                    Ok(Event::NotReady(fault)) => return Err(fault),
                    _ => return Err(gone()),
                },
                Received::Nothing => {}
                Received::Closed(_) => return Err(gone()),
            }
        }
    }
}

/// The holder's end does not block; the init's does.
pub(in crate::holder) fn channel_pair() -> Result<(OwnedFd, OwnedFd), Fault> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(Fault::os("making a channel"))?;
    rustix::io::ioctl_fionbio(&ours, true).map_err(Fault::os("making a channel"))?;
    Ok((ours, theirs))
}

/// Starts an init in namespaces that exist. Only a process can enter a user namespace, not a clone: a
/// go-between enters, makes the init as the holder's child, says its number and ends.
fn join_namespaces(
    user: &OwnedFd,
    network: &OwnedFd,
    channel: OwnedFd,
    limit: Option<u64>,
) -> Result<Pid, Fault> {
    let (report, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(Fault::os("making a pipe"))?;
    let Some(between) = sys::fork().map_err(Fault::os("making a process"))? else {
        sys::child(|| {
            let entered = sys::enter(user.as_fd(), LinkNameSpaceType::User)
                .and_then(|()| sys::enter(network.as_fd(), LinkNameSpaceType::Network))
                .and_then(|()| sys::clone3(OWN_PROCESSES | libc::CLONE_PARENT));
            let number = match entered {
                Ok(None) => return init::begin(channel, limit),
                Ok(Some(pid)) => pid.as_raw_pid(),
                Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
            };
            let _ = rustix::io::write(&write, &number.to_ne_bytes());
            0
        });
    };
    drop(write);
    drop(channel);
    let mut bytes = [0; 4];
    let read = std::io::Read::read_exact(&mut std::fs::File::from(report), &mut bytes);
    let _ = rustix::process::waitpid(Some(between), rustix::process::WaitOptions::empty());
    read.map_err(Fault::os("joining an instance's namespaces"))?;
    let number = i32::from_ne_bytes(bytes);
    match Pid::from_raw(number) {
        Some(pid) if number > 0 => Ok(pid),
        _ => Err(Fault::os("joining an instance's namespaces")(
            std::io::Error::from_raw_os_error(-number),
        )),
    }
}
