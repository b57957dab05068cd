//! The probing process: makes namespaces like a lab's, tries each feature in them, prints the result.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::mount::MountPropagationFlags;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::{Capabilities, Check, Feature, explain_refusal};
use crate::channel::{Channel, Received};
use crate::error::Error;
use crate::{cgroup, disk, filter, identity, root, sys};

/// What an attempt came to.
type Attempt = Result<(), (String, Option<String>)>;

/// Served by [`crate::entry::dispatch`]; the exit code.
pub(crate) fn main(arguments: &[OsString]) -> i32 {
    sys::ignore_signal(libc::SIGPIPE);
    let folder = arguments.first().map(Path::new);
    let mut checks = in_namespaces(folder)
        .unwrap_or_else(|failure| vec![check(Feature::Namespaces, true, Err(failure))]);
    // What could not be tried does not work either.
    for (feature, required) in FEATURES {
        if !checks.iter().any(|check| check.feature == feature) {
            let fix = checks.first().and_then(|check| check.fix.clone());
            checks.push(check(
                feature,
                required,
                Err(("not tried: no namespaces".into(), fix)),
            ));
        }
    }
    checks.retain(|check| check.feature != Feature::Cgroup);
    checks.push(check(Feature::Cgroup, false, cgroup()));
    checks.sort_by_key(|check| check.feature);
    match serde_json::to_vec(&Capabilities { checks }).map(|json| io::stdout().write_all(&json)) {
        Ok(Ok(())) => 0,
        _ => 1,
    }
}

const FEATURES: [(Feature, bool); 11] = [
    (Feature::Namespaces, true),
    (Feature::Sysctl, true),
    (Feature::Veth, true),
    (Feature::NfTables, true),
    (Feature::Conntrack, true),
    (Feature::Tmpfs, true),
    (Feature::Proc, true),
    (Feature::Overlay, false),
    (Feature::InstanceIds, false),
    (Feature::SystemCallFilter, false),
    (Feature::Cgroup, false),
];

fn check(feature: Feature, required: bool, attempt: Attempt) -> Check {
    let (missing, fix) = match attempt {
        Ok(()) => (None, None),
        Err((missing, fix)) => (Some(missing), fix),
    };
    Check {
        feature,
        required,
        available: missing.is_none(),
        missing,
        fix,
    }
}

fn failure(doing: &str, fix: Option<&str>) -> impl FnOnce(io::Error) -> (String, Option<String>) {
    move |error| match explain_refusal(doing, &error) {
        Some(Error::Environment { missing, fix }) => (missing, Some(fix)),
        _ => (format!("{doing}: {error}"), fix.map(str::to_owned)),
    }
}

/// Makes a child in namespaces like a lab's and takes its findings.
fn in_namespaces(folder: Option<&Path>) -> Result<Vec<Check>, (String, Option<String>)> {
    let doing = "making namespaces";
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|error| failure(doing, None)(error.into()))?;
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC;
    // Inside, everybody is root.
    let by_root = identity::launched_as_root();
    let Some(pid) = sys::clone3(flags).map_err(failure(doing, None))? else {
        drop(ours);
        sys::child(|| i32::from(!attempt_all(Channel::new(theirs), by_root, folder)));
    };
    drop(theirs);
    let mut child = Channel::new(ours);
    let result = identity::map_lab(pid)
        .map_err(failure("mapping ids", None))
        .and_then(|ids| {
            child
                .send(0, ids.to_string().into_bytes(), Vec::new())
                .map_err(failure(doing, None))?;
            match child.receive() {
                Ok(Received::Message(message)) => serde_json::from_slice(&message.payload)
                    .map_err(|error| (format!("{doing}: {error}"), None)),
                _ => Err((format!("{doing}: the probe ended early"), None)),
            }
        });
    drop(child);
    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    result
}

/// In the child.
fn attempt_all(mut parent: Channel, by_root: bool, folder: Option<&Path>) -> bool {
    let Ok(Received::Message(message)) = parent.receive() else {
        return false;
    };
    let ids = String::from_utf8_lossy(&message.payload)
        .parse::<u32>()
        .unwrap_or(1);
    let usable = namespaces();
    // Before a tmpfs covers it.
    let disks = folder.map(|folder| {
        let attempt = disk::attempt(folder, ids).map_err(|why| (format!("{}: {why}", folder.display()), None));
        (Feature::Disks, false, attempt)
    });
    let checks: Vec<Check> = [
        (Feature::Namespaces, true, usable),
        (Feature::Sysctl, true, sysctl()),
        (
            Feature::Veth,
            true,
            netlink(libc::NETLINK_ROUTE, &new_veth())
                .map_err(failure("making a veth pair", Some("sudo modprobe veth"))),
        ),
        (
            Feature::NfTables,
            true,
            netlink(libc::NETLINK_NETFILTER, &netfilter_request(10, 16))
                .map_err(failure("asking nf_tables", Some("sudo modprobe nf_tables"))),
        ),
        (
            Feature::Conntrack,
            true,
            ask_conntrack().map_err(failure(
                "asking conntrack",
                Some("sudo modprobe nf_conntrack_netlink"),
            )),
        ),
        (
            Feature::Proc,
            true,
            root::mount_proc("/proc").map_err(failure("mounting /proc", None)),
        ),
        (Feature::Tmpfs, true, stage().map(|_| ())),
        (Feature::Overlay, false, overlay()),
        (Feature::InstanceIds, false, instance_ids(ids, by_root)),
        (Feature::SystemCallFilter, false, system_call_filter()),
    ]
    .into_iter()
    .chain(disks)
    .map(|(feature, required, attempt)| check(feature, required, attempt))
    .collect();
    serde_json::to_vec(&checks).is_ok_and(|json| parent.send(0, json, Vec::new()).is_ok())
}

