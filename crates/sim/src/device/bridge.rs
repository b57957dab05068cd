//! A bridge: a switch with two ports, as it was before there were switches.

use super::switch::{Switch, SwitchSettings};

/// A bridge between two networks; frames at a third port are dropped.
pub fn bridge(settings: SwitchSettings) -> Switch {
    Switch::limited("bridge", 2, settings)
}
