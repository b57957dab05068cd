//! The small network programs that people type by habit: `ping`, `traceroute`, `telnet`, `nc`, `arping`.
//!
//! The one binary supplies them under their own names inside instances, whatever the host has installed:
//! [`dispatch`] looks at the name it was started by. Each tool is one directory: what it was asked (`options`),
//! what it says (pure, fed with what was received and when), and the loop that owns the sockets. Options,
//! output and exit codes are those that users of iputils, the Linux traceroute, the BSD telnet and both kinds
//! of netcat know. Nothing here knows of labs.
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

mod arping;
mod icmp;
mod names;
mod nc;
mod options;
mod output;
pub mod ping;
mod relay;
mod socket;
mod sys;
mod telnet;
mod traceroute;

pub use sys::Interrupt;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// Wrong usage, and for most tools every failure that is not an answer.
pub(crate) const USAGE: u8 = 2;

type Run = fn(&[String]) -> u8;

const TOOLS: [(&str, Run); 5] =
    [("arping", arping::run), ("nc", nc::run), ("ping", ping::run), ("telnet", telnet::run), ("traceroute", traceroute::run)];

/// The names under which the binary is a tool.
pub const NAMES: [&str; TOOLS.len()] = [TOOLS[0].0, TOOLS[1].0, TOOLS[2].0, TOOLS[3].0, TOOLS[4].0];

/// Runs the tool that the program was started as, by the base name of `arguments[0]`, or asked for as
/// `vpclab __tool NAME …`, and returns its exit code; `None` when neither names a tool.
pub fn dispatch(arguments: &[OsString]) -> Option<ExitCode> {
    let (first, rest) = arguments.split_first()?;
    if let Some(run) = tool(Path::new(first).file_name()?) {
        return Some(run(&texts(rest)).into());
    }
    let (word, rest) = rest.split_first()?;
    if word != "__tool" {
        return None;
    }
    let asked = rest.split_first().map(|(name, rest)| (tool(name), rest));
    let Some((Some(run), rest)) = asked else {
        eprintln!("usage: __tool {{{}}} [OPTION]... [ARGUMENT]...", NAMES.join("|"));
        return Some(USAGE.into());
    };
    Some(run(&texts(rest)).into())
}

fn tool(name: &OsStr) -> Option<Run> {
    TOOLS.iter().find(|(known, _)| name == *known).map(|(_, run)| *run)
}

/// Arguments as text: none of the tools takes a file name, so other bytes are only good for an error message.
fn texts(arguments: &[OsString]) -> Vec<String> {
    arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect()
}
