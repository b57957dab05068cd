//! What a container may use and do: cgroup, capabilities, filter, users; and which namespaces it is in.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sandbox::CapabilitySet;

use super::super::record::Record;
use super::lens::{KINDS, Lens, Words, inode, line};
use super::parts::{Limits, Namespace, Rights};

/// What makes limits hold, for an ordinary user.
const ADVICE: &str = "systemd-run --user --scope -p Delegate=yes vpclab up";

/// By a process's `status`.
pub(super) fn rights(status: &str, is_privileged: bool) -> Rights {
    let mask = |key: &str| line(status, key).next().and_then(|mask| u64::from_str_radix(mask, 16).ok());
    let has = CapabilitySet::from_bits(mask("CapEff").unwrap_or_default());
    let bare = |set: CapabilitySet| -> Vec<String> {
        set.names().into_iter().map(|name| name.trim_start_matches("CAP_").to_owned()).collect()
    };
    let without = |one: CapabilitySet, other: CapabilitySet| CapabilitySet::from_bits(one.bits() & !other.bits());
    let number = |key: &str| line(status, key).next().and_then(|number| number.parse::<u32>().ok());
    Rights {
        capabilities: bare(has),
        beyond_docker: bare(without(has, CapabilitySet::DOCKER)),
        taken_away: bare(without(CapabilitySet::DOCKER, has)),
        no_new_privileges: number("NoNewPrivs").map(|number| number == 1),
        seccomp: number("Seccomp").map(|mode| ["disabled", "strict", "filter"].get(mode as usize).unwrap_or(&"unknown").to_string()),
        seccomp_filters: number("Seccomp_filters"),
        user: None,
        users: Vec::new(),
        is_privileged,
    }
}

/// Directory of cgroup v2 that a process of this machine is in.
fn group(machine: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{machine}/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned))
}

/// What is enforced by the holder's word, and what the kernel counts.
pub(super) fn limits(enforced: Vec<String>, machine: Option<i32>, record: Option<&Record>) -> Limits {
    let mut limits = Limits { enforced, ..Limits::default() };
    let asked = record.map(|record| &record.options);
    if limits.enforced.is_empty() {
        limits.advice = Some(ADVICE.to_owned());
        if let Some(asked) = asked {
            let flags = [
                asked.memory_bytes.map(|bytes| format!("--memory {bytes}")),
                asked.cpu_percent.map(|percent| format!("--cpus {}", f64::from(percent) / 100.0)),
                asked.processes.map(|most| format!("--pids-limit {most}")),
            ];
            limits.not_enforced = flags.into_iter().flatten().collect();
        }
        return limits;
    }
    limits.group = machine.and_then(group);
    let Some(group) = &limits.group else { return limits };
    let folder = Path::new("/sys/fs/cgroup").join(group.trim_start_matches('/'));
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    limits.memory = number("memory.max");
    limits.memory_used = number("memory.current");
    limits.processes = number("pids.max");
    limits.processes_used = number("pids.current");
    limits.cpu_percent = read("cpu.max").and_then(|text| {
        let (quota, period) = text.trim().split_once(' ')?;
        Some(quota.parse::<u64>().ok()? * 100 / period.parse::<u64>().ok().filter(|period| *period > 0)?)
    });
    let spent = read("cpu.stat").and_then(|text| text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok()));
    limits.cpu_used = spent;
    limits
}

/// Who is in which: of a container (`first` is its first process in the lab) or of an instance.
pub(super) fn namespaces(
    lens: &Lens<'_>,
    first: Option<i32>,
    known: &Words,
    network: Option<u64>,
    instance_name: &str,
    others: &BTreeMap<u64, Vec<String>>,
) -> Vec<Namespace> {
    let own = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).ok().and_then(|link| inode(&link.to_string_lossy()));
    let mut all = Vec::new();
    for (kind, what) in KINDS {
        let instance = known.namespaces.get(kind).copied().or(if kind == "net" { network } else { None });
        let lab = lens.namespace("1", kind);
        let machine = own(kind);
        let found = match first {
            Some(first) => lens.namespace(&first.to_string(), kind),
            None => instance,
        };
        let mut shared_with = Vec::new();
        if let Some(found) = found {
            if first.is_some() && instance == Some(found) {
                shared_with.push(format!("instance {instance_name}"));
            }
            if lab == Some(found) && machine != Some(found) {
                shared_with.push("the lab".to_owned());
            }
            if machine == Some(found) {
                shared_with.push("this machine".to_owned());
            }
            if kind == "net" {
                shared_with.extend(others.get(&found).into_iter().flatten().map(|name| format!("container {name}")));
            }
        }
        all.push(Namespace {
            kind: kind.to_owned(),
            what: what.to_owned(),
            inode: found,
            instance,
            machine,
            is_own: found.is_some() && shared_with.is_empty(),
            shared_with,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_told_against_dockers() {
        let status = "CapEff:\t00000000a80435fb\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t2\n";
        let rights = rights(status, false);
        assert_eq!((rights.capabilities.len(), rights.beyond_docker), (15, vec!["NET_ADMIN".to_owned()]));
        assert_eq!((rights.no_new_privileges, rights.seccomp.as_deref(), rights.seccomp_filters), (Some(true), Some("filter"), Some(2)));
        assert!(rights.taken_away.is_empty());
    }
}
