//! What a record comes to for the holder: [`sandbox::container::spec::ContainerSpec`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use sandbox::Limits;
use sandbox::container::CapabilitySet;
use sandbox::container::spec::{
    AtRest, ContainerMount, ContainerNetwork, ContainerRoot, ContainerSpec, ContainerUser, LogSpec,
    MountKind as Kind, ProcessSpec, Propagation, ResourceLimit, Seccomp,
};

use super::error::{Error, Result};
use super::folder::Folder;
use super::naming::Names;
use super::networks::namespace;
use super::record::{MountKind, Record};
use super::volumes::Volumes;
use crate::network::NetworkMode;

/// Bytes of a log file before the next begins, unless told otherwise: Docker has no bound, and a lab's disk has one.
const LOG_BYTES: u64 = 20 << 20;
/// Log files that are kept, unless told otherwise.
const LOG_FILES: u32 = 5;

/// The spec of a container that is about to start. `lower`: its image's layers, the lowest first; `other`: id of the container
/// whose network it has.
pub(super) fn spec(
    record: &Record,
    folder: &Folder,
    volumes: &Volumes,
    lower: Vec<PathBuf>,
    names: Names,
    other: Option<String>,
) -> Result<ContainerSpec> {
    let options = &record.options;
    let own = folder.of(&record.id);
    let root = ContainerRoot {
        lower,
        upper: own.join("upper"),
        work: own.join("work"),
        read_only: options.read_only,
    };
    let process = ProcessSpec {
        args: record.settings.arguments(),
        environment: environment(record, &names),
        working_directory: record.settings.working_directory.clone(),
        user: user(&record.settings.user),
        // Who attaches says how large it is.
        terminal: options.terminal.then_some((24, 80)),
        stdin_open: options.stdin_open,
        stdin_once: options.stdin_open && !options.stdin_stays,
    };
    let hostname = record.settings.hostname.clone();
    let files = BTreeMap::from([
        ("/etc/hosts".to_owned(), names.hosts),
        ("/etc/hostname".to_owned(), format!("{hostname}\n")),
        ("/etc/resolv.conf".to_owned(), names.resolver),
    ]);
    let network = match &options.network {
        NetworkMode::Bridge(_) => ContainerNetwork::Own {
            netns: namespace(&record.id),
        },
        NetworkMode::Host => ContainerNetwork::Host,
        NetworkMode::None => ContainerNetwork::None,
        NetworkMode::Container(_) => ContainerNetwork::Container {
            key: other.unwrap_or_default(),
        },
    };
    let base = ContainerSpec::new(record.id.as_str(), &record.instance, root, process);
    let rlimits = options
        .ulimits
        .iter()
        .map(|(name, (soft, hard))| ResourceLimit {
            name: name.clone(),
            soft: *soft,
            hard: *hard,
        });
    Ok(ContainerSpec {
        hostname,
        network,
        capabilities: capabilities(options)?,
        no_new_privileges: options.no_new_privileges,
        seccomp: if options.seccomp_unconfined {
            Seccomp::Unconfined
        } else {
            Seccomp::Default
        },
        rlimits: rlimits.collect(),
        oom_score_adj: options.oom_score_adj,
        init: options.init,
        mounts: record
            .mounts
            .iter()
            .map(|mount| self::mount(mount, volumes))
            .collect(),
        files,
        sysctls: options.sysctls.clone(),
        shm_bytes: options.shm_bytes.unwrap_or(base.shm_bytes),
        limits: limits(options),
        stop_signal: record.settings.stop_signal,
        log: Some(LogSpec {
            path: folder.log(&record.id),
            max_bytes: options.log_bytes.unwrap_or(LOG_BYTES),
            max_files: options.log_files.unwrap_or(LOG_FILES),
        }),
        privileged: options.privileged,
        ..base
    })
}

/// What its links say, and its own variables, which count for more.
fn environment(record: &Record, names: &Names) -> Vec<(String, String)> {
    let own = pairs(&record.settings.environment);
    let mut all = names.environment.clone();
    all.retain(|(name, _)| !own.iter().any(|(known, _)| known == name));
    all.extend(own);
    all
}

