//! Pid 1 of a lab: one thread, one event loop, requests one at a time.
//!
//! It holds what must outlive the daemon: network namespaces by descriptor, instances by their init,
//! commands by number, sockets by name. Nothing inside can end it but [`Request::Shutdown`]; when it
//! ends, the kernel ends everything in its pid namespace.

mod container_start;
mod containers;
mod disks;
mod instances;
mod namespaces;
mod processes;
mod server;
mod volumes;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Instant;

use rustix::mount::MountPropagationFlags;

use crate::cgroup::Tree;
use crate::channel::{Channel, Received};
use crate::error::{Error, Fault, Result};
use crate::init::set_up_network;
use crate::launch::Report;
use crate::protocol::{Answer, NetworkStart, Pong, Request, Stats, VERSION};
use crate::{capabilities, init, root, sys};

use containers::Containers;
use instances::Instances;
use namespaces::Namespaces;
use processes::Processes;

/// What the starting process hands over.
pub(crate) struct Beginning {
    pub lab_name: String,
    pub socket: PathBuf,
    pub launched_by_root: bool,
    pub log: OwnedFd,
    pub listener: OwnedFd,
    pub starter: Channel,
    /// Where limits can be enforced.
    pub cgroup: Option<Tree>,
}

/// Who asked, to answer later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Caller {
    client: u64,
    request: u64,
}

/// What a request comes to.
enum Outcome {
    Answer(Answer),
    WithDescriptors(Answer, Vec<OwnedFd>),
    /// Answered when something else happens.
    Later,
}

struct Holder {
    lab_name: String,
    socket: PathBuf,
    socket_inode: Option<u64>,
    started: Instant,
    requests: u64,
    ids: u32,
    launched_by_root: bool,
    server: server::Server,
    namespaces: Namespaces,
    instances: Instances,
    containers: Containers,
    processes: Processes,
    kept: BTreeMap<String, OwnedFd>,
    cgroup: Option<Tree>,
    disks: disks::Disks,
    /// The client whose end is the lab's.
    owner: Option<u64>,
    /// Shutdown was asked for.
    ending: bool,
}

/// The child's side of launching. Returns the exit code.
pub(crate) fn begin(beginning: Beginning) -> i32 {
    let Beginning {
        lab_name,
        socket,
        launched_by_root,
        log,
        listener,
        mut starter,
        cgroup,
    } = beginning;
    let ids = match starter.receive() {
        Ok(Received::Message(message)) => String::from_utf8_lossy(&message.payload)
            .parse::<u32>()
            .ok(),
        _ => None,
    };
    // The starting process died or failed, and says why to whoever asked.
    let Some(ids) = ids else { return 1 };
    let prepared = prepare(&lab_name, &log).and_then(|limit| {
        Ok(Holder {
            socket_inode: std::fs::symlink_metadata(&socket)
                .ok()
                .map(|metadata| metadata.ino()),
            lab_name,
            socket,
            started: Instant::now(),
            requests: 0,
            ids,
            launched_by_root,
            server: server::Server::new(listener)?,
            namespaces: Namespaces::new()?,
            instances: Instances::default(),
            containers: Containers::default(),
            processes: Processes::new(limit),
            kept: BTreeMap::new(),
            cgroup,
            disks: disks::Disks::default(),
            owner: None,
            ending: false,
        })
    });
    let report = match &prepared {
        Ok(_) => Report::Up { pid: 1 },
        Err(Error::Environment { missing, fix }) => Report::Environment {
            missing: missing.clone(),
            fix: fix.clone(),
        },
        Err(Error::Os { doing, source }) => Report::Failed {
            doing: doing.clone(),
            message: source.to_string(),
            errno: source.raw_os_error(),
        },
        Err(other) => Report::Failed {
            doing: "starting a holder".into(),
            message: other.to_string(),
            errno: None,
        },
    };
    let told = serde_json::to_vec(&report)
        .is_ok_and(|payload| starter.send(0, payload, Vec::new()).is_ok());
    drop(starter);
    match prepared {
        Ok(mut holder) if told => match holder.serve() {
            Ok(()) => 0,
            Err(error) => {
                crate::say!("holder: {error}");
                1
            }
        },
        _ => 1,
    }
}

