//! The kernel follows what clients of AWS were answered: one thread for all labs, once a lab rests, so that what comes in quick
//! succession is done at once. The kernel is brought to the newest state, not to each one on the way.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing has to change before the kernel follows. Whoever looks at the lab does not wait: it is brought up to date at once.
const REST: Duration = Duration::from_millis(20);
/// How long a rest is waited for at least.
const PATIENCE: Duration = Duration::from_secs(1);
/// And at most, where following takes long.
const MOST_PATIENCE: Duration = Duration::from_secs(3);
/// Where changes come without a rest, the kernel follows for one part of so many of the time: clients need the machine too, and much of
/// what they make in such a time is gone again before it is over.
const SHARE: u32 = 10;

/// Labs that the kernel is behind of.
#[derive(Debug, Default)]
pub struct Behind {
    labs: Mutex<BTreeMap<String, Since>>,
    come: Condvar,
}

/// When a lab changed.
#[derive(Debug, Clone, Copy)]
struct Since {
    first: Instant,
    last: Instant,
}

impl Since {
    /// When the kernel has to follow, if nothing more changes until then.
    fn due(self, patience: Duration) -> Instant {
        (self.last + REST).min(self.first + patience)
    }
}

/// How long a rest is waited for after following took so long.
fn patience_after(took: Duration) -> Duration {
    (took * (SHARE - 1)).clamp(PATIENCE, MOST_PATIENCE)
}

impl Behind {
    /// Notes that the kernel is behind.
    pub fn note(&self, lab: &str) {
        let mut labs = self.labs.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match labs.get_mut(lab) {
            Some(since) => since.last = now,
            None => {
                labs.insert(lab.to_owned(), Since { first: now, last: now });
                self.come.notify_one();
            }
        }
    }

    /// Waits, `patience` at most, for labs that the kernel is behind of, and then until one rests; takes those that do, or that have
    /// not for long. `took`: how long following took the last time.
    pub fn take(&self, patience: Duration, took: Duration) -> Vec<String> {
        let labs = self.labs.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.come.wait_timeout_while(labs, patience, |labs| labs.is_empty());
        let mut labs = waited.unwrap_or_else(PoisonError::into_inner).0;
        loop {
            let dues = labs.iter().map(|(name, since)| (since.due(patience_after(took)), name.clone()));
            let Some((first, _)) = dues.clone().min() else { return Vec::new() };
            let now = Instant::now();
            if first <= now {
                let due: Vec<String> = dues.filter(|(due, _)| *due <= now).map(|(_, name)| name).collect();
                labs.retain(|name, _| !due.contains(name));
                return due;
            }
            drop(labs);
            std::thread::sleep(first - now);
            labs = self.labs.lock().unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_follows_once_a_lab_rests_or_has_not_for_long() {
        let begun = Instant::now();
        let at = |milliseconds| begun + Duration::from_millis(milliseconds);
        let due = |first, last, took| Since { first: at(first), last: at(last) }.due(patience_after(Duration::from_millis(took))) - begun;
        assert_eq!(due(0, 0, 0), Duration::from_millis(20));
        assert_eq!(due(0, 100, 0), Duration::from_millis(120), "the last change counts");
        assert_eq!(due(0, 995, 0), Duration::from_secs(1), "and nobody waits for a rest for ever");
        assert_eq!(due(0, 2_500, 200), Duration::from_millis(1_800), "longer where following takes long");
        assert_eq!(due(0, 9_000, 5_000), Duration::from_secs(3), "not without end");
    }

    #[test]
    fn a_lab_that_changed_is_taken_once() {
        let behind = Behind::default();
        assert!(behind.take(Duration::ZERO, Duration::ZERO).is_empty());
        ["b", "a", "b"].iter().for_each(|lab| behind.note(lab));
        let mut taken = behind.take(Duration::ZERO, Duration::ZERO);
        while taken.len() < 2 {
            taken.extend(behind.take(Duration::ZERO, Duration::ZERO));
        }
        taken.sort();
        assert_eq!(taken, ["a", "b"]);
        assert!(behind.take(Duration::ZERO, Duration::ZERO).is_empty());
    }
}
