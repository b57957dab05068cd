//! Where a test may have a process die: between two steps of which each leaves something in the kernel or on disk.
//!
//! `VPCLAB_ABORT_AT=N` ends an armed process by SIGKILL at the N-th [`point`] that it passes, and has each written to
//! standard error, so that a test can count them. Only debug builds can be armed.

use std::sync::atomic::{AtomicU64, Ordering};

/// The point to die at; 0: not armed.
static AT: AtomicU64 = AtomicU64::new(0);
static PASSED: AtomicU64 = AtomicU64::new(0);

/// Arms this process when its environment says so.
pub fn arm() {
    if cfg!(debug_assertions) {
        let at = std::env::var("VPCLAB_ABORT_AT").ok().and_then(|text| text.parse().ok());
        AT.store(at.unwrap_or(0), Ordering::Relaxed);
    }
}

/// A step is over; the next one has not begun.
pub fn point(after: &str) {
    let at = AT.load(Ordering::Relaxed);
    if at == 0 {
        return;
    }
    let passed = PASSED.fetch_add(1, Ordering::Relaxed) + 1;
    crate::say!("point {passed}: {after}");
    if passed == at {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
