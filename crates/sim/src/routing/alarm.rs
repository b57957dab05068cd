//! When a program is to be woken next. What was asked for cannot be taken back, so that only an earlier time is asked for
//! again, and whoever wakes looks at what is due.

use crate::app::Calls;
use crate::time::Time;

/// The next time for which a program asked.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Time>);

impl Alarm {
    /// Sees to it that the program is woken by `at`.
    pub fn set(&mut self, calls: &mut Calls<'_, '_>, at: Time) {
        if at != Time::NEVER && self.0.is_none_or(|set| at < set) {
            self.0 = Some(at);
            calls.wake(at, 0);
        }
    }

    /// It woke.
    pub fn rings(&mut self, now: Time) {
        self.0 = self.0.filter(|set| *set > now);
    }
}
