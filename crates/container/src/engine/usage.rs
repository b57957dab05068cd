//! What a container takes by the kernel's own count, where it has a control group (v2), and by its processes otherwise.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::Result;
use super::lab::Engine;
use super::networks::namespace;
use super::record::Record;
use crate::network::NetworkMode;

/// Microseconds to nanoseconds.
const MICRO: u64 = 1_000;

/// Counters of a container at a moment. Times are nanoseconds since it began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Whether the kernel counts for it: what has ended is counted then, too, and the last parts are known.
    pub is_exact: bool,
    /// Time of processors.
    pub cpu_total: u64,
    /// Of that, in programs.
    pub cpu_user: u64,
    /// Of that, in the kernel.
    pub cpu_system: u64,
    /// Periods in which it was limited, those in which it was stopped, and for how long.
    pub throttled: (u64, u64, u64),
    /// Memory, bytes.
    pub memory: u64,
    /// The most that it may have.
    pub memory_limit: Option<u64>,
    /// The kernel's `memory.stat`.
    pub memory_parts: BTreeMap<String, u64>,
    /// Processes and threads.
    pub processes: u64,
    /// The most that it may have.
    pub processes_limit: Option<u64>,
    /// Bytes and calls of block devices.
    pub devices: Vec<DeviceCounters>,
    /// Its own network devices by name.
    pub networks: BTreeMap<String, NetworkCounters>,
}

/// What passed a block device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceCounters {
    /// Its numbers.
    pub major: u32,
    /// Its numbers.
    pub minor: u32,
    /// Bytes.
    pub read_bytes: u64,
    /// Bytes.
    pub written_bytes: u64,
    /// Calls.
    pub reads: u64,
    /// Calls.
    pub writes: u64,
}

/// What passed a network device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetworkCounters {
    /// In: bytes, packets, errors, dropped.
    pub received: [u64; 4],
    /// Out: the same.
    pub sent: [u64; 4],
}

impl Engine {
    /// Counters of a container that runs. Errors: it does not run.
    pub fn counters(&self, record: &Record) -> Result<Counters> {
        let cgroup = self.client.container_status(record.id.as_str()).ok().and_then(|status| status.cgroup);
        let mut counters = match cgroup.as_deref().and_then(of_group) {
            Some(counters) => counters,
            None => {
                let rows = self.processes(record)?;
                let time: u128 = rows.iter().map(|row| row.time.as_nanos()).sum();
                Counters {
                    cpu_total: u64::try_from(time).unwrap_or(u64::MAX),
                    memory: rows.iter().map(|row| row.resident).sum(),
                    processes: rows.len() as u64,
                    ..Counters::default()
                }
            }
        };
        counters.memory_limit = counters.memory_limit.or(record.options.memory_bytes.filter(|_| counters.is_exact));
        if matches!(record.options.network, NetworkMode::Bridge(_)) {
            let table = self.client.read_file(&namespace(&record.id), "/proc/net/dev")?;
            counters.networks = networks(&String::from_utf8_lossy(&table));
        }
        Ok(counters)
    }
}

/// By the files of a control group; none where they cannot be read.
fn of_group(directory: &Path) -> Option<Counters> {
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let cpu = table(&read("cpu.stat")?);
    let micro = |key: &str| cpu.get(key).copied().unwrap_or(0).saturating_mul(MICRO);
    let parts = table(&read("memory.stat").unwrap_or_default());
    Some(Counters {
        is_exact: true,
        cpu_total: micro("usage_usec"),
        cpu_user: micro("user_usec"),
        cpu_system: micro("system_usec"),
        throttled: (
            cpu.get("nr_periods").copied().unwrap_or(0),
            cpu.get("nr_throttled").copied().unwrap_or(0),
            micro("throttled_usec"),
        ),
        memory: number("memory.current").unwrap_or(0),
        memory_limit: number("memory.max"),
        memory_parts: parts,
        processes: number("pids.current").unwrap_or(0),
        processes_limit: number("pids.max"),
        devices: devices(&read("io.stat").unwrap_or_default()),
        networks: BTreeMap::new(),
    })
}

/// Lines of a name and a number.
fn table(text: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// `io.stat`: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …`.
fn devices(text: &str) -> Vec<DeviceCounters> {
    let line = |line: &str| {
        let mut fields = line.split(' ');
        let (major, minor) = fields.next()?.split_once(':')?;
        let mut device = DeviceCounters { major: major.parse().ok()?, minor: minor.parse().ok()?, ..DeviceCounters::default() };
        for (key, value) in fields.filter_map(|field| field.split_once('=')) {
            let value = value.parse().ok()?;
            match key {
                "rbytes" => device.read_bytes = value,
                "wbytes" => device.written_bytes = value,
                "rios" => device.reads = value,
                "wios" => device.writes = value,
                _ => {}
            }
        }
        Some(device)
    };
    text.lines().filter_map(line).collect()
}

/// `/proc/net/dev`, without `lo`.
fn networks(text: &str) -> BTreeMap<String, NetworkCounters> {
    let line = |line: &str| {
        let (name, counters) = line.split_once(':')?;
        let counters: Vec<u64> = counters.split_whitespace().filter_map(|field| field.parse().ok()).collect();
        let four = |at: usize| counters.get(at..at + 4)?.try_into().ok();
        Some((name.trim().to_owned(), NetworkCounters { received: four(0)?, sent: four(8)? }))
    };
    text.lines().skip(2).filter_map(line).filter(|(name, _)| name != "lo").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_group_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 7\nnr_throttled 2\nthrottled_usec 30\n"),
            ("memory.current", "1048576\n"),
            ("memory.max", "67108864\n"),
            ("memory.stat", "anon 4096\ninactive_file 8192\n"),
            ("pids.current", "3\n"),
            ("pids.max", "max\n"),
            ("io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n253:1 \n"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let found = of_group(folder.path()).unwrap();
        assert!(found.is_exact);
        assert_eq!((found.cpu_total, found.cpu_user, found.cpu_system), (1_500_000, 1_000_000, 500_000));
        assert_eq!(found.throttled, (7, 2, 30_000));
        assert_eq!((found.memory, found.memory_limit, found.processes, found.processes_limit), (1 << 20, Some(64 << 20), 3, None));
        assert_eq!(found.memory_parts["inactive_file"], 8_192);
        let disk = DeviceCounters { major: 8, minor: 0, read_bytes: 10, written_bytes: 20, reads: 1, writes: 2 };
        assert_eq!(found.devices, [disk, DeviceCounters { major: 253, minor: 1, ..DeviceCounters::default() }]);
        assert!(of_group(&folder.path().join("none")).is_none());
    }

    #[test]
    fn devices_of_a_network_are_counted_one_by_one() {
        let text = "Inter-|\n face |\n    lo: 10 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0\n  eth0: 700 5 1 2 0 0 0 0 300 4 3 4 0 0 0 0\n";
        let found = networks(text);
        assert_eq!(found.len(), 1);
        assert_eq!(found["eth0"], NetworkCounters { received: [700, 5, 1, 2], sent: [300, 4, 3, 4] });
    }
}
