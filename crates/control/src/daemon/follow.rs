//! The kernel follows what clients of AWS were answered: one thread for all labs, a moment after each change, so that what comes in
//! quick succession is done at once.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long more changes are waited for. Whoever looks at the lab does not wait: it is brought up to date at once.
const MOMENT: Duration = Duration::from_millis(20);

/// Labs that the kernel is behind of.
#[derive(Debug, Default)]
pub struct Behind {
    labs: Mutex<BTreeSet<String>>,
    come: Condvar,
}

impl Behind {
    /// Notes that the kernel is behind.
    pub fn note(&self, lab: &str) {
        let mut labs = self.labs.lock().unwrap_or_else(PoisonError::into_inner);
        if !labs.contains(lab) {
            labs.insert(lab.to_owned());
            self.come.notify_one();
        }
    }

    /// Waits, `patience` at most, and takes all of them.
    pub fn take(&self, patience: Duration) -> BTreeSet<String> {
        let labs = self.labs.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.come.wait_timeout_while(labs, patience, |labs| labs.is_empty());
        let is_empty = waited.unwrap_or_else(PoisonError::into_inner).0.is_empty();
        if is_empty {
            return BTreeSet::new();
        }
        std::thread::sleep(MOMENT);
        std::mem::take(&mut *self.labs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
