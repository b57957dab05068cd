//! `--init`: a first process that passes signals on to the program, reaps whatever is left to it, and ends with the
//! program's code. It is still a copy of the holder, closed to everybody inside, with the rights of the program.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::WaitOptions;

use super::program::Program;
use crate::channel::Channel;
use crate::error::Fault;
use crate::{init, sys};

/// Real-time signals are left to the kernel.
const LAST_SIGNAL: i32 = 31;

/// Starts the program and serves it. Returns the exit code; in the child only an error.
pub(super) fn serve(
    program: &Program,
    has_terminal: bool,
    setup: &mut Option<Channel>,
    last_kept: i32,
) -> Result<i32, Fault> {
    let caught = |signal: &i32| !matches!(*signal, libc::SIGKILL | libc::SIGSTOP);
    let signals: Vec<i32> = (1..=LAST_SIGNAL).filter(caught).collect();
    let watched = sys::signal_descriptor(&signals).map_err(Fault::os("watching signals"))?;
    let Some(child) = sys::fork().map_err(Fault::os("making a process"))? else {
        // `run` closes its number, which nobody may own then.
        drop(watched);
        // Never fails here: the child of a fork leads no group.
        let _ = rustix::process::setsid();
        if has_terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).map_err(Fault::os("taking the terminal"))?;
        }
        return Err(program.run(last_kept));
    };
    let _ = sys::rename_process(c"init");
    // The shim takes its end for the start of the program: only the child's copy is to be left.
    drop(setup.take());
    let child = child.as_raw_pid();
    loop {
        match poll(&mut [PollFd::new(&watched, PollFlags::IN)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Fault::os("waiting")(error)),
        }
        while let Some(signal) = sys::next_signal(&watched) {
            if !matches!(signal, libc::SIGCHLD | libc::SIGPIPE) {
                // It may have ended just now.
                let _ = sys::kill(child, signal, false);
            }
        }
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid.as_raw_pid() == child {
                return Ok(init::exit_status(status).shell_code());
            }
        }
    }
}
