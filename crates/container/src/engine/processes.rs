//! What runs in a container and what it takes, by the lab's `/proc`: for `top` and `stats`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::{Error, Result};
use super::lab::Engine;
use super::life::is_unknown;
use super::record::Record;

/// Processes of one container that are looked at.
const MOST: usize = 10_000;
/// Ticks a second of times in `/proc` (`USER_HZ`, the same on every Linux since 2.6).
const TICKS: u64 = 100;
/// Bytes of a page; `/proc` counts memory in them.
const PAGE: u64 = 4_096;

/// A process of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessRow {
    /// Its number in the instance.
    pub pid: i32,
    /// The number in the instance of who started it; 0: somebody outside of it.
    pub parent: i32,
    /// Its user inside, where that can be told.
    pub uid: u32,
    /// Time of processors that it took.
    pub time: Duration,
    /// Memory of its own, bytes.
    pub resident: u64,
    /// What was typed.
    pub command: String,
}

/// What a container takes at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time of processors since it began, of the processes that live.
    pub time: Duration,
    /// Memory of its processes, bytes.
    pub resident: u64,
    /// Processes.
    pub processes: usize,
    /// Bytes that came in over its own network.
    pub received: u64,
    /// Bytes that went out.
    pub sent: u64,
}

impl Engine {
    /// Processes of a container that runs, its first one first. Errors: it does not run.
    pub fn processes(&self, record: &Record) -> Result<Vec<ProcessRow>> {
        let status = match self.client.container_status(record.id.as_str()) {
            Ok(status) if status.ended.is_none() => status,
            Ok(_) => return Err(not_running(record)),
            Err(error) if is_unknown(&error) => return Err(not_running(record)),
            Err(error) => return Err(error.into()),
        };
        let read = |path: String| {
            self.client
                .read_file(&record.instance, &path)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let mut rows = Vec::new();
        // By the lab's numbers: whose shim it is, then who was started by those found so far.
        let mut pending = vec![status.shim_pid];
        let mut inside: BTreeMap<i32, i32> = BTreeMap::new();
        // The first one's parent is the shim, which is a process of the instance.
        let shim = read(format!("/proc/{}/status", status.shim_pid)).unwrap_or_default();
        inside.extend(number_inside(&shim).map(|number| (status.shim_pid, number)));
        while let Some(pid) = pending.pop() {
            if rows.len() >= MOST {
                break;
            }
            // One that ended meanwhile has no children any more.
            let children = read(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            pending.extend(
                children
                    .split_whitespace()
                    .filter_map(|child| child.parse::<i32>().ok()),
            );
            if pid == status.shim_pid {
                continue;
            }
            let (Ok(stat), Ok(state)) = (
                read(format!("/proc/{pid}/stat")),
                read(format!("/proc/{pid}/status")),
            ) else {
                continue;
            };
            let command = read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if let Some((parent, row)) = row(&stat, &state, &command) {
                inside.insert(pid, row.pid);
                rows.push((parent, row));
            }
        }
        // Where instances have users of their own, the lab counts them behind its own root.
        let first = u32::from(self.client.stats()?.instance_ids > 1);
        let named = rows.into_iter().map(|(parent, row)| ProcessRow {
            parent: inside.get(&parent).copied().unwrap_or(0),
            uid: row.uid.saturating_sub(first),
            ..row
        });
        let mut rows: Vec<ProcessRow> = named.collect();
        rows.sort_by_key(|row| (row.pid != status.instance_pid, row.pid));
        Ok(rows)
    }

    /// What a container takes now: by its control group where it has one, by its processes otherwise.
    pub fn usage(&self, record: &Record) -> Result<Usage> {
        let counters = self.counters(record)?;
        // As Docker's command: what the kernel can take back at once is not counted.
        let spare = counters.memory_parts.get("inactive_file").copied().unwrap_or(0);
        Ok(Usage {
            time: Duration::from_nanos(counters.cpu_total),
            resident: counters.memory.saturating_sub(spare),
            processes: usize::try_from(counters.processes).unwrap_or(usize::MAX),
            received: counters.networks.values().map(|network| network.received[0]).sum(),
            sent: counters.networks.values().map(|network| network.sent[0]).sum(),
        })
    }
}

fn not_running(record: &Record) -> Error {
    let state = if record.state.status.is_alive() {
        "exited"
    } else {
        record.state.status.name()
    };
    Error::State {
        name: record.name.clone(),
        state,
        why: "it has no processes".into(),
    }
}

/// The words of a line of `status`.
fn line<'a>(status: &'a str, key: &str) -> std::str::SplitWhitespace<'a> {
    let mut lines = status.lines();
    let found = lines.find_map(|line| line.strip_prefix(key));
    found.unwrap_or_default().split_whitespace()
}

/// Of the numbers that a process has from here inwards, the second: the instance's.
fn number_inside(status: &str) -> Option<i32> {
    line(status, "NSpid:").nth(1)?.parse().ok()
}

/// A process by its `stat`, `status` and `cmdline`, with the number in the lab of who started it.
fn row(stat: &str, status: &str, command: &str) -> Option<(i32, ProcessRow)> {
    // The name in parentheses may hold anything.
    let (head, rest) = stat.rsplit_once(") ")?;
    let name = head.split_once('(')?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let words = command.trim_end_matches('\0').replace('\0', " ");
    let row = ProcessRow {
        pid: number_inside(status)?,
        parent: 0,
        uid: line(status, "Uid:").nth(1)?.parse().ok()?,
        time: Duration::from_millis((number(11)? + number(12)?) * 1_000 / TICKS),
        resident: number(21)? * PAGE,
        command: if words.is_empty() {
            format!("[{name}]")
        } else {
            words
        },
    };
    Some((fields.get(1)?.parse().ok()?, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let stat = "812 (a) (b) S 800 812 812 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 99 1000000 25 18446744073709551615";
        let status = "Name:\ta\nUid:\t33\t33\t33\t33\nNSpid:\t812\t41\t1\n";
        let (parent, row) = row(stat, status, "sh\0-c\0true\0").unwrap();
        assert_eq!(parent, 800);
        assert_eq!(
            (row.pid, row.uid, row.time, row.resident),
            (41, 33, Duration::from_secs(2), 25 * PAGE)
        );
        assert_eq!(row.command, "sh -c true");
        assert_eq!(super::row(stat, status, "").unwrap().1.command, "[a) (b]");
        assert!(super::row("", "", "").is_none());
    }
}
