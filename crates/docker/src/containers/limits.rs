//! Limits of containers: what they come to here, which contradict themselves, and which have no effect.

use super::request::{Host, Ulimit};
use crate::error::{Failure, Result};

/// Least memory of a container, bytes: Docker's own limit.
const LEAST_MEMORY: i64 = 6 << 20;

/// A number that says something.
pub(super) fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number > 0)
}

/// Hundredths of a processor, of billionths or of a share of a period; none where nothing is said. Errors: 400.
pub(crate) fn processors(nano: i64, period: i64, quota: i64) -> Result<Option<u32>> {
    if nano != 0 && (period != 0 || quota != 0) {
        let what = if period != 0 { "Period" } else { "Quota" };
        return Err(Failure::bad_request(format!("Conflicting options: Nano CPUs and CPU {what} cannot both be set")));
    }
    let there = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let hundredths = match (nano, quota) {
        (0, 0 | -1) => return Ok(None),
        (0, quota) => quota.saturating_mul(100) / if period > 0 { period } else { 100_000 },
        (nano, _) => nano / 10_000_000,
    };
    let is_there = nano == 0 || usize::try_from(hundredths).is_ok_and(|hundredths| hundredths <= there * 100);
    match u32::try_from(hundredths) {
        Ok(hundredths) if hundredths >= 1 && is_there => Ok(Some(hundredths)),
        _ => Err(Failure::bad_request(format!("range of CPUs is from 0.01 to {there}.00, as there are only {there} CPUs available"))),
    }
}

/// Refuses what Docker refuses of limits, also of those that have no effect here. Errors: 400.
pub(super) fn check(host: &Host) -> Result<()> {
    let refusals = [
        (host.memory != 0 && host.memory < LEAST_MEMORY, "Minimum memory limit allowed is 6MB"),
        (
            host.memory > 0 && host.memory_swap > 0 && host.memory_swap < host.memory,
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            host.memory == 0 && host.memory_swap > 0,
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (
            host.memory > 0 && host.memory_reservation > host.memory,
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        (host.shm_size < 0, "SHM size can not be less than 0"),
    ];
    if let Some((_, why)) = refusals.into_iter().find(|(is_refused, _)| *is_refused) {
        return Err(Failure::bad_request(why));
    }
    match host.memory_swappiness {
        Some(value) if !(-1..=100).contains(&value) => {
            Err(Failure::bad_request(format!("Invalid value: {value}, valid memory swappiness range is 0-100")))
        }
        _ => Ok(()),
    }
}

impl Ulimit {
    /// As the engine is asked. Errors: 400 for a name that is none, and a soft limit above the hard one.
    pub fn read(&self) -> Result<(String, (u64, u64))> {
        Ok(container::engine::words::ulimit(&format!("{}={}:{}", self.name, self.soft, self.hard))?)
    }
}

/// What only tunes, and has no effect.
pub(super) fn warnings(host: &Host) -> Vec<String> {
    let told: [(bool, &str); 12] = [
        // Twice the memory, or as much, is what counts anyway.
        (host.memory_swap > 0 && host.memory_swap != host.memory, "swap is not limited"),
        (host.memory_swappiness.is_some_and(|value| value != -1), "swappiness is the machine's"),
        (host.memory_reservation > 0, "memory is not reserved"),
        (host.kernel_memory > 0, "memory of the kernel is not limited apart"),
        (host.oom_kill_disable == Some(true), "what runs out of memory is ended"),
        (host.cpu_shares > 0, "shares of processors have no effect: use --cpus"),
        (!host.cpuset_cpus.is_empty() || !host.cpuset_mems.is_empty(), "processors are not picked: use --cpus"),
        (host.cpu_realtime_period > 0 || host.cpu_realtime_runtime > 0, "real-time scheduling has no effect"),
        (host.blkio_weight > 0 || !host.blkio_weight_device.is_empty(), "weights of disks have no effect"),
        (!host.blkio_device_read_bps.is_empty() || !host.blkio_device_write_bps.is_empty(), "speed of disks is not limited"),
        (!host.blkio_device_read_i_ops.is_empty() || !host.blkio_device_write_i_ops.is_empty(), "requests to disks are not limited"),
        (host.cgroupns_mode == "host", "the container has its own cgroup namespace"),
    ];
    told.into_iter().filter(|(is_told, _)| *is_told).map(|(_, words)| words.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_contradict_themselves_are_refused_in_dockers_words() {
        let memory = 64 << 20;
        for (host, words) in [
            (Host { memory: 1 << 20, ..Host::default() }, "Minimum memory limit allowed"),
            (Host { memory: -1, ..Host::default() }, "Minimum memory limit allowed"),
            (Host { memory, memory_swap: memory / 2, ..Host::default() }, "Minimum memoryswap limit"),
            (Host { memory_swap: memory, ..Host::default() }, "You should always set the Memory limit"),
            (Host { memory, memory_reservation: memory * 2, ..Host::default() }, "memory reservation"),
            (Host { memory_swappiness: Some(101), ..Host::default() }, "swappiness range is 0-100"),
            (Host { shm_size: -1, ..Host::default() }, "SHM size"),
        ] {
            let failure = check(&host).unwrap_err();
            assert!(failure.status == 400 && failure.message.contains(words), "{failure:?}");
        }
        let fine = Host { memory, memory_swap: -1, memory_reservation: memory, memory_swappiness: Some(-1), ..Host::default() };
        assert_eq!((check(&fine), check(&Host::default())), (Ok(()), Ok(())));
    }

    #[test]
    fn processors_are_those_of_the_machine_or_a_share_of_a_period() {
        assert_eq!(processors(0, 0, 0), Ok(None));
        assert_eq!(processors(0, 0, -1), Ok(None));
        assert_eq!(processors(500_000_000, 0, 0), Ok(Some(50)));
        assert_eq!(processors(0, 50_000, 25_000), Ok(Some(50)));
        for (nano, period, quota, words) in [
            (1, 0, 0, "range of CPUs"),
            (-1_000_000_000, 0, 0, "range of CPUs"),
            (1_000_000_000_000_000, 0, 0, "range of CPUs"),
            (500_000_000, 100_000, 0, "CPU Period cannot both be set"),
            (500_000_000, 0, 50_000, "CPU Quota cannot both be set"),
        ] {
            let failure = processors(nano, period, quota).unwrap_err();
            assert!(failure.status == 400 && failure.message.contains(words), "{failure:?}");
        }
    }
}
