//! Which user and group ids exist in a lab and in its instances.
//!
//! A lab's user namespace maps 0 to the user who launched it. Where the right to more ids exists (root,
//! or subordinate ids and `newuidmap`), ids 1…65536 follow, and instances get exactly those: an
//! instance's root is then not the launching user at all. Host ids 0 to 65535 are never mapped as they
//! are: `/proc/sys` belongs to host uid 0 whatever the namespace, and an instance that owned it could
//! run programs on the host (`kernel.core_pattern`).

use std::io;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, getegid, geteuid};

/// Ids of an instance where more than one exists.
pub(crate) const INSTANCE_IDS: u32 = 65_536;
/// First host id of a root-launched lab's instances: above every range that systemd or useradd gives
/// out (https://systemd.io/UIDS-GIDS, "1879048192…2147483647 unused").
const ROOT_BASE: u32 = 1_879_048_192;
/// Ids that no convention gives to anybody, and how many (same source, "65520…65533 unused").
const UNUSED: (u32, u32) = (65_520, 14);

/// Maps the ids of `child`, a process in a new user namespace whose parent this process is. Returns how
/// many ids its instances will have.
pub(crate) fn map_lab(child: Pid) -> io::Result<u32> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    if uid == 0 {
        // A root without the right to map ids (CAP_SETUID, CAP_SETGID) is refused and takes the other way.
        if gid == 0
            && let Some((base, count)) = root_range()
            && write(child, "uid_map", &format!("0 0 1\n1 {base} {count}\n")).is_ok()
        {
            write(child, "gid_map", &format!("0 0 1\n1 {base} {count}\n"))?;
            return Ok(count);
        }
    } else if map_subordinate(child, uid, gid) {
        return Ok(INSTANCE_IDS);
    }
    write(child, "setgroups", "deny")?;
    write(child, "uid_map", &format!("0 {uid} 1\n"))?;
    write(child, "gid_map", &format!("0 {gid} 1\n"))?;
    Ok(1)
}

/// Whether this process is root of its user namespace.
pub(crate) fn launched_as_root() -> bool {
    geteuid().is_root()
}

/// Ids for the instances of a lab that root launched: the first and how many.
fn root_range() -> Option<(u32, u32)> {
    let read = |file: &str| {
        let text = std::fs::read_to_string(format!("/proc/self/{file}"));
        extents(&text.unwrap_or_default())
    };
    choose_root_range(&read("uid_map"), &read("gid_map"))
}

/// In a container fewer ids exist. Those above 65535 are nobody's there; of the lower ones only a few are
/// never given out. Any is better than root's own.
fn choose_root_range(users: &[(u32, u64)], groups: &[(u32, u64)]) -> Option<(u32, u32)> {
    // The kernel maps a range only where one extent holds all of it.
    let exists = |(first, count): &(u32, u32)| {
        let end = u64::from(*first) + u64::from(*count);
        let holds = |extent: &(u32, u64)| extent.0 <= *first && end <= extent.1;
        *count >= UNUSED.1 && users.iter().any(holds) && groups.iter().any(holds)
    };
    let above = users.iter().rev().map(|(first, end)| {
        let first = (*first).max(INSTANCE_IDS);
        let count = end.saturating_sub(first.into()).min(INSTANCE_IDS.into());
        (first, count as u32)
    });
    std::iter::once((ROOT_BASE, INSTANCE_IDS))
        .chain(above)
        .chain([UNUSED])
        .find(exists)
}

/// Extents of a `/proc/PID/uid_map`: first id inside and the one behind the last (user_namespaces(7)).
fn extents(map: &str) -> Vec<(u32, u64)> {
    let extent = |line: &str| {
        let mut fields = line.split_whitespace();
        let first: u32 = fields.next()?.parse().ok()?;
        let count: u64 = fields.nth(1)?.parse().ok()?;
        Some((first, u64::from(first) + count))
    };
    map.lines().filter_map(extent).collect()
}

