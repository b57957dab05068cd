//! How this program starts itself again as a holder, probe or relay, and how such a start is told apart.
//!
//! Namespaces are entered by fresh single-threaded processes only, so the caller re-executes a program
//! that links this crate and calls [`dispatch`] before anything else.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;

use crate::error::{Error, Result};
use crate::sys;

/// Hidden first arguments, and who serves them.
pub(crate) const HOLDER: &str = "__holder";
pub(crate) const PROBE: &str = "__probe";
pub(crate) const RELAY: &str = "__relay";
pub(crate) const UPLINK: &str = "__uplink";
pub(crate) const ANCHOR: &str = "__anchor";
pub(crate) const REMOVE: &str = "__remove";
pub(crate) const OWNERS: &str = "__owners";
pub(crate) const AT_REST: &str = "__at-rest";

/// The command that starts a program which calls [`dispatch`] first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfCommand {
    /// Program to start.
    pub program: PathBuf,
    /// Arguments before the hidden one.
    pub arguments: Vec<OsString>,
}

impl SelfCommand {
    /// The running program itself. `/proc/self/exe` rather than its path: an upgrade that replaces the
    /// file does not change which program a running daemon starts.
    pub fn current() -> Result<SelfCommand> {
        let program = PathBuf::from("/proc/self/exe");
        if !program.exists() {
            return Err(Error::Environment {
                missing: "/proc is not mounted here".into(),
                fix: "sudo mount -t proc proc /proc".into(),
            });
        }
        Ok(SelfCommand {
            program,
            arguments: Vec::new(),
        })
    }

    pub(crate) fn with(&self, hidden: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(hidden);
        command
    }
}

/// Serves a hidden start and ends the process; returns when this is an ordinary start. Call it first in
/// `main`, before any thread exists.
pub fn dispatch() {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = serve(&arguments) {
        std::process::exit(code);
    }
}

/// As [`dispatch`], on given arguments (program name first); the code to exit with.
pub fn serve(arguments: &[OsString]) -> Option<i32> {
    let hidden = arguments.get(1).map(OsString::as_os_str)?;
    let rest = &arguments[2..];
    if hidden == OsStr::new(HOLDER) {
        Some(crate::launch::main(rest))
    } else if hidden == OsStr::new(PROBE) {
        Some(crate::capabilities::main(rest))
    } else if hidden == OsStr::new(RELAY) {
        Some(crate::relay::main(rest))
    } else if hidden == OsStr::new(UPLINK) {
        Some(crate::uplink::main(rest))
    } else if hidden == OsStr::new(ANCHOR) {
        Some(crate::uplink::stay())
    } else if hidden == OsStr::new(REMOVE) {
        Some(crate::disk::main(rest))
    } else if hidden == OsStr::new(OWNERS) {
        Some(crate::owners::main(rest))
    } else if hidden == OsStr::new(AT_REST) {
        Some(crate::owners::main_at_rest(rest))
    } else {
        None
    }
}

/// The descriptors 3, 4, … that [`crate::Client::run`] gave this process, at most `count` of them, in the
/// order it was given them. From now on they close on exec.
///
/// Each is handed out once in a process: a second call, and a process that inherited none, gets an empty
/// list. What this process opened itself is never among them, because std and this crate open with
/// close-on-exec, and the flag is how an inherited descriptor is told apart.
pub fn inherited(count: usize) -> Vec<OwnedFd> {
    (3..).take(count).map_while(sys::take_inherited).collect()
}

/// Lets a test binary stand in for the product: put it once at the top of a file in `tests/`, and
/// [`SelfCommand::current`] works there. It runs [`dispatch`] before the test harness starts, while the
/// process has one thread; before that it asks the function that it is given, which serves starts that another
/// room knows: arguments in, the exit code out, none where the start is an ordinary one.
#[macro_export]
macro_rules! reexec_in_tests {
    () => {
        $crate::reexec_in_tests!(|_: &[std::ffi::OsString]| None);
    };
    ($served:expr) => {
        const _: () = {
            extern "C" fn dispatch_first() {
                let served: fn(&[std::ffi::OsString]) -> Option<i32> = $served;
                if let Some(code) = served(&std::env::args_os().collect::<Vec<_>>()) {
                    std::process::exit(code);
                }
                $crate::entry::dispatch();
            }

            // JUSTIFICATION: the harness owns `main`, and its threads exist before any test runs.
            // SAFETY: an entry of .init_array is called once, before main, on the only thread; std
            // has the arguments by then (its own entry has a lower priority number).
            #[used]
            #[unsafe(link_section = ".init_array")]
            static DISPATCH_FIRST: extern "C" fn() = dispatch_first;
        };
    };
}
