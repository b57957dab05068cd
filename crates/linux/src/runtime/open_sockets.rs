//! The sockets that are open in a namespace of a lab, and which processes hold them, as far as this user may know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use netlink::sock_diag::{self, OpenSocket};
use netlink::Socket;
use sandbox::{Client, SocketSpec};

use super::error::{Error, Result};

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Its name, at most 15 bytes (proc(5), `comm`); of a program that started itself anew: what it called itself.
    pub name: String,
    /// Its pid on this machine.
    pub pid: i32,
    /// Its pid in its own pid namespace: what `ps` shows inside the instance.
    pub pid_inside: i32,
}

/// Every TCP and UDP socket of a namespace, sorted, each with the processes that hold it. Connections that nobody has
/// accepted yet, and those that linger after they were closed, have none; so have sockets of processes of other users.
pub fn open_sockets(client: &Client, namespace: &str) -> Result<Vec<(OpenSocket, Vec<Holder>)>> {
    let descriptor = client.open_socket(SocketSpec::netlink(namespace, libc::NETLINK_SOCK_DIAG))?;
    let mut socket = Socket::from_fd(descriptor).map_err(Error::netlink(namespace))?;
    let found = sock_diag::all(&mut socket).map_err(Error::netlink(namespace))?;
    let wanted: BTreeSet<u32> = found.iter().map(|open| open.inode).filter(|inode| *inode != 0).collect();
    let mut held = holders(Path::new("/proc"), &wanted);
    Ok(found.into_iter().map(|open| (held.remove(&open.inode).unwrap_or_default(), open)).map(|(by, open)| (open, by)).collect())
}

/// What listens in a namespace, sorted: TCP listeners and unconnected UDP sockets.
pub fn listening(client: &Client, namespace: &str) -> Result<Vec<OpenSocket>> {
    let descriptor = client.open_socket(SocketSpec::netlink(namespace, libc::NETLINK_SOCK_DIAG))?;
    let mut socket = Socket::from_fd(descriptor).map_err(Error::netlink(namespace))?;
    sock_diag::listeners(&mut socket).map_err(Error::netlink(namespace))
}

/// Who holds the sockets of these inodes: socket inodes are unique on the whole machine, whatever the namespace.
/// Processes that may not be looked at, or end meanwhile, are passed over.
fn holders(proc: &Path, wanted: &BTreeSet<u32>) -> BTreeMap<u32, Vec<Holder>> {
    let mut held: BTreeMap<u32, BTreeSet<Holder>> = BTreeMap::new();
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    for process in std::fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let descriptors = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        let sockets = descriptors.filter_map(|descriptor| inode(&std::fs::read_link(descriptor.path()).ok()?));
        let sockets: BTreeSet<u32> = sockets.filter(|inode| wanted.contains(inode)).collect();
        if sockets.is_empty() {
            continue;
        }
        let Ok(status) = std::fs::read_to_string(process.path().join("status")) else { continue };
        let mut holder = holder(pid, &status);
        if holder.name == "exe" {
            // Started by /proc/self/exe, which says nothing; its first argument does.
            let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let executable = std::fs::read_link(process.path().join("exe")).ok();
            holder.name = own_name(&arguments, executable.as_deref()).unwrap_or(holder.name);
        }
        sockets.into_iter().for_each(|inode| {
            held.entry(inode).or_default().insert(holder.clone());
        });
    }
    held.into_iter().map(|(inode, by)| (inode, by.into_iter().collect())).collect()
}

/// The inode in `socket:[4711]`.
fn inode(link: &Path) -> Option<u32> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn holder(pid: i32, status: &str) -> Holder {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    // One pid for each nested namespace, the innermost last.
    let pid_inside = field("NSpid:").and_then(|pids| pids.split_whitespace().next_back()?.parse().ok()).unwrap_or(pid);
    Holder { name: field("Name:").unwrap_or("?").to_owned(), pid, pid_inside }
}

/// The last part of the first argument, or of the executable's path where that is no name either.
fn own_name(arguments: &[u8], executable: Option<&Path>) -> Option<String> {
    let first = String::from_utf8_lossy(arguments.split(|byte| *byte == 0).next()?).into_owned();
    let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    last(Path::new(&first)).filter(|name| name != "exe").or_else(|| last(executable?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_name_and_its_innermost_pid() {
        let status = "Name:\tnginx\nUmask:\t0022\nPid:\t812\nNSpid:\t812\t40\t7\n";
        assert_eq!(holder(812, status), Holder { name: "nginx".to_owned(), pid: 812, pid_inside: 7 });
        assert_eq!(holder(5, "Name:\tsh\n"), Holder { name: "sh".to_owned(), pid: 5, pid_inside: 5 });
    }

    #[test]
    fn a_program_that_started_itself_has_a_better_name_than_exe() {
        let executable = Some(Path::new("/usr/bin/vpclab"));
        assert_eq!(own_name(b"/proc/self/exe\0__daemon\0", executable).as_deref(), Some("vpclab"));
        assert_eq!(own_name(b"/opt/listener\0-v\0", executable).as_deref(), Some("listener"));
        assert_eq!(own_name(b"", None), None);
    }

    #[test]
    fn only_sockets_have_inodes_here() {
        assert_eq!(inode(Path::new("socket:[4711]")), Some(4_711));
        assert_eq!(inode(Path::new("pipe:[4711]")), None);
        assert_eq!(inode(Path::new("/dev/null")), None);
    }

    #[test]
    fn this_process_holds_its_own_socket() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&listener));
        let inode = inode(&std::fs::read_link(link).unwrap()).unwrap();
        let held = holders(Path::new("/proc"), &BTreeSet::from([inode]));
        let pids: Vec<i32> = held[&inode].iter().map(|holder| holder.pid).collect();
        assert_eq!(pids, [std::process::id().cast_signed()]);
    }
}