/// Maps the ids of an instance. `ids` is what [`map_lab`] returned in this lab.
pub(crate) fn map_instance(child: Pid, ids: u32) -> io::Result<()> {
    let map = if ids == 1 {
        "0 0 1\n".to_owned()
    } else {
        format!("0 1 {ids}\n")
    };
    write(child, "uid_map", &map)?;
    write(child, "gid_map", &map)
}

fn write(child: Pid, file: &str, content: &str) -> io::Result<()> {
    // One write: the kernel takes a map whole or not at all.
    std::fs::write(format!("/proc/{}/{file}", child.as_raw_pid()), content)
}

/// Uses `newuidmap` and `newgidmap` where both exist and both ranges are large enough.
fn map_subordinate(child: Pid, uid: u32, gid: u32) -> bool {
    let name = user_name(uid);
    let range = |file| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        subordinate_range(&text, name.as_deref(), uid)
    };
    let (Some(uids), Some(gids)) = (range("/etc/subuid"), range("/etc/subgid")) else {
        return false;
    };
    let (Some(newuidmap), Some(newgidmap)) = (program("newuidmap"), program("newgidmap")) else {
        return false;
    };
    let map = |program: &Path, own: u32, base: u32| {
        Command::new(program)
            .arg(child.as_raw_pid().to_string())
            .args([
                "0",
                &own.to_string(),
                "1",
                "1",
                &base.to_string(),
                &INSTANCE_IDS.to_string(),
            ])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    // Groups first: when they fail nothing is written yet and the plain maps still can be; a user map
    // that fails after them leaves a namespace that `map_lab`'s writes will refuse, which is reported.
    map(&newgidmap, gid, gids) && map(&newuidmap, uid, uids)
}

fn program(name: &str) -> Option<std::path::PathBuf> {
    ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"]
        .iter()
        .map(|directory| Path::new(directory).join(name))
        .find(|path| path.exists())
}

fn user_name(uid: u32) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// First range of `subuid(5)` lines (`name-or-uid:first:count`) with enough ids.
fn subordinate_range(text: &str, name: Option<&str>, uid: u32) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let first: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let ours = Some(owner) == name || owner.parse() == Ok(uid);
        (ours && count >= INSTANCE_IDS).then_some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instances_of_a_lab_of_root_get_ids_that_are_nobodys_and_never_roots() {
        let everything = extents("         0          0 4294967295\n");
        assert_eq!(
            choose_root_range(&everything, &everything),
            Some((ROOT_BASE, INSTANCE_IDS))
        );
        let cases = [
            // A container of an ordinary user: root and 65536 subordinate ids.
            ("0 1000 1\n1 100000 65536\n", Some(UNUSED)),
            // One with more of them.
            ("0 1000 1\n1 100000 200000\n", Some((65_536, 65_536))),
            ("0 100000 70000\n", Some((65_536, 4_464))),
            ("0 100000 65540\n", Some(UNUSED)),
            // Only root exists.
            ("0 1000 1\n", None),
            ("0 1000 1000\n", None),
            ("", None),
        ];
        for (map, expected) in cases {
            let map = extents(map);
            assert_eq!(choose_root_range(&map, &map), expected, "{map:?}");
        }
        // Users alone are not enough.
        assert_eq!(choose_root_range(&everything, &extents("0 0 1\n")), None);
    }

    #[test]
    fn subordinate_ranges_are_found_by_name_or_number_and_must_be_large_enough() {
        let text = "# comment\nann:100000:65536\n1001:200000:65536\nbob:300000:1000\nbob:400000:70000\nbad\n";
        let cases = [
            (Some("ann"), 1000, Some(100_000)),
            (None, 1001, Some(200_000)),
            (Some("bob"), 1002, Some(400_000)),
            (Some("eve"), 1003, None),
        ];
        for (name, uid, expected) in cases {
            assert_eq!(
                subordinate_range(text, name, uid),
                expected,
                "{name:?} {uid}"
            );
        }
    }
}
