//! The process tree: from the holder down to the container's own, each with its number on this machine, in the instance and
//! in the container.

use std::collections::BTreeMap;

use sandbox::container::spec::ContainerStatus;

use super::lens::{Lens, Machine, began, line, numbers};
use super::parts::{IdRange, Process};

/// Processes that are looked at.
const MOST: usize = 2_000;

/// What is known of a process besides its row.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Its number in the lab.
    pub lab: i32,
    /// Its `/proc/PID/status`.
    pub status: String,
    pub row: Process,
}

/// Looks at one process of the lab.
fn look(lens: &Lens<'_>, machine: &Machine, pid: i32, depth: usize, role: &str) -> Option<Seen> {
    let status = lens.read(&format!("/proc/{pid}/status"))?;
    let stat = lens.read(&format!("/proc/{pid}/stat"))?;
    let typed = lens.read(&format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = typed.trim_end_matches('\0').replace('\0', " ");
    let all = numbers(&status);
    let name = line(&status, "Name").collect::<Vec<_>>().join(" ");
    let row = Process {
        machine: began(&stat).and_then(|began| machine.number(began, &all)),
        instance: all.get(1).copied(),
        container: all.get(2).copied(),
        depth,
        role: role.to_owned(),
        user: None,
        command: if words.is_empty() { format!("[{name}]") } else { words },
    };
    Some(Seen { lab: pid, status, row })
}

/// A process and everything below it, parents first.
fn below(lens: &Lens<'_>, machine: &Machine, first: i32, depth: usize, role: &str, found: &mut Vec<Seen>) {
    let mut pending = vec![(first, depth)];
    while let Some((pid, depth)) = pending.pop() {
        if found.len() >= MOST {
            return;
        }
        let children = lens.read(&format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let mut children: Vec<i32> = children.split_whitespace().filter_map(|child| child.parse().ok()).collect();
        children.sort_unstable_by_key(|child| std::cmp::Reverse(*child));
        pending.extend(children.into_iter().map(|child| (child, depth + 1)));
        found.extend(look(lens, machine, pid, depth, role));
    }
}

/// Who leads to containers: the holder, and the instance's init with all that it started.
pub(super) fn instance(lens: &Lens<'_>, machine: &Machine, init: i32, with_all: bool) -> Vec<Seen> {
    let mut found: Vec<Seen> = look(lens, machine, 1, 0, "holder").into_iter().collect();
    if with_all {
        below(lens, machine, init, 1, "instance", &mut found);
        if let Some(first) = found.iter_mut().find(|seen| seen.lab == init) {
            first.row.role = "init".to_owned();
        }
    } else {
        found.extend(look(lens, machine, init, 1, "init"));
    }
    found
}

/// A container's shim and all that is below it.
pub(super) fn container(lens: &Lens<'_>, machine: &Machine, status: &ContainerStatus) -> Vec<Seen> {
    let mut found = Vec::new();
    below(lens, machine, status.shim_pid, 1, "container", &mut found);
    if let Some(shim) = found.iter_mut().find(|seen| seen.lab == status.shim_pid) {
        shim.row.role = "shim".to_owned();
    }
    found
}

/// Users of processes as they are inside, by the map from inside to the lab.
pub(super) fn name_users(seen: &mut [Seen], map: &[IdRange]) {
    for one in seen.iter_mut().filter(|one| one.row.role != "holder") {
        let outside = line(&one.status, "Uid").nth(1).and_then(|uid| uid.parse::<u64>().ok());
        one.row.user = outside.and_then(|outside| inside_of(map, outside));
    }
}

fn inside_of(map: &[IdRange], outside: u64) -> Option<u32> {
    let range = map.iter().find(|range| (range.outside..range.outside + range.count).contains(&outside))?;
    u32::try_from(range.inside + outside - range.outside).ok()
}

/// Lines of `/proc/PID/uid_map`.
pub(super) fn id_map(text: &str) -> Vec<IdRange> {
    let range = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(inside)), Some(Ok(outside)), Some(Ok(count))) => Some(IdRange { inside, outside, count }),
            _ => None,
        }
    };
    text.lines().filter_map(range).collect()
}

/// Rows, in the order of the tree.
pub(super) fn rows(seen: Vec<Seen>) -> Vec<Process> {
    // Two looks may have met the same one.
    let mut known = BTreeMap::new();
    let is_new = |one: &Seen| known.insert(one.lab, ()).is_none();
    let mut is_new = is_new;
    seen.into_iter().filter(|one| is_new(one)).map(|one| one.row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_those_inside() {
        let map = id_map("         0 1879048192      65536\n");
        assert_eq!(map, [IdRange { inside: 0, outside: 1_879_048_192, count: 65_536 }]);
        assert_eq!(inside_of(&map, 1_879_048_225), Some(33));
        assert_eq!(inside_of(&map, 0), None);
    }
}
