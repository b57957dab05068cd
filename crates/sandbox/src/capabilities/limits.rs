//! Numbers of this machine that a lab can run into: what they are, and what a lab of a given size needs.
//!
//! None of them can be changed from inside a user namespace, so they are compared before, and the command
//! that raises one is named.

use serde::{Deserialize, Serialize};

use rustix::process::{Resource, getrlimit};

/// Descriptors that a holder keeps for an instance: its two namespaces and the channel to its init, and
/// three for a command that runs in it.
const DESCRIPTORS_AN_INSTANCE: u64 = 6;
/// Descriptors for a lab's own namespaces, sockets, callers and what a process starts with.
const DESCRIPTORS_A_LAB: u64 = 512;
/// A guest resolves its router, and routers and gateways hold permanent entries, which do not count.
const NEIGHBOURS_AN_INSTANCE: u64 = 2;
/// The machine's own neighbours share the table.
const NEIGHBOURS_OF_THE_MACHINE: u64 = 256;
/// An interface may use a quarter of the machine's flows (SG-31); less than this is felt by one browser.
const FLOWS: u64 = 16_384;
/// An init and a few commands.
const PROCESSES_AN_INSTANCE: u64 = 6;
/// Routers, gateways and the outside of a generous lab.
const NAMESPACES_A_LAB: u64 = 64;

/// How large a lab is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Instances.
    pub instances: u64,
}

/// One number against what is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// What is limited: `descriptors`, `flows`, `neighbours`, `network-namespaces`, `user-namespaces`,
    /// `processes`.
    pub name: String,
    /// Where the number stands.
    pub setting: String,
    /// The number here; `None` where it cannot be seen, as in a container's network namespace.
    pub found: Option<u64>,
    /// What the lab needs.
    pub needed: u64,
    /// The one command that raises it.
    pub fix: String,
}

impl Limit {
    /// Whether it is enough; what cannot be seen is not held against the machine.
    pub fn is_enough(&self) -> bool {
        self.found.is_none_or(|found| found >= self.needed)
    }
}

/// The limits of this machine against a lab of this size.
pub fn limits(size: Size) -> Vec<Limit> {
    let setting = |name: &str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    let resource = |resource| getrlimit(resource).maximum.unwrap_or(u64::MAX);
    compare(
        size,
        &setting,
        resource(Resource::Nofile),
        resource(Resource::Nproc),
    )
}

fn compare(
    size: Size,
    setting: &dyn Fn(&str) -> Option<u64>,
    descriptors: u64,
    processes: u64,
) -> Vec<Limit> {
    let count = size.instances;
    let resource = |name: &str, flag: &str, item: &str, found, needed: u64| Limit {
        name: name.to_owned(),
        setting: format!("ulimit -H{flag}"),
        found: Some(found),
        needed,
        fix: format!(
            "echo '* hard {item} {}' | sudo tee -a /etc/security/limits.d/vpclab.conf",
            needed.next_power_of_two()
        ),
    };
    let number = |name: &str, key: &str, needed: u64| Limit {
        name: name.to_owned(),
        setting: key.to_owned(),
        found: setting(key),
        needed,
        fix: format!("sudo sysctl -w {key}={}", needed.next_power_of_two()),
    };
    vec![
        resource(
            "descriptors",
            "n",
            "nofile",
            descriptors,
            DESCRIPTORS_A_LAB + DESCRIPTORS_AN_INSTANCE * count,
        ),
        resource(
            "processes",
            "u",
            "nproc",
            processes,
            64 + PROCESSES_AN_INSTANCE * count,
        ),
        number(
            "network-namespaces",
            "user.max_net_namespaces",
            NAMESPACES_A_LAB + count,
        ),
        number("user-namespaces", "user.max_user_namespaces", 4 + count),
        number("flows", "net.netfilter.nf_conntrack_max", FLOWS),
        number(
            "neighbours",
            "net.ipv4.neigh.default.gc_thresh3",
            NEIGHBOURS_OF_THE_MACHINE + NEIGHBOURS_AN_INSTANCE * count,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ordinary machine: Debian's defaults.
    fn usual(key: &str) -> Option<u64> {
        Some(match key {
            "user.max_net_namespaces" | "user.max_user_namespaces" => 60_000,
            "net.netfilter.nf_conntrack_max" => 262_144,
            "net.ipv4.neigh.default.gc_thresh3" => 1024,
            _ => return None,
        })
    }

    fn short(size: u64, descriptors: u64, processes: u64) -> Vec<(String, String)> {
        compare(Size { instances: size }, &usual, descriptors, processes)
            .into_iter()
            .filter(|limit| !limit.is_enough())
            .map(|limit| (limit.name, limit.fix))
            .collect()
    }

    #[test]
    fn an_ordinary_machine_is_enough_for_two_hundred_instances_and_not_for_a_thousand() {
        assert_eq!(short(200, 4096, 30_000), []);
        let names: Vec<String> = short(1000, 4096, 30_000)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["descriptors", "neighbours"]);
    }

    #[test]
    fn the_command_raises_the_setting_that_is_short_far_enough() {
        for (name, fix) in short(1000, 100, 100) {
            let value: u64 = fix
                .split(|c: char| !c.is_ascii_digit())
                .rfind(|digits| !digits.is_empty())
                .and_then(|digits| digits.parse().ok())
                .unwrap_or_else(|| panic!("{name}: {fix}"));
            let needed = compare(Size { instances: 1000 }, &usual, 100, 100)
                .into_iter()
                .find(|limit| limit.name == name)
                .unwrap()
                .needed;
            assert!(value >= needed, "{name}: {fix} for {needed}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_not_held_against_the_machine() {
        let limits = compare(Size { instances: 10 }, &|_| None, u64::MAX, u64::MAX);
        assert!(limits.iter().all(Limit::is_enough));
        assert_eq!(
            limits.iter().filter(|limit| limit.found.is_none()).count(),
            4
        );
    }
}
