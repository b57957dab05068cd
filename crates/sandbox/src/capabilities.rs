//! What this machine lets a lab do, found out by doing it in namespaces made for the purpose.
//!
//! Versions and settings mislead (under Ubuntu's AppArmor `unshare` succeeds and everything after it is
//! denied), so each feature is tried. Settings are read only to name the command that helps.

mod attempt;
mod limits;

use std::io;
use std::path::Path;
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use crate::entry::{PROBE, SelfCommand};
use crate::error::{Error, Result};

pub(crate) use attempt::{ask_conntrack, main};
pub use limits::{Limit, Size, limits};

/// Something a lab needs or can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// User, network, mount and pid namespaces, with ids mapped.
    Namespaces,
    /// Settings of an own network namespace can be written.
    Sysctl,
    /// Pairs of virtual interfaces.
    Veth,
    /// Packet filtering by nf_tables.
    NfTables,
    /// Connection tracking.
    Conntrack,
    /// A tmpfs can be mounted.
    Tmpfs,
    /// A fresh `/proc` can be mounted.
    Proc,
    /// Overlayfs works; without it the host's programs are shown read-only.
    Overlay,
    /// More than one user id inside instances; without, everything inside runs as root.
    InstanceIds,
    /// What instances ask of the kernel can be filtered.
    SystemCallFilter,
    /// Limits on memory and processes can be enforced.
    Cgroup,
    /// Files of instances can be kept in the folder asked about.
    Disks,
}

/// One feature, tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was tried.
    pub feature: Feature,
    /// No lab without it.
    pub required: bool,
    /// It worked.
    pub available: bool,
    /// Why not, for people.
    pub missing: Option<String>,
    /// The one command that supplies it, where there is one.
    pub fix: Option<String>,
}

/// The result of [`probe`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Every feature once, in the order of [`Feature`]; [`Feature::Disks`] where a folder was given.
    pub checks: Vec<Check>,
}

impl Capabilities {
    /// Whether a feature works here.
    pub fn has(&self, feature: Feature) -> bool {
        self.checks
            .iter()
            .any(|check| check.feature == feature && check.available)
    }

    /// Whether a lab can run here.
    pub fn sufficient(&self) -> bool {
        self.checks
            .iter()
            .all(|check| check.available || !check.required)
    }

    /// The first required feature that is missing, as an error.
    pub fn require(&self) -> Result<()> {
        match self
            .checks
            .iter()
            .find(|check| check.required && !check.available)
        {
            None => Ok(()),
            Some(check) => Err(Error::Environment {
                missing: check
                    .missing
                    .clone()
                    .unwrap_or_else(|| format!("{:?} does not work", check.feature)),
                fix: check
                    .fix
                    .clone()
                    .unwrap_or_else(|| "vpclab doctor".to_owned()),
            }),
        }
    }
}

/// Tries everything, in a process of its own that leaves nothing behind. Takes some milliseconds.
pub fn probe(command: &SelfCommand) -> Result<Capabilities> {
    probe_with_disks(command, None)
}

/// As [`probe`], and whether disks of instances can lie in a folder.
pub fn probe_with_disks(command: &SelfCommand, folder: Option<&Path>) -> Result<Capabilities> {
    let output = command
        .with(PROBE)
        .args(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(Error::os(format!("starting {}", command.program.display())))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::Malformed(format!("probe ended with {}: {error}", output.status)))
}

/// Says why namespaces are refused here and what changes that; `None` when nothing known fits.
pub(crate) fn explain_refusal(doing: &str, error: &io::Error) -> Option<Error> {
    let refused = matches!(
        error.raw_os_error(),
        Some(
            libc::EPERM | libc::EACCES | libc::ENOSPC | libc::EUSERS | libc::ENOSYS | libc::EINVAL
        )
    );
    if !refused {
        return None;
    }
    let (why, fix) = reason(&|name| {
        std::fs::read_to_string(Path::new("/proc/sys").join(name))
            .ok()?
            .trim()
            .parse()
            .ok()
    })
    .or_else(|| {
        let in_container = ["/.dockerenv", "/run/.containerenv"]
            .iter()
            .any(|mark| Path::new(mark).exists());
        in_container.then_some((
            "this container may not make namespaces",
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
             --security-opt systempaths=unconfined …",
        ))
    })?;
    Some(Error::Environment {
        missing: format!("{doing}: {error}: {why}"),
        fix: fix.to_owned(),
    })
}

/// The setting that refuses, most specific first.
fn reason(setting: &dyn Fn(&str) -> Option<i64>) -> Option<(&'static str, &'static str)> {
    let cases = [
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            1,
            "AppArmor takes all rights away inside user namespaces",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (
            "kernel/unprivileged_userns_clone",
            0,
            "user namespaces are for root only here",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (
            "user/max_user_namespaces",
            0,
            "user namespaces are switched off",
            "sudo sysctl -w user.max_user_namespaces=65536",
        ),
        (
            "user/max_net_namespaces",
            0,
            "network namespaces are switched off",
            "sudo sysctl -w user.max_net_namespaces=65536",
        ),
    ];
    cases
        .into_iter()
        .find(|(name, value, ..)| setting(name) == Some(*value))
        .map(|(_, _, why, fix)| (why, fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_refuses_names_the_command_that_helps() {
        type Case = (&'static [(&'static str, i64)], Option<&'static str>);
        let cases: [Case; 4] = [
            (
                &[
                    ("kernel/apparmor_restrict_unprivileged_userns", 1),
                    ("user/max_user_namespaces", 9),
                ],
                Some("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
            ),
            (
                &[("kernel/unprivileged_userns_clone", 0)],
                Some("sudo sysctl -w kernel.unprivileged_userns_clone=1"),
            ),
            (
                &[("user/max_user_namespaces", 0)],
                Some("sudo sysctl -w user.max_user_namespaces=65536"),
            ),
            (
                &[
                    ("kernel/apparmor_restrict_unprivileged_userns", 0),
                    ("user/max_user_namespaces", 9),
                ],
                None,
            ),
        ];
        for (settings, expected) in cases {
            let setting = |name: &str| {
                settings
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| *value)
            };
            assert_eq!(
                reason(&setting).map(|(_, fix)| fix),
                expected,
                "{settings:?}"
            );
        }
    }
}
