//! Hubs and repeaters that cables join: one collision domain, whose distances follow from the tree.

use thiserror::Error;

use super::layout::{Layout, Measured};
use crate::time::Span;

/// Hubs and repeaters, the cables between them, and their stations.
#[derive(Debug, Clone, Default)]
pub struct HubTree {
    delays: Vec<u64>,
    cables: Vec<(usize, usize, u64)>,
    stations: Vec<(u32, u64)>,
}

/// Hubs that are no collision domain. Hubs carry the numbers that [`HubTree::hub`] gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HubTreeError {
    /// Bits would go round for ever.
    #[error("hubs {0} and {1} are joined in a loop: a hub repeats every bit, so bits would go round for ever")]
    Loop(usize, usize),
    /// They are several domains.
    #[error("hub {0} is not joined to the others")]
    Apart(usize),
}

impl HubTree {
    /// Adds a hub or a repeater that takes so long to repeat a bit. Returns its number.
    pub fn hub(&mut self, delay: Span) -> usize {
        self.delays.push(delay.0);
        self.delays.len() - 1
    }

    /// Joins two hubs by a cable with a delay.
    pub fn join(&mut self, a: usize, b: usize, cable: Span) {
        self.cables.push((a, b, cable.0));
    }

    /// Adds a station at a hub, behind a cable with a delay. Returns its position for [`crate::Simulator::attach`].
    pub fn station(&mut self, hub: usize, cable: Span) -> u64 {
        self.stations.push((hub as u32, cable.0));
        (self.stations.len() - 1) as u64
    }

    /// Distances between all stations.
    pub fn layout(&self) -> Result<Layout, HubTreeError> {
        let hubs = self.delays.len();
        let mut neighbours = vec![Vec::new(); hubs];
        let mut group: Vec<usize> = (0..hubs).collect();
        for (a, b, cable) in &self.cables {
            let (one, other) = (group[*a], group[*b]);
            if one == other {
                return Err(HubTreeError::Loop(*a, *b));
            }
            group.iter_mut().filter(|of| **of == other).for_each(|of| *of = one);
            neighbours[*a].push((*b, *cable));
            neighbours[*b].push((*a, *cable));
        }
        if let Some(apart) = group.iter().position(|of| *of != group[0]) {
            return Err(HubTreeError::Apart(apart));
        }
        let mut between_hubs = vec![0; hubs * hubs];
        for from in 0..hubs {
            let row = &mut between_hubs[from * hubs..][..hubs];
            row[from] = self.delays[from];
            let mut walk = vec![(from, from)];
            while let Some((hub, came_from)) = walk.pop() {
                for (next, cable) in neighbours[hub].iter().filter(|(next, _)| *next != came_from) {
                    row[*next] = row[hub] + cable + self.delays[*next];
                    walk.push((*next, hub));
                }
            }
        }
        Ok(Layout::Measured(Measured { between_hubs, hubs, stations: self.stations.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_the_sum_of_cables_and_hubs_on_the_way() {
        let mut tree = HubTree::default();
        let hubs: Vec<_> = [10, 20, 40].map(|delay| tree.hub(Span(delay))).to_vec();
        tree.join(hubs[0], hubs[1], Span(100));
        tree.join(hubs[1], hubs[2], Span(200));
        let (a, b, c) = (tree.station(hubs[0], Span(1)), tree.station(hubs[0], Span(2)), tree.station(hubs[2], Span(4)));
        let layout = tree.layout().expect("a tree");
        assert_eq!([layout.between(a, b), layout.between(a, c), layout.between(c, b)], [13, 375, 376]);
    }

    #[test]
    fn loops_and_separate_hubs_are_told() {
        let mut tree = HubTree::default();
        (0..3).for_each(|_| _ = tree.hub(Span::ZERO));
        tree.join(0, 1, Span::ZERO);
        assert_eq!(tree.layout(), Err(HubTreeError::Apart(2)));
        tree.join(1, 2, Span::ZERO);
        assert!(tree.layout().is_ok());
        tree.join(2, 0, Span::ZERO);
        assert_eq!(tree.layout(), Err(HubTreeError::Loop(2, 0)));
    }
}
