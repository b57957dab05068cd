//! From a command's description to a process: descriptors, session, ids, exec. Used by an init for what
//! runs in its instance and by the holder for parts of the product.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Resource, Rlimit};
use rustix::thread::{Gid, LinkNameSpaceType, Uid};

use crate::error::Fault;
use crate::spec::ExecSpec;
use crate::{filter, sys};

/// Everything a new process is made of.
pub(crate) struct NewProcess<'a> {
    pub spec: &'a ExecSpec,
    /// Environment below the command's own.
    pub environment: &'a BTreeMap<String, String>,
    /// Standard input, output, error.
    pub standard: [BorrowedFd<'a>; 3],
    /// Become 3, 4, ….
    pub inherited: &'a [OwnedFd],
    /// Standard input is a terminal to control.
    pub terminal: bool,
    /// Network namespace to enter; the caller's when absent.
    pub network: Option<BorrowedFd<'a>>,
    /// Program to run in place of `argv[0]`.
    pub program: Option<&'a Path>,
    /// Soft limit of descriptors to return to: programs that loop over all of them expect a small one.
    pub descriptor_limit: Option<u64>,
    /// It belongs to an instance with these users: what it and its children ask of the kernel is filtered.
    pub filtered: Option<filter::Users>,
}

/// Starts it. Returns once exec has succeeded, or with the reason why it has not.
pub(crate) fn start(new: &NewProcess<'_>) -> Result<Pid, Fault> {
    let Some(name) = new.spec.argv.first() else {
        return Err(Fault::invalid("a command needs at least a program"));
    };
    let strings = new.spec.argv.iter().chain(
        new.spec
            .environment
            .iter()
            .flat_map(|(key, value)| [key, value]),
    );
    if strings.into_iter().any(|string| string.contains('\0')) {
        return Err(Fault::invalid("a command with a zero byte"));
    }
    let (report, failure) = pipe_with(PipeFlags::CLOEXEC).map_err(Fault::os("making a pipe"))?;
    let Some(pid) = sys::fork().map_err(Fault::os("making a process"))? else {
        sys::child(|| {
            // The numbers that the program will see must be free of what is needed until then.
            let first_free = 3 + new.inherited.len() as RawFd;
            let Ok(failure) = fcntl_dupfd_cloexec(&failure, first_free) else {
                return 126;
            };
            let Err((step, error)) = become_program(new, first_free);
            let mut record = error
                .raw_os_error()
                .unwrap_or(libc::EIO)
                .to_ne_bytes()
                .to_vec();
            record.extend_from_slice(step.as_bytes());
            // If even this fails the parent reads end-of-file, and the exit code tells.
            let _ = rustix::io::write(&failure, &record);
            126
        });
    };
    drop(failure);
    let mut record = [0; 64];
    let count = loop {
        match rustix::io::read(&report, &mut record) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other.map_err(Fault::os("starting a command"))?,
        }
    };
    if count < 4 {
        return Ok(pid);
    }
    let error = io::Error::from_raw_os_error(i32::from_ne_bytes([
        record[0], record[1], record[2], record[3],
    ]));
    let step = String::from_utf8_lossy(&record[4..count]).into_owned();
    // It is about to end; its status is of no interest to anyone else.
    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    Err(Fault::os(format!("{step} `{name}`"))(error))
}

/// In the child. Returns only on failure, with the step that failed.
fn become_program(
    new: &NewProcess<'_>,
    first_free: RawFd,
) -> Result<Infallible, (&'static str, io::Error)> {
    if let Some(network) = new.network {
        sys::enter(network, LinkNameSpaceType::Network)
            .map_err(|error| ("entering the namespace for", error))?;
    }
    // Never fails here: the child of a fork leads no group.
    let _ = rustix::process::setsid();
    wire(new, first_free).map_err(|error| ("passing descriptors to", error))?;
    let spec = new.spec;
    let directory = spec.working_directory.as_deref().unwrap_or("/root");
    if let Err(error) = std::env::set_current_dir(directory) {
        if spec.working_directory.is_some() {
            return Err(("entering the working directory of", error));
        }
        std::env::set_current_dir("/").map_err(|error| ("entering / for", error))?;
    }
    if let Some(current) = new.descriptor_limit {
        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
        // A refusal leaves the higher limit, which works too.
        let _ = rustix::process::setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(current),
                maximum,
            },
        );
    }
    if let Some(users) = new.filtered {
        if users == filter::Users::Root && (spec.uid, spec.gid) != (0, 0) {
            // The filter would pretend: who asks for another user must know that there is none.
            return Err(("changing ids for", rustix::io::Errno::INVAL.into()));
        }
        // While it still has the right to, without giving up that programs change their user.
        filter::install(users).map_err(|error| ("filtering the system calls of", error))?;
    }
    become_user(spec.uid, spec.gid).map_err(|error| ("changing ids for", error))?;
    sys::default_signals();
    sys::unblock_signals();
    let mut command = match new.program {
        Some(program) => {
            let mut command = Command::new(program);
            command.arg0(&spec.argv[0]);
            command
        }
        None => Command::new(&spec.argv[0]),
    };
    command
        .args(&spec.argv[1..])
        .env_clear()
        .envs(new.environment)
        .envs(&spec.environment);
    // Searched on the new PATH.
    Err(("running", command.exec()))
}

fn wire(new: &NewProcess<'_>, first_free: RawFd) -> io::Result<()> {
    let lifted = new
        .standard
        .into_iter()
        .chain(new.inherited.iter().map(AsFd::as_fd))
        .map(|descriptor| fcntl_dupfd_cloexec(descriptor, first_free).map_err(io::Error::from))
        .collect::<io::Result<Vec<OwnedFd>>>()?;
    for (number, descriptor) in (0..).zip(&lifted) {
        sys::install(descriptor.as_fd(), number)?;
    }
    if new.terminal {
        rustix::process::ioctl_tiocsctty(&lifted[0])?;
    }
    Ok(())
}

/// Groups before user, while there is the right to.
fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    // The launching user's other groups mean nothing inside. Where setgroups is denied (no subordinate
    // ids) they cannot be dropped, and no file that they open is visible.
    let _ = rustix::thread::set_thread_groups(&[]);
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}
