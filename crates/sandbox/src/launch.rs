//! Bringing a holder to life, detached from whoever asks.
//!
//! [`launch`] starts this program again (`__holder`); that process binds the socket and opens the log
//! while it still is in the host's namespaces, makes pid 1 of the lab's, maps its ids, reports and ends.
//! Pid 1 then belongs to nobody: it survives the caller, its terminal and its session.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::cgroup::Tree;
use crate::channel::{Channel, Received};
use crate::client::{Client, connect_socket};
use crate::entry::{HOLDER, SelfCommand};
use crate::error::{Error, Result};
use crate::holder::Beginning;
use crate::{capabilities, identity, seal, sys};

/// A holder to launch.
#[derive(Debug, Clone)]
pub struct HolderSpec {
    /// Where it listens. The directory exists and only its user can write there; the path has at most
    /// 107 bytes.
    pub socket: PathBuf,
    /// Name of the lab, for people.
    pub lab_name: String,
    /// File that its complaints are appended to (made with mode 0600).
    pub log: PathBuf,
    /// The program to start as holder.
    pub command: SelfCommand,
}

/// A holder that was launched. Dropping this leaves it running.
#[derive(Debug)]
pub struct HolderHandle {
    /// Where it listens.
    pub socket: PathBuf,
    /// Its pid as this process sees it.
    pub pid: i32,
    /// Readable once the holder is dead.
    pub pidfd: OwnedFd,
}

impl HolderHandle {
    /// Connects to it.
    pub fn client(&self) -> Result<Client> {
        Client::connect(&self.socket)
    }
}

/// What the starting process is told, in its command line: see [`crate::running`].
#[derive(Serialize, Deserialize)]
pub(crate) struct Arguments {
    pub(crate) socket: PathBuf,
    pub(crate) lab_name: String,
    log: PathBuf,
}

/// What the starting process tells the caller, on its standard output.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Up {
        pid: i32,
    },
    AlreadyRunning,
    Environment {
        missing: String,
        fix: String,
    },
    Failed {
        doing: String,
        message: String,
        errno: Option<i32>,
    },
}

