//! What a process of a container gives up before it becomes the container's program.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{Gid, Uid};

use super::capability::CapabilitySet;
use super::profile;
use super::spec::{ContainerSpec, ResourceLimit, Seccomp};
use super::users::Identity;
use crate::error::Fault;
use crate::{filter, sys};

/// What a process may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Privileges {
    pub capabilities: CapabilitySet,
    pub seccomp: Seccomp,
    pub no_new_privileges: bool,
    pub users: filter::Users,
}

impl Privileges {
    pub(super) fn of(spec: &ContainerSpec, ids: u32) -> Privileges {
        let (capabilities, seccomp) = match spec.privileged {
            true => (CapabilitySet::ALL, Seccomp::Unconfined),
            false => (spec.capabilities, spec.seccomp),
        };
        Privileges {
            capabilities,
            seccomp,
            no_new_privileges: spec.no_new_privileges,
            users: if ids == 1 { filter::Users::Root } else { filter::Users::All },
        }
    }

    /// As `docker exec --privileged` has it.
    pub(super) fn raised(self) -> Privileges {
        Privileges {
            capabilities: CapabilitySet::ALL,
            seccomp: Seccomp::Unconfined,
            ..self
        }
    }
}

/// Becomes a user with these privileges. Filters come first, while there is the right to install them without
/// no_new_privs; everything after passes them.
pub(super) fn give_up(privileges: &Privileges, who: &Identity) -> io::Result<()> {
    if privileges.no_new_privileges {
        rustix::thread::set_no_new_privs(true)?;
    }
    for number in (0..64).filter(|number| privileges.capabilities.bits() & (1 << number) == 0) {
        match sys::drop_from_bounding_set(number) {
            Ok(()) => {}
            // Beyond the last that this kernel has.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    filter::install(privileges.users)?;
    if privileges.seccomp == Seccomp::Default {
        filter::install_program(profile::program(privileges.capabilities))?;
    }
    let (uid, gid) = (Uid::from_raw(who.uid), Gid::from_raw(who.gid));
    if privileges.users == filter::Users::All {
        let groups: Vec<Gid> = who.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        rustix::thread::set_thread_groups(&groups)?;
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    }
    // Another user than root has none left; exec would take them away anyway.
    let is_root = who.uid == 0 || privileges.users == filter::Users::Root;
    sys::set_capabilities(if is_root { privileges.capabilities.bits() & known() } else { 0 })
}

/// What this kernel knows of: capset refuses others.
fn known() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap_or_default();
    match text.trim().parse::<u32>() {
        Ok(last) if last < 63 => (1 << (last + 1)) - 1,
        _ => CapabilitySet::ALL.bits(),
    }
}

/// Sets limits; what is beyond the instance's is set to that, and said.
pub(super) fn limit(limits: &[ResourceLimit], descriptors: Option<u64>) -> Result<Vec<String>, Fault> {
    let mut warnings = Vec::new();
    if !limits.iter().any(|limit| limit.name == "nofile")
        && let Some(current) = descriptors
    {
        let maximum = getrlimit(Resource::Nofile).maximum;
        // A refusal leaves the higher limit, which works too.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum });
    }
    for limit in limits {
        let resource = resource(&limit.name).ok_or_else(|| Fault::invalid(format!("invalid ulimit type: {}", limit.name)))?;
        if limit.soft > limit.hard {
            return Err(Fault::invalid(format!("ulimit {}: soft limit above the hard one", limit.name)));
        }
        let value = |value: u64| Some(value).filter(|value| *value != u64::MAX);
        let wanted = Rlimit { current: value(limit.soft), maximum: value(limit.hard) };
        if setrlimit(resource, wanted).is_ok() {
            continue;
        }
        let have = getrlimit(resource).maximum;
        let most = |wanted: Option<u64>| match (wanted, have) {
            (Some(wanted), Some(have)) => Some(wanted.min(have)),
            (wanted, have) => wanted.or(have),
        };
        let possible = Rlimit { current: most(wanted.current), maximum: most(wanted.maximum) };
        setrlimit(resource, possible).map_err(Fault::os(format!("limiting {}", limit.name)))?;
        let most = have.map_or("unlimited".to_owned(), |have| have.to_string());
        warnings.push(format!("ulimit {}: {} cannot be given without root, {most} is", limit.name, limit.hard));
    }
    Ok(warnings)
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "as" => Resource::As,
        "core" => Resource::Core,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "fsize" => Resource::Fsize,
        "locks" => Resource::Locks,
        "memlock" => Resource::Memlock,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "rss" => Resource::Rss,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        _ => return None,
    })
}