/// What a container may use.
pub(super) fn limits(options: &super::Options) -> Limits {
    Limits {
        memory_bytes: options.memory_bytes,
        processes: options.processes,
        cpu_percent: options.cpu_percent,
    }
}

/// What a container that does not run consists of.
pub(super) fn at_rest(record: &Record, folder: &Folder, volumes: &Volumes, lower: Vec<PathBuf>) -> AtRest {
    let own = folder.of(&record.id);
    AtRest {
        root: ContainerRoot {
            lower,
            upper: own.join("upper"),
            work: own.join("work"),
            read_only: record.options.read_only,
        },
        mounts: record.mounts.iter().map(|mount| self::mount(mount, volumes)).collect(),
    }
}

/// `NAME=VALUE` apart.
pub(super) fn pairs(environment: &[String]) -> Vec<(String, String)> {
    let pairs = environment
        .iter()
        .filter_map(|variable| variable.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Who is meant; the holder looks names up in the container's own files.
pub(super) fn user(text: &str) -> ContainerUser {
    ContainerUser {
        name: Some(text)
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
        ..ContainerUser::default()
    }
}

/// As Docker: `ALL` first, then what is taken away or added by name.
fn capabilities(options: &super::Options) -> Result<CapabilitySet> {
    let unknown = |name: &String| Error::option("--cap-add", name, "it is no capability");
    let is_all = |name: &&String| name.eq_ignore_ascii_case("all");
    let (added, dropped) = (&options.capabilities_added, &options.capabilities_dropped);
    let mut set = match (
        added.iter().any(|name| is_all(&name)),
        dropped.iter().any(|name| is_all(&name)),
    ) {
        (true, _) => CapabilitySet::ALL,
        (false, true) => CapabilitySet::NONE,
        (false, false) => CapabilitySet::DOCKER,
    };
    for name in dropped.iter().filter(|name| !is_all(name)) {
        set = set.without(name).ok_or_else(|| unknown(name))?;
    }
    for name in added.iter().filter(|name| !is_all(name)) {
        set = set.with(name).ok_or_else(|| unknown(name))?;
    }
    Ok(set)
}

fn mount(mount: &super::record::MountPoint, volumes: &Volumes) -> ContainerMount {
    let kind = match &mount.kind {
        MountKind::Bind { path, propagation } => Kind::Bind {
            source: path.clone(),
            recursive: true,
            propagation: match propagation.as_deref() {
                Some("slave" | "rslave") => Propagation::Slave,
                Some("shared" | "rshared") => Propagation::Shared,
                _ => Propagation::Private,
            },
        },
        MountKind::Volume { name, copy, .. } => Kind::Volume {
            source: volumes.files(name),
            copy: *copy,
        },
        MountKind::Tmpfs { bytes, mode } => Kind::Tmpfs {
            size_bytes: *bytes,
            mode: *mode,
        },
    };
    ContainerMount {
        kind,
        target: PathBuf::from(&mount.target),
        read_only: mount.read_only,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Options;

    #[test]
    fn capabilities_are_dockers_with_what_is_added_and_dropped() {
        let set = |added: &[&str], dropped: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            capabilities(&Options {
                capabilities_added: owned(added),
                capabilities_dropped: owned(dropped),
                ..Options::default()
            })
        };
        assert_eq!(set(&[], &[]).unwrap(), CapabilitySet::DOCKER);
        assert_eq!(
            set(&["NET_ADMIN"], &["ALL"]).unwrap().names(),
            ["CAP_NET_ADMIN"]
        );
        let almost = set(&["all"], &["cap_sys_admin"]).unwrap();
        assert!(almost.has("BPF") && !almost.has("SYS_ADMIN"));
        assert!(!set(&[], &["chown"]).unwrap().has("CHOWN"));
        assert!(set(&["FLY"], &[]).is_err());
    }
}
