//! Capabilities by name (capabilities(7)).

use serde::{Deserialize, Serialize};

/// By number, linux/capability.h.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// A set of capabilities, as the kernel writes one in `/proc/PID/status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// None.
    pub const NONE: CapabilitySet = CapabilitySet(0);
    /// Docker's default (moby `oci/caps/defaults.go`): AUDIT_WRITE, CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, MKNOD,
    /// NET_BIND_SERVICE, NET_RAW, SETFCAP, SETGID, SETPCAP, SETUID, SYS_CHROOT.
    pub const DOCKER: CapabilitySet = CapabilitySet(0xa804_25fb);
    /// All that this table knows.
    pub const ALL: CapabilitySet = CapabilitySet((1 << NAMES.len()) - 1);

    /// The set of a mask, as `/proc/PID/status` shows one; what this table does not know is left out.
    pub fn from_bits(bits: u64) -> CapabilitySet {
        CapabilitySet(bits & CapabilitySet::ALL.0)
    }

    /// The mask: bit `n` for the capability of number `n`.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// With one more, by name: case does not matter, `CAP_` may be left out, `ALL` is all. `None`: no such name.
    pub fn with(self, name: &str) -> Option<CapabilitySet> {
        Some(CapabilitySet(self.0 | mask(name)?))
    }

    /// Without one, named as in [`CapabilitySet::with`].
    pub fn without(self, name: &str) -> Option<CapabilitySet> {
        Some(CapabilitySet(self.0 & !mask(name)?))
    }

    /// Whether it has this one.
    pub fn has(self, name: &str) -> bool {
        mask(name).is_some_and(|wanted| self.0 & wanted == wanted)
    }

    /// `CAP_…` names, by number.
    pub fn names(self) -> Vec<&'static str> {
        let set = NAMES.iter().enumerate().filter(|(number, _)| self.0 & (1 << number) != 0);
        set.map(|(_, name)| *name).collect()
    }
}

fn mask(name: &str) -> Option<u64> {
    let name = name.to_ascii_uppercase();
    if name == "ALL" || name == "CAP_ALL" {
        return Some(CapabilitySet::ALL.0);
    }
    let bare = name.strip_prefix("CAP_").unwrap_or(&name);
    let number = NAMES.iter().position(|known| known.strip_prefix("CAP_") == Some(bare))?;
    Some(1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_set_is_the_fourteen_that_it_documents() {
        let mut names = CapabilitySet::DOCKER.names();
        names.sort_unstable();
        let documented = [
            "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
            "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
        ];
        assert_eq!(names, documented.map(|name| format!("CAP_{name}")));
    }

    #[test]
    fn names_are_taken_as_docker_takes_them() {
        let set = CapabilitySet::NONE.with("net_admin").and_then(|set| set.with("CAP_CHOWN"));
        assert_eq!(set.map(CapabilitySet::names), Some(vec!["CAP_CHOWN", "CAP_NET_ADMIN"]));
        assert_eq!(CapabilitySet::DOCKER.without("ALL"), Some(CapabilitySet::NONE));
        assert_eq!(CapabilitySet::DOCKER.with("NO_SUCH"), None);
        assert!(CapabilitySet::ALL.has("BPF") && !CapabilitySet::DOCKER.has("SYS_ADMIN"));
    }
}
