//! The caller's side of a holder. Blocking, safe to share between threads: each waits for its own answer only.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::channel::Message;
use crate::connection::{ANSWER_TIMEOUT, Connection, Pending};
use crate::error::{Error, Fault, Result};
use crate::process::{Process, ProcessStatus};
use crate::protocol::{Answer, Request, StdioKind, VERSION};
pub use crate::protocol::{Disks, InstanceStatus, NetnsStatus, Pong, Stats, SysctlWrite};
use crate::spec::{ExecSpec, InstanceSpec, NetnsSpec, SocketSpec, Stdio};

/// Descriptors asked for in one request.
const DESCRIPTORS_A_REQUEST: usize = 1000;

/// A connection to a holder. Dropping it leaves everything in the lab as it is.
pub struct Client {
    socket: PathBuf,
    connection: Connection,
}

impl Client {
    /// Connects to the holder at `socket`. Errors: [`Error::NotRunning`]; [`Error::Malformed`] when it
    /// speaks another version.
    pub fn connect(socket: &Path) -> Result<Client> {
        let client = Client {
            socket: socket.to_owned(),
            connection: Connection::new(connect_socket(socket)?)?,
        };
        let pong = client.ping()?;
        if pong.version == VERSION {
            Ok(client)
        } else {
            Err(Error::Malformed(format!(
                "the holder of lab `{}` runs vpclab {} (protocol {}), this is protocol {VERSION}; \
                 restart the lab: vpclab down && vpclab up",
                pong.lab_name, pong.program_version, pong.version
            )))
        }
    }

    /// Where the holder listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether the holder has gone, as far as that can be told without asking it.
    pub fn is_lost(&self) -> bool {
        self.connection.is_lost()
    }

    /// Who answers.
    pub fn ping(&self) -> Result<Pong> {
        match self.ask(&Request::Ping)? {
            Answer::Pong(pong) => Ok(pong),
            other => Err(unexpected(&other)),
        }
    }

