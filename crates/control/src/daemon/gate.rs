//! Who may change a lab: one at a time, for as long as the pass is held, whichever thread has it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The gate of a lab: who comes first passes first.
#[derive(Debug, Default)]
pub struct Gate {
    queue: Mutex<Queue>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// The number of who comes next.
    next: u64,
    /// The number of who may pass.
    passes: u64,
}

/// The right to change a lab, until this is dropped.
#[derive(Debug)]
pub struct Pass(Arc<Gate>);

impl Gate {
    /// Waits for the pass.
    pub fn pass(self: &Arc<Self>) -> Pass {
        let mut queue = self.queue();
        let own = queue.next;
        queue.next += 1;
        drop(self.moved.wait_while(queue, |queue| queue.passes != own).unwrap_or_else(PoisonError::into_inner));
        Pass(self.clone())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Whether somebody waits for it.
    pub fn is_awaited(&self) -> bool {
        let queue = self.0.queue();
        queue.next - queue.passes > 1
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.queue().passes += 1;
        self.0.moved.notify_all();
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

    #[test]
    fn who_waits_is_known_and_comes_before_whoever_comes_later() {
        let gate = Arc::new(Gate::default());
        let first = gate.pass();
        assert!(!first.is_awaited());
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let (gate, order) = (&gate, &order);
            for number in 0..4u64 {
                scope.spawn(move || {
                    let _pass = gate.pass();
                    order.lock().unwrap().push(number);
                });
                while gate.queue().next < number + 2 {
                    std::thread::yield_now();
                }
            }
            assert!(first.is_awaited());
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3]);
    }
}
