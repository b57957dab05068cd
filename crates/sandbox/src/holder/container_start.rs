//! Starting containers: what is looked at, made and opened for one before its shim takes over.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::process::Pid;
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::containers::Container;
use super::instances::channel_pair;
use super::namespaces::Namespace;
use super::processes::exit_pipe;
use super::{Caller, Holder, Outcome};
use crate::channel::{Channel, Received};
use crate::container::shim;
use crate::container::spec::{Attach, ContainerNetwork, ContainerSpec, ContainerStatus, MountKind};
use crate::error::Fault;
use crate::init::set_up_network;
use crate::protocol::NetworkStart;
use crate::{disk, sys};

/// What can be said without looking at the system.
fn check(spec: &ContainerSpec) -> Result<(), Fault> {
    let plain = |path: &Path| path.is_absolute() && !path.components().any(|part| matches!(part, Component::ParentDir));
    if spec.key.is_empty() || spec.hostname.is_empty() || spec.hostname.len() > 64 {
        return Err(Fault::invalid("a container needs a name, and a host name of 1 to 64 bytes"));
    }
    if spec.root.lower.is_empty() {
        return Err(Fault::invalid("a container of no layers"));
    }
    let sources = spec.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind { source, .. } | MountKind::Volume { source, .. } => Some(source.as_path()),
        MountKind::Tmpfs { .. } => None,
    });
    let folders = spec.root.lower.iter().chain([&spec.root.upper, &spec.root.work]).map(PathBuf::as_path);
    let log = spec.log.iter().map(|log| log.path.as_path());
    let targets = spec.mounts.iter().map(|mount| mount.target.as_path());
    let files = spec.files.keys().map(Path::new);
    if let Some(path) = folders.chain(sources).chain(log).chain(targets).chain(files).find(|path| !plain(path)) {
        return Err(Fault::invalid(format!("{}: not a plain absolute path", path.display())));
    }
    if !(1..=64).contains(&spec.stop_signal) {
        return Err(Fault::invalid(format!("signal {}: not 1 to 64", spec.stop_signal)));
    }
    Ok(())
}

