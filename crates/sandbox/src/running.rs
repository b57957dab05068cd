//! Processes of ours on this machine, found by how they were started: holders and relays carry what they
//! are for in their own command line, so that no file has to say which of them live.
//!
//! Only processes of the caller's own user are looked at, and one is ended through a descriptor that was
//! checked after it was opened: a number that was given to somebody else meanwhile ends nobody.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};
use serde::Serialize;

use crate::client::connect_socket;
use crate::entry::HOLDER;
use crate::error::{Error, Result};
use crate::launch::Arguments;
use crate::process::poll_readable;

/// How long a process has to end by SIGTERM before SIGKILL follows, and again before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process, told apart from a later one with the same number by when it began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Running {
    /// Its number, as this process sees it.
    pub pid: i32,
    /// When it began, in clock ticks since boot (field 22 of `/proc/PID/stat`, proc(5)).
    pub began: u64,
}

/// A holder that lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RunningHolder {
    /// The lab it holds, as it was called at launch.
    pub lab_name: String,
    /// Where it was told to listen.
    pub socket: PathBuf,
    /// Its process.
    pub process: Running,
}

/// Holders of this user, by name of their lab.
pub fn holders() -> Vec<RunningHolder> {
    let mut found: Vec<RunningHolder> = started_with(HOLDER)
        .into_iter()
        .filter(|(process, _)| is_first_of_namespace(process.pid))
        .filter_map(|(process, argument)| {
            let arguments: Arguments = serde_json::from_slice(&argument).ok()?;
            Some(RunningHolder {
                lab_name: arguments.lab_name,
                socket: arguments.socket,
                process,
            })
        })
        .collect();
    found.sort();
    found
}

/// Socket files in a folder that nobody answers at: what a holder or daemon leaves that could not clean up.
pub fn stale_sockets(folder: &Path) -> Vec<PathBuf> {
    let mut stale: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()))
        .map(|entry| entry.path())
        .filter(|path| nobody_answers(path))
        .collect();
    stale.sort();
    stale
}

/// A holder listens for packets, a daemon for streams: the wrong kind of caller is told so, which only
/// somebody who lives can do.
fn nobody_answers(path: &Path) -> bool {
    matches!(connect_socket(path), Err(Error::NotRunning { .. }))
}

/// Ends a process and waits for it; true when it was there. Errors: the kernel's refusal, or that it does
/// not end.
pub(crate) fn end(process: &Running, hidden: &str) -> Result<bool> {
    let Some(descriptor) = hold(process, hidden)? else {
        return Ok(false);
    };
    for signal in [Signal::TERM, Signal::KILL] {
        match rustix::process::pidfd_send_signal(&descriptor, signal) {
            Ok(()) => {}
            Err(rustix::io::Errno::SRCH) => return Ok(true),
            Err(error) => return Err(Error::os(format!("ending process {}", process.pid))(error)),
        }
        if poll_readable(std::os::fd::AsFd::as_fd(&descriptor), PATIENCE)? {
            return Ok(true);
        }
    }
    Err(Error::Disconnected(format!(
        "process {} does not end",
        process.pid
    )))
}

/// A descriptor of exactly this process; `None` when it is gone.
fn hold(process: &Running, hidden: &str) -> Result<Option<OwnedFd>> {
    let Some(pid) = Pid::from_raw(process.pid) else {
        return Ok(None);
    };
    let descriptor = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(descriptor) => descriptor,
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        Err(error) => {
            return Err(Error::os(format!("watching process {}", process.pid))(
                error,
            ));
        }
    };
    // Looked at only now, when the number cannot be given away any more without this descriptor noticing.
    let same = look(process.pid, hidden).is_some_and(|(found, _)| found == *process);
    Ok(same.then_some(descriptor))
}

/// Own processes with `hidden` among their arguments, and the argument after it.
pub(crate) fn started_with(hidden: &str) -> Vec<(Running, Vec<u8>)> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| look(pid, hidden))
        .collect()
}

fn look(pid: i32, hidden: &str) -> Option<(Running, Vec<u8>)> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    // The command line first: it is what few have.
    let line = std::fs::read(folder.join("cmdline")).ok()?;
    let argument = argument_after(&line, hidden)?;
    let began = began(&std::fs::read(folder.join("stat")).ok()?)?;
    let own = rustix::process::getuid().as_raw();
    is_of_user(&folder, own).then_some((Running { pid, began }, argument))
}

/// Processes that may not be traced belong to root in `/proc`; their real user stands in `status`.
fn is_of_user(folder: &Path, uid: u32) -> bool {
    if std::fs::metadata(folder).is_ok_and(|metadata| metadata.uid() == uid) {
        return true;
    }
    let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
    status.lines().find_map(|line| {
        line.strip_prefix("Uid:")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    }) == Some(uid)
}

/// The holder is the first process of its own process namespace, seen from one above; instances' inits,
/// which share its command line, are deeper.
fn is_first_of_namespace(pid: i32) -> bool {
    let (own, other) = (numbers(&"self"), numbers(&pid));
    other.len() == own.len() + 1 && other.last() == Some(&1)
}

/// The number out here of a holder's child that is `inside` in the lab.
pub(crate) fn number_of(holder: i32, inside: i32) -> Option<i32> {
    let children =
        std::fs::read_to_string(format!("/proc/{holder}/task/{holder}/children")).ok()?;
    // An init has the number that it has in the lab too, but as its last but one.
    let depth = numbers(&holder).len();
    let mut children = children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok());
    children.find(|pid| {
        let numbers = numbers(pid);
        numbers.len() == depth && numbers.last() == Some(&inside)
    })
}

/// A process's numbers in its process namespaces, the outermost that is seen from here first.
fn numbers(pid: &dyn std::fmt::Display) -> Vec<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.unwrap_or_default()
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect()
}

fn argument_after(line: &[u8], hidden: &str) -> Option<Vec<u8>> {
    let mut arguments = line.split(|byte| *byte == 0).skip(1);
    arguments.find(|argument| OsStr::from_bytes(argument) == OsStr::new(hidden))?;
    arguments.next().map(<[u8]>::to_vec)
}

/// The name in parentheses may hold anything, also parentheses and blanks: fields count from its end.
fn began(stat: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(stat);
    text.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_process_is_read_past_any_name() {
        let rest = "S 1 2 3 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 4711 1 2";
        for name in ["vpclab", "a b", "x) R 1 2", "()("] {
            assert_eq!(
                began(format!("99 ({name}) {rest}").as_bytes()),
                Some(4711),
                "{name}"
            );
        }
        assert_eq!(began(b"99 (cut) S 1"), None);
    }

    #[test]
    fn the_argument_behind_the_hidden_one_is_found_and_the_program_is_no_argument() {
        assert_eq!(
            argument_after(b"v\0__holder\0{}\0", "__holder"),
            Some(b"{}".to_vec())
        );
        assert_eq!(
            argument_after(b"v\0--x\0__holder\0{}\0", "__holder"),
            Some(b"{}".to_vec())
        );
        assert_eq!(argument_after(b"__holder\0{}\0", "__holder"), None);
        assert_eq!(argument_after(b"v\0__relay\0{}\0", "__holder"), None);
    }

    #[test]
    fn a_process_that_began_at_another_time_is_not_held() {
        let own = Running {
            pid: std::process::id() as i32,
            began: 1,
        };
        assert!(hold(&own, "--no-such-argument").unwrap().is_none());
    }
}
