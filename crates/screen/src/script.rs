//! What the screen asks of whoever can play a lab: to begin anew as often as it likes, each time with the same frames.

use sim::{Bounds, Time, World};

/// A lab, a seed and what is done in it when: all that a performance depends on.
pub trait Script {
    /// A performance at its beginning. Nothing where the lab cannot be built, which it could before.
    fn begin(&self, bounds: Bounds) -> Option<Box<dyn Performance>>;
}

/// A script that is being played.
pub trait Performance {
    /// The lab as it is now.
    fn world(&self) -> &World;

    /// Lets at most `budget` events happen, none of them after `until`. Whether all that was due by then has happened; then
    /// `until` is the present.
    fn advance(&mut self, until: Time, budget: u64) -> bool;
}
