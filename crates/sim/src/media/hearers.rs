//! Who hears a station, grouped by distance: what arrives at the same time is one event.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::layout::Layout;
use super::station::Station;
use crate::node::NodeId;

/// Ports that a frame reaches at once.
type Group = Arc<[(NodeId, u16)]>;

/// Groups of each station that has sent something.
#[derive(Debug, Default)]
pub(super) struct Hearers {
    groups: Vec<Group>,
    /// By station: distance and number of each group.
    by_station: Vec<Vec<(u64, u32)>>,
}

impl Hearers {
    /// Somebody came to the medium. What is on the way still reaches those of the groups that were.
    pub fn renew(&mut self) {
        self.by_station.clear();
    }

    /// Distances of a station's hearers, and the numbers of their groups.
    pub fn of(&mut self, from: u32, stations: &[Station], layout: &Layout) -> &[(u64, u32)] {
        self.by_station.resize_with(stations.len(), Vec::new);
        if self.by_station[from as usize].is_empty() {
            let mut distances: BTreeMap<u64, Vec<(NodeId, u16)>> = BTreeMap::new();
            let here = stations[from as usize].position;
            for (_, other) in stations.iter().enumerate().filter(|(index, _)| *index != from as usize) {
                distances.entry(layout.between(here, other.position)).or_default().push((other.node, other.port));
            }
            for (distance, ports) in distances {
                self.by_station[from as usize].push((distance, self.groups.len() as u32));
                self.groups.push(ports.into());
            }
        }
        &self.by_station[from as usize]
    }

    /// The ports of a group.
    pub fn group(&self, number: u32) -> Group {
        self.groups.get(number as usize).cloned().unwrap_or_default()
    }
}