impl Holder {
    pub(super) fn create_container_namespace(&mut self, key: String, instance: &str, ipv6: bool) -> Result<OwnedFd, Fault> {
        if key.is_empty() {
            return Err(Fault::invalid("a namespace needs a name"));
        }
        if self.namespaces.get(&key).is_some() {
            return Err(Fault::exists(format!("network namespace {key}")));
        }
        let user = self.user_namespace(instance)?;
        let failed = |error: io::Error| Fault::os("making a network namespace")(error);
        let copy = user.try_clone().map_err(failed)?;
        let (ours, theirs) = channel_pair()?;
        rustix::io::ioctl_fionbio(&ours, false).map_err(|error| failed(error.into()))?;
        let Some(child) = sys::fork().map_err(failed)? else {
            sys::child(|| {
                let start = NetworkStart { ipv6, sysctls: Vec::new() };
                // It alone may look up its own namespace once it has changed its user namespace.
                let made = sys::enter(user.as_fd(), LinkNameSpaceType::User)
                    .and_then(|()| sys::unshare(UnshareFlags::NEWNET))
                    .map_err(failed)
                    .and_then(|()| set_up_network(&start))
                    .and_then(|()| super::namespaces::open("/proc/self/ns/net").map_err(failed));
                let (fault, descriptors) = match made {
                    Ok(network) => (None, vec![network]),
                    Err(fault) => (Some(fault), Vec::new()),
                };
                let payload = serde_json::to_vec(&fault).unwrap_or_default();
                i32::from(Channel::new(theirs).send(0, payload, descriptors).is_err())
            });
        };
        drop(theirs);
        let received = Channel::new(ours).receive();
        let _ = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty());
        let Ok(Received::Message(mut message)) = received else {
            return Err(Fault::invalid("a network namespace's maker ended without a word"));
        };
        match (serde_json::from_slice::<Option<Fault>>(&message.payload), message.descriptors.pop_front()) {
            (Ok(None), Some(network)) => {
                let handed = network.try_clone().map_err(failed)?;
                self.namespaces.insert(key, Namespace { network, user: Some(copy), is_of_container: true });
                Ok(handed)
            }
            (Ok(Some(fault)), _) => Err(fault),
            _ => Err(Fault::invalid("a network namespace's maker handed nothing over")),
        }
    }

    fn user_namespace(&self, instance: &str) -> Result<&OwnedFd, Fault> {
        let found = self.namespaces.get(instance).and_then(|namespace| namespace.user.as_ref());
        found.ok_or_else(|| Fault::not_found(format!("instance {instance}")))
    }

    pub(super) fn start_container(
        &mut self,
        spec: Box<ContainerSpec>,
        attach: Attach,
        gate: Option<OwnedFd>,
        caller: Caller,
    ) -> Result<Outcome, Fault> {
        check(&spec)?;
        if self.containers.all.contains_key(&spec.key) {
            return Err(Fault::exists(format!("container {}", spec.key)));
        }
        let owner = disk::owner(self.ids);
        disk::own_folder(&spec.root.upper, owner, 0o755)?;
        disk::own_folder(&spec.root.work, owner, 0o700)?;
        for mount in &spec.mounts {
            if let MountKind::Volume { source, .. } = &mount.kind {
                disk::own_folder(source, owner, 0o755)?;
            }
        }
        let network = self.container_network(&spec)?;
        let mut warnings = Vec::new();
        let cgroup = self.container_cgroup(&spec, &mut warnings);
        let (ours, theirs) = channel_pair()?;
        let (mut streams, pipes) = pipes(attach)?;
        let mut waiting = Vec::new();
        streams.push(exit_pipe(None, &mut waiting)?);
        let token = self.server.new_token();
        let beginning = shim::Beginning {
            spec,
            ids: self.ids,
            descriptor_limit: self.processes.descriptor_limit(),
            channel: theirs,
            network,
            gate,
            attach,
            pipes,
            cgroup: cgroup.clone(),
        };
        let (key, instance, stop_signal) =
            (beginning.spec.key.clone(), beginning.spec.instance.clone(), beginning.spec.stop_signal);
        let pid = self.make_shim(beginning)?;
        let channel = Channel::new(ours);
        if let Err(fault) = self.server.watch(&channel, token) {
            let _ = sys::kill(pid.as_raw_pid(), libc::SIGKILL, false);
            return Err(fault);
        }
        let status = ContainerStatus {
            key: key.clone(),
            instance,
            pid: 0,
            instance_pid: 0,
            shim_pid: pid.as_raw_pid(),
            started: 0,
            paused: false,
            ended: None,
            network_inode: 0,
            cgroup: cgroup.clone(),
        };
        let container = Container {
            status,
            token,
            channel,
            stop_signal,
            pidfd: None,
            network: None,
            pending: Some((caller, streams)),
            warnings,
            asked: BTreeMap::new(),
            waiting,
            cgroup,
        };
        self.containers.by_token.insert(token, key.clone());
        self.containers.by_pid.insert(pid.as_raw_pid(), key.clone());
        self.containers.all.insert(key, container);
        Ok(Outcome::Later)
    }

    /// The namespace that a container enters; `None` for a new one.
    fn container_network(&self, spec: &ContainerSpec) -> Result<Option<OwnedFd>, Fault> {
        let copy = |network: &OwnedFd| network.try_clone().map(Some).map_err(Fault::os("duplicating a descriptor"));
        match &spec.network {
            ContainerNetwork::None => Ok(None),
            ContainerNetwork::Host => self.namespaces.duplicate(&spec.instance).map(Some),
            ContainerNetwork::Own { netns } => self.namespaces.duplicate(netns).map(Some),
            ContainerNetwork::Container { key } => {
                let known = self.containers.get(key)?;
                if known.status.instance != spec.instance {
                    return Err(Fault::invalid(format!("container {key} runs in another instance")));
                }
                match (&known.network, &known.status.ended) {
                    (Some(network), None) => copy(network),
                    _ => Err(Fault::not_found(format!("running container {key}"))),
                }
            }
        }
    }

    /// Where its limits are enforced. What cannot be is among the warnings.
    fn container_cgroup(&self, spec: &ContainerSpec, warnings: &mut Vec<String>) -> Option<PathBuf> {
        let limits = &spec.limits;
        let made = self.cgroup.as_ref().map(|tree| tree.make_container(&spec.instance, &spec.key, limits));
        match made {
            Some(Ok(directory)) => Some(directory),
            other => {
                if *limits != crate::spec::Limits::default() {
                    let why = match other {
                        Some(Err(error)) => error.to_string(),
                        _ => "no part of the tree of control groups was given to this user".to_owned(),
                    };
                    warnings.push(format!("limits of memory, processes and processors are not enforced: {why}"));
                }
                None
            }
        }
    }

    /// A process of the instance that is the holder's child.
    fn make_shim(&self, beginning: shim::Beginning) -> Result<Pid, Fault> {
        let entering = || Fault::os("entering an instance");
        let user = self.user_namespace(&beginning.spec.instance)?;
        let processes = self.instances.processes(&beginning.spec.instance)?;
        if let Some(shim) = self.namespaces.fork_into(processes.as_fd()).map_err(entering())? {
            return Ok(shim);
        }
        sys::child(|| shim::begin(user.as_fd(), beginning));
    }
}

/// Pipes for a caller, in the order input, output, errors: its ends, and the shim's.
pub(super) fn pipes(attach: Attach) -> Result<(Vec<OwnedFd>, Vec<OwnedFd>), Fault> {
    let (mut callers, mut shims) = (Vec::new(), Vec::new());
    for (wanted, is_input) in [(attach.input, true), (attach.output, false), (attach.errors, false)] {
        if wanted {
            let (read, write) =
                rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(Fault::os("making a pipe"))?;
            let (caller, shim) = if is_input { (write, read) } else { (read, write) };
            callers.push(caller);
            shims.push(shim);
        }
    }
    Ok((callers, shims))
}
