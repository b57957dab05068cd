//! How far apart the stations of a medium are, in nanoseconds of propagation.

use crate::time::Span;

/// How positions become distances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// A cable: positions are distances from one end.
    Bus,
    /// A hub: positions are distances from it.
    Star {
        /// How long the hub takes to repeat a bit.
        hub: Span,
    },
    /// Hubs that are joined: positions are numbers of stations in [`Measured`].
    Measured(Measured),
}

/// Distances of stations behind hubs that are joined; see [`super::HubTree`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// From the near side of one hub to the far side of another, row by row.
    pub(super) between_hubs: Vec<u64>,
    pub(super) hubs: usize,
    /// Hub and length of the cable to it.
    pub(super) stations: Vec<(u32, u64)>,
}

impl Layout {
    /// From one position to another, nanoseconds.
    #[inline]
    pub fn between(&self, a: u64, b: u64) -> u64 {
        match self {
            Self::Bus => a.abs_diff(b),
            Self::Star { hub } => a + b + hub.0,
            Self::Measured(measured) => {
                let ((hub_a, a), (hub_b, b)) = (measured.stations[a as usize], measured.stations[b as usize]);
                a + b + measured.between_hubs[hub_a as usize * measured.hubs + hub_b as usize]
            }
        }
    }

    /// From a position to a hub, nanoseconds. Hubs of a star are at 0; joined ones have the numbers that the tree gave them.
    pub fn to_hub(&self, position: u64, hub: u64) -> u64 {
        match self {
            Self::Bus => position.abs_diff(hub),
            Self::Star { .. } => position + hub,
            Self::Measured(measured) => {
                let (nearest, cable) = measured.stations[position as usize];
                let (row, hub) = (nearest as usize * measured.hubs, hub as usize);
                cable + measured.between_hubs[row + hub] - measured.between_hubs[hub * measured.hubs + hub]
            }
        }
    }
}