/// Launches a holder and returns once it serves. Errors: [`Error::AlreadyRunning`],
/// [`Error::Environment`] with the command that fixes it.
pub fn launch(spec: &HolderSpec) -> Result<HolderHandle> {
    let arguments = Arguments {
        socket: absolute(&spec.socket)?,
        lab_name: spec.lab_name.clone(),
        log: absolute(&spec.log)?,
    };
    let json = serde_json::to_string(&arguments)
        .map_err(|error| Error::Malformed(format!("path that is not UTF-8: {error}")))?;
    let output = spec
        .command
        .with(HOLDER)
        .arg(json)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(Error::os(format!(
            "starting {}",
            spec.command.program.display()
        )))?;
    let report: Report = serde_json::from_slice(&output.stdout).map_err(|_| {
        Error::Malformed(format!(
            "{} did not start a holder ({})",
            spec.command.program.display(),
            output.status
        ))
    })?;
    match report {
        Report::Up { pid } => {
            let known = Pid::from_raw(pid)
                .ok_or_else(|| Error::Malformed("holder without a pid".into()))?;
            let pidfd = rustix::process::pidfd_open(known, rustix::process::PidfdFlags::empty())
                .map_err(Error::os("watching the holder"))?;
            Ok(HolderHandle {
                socket: arguments.socket,
                pid,
                pidfd,
            })
        }
        Report::AlreadyRunning => Err(Error::AlreadyRunning {
            socket: arguments.socket,
        }),
        Report::Environment { missing, fix } => Err(Error::Environment { missing, fix }),
        Report::Failed {
            doing,
            message,
            errno,
        } => Err(Error::Os {
            doing,
            source: errno.map_or_else(
                || std::io::Error::other(message),
                std::io::Error::from_raw_os_error,
            ),
        }),
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(Error::os(format!("resolving {}", path.display())))
}

/// The starting process; returns its exit code. Served by [`crate::entry::dispatch`].
pub(crate) fn main(arguments: &[OsString]) -> i32 {
    if arguments.len() == 1 {
        // Worse, but a lab: who cannot be sealed in has his reasons told below.
        let why = seal::start_again();
        crate::say!("holder: its program is not sealed: {why}");
    } else {
        seal::restore_name();
    }
    let parsed = arguments
        .first()
        .and_then(|json| json.to_str())
        .and_then(|json| serde_json::from_str::<Arguments>(json).ok());
    let Some(arguments) = parsed else {
        eprintln!("this is how vpclab starts parts of itself; it takes no other arguments");
        return 2;
    };
    let report = start(&arguments).unwrap_or_else(|error| match error {
        Error::AlreadyRunning { .. } => Report::AlreadyRunning,
        Error::Environment { missing, fix } => Report::Environment { missing, fix },
        Error::Os { doing, source } => Report::Failed {
            doing,
            message: source.to_string(),
            errno: source.raw_os_error(),
        },
        other => Report::Failed {
            doing: "starting a holder".into(),
            message: other.to_string(),
            errno: None,
        },
    });
    let up = match report {
        Report::Up { pid } => Pid::from_raw(pid),
        _ => None,
    };
    let mut out = std::io::stdout();
    // A line that does not end stays in the buffer: only a flush tells whether anybody reads it.
    let written = serde_json::to_vec(&report).map(|bytes| out.write_all(&bytes).and_then(|()| out.flush()));
    let told = matches!(written, Ok(Ok(())));
    if let Some(holder) = up.filter(|_| !told) {
        // Whoever asked died meanwhile and has not noted that there is a lab: nobody would ever end it. The holder is
        // this process's child, so the number is still its own.
        let _ = rustix::process::kill_process(holder, rustix::process::Signal::KILL);
        let _ = std::fs::remove_file(&arguments.socket);
    }
    if up.is_none() || !told {
        1
    } else {
        0
    }
}

fn start(arguments: &Arguments) -> Result<Report> {
    sys::ignore_signal(libc::SIGPIPE);
    sys::ignore_signal(libc::SIGHUP);
    // Fails only for a process group's leader, which a program started by `launch` is not by default.
    let _ = rustix::process::setsid();
    sys::leave_session_keyring();
    let log = rustix::fs::open(
        &arguments.log,
        OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC,
        Mode::RUSR | Mode::WUSR,
    )
    .map_err(Error::os(format!("opening {}", arguments.log.display())))?;
    let listener = listen(&arguments.socket)?;
    let created = start_lab(arguments, log, listener);
    if created.is_err() {
        // Nobody will ever answer there.
        let _ = std::fs::remove_file(&arguments.socket);
    }
    created
}

fn start_lab(arguments: &Arguments, log: OwnedFd, listener: OwnedFd) -> Result<Report> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(Error::os("making a socket pair"))?;
    let launched_by_root = rustix::process::geteuid().is_root();
    let namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC;
    let cgroup = Tree::make(&arguments.lab_name);
    let made = sys::clone3(namespaces).map_err(|error| {
        capabilities::explain_refusal("creating a user namespace", &error)
            .unwrap_or_else(|| Error::os("creating a lab's namespaces")(error))
    })?;
    let Some(pid) = made else {
        drop(ours);
        sys::child(|| {
            crate::holder::begin(Beginning {
                lab_name: arguments.lab_name.clone(),
                socket: arguments.socket.clone(),
                launched_by_root,
                log,
                listener,
                starter: Channel::new(theirs),
                cgroup,
            })
        });
    };
    drop(theirs);
    let mut lab = Channel::new(ours);
    if let Some(tree) = &cgroup {
        // Before it has children; it waits for the message below. Instances are taken in one by one, so a
        // holder that stays where it is has limits for them all the same.
        let _ = tree.take_holder(pid.as_raw_pid());
    }
    let ids = identity::map_lab(pid).map_err(|error| {
        capabilities::explain_refusal("mapping ids", &error)
            .unwrap_or_else(|| Error::os("mapping the lab's ids")(error))
    })?;
    lab.send(0, ids.to_string().into_bytes(), Vec::new())
        .map_err(Error::os("starting a holder"))?;
    match lab.receive().map_err(Error::os("starting a holder"))? {
        Received::Message(message) => match serde_json::from_slice(&message.payload) {
            // It cannot know its own pid out here.
            Ok(Report::Up { .. }) => Ok(Report::Up {
                pid: pid.as_raw_pid(),
            }),
            Ok(report) => Ok(report),
            Err(error) => Err(Error::Malformed(error.to_string())),
        },
        Received::Nothing | Received::Closed(_) => Err(Error::Disconnected(format!(
            "it ended while starting; see {}",
            arguments.log.display()
        ))),
    }
}

/// Binds with mode 0600. A socket file whose holder is dead is replaced.
fn listen(path: &Path) -> Result<OwnedFd> {
    let address = SocketAddrUnix::new(path).map_err(Error::os(format!(
        "using {} as a socket address",
        path.display()
    )))?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
    .map_err(Error::os("opening a socket"))?;
    let old = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = bind_or_replace(&socket, &address, path);
    rustix::process::umask(old);
    bound?;
    rustix::net::listen(socket.as_fd(), 64).map_err(Error::os("listening"))?;
    Ok(socket)
}

fn bind_or_replace(socket: &OwnedFd, address: &SocketAddrUnix, path: &Path) -> Result<()> {
    let doing = || format!("binding {}", path.display());
    match rustix::net::bind(socket, address) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::ADDRINUSE) => match connect_socket(path) {
            Ok(_) => Err(Error::AlreadyRunning {
                socket: path.to_owned(),
            }),
            Err(Error::NotRunning { .. }) => {
                std::fs::remove_file(path)
                    .map_err(Error::os(format!("removing {}", path.display())))?;
                rustix::net::bind(socket, address).map_err(Error::os(doing()))
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(Error::os(doing())(error)),
    }
}