/// From a copy of the starting process to pid 1 of a lab. Returns the descriptor limit it found.
fn prepare(lab_name: &str, log: &OwnedFd) -> Result<Option<u64>> {
    let null = init::null()?;
    for (number, descriptor) in [(0, &null), (1, &null), (2, log)] {
        sys::install(std::os::fd::AsFd::as_fd(descriptor), number)
            .map_err(Error::os("opening standard streams"))?;
    }
    let refused = |doing: &'static str| {
        move |error: std::io::Error| {
            capabilities::explain_refusal(doing, &error).unwrap_or_else(|| Error::os(doing)(error))
        }
    };
    // Mounts of the host come and go here as they do there (a stick can be taken out); none goes back.
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )
    .map_err(std::io::Error::from)
    .map_err(refused("changing mounts inside a user namespace"))?;
    root::mount_proc("/proc").map_err(refused("mounting /proc inside a user namespace"))?;
    std::env::set_current_dir("/").map_err(Error::os("entering /"))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // At most 64 bytes fit, and it is for people only.
    let name: String = lab_name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60)
        .collect();
    rustix::system::sethostname(name.as_bytes()).map_err(Error::os("setting the host name"))?;
    set_up_network(&NetworkStart {
        ipv6: false,
        sysctls: Vec::new(),
    })?;
    Ok(sys::raise_descriptor_limit())
}

impl Holder {
    fn obey(
        &mut self,
        request: Request,
        descriptors: Vec<OwnedFd>,
        caller: Caller,
    ) -> Result<Outcome, Fault> {
        let done = || Ok(Outcome::Answer(Answer::Done));
        let answer = |answer| Ok(Outcome::Answer(answer));
        match request {
            Request::Ping => answer(Answer::Pong(Pong {
                version: VERSION,
                program_version: env!("CARGO_PKG_VERSION").to_owned(),
                lab_name: self.lab_name.clone(),
            })),
            Request::Stats => answer(Answer::Stats(self.stats())),
            Request::CreateNamespaces { specs } => {
                self.create_namespaces(specs).and_then(|()| done())
            }
            Request::RemoveNamespaces { keys } => {
                if let Some(key) = keys.iter().find(|key| self.instances.running(key)) {
                    return Err(Fault::invalid(format!(
                        "instance {key} still runs in its namespace"
                    )));
                }
                keys.iter().for_each(|key| self.namespaces.remove(key));
                done()
            }
            Request::ListNamespaces => answer(Answer::Namespaces(self.namespaces.list()?)),
            Request::NamespaceDescriptors { keys } => {
                let all = keys
                    .iter()
                    .map(|key| self.namespaces.duplicate(key))
                    .collect::<Result<_, _>>()?;
                Ok(Outcome::WithDescriptors(Answer::Done, all))
            }
            Request::OpenSockets { sockets } => {
                let all = sockets
                    .iter()
                    .map(|socket| self.namespaces.open_socket(socket))
                    .collect::<Result<_, _>>()?;
                Ok(Outcome::WithDescriptors(Answer::Done, all))
            }
            Request::WriteSysctls { writes } => {
                for write in &writes {
                    self.namespaces
                        .within(&write.key, || init::write_sysctls(&write.values))?;
                }
                done()
            }
            Request::ReadFile { key, path } => answer(Answer::Content(
                self.namespaces
                    .within(&key, || namespaces::read_file(&path))?,
            )),
            Request::ReadFiles { key, paths } => answer(Answer::Contents(self.namespaces.within(&key, || {
                paths.iter().map(|path| namespaces::read_file_if_there(path)).collect()
            })?)),
            Request::ReadLink { path } => answer(Answer::Content(namespaces::read_link(&path)?)),
            Request::StartInstances { specs } => {
                answer(Answer::Failures(self.start_instances(specs)))
            }
            Request::StopInstances {
                keys,
                grace_milliseconds,
            } => Ok(self.stop_instances(&keys, grace_milliseconds, caller)),
            Request::RetainDisks { folder, keep } => {
                self.retain_disks(&folder, &keep).and_then(|()| done())
            }
            Request::SetVolumes { key, volumes } => self.set_volumes(&key, volumes).and_then(|()| done()),
            Request::CopyDisk { from, to } => self.copy_disk(&from, &to),
            Request::MoveDisk { from, to } => self.move_disk(&from, &to).and_then(|()| done()),
            Request::ListInstances => answer(Answer::Instances(self.instances.list())),
            Request::Exec { key, spec, stdio } => self.exec(&key, spec, stdio, descriptors, caller),
            Request::Run {
                key,
                spec,
                inherited,
            } => self.run(&key, spec, inherited, descriptors, caller),
            Request::Signal { process, signal } => {
                self.signal(process, signal).and_then(|()| done())
            }
            Request::Wait { process } => self.processes.attach(process),
            Request::ListProcesses => answer(Answer::Processes(self.processes.list())),
            Request::Keep { name } => {
                let descriptor = descriptors
                    .into_iter()
                    .next()
                    .ok_or_else(|| Fault::invalid("nothing to keep"))?;
                self.kept.insert(name, descriptor);
                done()
            }
            Request::Fetch { name } => {
                let kept = self
                    .kept
                    .get(&name)
                    .ok_or_else(|| Fault::not_found(format!("kept descriptor {name}")))?;
                let copy = kept
                    .try_clone()
                    .map_err(Fault::os("duplicating a descriptor"))?;
                Ok(Outcome::WithDescriptors(Answer::Done, vec![copy]))
            }
            Request::Forget { name } => {
                self.kept.remove(&name);
                done()
            }
            Request::ListKept => answer(Answer::Names(self.kept.keys().cloned().collect())),
            Request::CreateContainerNamespace { key, instance, ipv6 } => {
                let network = self.create_container_namespace(key, &instance, ipv6)?;
                Ok(Outcome::WithDescriptors(Answer::Done, vec![network]))
            }
            Request::StartContainer { spec, attach } => {
                self.start_container(spec, attach, descriptors.into_iter().next(), caller)
            }
            Request::ListContainers => answer(Answer::Containers(self.containers.list())),
            Request::ContainerStatus { key } => answer(Answer::Containers(vec![self.containers.status(&key)?])),
            Request::WaitContainer { key } => self.containers.wait(&key),
            Request::SignalContainer { key, signal } => self.signal_container(&key, signal).and_then(|()| done()),
            Request::PauseContainer { key, pause } => self.pause_container(&key, pause, caller),
            Request::ResizeContainer { key, rows, columns } => self.resize_container(&key, rows, columns, caller),
            Request::AttachContainer { key, attach } => self.attach_container(&key, attach),
            Request::ExecInContainer { key, spec, stdio } => {
                self.exec_in_container(&key, spec, stdio, descriptors, caller)
            }
            Request::WriteContainerFile { key, path, content } => {
                self.write_container_file(&key, path, content, caller)
            }
            Request::ContainerProcesses { key } => answer(Answer::Pids(self.containers.processes(&key)?)),
            Request::ContainerRoot { key } => self.container_root(&key, caller),
            Request::RemoveContainer { key } => self.remove_container(&key).and_then(|()| done()),
            Request::EndWithCaller => {
                self.owner = Some(caller.client);
                done()
            }
            Request::Shutdown => {
                self.end();
                done()
            }
        }
    }