/// They exist by now; what counts is whether they can be used.
fn namespaces() -> Attempt {
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|error| failure("changing mounts inside a user namespace", None)(error.into()))?;
    sys::loopback_up().map_err(failure("setting lo up inside a user namespace", None))
}

fn sysctl() -> Attempt {
    fs::write("/proc/sys/net/ipv4/ip_forward", "1")
        .map_err(failure("writing net.ipv4.ip_forward", None))
}

/// A tmpfs over some directory, in this mount namespace only.
fn stage() -> Result<PathBuf, (String, Option<String>)> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for candidate in ["/mnt", "/srv", "/media", "/tmp"] {
        match root::mount_tmpfs(candidate, "mode=0755") {
            Ok(()) => return Ok(PathBuf::from(candidate)),
            Err(error) => last = error,
        }
    }
    Err(failure("mounting a tmpfs", None)(last))
}

fn overlay() -> Attempt {
    let base = stage()?;
    let attempt = || -> io::Result<()> {
        for name in ["lower", "upper", "work", "merged"] {
            fs::create_dir(base.join(name))?;
        }
        fs::write(base.join("lower/file"), "below")?;
        root::mount_overlay(
            &base.join("merged"),
            &[base.join("lower")],
            &base.join("upper"),
            &base.join("work"),
        )?;
        fs::write(base.join("merged/file"), "above")
    };
    attempt().map_err(failure(
        "mounting an overlay",
        Some("sudo modprobe overlay"),
    ))
}

fn system_call_filter() -> Attempt {
    if filter::is_supported() {
        return Ok(());
    }
    Err((
        "this kernel does not filter system calls: instances may ask it for anything".to_owned(),
        None,
    ))
}

fn instance_ids(ids: u32, by_root: bool) -> Attempt {
    if ids > 1 {
        return Ok(());
    }
    if by_root {
        return Err((
            "root inside instances is root of this machine, because no other id can be used here"
                .to_owned(),
            Some("su - USER -c 'vpclab up'".to_owned()),
        ));
    }
    let tool = Path::new("/usr/bin/newuidmap").exists();
    Err((
        "only root exists inside instances: this user has no subordinate ids".to_owned(),
        Some(if tool {
            "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER".to_owned()
        } else {
            "sudo apt install uidmap".to_owned()
        }),
    ))
}

/// Whether a part of the tree was given to this user. Looks only: the host's tree is not touched.
fn cgroup() -> Attempt {
    if cgroup::is_given() {
        return Ok(());
    }
    Err((
        "limits on memory and processes cannot be enforced: no cgroup was delegated to this session".into(),
        Some("systemd-run --user --scope -p Delegate=yes vpclab up".into()),
    ))
}

/// Asks connection tracking how full it is, which loads its module where it is one.
pub(crate) fn ask_conntrack() -> io::Result<()> {
    netlink(libc::NETLINK_NETFILTER, &netfilter_request(1, 5))
}

/// Sends one request and reads its acknowledgement or answer.
fn netlink(protocol: i32, request: &[u8]) -> io::Result<()> {
    let socket = sys::open_socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol, false)?;
    rustix::net::send(&socket, request, SendFlags::empty())?;
    let mut answer = [0; 4096];
    let (count, _) = rustix::net::recv(&socket, &mut answer, RecvFlags::empty())?;
    if count < 20 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    let code = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    if i32::from(kind) == libc::NLMSG_ERROR && code != 0 {
        return Err(io::Error::from_raw_os_error(-code));
    }
    Ok(())
}

/// `struct nlmsghdr` (linux/netlink.h) around `body`.
fn message(kind: u16, flags: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&(16 + body.len() as u32).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&(flags as u16).to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(body);
    bytes
}

/// RTM_NEWLINK of a veth pair with names of the kernel's choice.
fn new_veth() -> Vec<u8> {
    let mut body = vec![0; 16]; // struct ifinfomsg
    // IFLA_LINKINFO holding IFLA_INFO_KIND "veth".
    for (length, attribute) in [
        (4 + 4 + 4u16, libc::IFLA_LINKINFO),
        (4 + 4, libc::IFLA_INFO_KIND),
    ] {
        body.extend_from_slice(&length.to_ne_bytes());
        body.extend_from_slice(&attribute.to_ne_bytes());
    }
    body.extend_from_slice(b"veth");
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    message(libc::RTM_NEWLINK, flags, &body)
}

/// A request without attributes to a netfilter subsystem (linux/netfilter/nfnetlink.h).
fn netfilter_request(subsystem: u16, kind: u16) -> Vec<u8> {
    message(
        subsystem << 8 | kind,
        libc::NLM_F_REQUEST | libc::NLM_F_ACK,
        &[0; 4],
    )
}
