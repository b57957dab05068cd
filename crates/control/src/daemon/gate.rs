//! Who may change a lab: one at a time, for as long as the pass is held, whichever thread has it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The gate of a lab.
#[derive(Debug, Default)]
pub struct Gate {
    is_taken: Mutex<bool>,
    free: Condvar,
}

/// The right to change a lab, until this is dropped.
#[derive(Debug)]
pub struct Pass(Arc<Gate>);

impl Gate {
    /// Waits for the pass.
    pub fn pass(self: &Arc<Self>) -> Pass {
        let mut is_taken = self.is_taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *is_taken {
            is_taken = self.free.wait(is_taken).unwrap_or_else(PoisonError::into_inner);
        }
        *is_taken = true;
        Pass(self.clone())
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        *self.0.is_taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.free.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_at_a_time_and_all_pass() {
        let (gate, inside) = (Arc::new(Gate::default()), Mutex::new(()));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _pass = gate.pass();
                        assert!(inside.try_lock().is_ok());
                    }
                });
            }
        });
        drop(gate.pass());
    }
}
