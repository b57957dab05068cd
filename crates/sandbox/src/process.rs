//! A command that runs in a lab, as its caller sees it, and how it ended.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitStatus {
    /// It returned this code, 0…255.
    Code(i32),
    /// This signal ended it. 9 also stands for "its instance was stopped".
    Signal(i32),
}

impl ExitStatus {
    /// The code as a shell reports it: 128 + signal for a command that a signal ended.
    pub fn shell_code(self) -> i32 {
        match self {
            ExitStatus::Code(code) => code,
            ExitStatus::Signal(signal) => 128 + signal,
        }
    }

    /// Returned 0.
    pub fn success(self) -> bool {
        self == ExitStatus::Code(0)
    }

    /// Eight bytes: a pipe carries them whole.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        let (tag, value) = match self {
            ExitStatus::Code(code) => (0i32, code),
            ExitStatus::Signal(signal) => (1, signal),
        };
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&tag.to_ne_bytes());
        bytes[4..].copy_from_slice(&value.to_ne_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: [u8; 8]) -> ExitStatus {
        let [a, b, c, d, e, f, g, h] = bytes;
        let value = i32::from_ne_bytes([e, f, g, h]);
        if i32::from_ne_bytes([a, b, c, d]) == 0 {
            ExitStatus::Code(value)
        } else {
            ExitStatus::Signal(value)
        }
    }
}

/// A command as the holder knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// The holder's number for it, never used twice.
    pub process: u64,
    /// The instance or namespace it runs in.
    pub key: String,
    /// Its pid inside the instance (inside the lab for [`crate::Client::run`]).
    pub pid: i32,
    /// What was asked to run.
    pub argv: Vec<String>,
    /// `None` while it runs.
    pub status: Option<ExitStatus>,
}

/// A command that was started. Dropping this leaves it running.
#[derive(Debug)]
pub struct Process {
    /// The holder's number for it.
    pub id: u64,
    /// Its pid inside the instance (inside the lab for [`crate::Client::run`]).
    pub pid: i32,
    /// Master of its terminal, where one was asked for. Set its size with [`set_terminal_size`].
    pub terminal: Option<OwnedFd>,
    pub(crate) exit: std::fs::File,
}

impl Process {
    /// Readable once the command has ended; then [`Process::try_wait`] answers. For event loops.
    pub fn exit_descriptor(&self) -> BorrowedFd<'_> {
        self.exit.as_fd()
    }

    /// How it ended, when it has.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.wait_timeout(Duration::ZERO)
    }

    /// Waits until it ends.
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

/// The holder writes the status and closes. A pipe that ends without one means that the holder died,
/// and everything in the lab with it.
pub(crate) fn read_status(exit: &mut std::fs::File) -> Result<ExitStatus> {
    let mut bytes = [0; 8];
    match exit.read_exact(&mut bytes) {
        Ok(()) => Ok(ExitStatus::from_bytes(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Ok(ExitStatus::Signal(libc::SIGKILL))
        }
        Err(error) => Err(Error::os("waiting for a command")(error)),
    }
}

/// Sets the size of a terminal by its master; the foreground program gets SIGWINCH.
pub fn set_terminal_size(master: impl AsFd, rows: u16, columns: u16) -> Result<()> {
    let size = rustix::termios::Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(master, size).map_err(Error::os("setting the size of a terminal"))
}

/// Bytes written to a connected unix socket that the other end has not taken yet (`SIOCOUTQ`, counted with the kernel's own
/// overhead, so only 0 is exact).
pub fn unread_by_peer(socket: impl AsFd) -> std::io::Result<i32> {
    let mut bytes: libc::c_int = 0;
    // JUSTIFICATION: no safe wrapper knows this request.
    // SAFETY: the descriptor is open, and the request writes one int, which lives as long as the call.
    let done = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if done == 0 { Ok(bytes) } else { Err(std::io::Error::last_os_error()) }
}

/// Waits until `descriptor` is readable or closed at the other end; false when `timeout` passes first.
pub(crate) fn poll_readable(descriptor: BorrowedFd<'_>, timeout: Duration) -> Result<bool> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::os("waiting for a descriptor")(error)),
        }
    }
}