    /// What the holder holds.
    pub fn stats(&self) -> Result<Stats> {
        match self.ask(&Request::Stats)? {
            Answer::Stats(stats) => Ok(stats),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes network namespaces; all or, on the first refusal, those before it. Errors:
    /// `AlreadyExists`.
    pub fn create_netnses(&self, specs: &[NetnsSpec]) -> Result<()> {
        self.done(&Request::CreateNamespaces {
            specs: specs.to_vec(),
        })
    }

    /// Makes one network namespace.
    pub fn create_netns(&self, spec: NetnsSpec) -> Result<()> {
        self.done(&Request::CreateNamespaces { specs: vec![spec] })
    }

    /// Lets network namespaces go; the kernel removes each with its links once nothing else uses it.
    /// Keys that do not exist are passed over. Errors: `Invalid` for one whose instance still runs.
    pub fn remove_netnses<S: AsRef<str>>(&self, keys: &[S]) -> Result<()> {
        self.done(&Request::RemoveNamespaces { keys: owned(keys) })
    }

    /// All network namespaces, by key.
    pub fn list_netnses(&self) -> Result<Vec<NetnsStatus>> {
        match self.ask(&Request::ListNamespaces)? {
            Answer::Namespaces(list) => Ok(list),
            other => Err(unexpected(&other)),
        }
    }

    /// Descriptor of a network namespace, for `IFLA_NET_NS_FD`.
    pub fn netns_fd(&self, key: &str) -> Result<OwnedFd> {
        self.one_descriptor(&Request::NamespaceDescriptors {
            keys: vec![key.to_owned()],
        })
    }

    /// Descriptors of network namespaces, in the order of `keys`. See
    /// [`crate::raise_descriptor_limit`].
    pub fn netns_fds<S: AsRef<str>>(&self, keys: &[S]) -> Result<Vec<OwnedFd>> {
        let mut all = Vec::with_capacity(keys.len());
        for part in keys.chunks(DESCRIPTORS_A_REQUEST) {
            all.extend(self.descriptors(
                &Request::NamespaceDescriptors { keys: owned(part) },
                part.len(),
            )?);
        }
        Ok(all)
    }

    /// Opens a socket inside a namespace.
    pub fn open_socket(&self, socket: SocketSpec) -> Result<OwnedFd> {
        self.one_descriptor(&Request::OpenSockets {
            sockets: vec![socket],
        })
    }

    /// Opens sockets, in order; none is returned unless all opened.
    pub fn open_sockets(&self, sockets: &[SocketSpec]) -> Result<Vec<OwnedFd>> {
        let mut all = Vec::with_capacity(sockets.len());
        for part in sockets.chunks(DESCRIPTORS_A_REQUEST) {
            all.extend(self.descriptors(
                &Request::OpenSockets {
                    sockets: part.to_vec(),
                },
                part.len(),
            )?);
        }
        Ok(all)
    }

    /// Writes below `/proc/sys` as seen in a namespace (`net/ipv4/ip_forward`).
    pub fn write_sysctls(&self, key: &str, values: &[(&str, &str)]) -> Result<()> {
        let values = values
            .iter()
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
            .collect();
        self.write_sysctls_of(vec![SysctlWrite {
            key: key.to_owned(),
            values,
        }])
    }

    /// As [`Client::write_sysctls`], for many namespaces at once.
    pub fn write_sysctls_of(&self, writes: Vec<SysctlWrite>) -> Result<()> {
        self.done(&Request::WriteSysctls { writes })
    }

    /// Content of a file below `/proc` or `/sys/class/net` as seen in a namespace
    /// (`/proc/net/nf_conntrack`).
    pub fn read_file(&self, key: &str, path: &str) -> Result<Vec<u8>> {
        match self.ask(&Request::ReadFile {
            key: key.to_owned(),
            path: path.to_owned(),
        })? {
            Answer::Content(content) => Ok(content),
            other => Err(unexpected(&other)),
        }
    }

    /// Contents of such files, in order; `None` for one that is not there.
    pub fn read_files<S: AsRef<str>>(&self, key: &str, paths: &[S]) -> Result<Vec<Option<Vec<u8>>>> {
        match self.ask(&Request::ReadFiles {
            key: key.to_owned(),
            paths: owned(paths),
        })? {
            Answer::Contents(contents) if contents.len() == paths.len() => Ok(contents),
            other => Err(unexpected(&other)),
        }
    }

    /// Where a link below `/proc` leads, as the holder sees it: which namespaces a process is in (`/proc/7/ns/net`,
    /// numbered as the lab numbers processes). Errors: `Os` where the kernel shows it to nobody, as of our own processes.
    pub fn read_link(&self, path: &str) -> Result<String> {
        match self.ask(&Request::ReadLink {
            path: path.to_owned(),
        })? {
            Answer::Content(content) => Ok(String::from_utf8_lossy(&content).into_owned()),
            other => Err(unexpected(&other)),
        }
    }

    /// Starts instances; answers which failed and why, by key. The others are up: namespaces, `lo` and
    /// init exist.
    pub fn start_instances(&self, specs: &[InstanceSpec]) -> Result<BTreeMap<String, Fault>> {
        match self.ask(&Request::StartInstances {
            specs: specs.to_vec(),
        })? {
            Answer::Failures(failures) => Ok(failures),
            other => Err(unexpected(&other)),
        }
    }

    /// Starts one instance.
    pub fn start_instance(&self, spec: InstanceSpec) -> Result<()> {
        match self.start_instances(&[spec])?.into_values().next() {
            None => Ok(()),
            Some(fault) => Err(fault.into()),
        }
    }

    /// Ends everything in these instances and waits until it is gone. With a `grace`, programs get
    /// SIGTERM and that long to end first. Network namespaces stay. Keys without a running instance are
    /// passed over.
    pub fn stop_instances<S: AsRef<str>>(&self, keys: &[S], grace: Duration) -> Result<()> {
        self.done(&Request::StopInstances {
            keys: owned(keys),
            grace_milliseconds: u64::try_from(grace.min(ANSWER_TIMEOUT / 2).as_millis())
                .unwrap_or(0),
        })
    }

    /// Removes every disk in `folder` (see [`crate::RootSpec::disk`]) but those of these names; those removed
    /// must have no running instance. A folder that is not there has none.
    pub fn retain_disks(&self, folder: &Path, keep: BTreeSet<String>) -> Result<()> {
        self.done(&Request::RetainDisks {
            folder: folder.to_owned(),
            keep,
        })
    }

    /// Makes these all the volumes that a running instance sees, by path inside (see [`crate::RootSpec::volumes`]).
    pub fn set_volumes(&self, key: &str, volumes: BTreeMap<PathBuf, PathBuf>) -> Result<()> {
        self.done(&Request::SetVolumes { key: key.to_owned(), volumes })
    }

    /// Copies a disk or volume, unless the copy is there, and waits for it; one that is not there becomes an empty one.
    pub fn copy_disk(&self, from: &Path, to: &Path) -> Result<()> {
        let pipe = self.one_descriptor(&Request::CopyDisk { from: from.to_owned(), to: to.to_owned() })?;
        let mut said = String::new();
        std::io::Read::read_to_string(&mut std::fs::File::from(pipe), &mut said).map_err(Error::os("waiting for a copy"))?;
        match said.is_empty() {
            true => Ok(()),
            false => Err(Error::os("copying a disk")(std::io::Error::other(said))),
        }
    }

    /// Puts a disk or volume that nobody uses somewhere else, where it is there and the other place is free.
    pub fn move_disk(&self, from: &Path, to: &Path) -> Result<()> {
        self.done(&Request::MoveDisk { from: from.to_owned(), to: to.to_owned() })
    }

    /// Running instances, by key.
    pub fn list_instances(&self) -> Result<Vec<InstanceStatus>> {
        match self.ask(&Request::ListInstances)? {
            Answer::Instances(list) => Ok(list),
            other => Err(unexpected(&other)),
        }
    }

    /// Runs a command inside an instance. Errors: `NotFound` (no such instance), `Os` with the errno of
    /// `execve` (2 for a program that does not exist).
    pub fn exec(&self, key: &str, spec: ExecSpec, stdio: Stdio) -> Result<Process> {
        let (stdio, descriptors) = match stdio {
            Stdio::Null => (StdioKind::Null, Vec::new()),
            Stdio::Descriptors(three) => (StdioKind::Descriptors, three.into()),
            Stdio::Terminal { rows, columns } => {
                (StdioKind::Terminal { rows, columns }, Vec::new())
            }
        };
        let wants_terminal = matches!(stdio, StdioKind::Terminal { .. });
        let request = Request::Exec {
            key: key.to_owned(),
            spec,
            stdio,
        };
        self.started(&request, descriptors, wants_terminal)
    }

    /// Runs a command inside an instance with no input and its output appended to a file of the host
    /// (made with mode 0600). It runs until it ends or the instance stops, whoever is connected.
    pub fn spawn(&self, key: &str, spec: ExecSpec, log: &Path) -> Result<Process> {
        use std::os::unix::fs::OpenOptionsExt;
        let null = std::fs::File::open("/dev/null").map_err(Error::os("opening /dev/null"))?;
        let output = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(log)
            .map_err(Error::os(format!("opening {}", log.display())))?;
        let errors = output
            .try_clone()
            .map_err(Error::os("duplicating a descriptor"))?;
        self.exec(
            key,
            spec,
            Stdio::Descriptors([null.into(), output.into(), errors.into()]),
        )
    }

    /// Runs this program (`argv[0]` is replaced by the holder's own executable) inside a network
    /// namespace, with the lab's view of the file system and the lab's privileges. `inherited` become
    /// descriptors 3, 4, … For parts of the product that serve a namespace; never for the user's
    /// programs.
    pub fn run(
        &self,
        key: &str,
        spec: ExecSpec,
        standard: [OwnedFd; 3],
        inherited: Vec<OwnedFd>,
    ) -> Result<Process> {
        let request = Request::Run {
            key: key.to_owned(),
            spec,
            inherited: inherited.len(),
        };
        let mut descriptors = Vec::from(standard);
        descriptors.extend(inherited);
        self.started(&request, descriptors, false)
    }

    /// Sends a signal to a command and all of its process group. Errors: `NotFound`, also when it has
    /// ended.
    pub fn signal(&self, process: u64, signal: i32) -> Result<()> {
        self.done(&Request::Signal { process, signal })
    }

    /// Takes hold of a command again, by a caller that did not start it or was restarted. Works for a
    /// while after it ended, too.
    pub fn attach(&self, process: u64) -> Result<Process> {
        self.started(&Request::Wait { process }, Vec::new(), false)
    }

    /// Commands that run, and the last ones that ended.
    pub fn list_processes(&self) -> Result<Vec<ProcessStatus>> {
        match self.ask(&Request::ListProcesses)? {
            Answer::Processes(list) => Ok(list),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the holder keep a descriptor under a name, for a restarted daemon; replaces one of that name.
    pub fn keep(&self, name: &str, descriptor: OwnedFd) -> Result<()> {
        let (answer, _) = self.call(
            &Request::Keep {
                name: name.to_owned(),
            },
            vec![descriptor],
        )?;
        match answer {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// A duplicate of a kept descriptor. Errors: `NotFound`.
    pub fn fetch(&self, name: &str) -> Result<OwnedFd> {
        self.one_descriptor(&Request::Fetch {
            name: name.to_owned(),
        })
    }

    /// Closes a kept descriptor; a name that is not kept is passed over.
    pub fn forget(&self, name: &str) -> Result<()> {
        self.done(&Request::Forget {
            name: name.to_owned(),
        })
    }

    /// Names of kept descriptors.
    pub fn list_kept(&self) -> Result<Vec<String>> {
        match self.ask(&Request::ListKept)? {
            Answer::Names(names) => Ok(names),
            other => Err(unexpected(&other)),
        }
    }

    /// From now on the lab ends when this connection does, however its owner ends: for labs of one command.
    pub fn end_with_me(&self) -> Result<()> {
        self.done(&Request::EndWithCaller)
    }

    /// Ends the lab: every process in it, then the holder. Returns when all are gone.
    pub fn shutdown(self) -> Result<()> {
        self.done(&Request::Shutdown)?;
        self.connection.wait_for_its_end()
    }

    pub(crate) fn started(
        &self,
        request: &Request,
        descriptors: Vec<OwnedFd>,
        terminal: bool,
    ) -> Result<Process> {
        let (answer, message) = self.call(request, descriptors)?;
        let Answer::Started { process, pid } = answer else {
            return Err(unexpected(&answer));
        };
        let mut received = message.descriptors;
        let exit = received
            .pop_front()
            .ok_or_else(|| Error::Malformed("no exit pipe".into()))?;
        let master = received.pop_front();
        if terminal && master.is_none() {
            return Err(Error::Malformed("no terminal".into()));
        }
        Ok(Process {
            id: process,
            pid,
            terminal: master,
            exit: exit.into(),
        })
    }

    pub(crate) fn done(&self, request: &Request) -> Result<()> {
        match self.ask(request)? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    pub(crate) fn one_descriptor(&self, request: &Request) -> Result<OwnedFd> {
        self.descriptors(request, 1)?
            .pop()
            .ok_or_else(|| Error::Malformed("no descriptor".into()))
    }

    fn descriptors(&self, request: &Request, count: usize) -> Result<Vec<OwnedFd>> {
        let (answer, message) = self.call(request, Vec::new())?;
        match answer {
            Answer::Done if message.descriptors.len() == count => Ok(message.descriptors.into()),
            Answer::Done => Err(Error::Malformed(format!(
                "{} descriptors instead of {count}",
                message.descriptors.len()
            ))),
            other => Err(unexpected(&other)),
        }
    }

    pub(crate) fn ask(&self, request: &Request) -> Result<Answer> {
        self.call(request, Vec::new()).map(|(answer, _)| answer)
    }

    pub(crate) fn call(&self, request: &Request, descriptors: Vec<OwnedFd>) -> Result<(Answer, Message)> {
        let answered = self.begin(request, descriptors)?.answer();
        if !matches!(request, Request::Ping) {
            crate::abort::point("an answer of the holder");
        }
        answered
    }

    /// Sends a request; others may be sent before it is answered.
    pub(crate) fn begin(&self, request: &Request, descriptors: Vec<OwnedFd>) -> Result<Pending<'_>> {
        self.connection.begin(request, descriptors)
    }
}

/// Connects; the socket is blocking.
pub(crate) fn connect_socket(socket: &Path) -> Result<OwnedFd> {
    let address = SocketAddrUnix::new(socket).map_err(Error::os(format!(
        "using {} as a socket address",
        socket.display()
    )))?;
    let stream = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(Error::os("opening a socket"))?;
    match rustix::net::connect(&stream, &address) {
        Ok(()) => Ok(stream),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => Err(Error::NotRunning {
            socket: socket.to_owned(),
        }),
        Err(error) => Err(Error::os(format!("connecting to {}", socket.display()))(
            error,
        )),
    }
}

fn owned<S: AsRef<str>>(keys: &[S]) -> Vec<String> {
    keys.iter().map(|key| key.as_ref().to_owned()).collect()
}

pub(crate) fn unexpected(answer: &Answer) -> Error {
    Error::Malformed(format!("unexpected answer {answer:?}"))
}