    fn stats(&self) -> Stats {
        let resident_kib = std::fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|text| {
                text.lines().find_map(|line| {
                    line.strip_prefix("VmRSS:")?
                        .split_whitespace()
                        .next()?
                        .parse()
                        .ok()
                })
            })
            .unwrap_or(0);
        Stats {
            uptime_seconds: self.started.elapsed().as_secs(),
            namespaces: self.namespaces.len(),
            instances: self.instances.len(),
            processes: self.processes.running(),
            clients: self.server.clients(),
            requests: self.requests,
            resident_kib,
            instance_ids: self.ids,
            enforced: self
                .cgroup
                .as_ref()
                .map(Tree::controllers)
                .unwrap_or_default(),
            disks: self.disks.kept(),
        }
    }

    /// Ends everything but this process, and waits for it.
    fn end(&mut self) {
        self.ending = true;
        sys::kill_all(libc::SIGKILL);
        while rustix::process::wait(rustix::process::WaitOptions::empty())
            .is_ok_and(|ended| ended.is_some())
        {}
        // Only the file that this holder made: a later one may listen under the same name.
        let same = std::fs::symlink_metadata(&self.socket)
            .is_ok_and(|now| Some(now.ino()) == self.socket_inode);
        if same {
            let _ = std::fs::remove_file(&self.socket);
        }
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Outcome {
        Outcome::Answer(Answer::Refused(fault))
    }
}
