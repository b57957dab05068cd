//! Rules as disjoint boxes of addresses and ports: what the kernel's interval sets take, which refuse overlaps.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::family;

/// A range of addresses of one family as numbers, ends included.
pub type Addresses = (u128, u128);
/// A range of ports, ends included.
pub type Ports = (u16, u16);

/// A block as a range.
pub fn range(block: IpNet) -> Addresses {
    (family::number(block.network()), family::number(block.broadcast()))
}

/// Ranges sorted, overlapping and adjoining ones joined.
pub fn union(mut ranges: Vec<Addresses>) -> Vec<Addresses> {
    ranges.sort_unstable();
    let mut joined: Vec<Addresses> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// The same area as disjoint boxes: for each stretch of ports the joined addresses, stretches with equal addresses joined.
pub fn disjoint(rectangles: &[(Addresses, Ports)]) -> Vec<(Addresses, Ports)> {
    let mut starts: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut ends: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, (_, (from, to))) in rectangles.iter().enumerate() {
        starts.entry(u32::from(*from)).or_default().push(index);
        ends.entry(u32::from(*to) + 1).or_default().push(index);
    }
    let cuts: BTreeSet<u32> = starts.keys().chain(ends.keys()).copied().collect();
    let cuts: Vec<u32> = cuts.into_iter().collect();
    let mut open: BTreeSet<usize> = BTreeSet::new();
    let mut stretches: Vec<(Ports, Vec<Addresses>)> = Vec::new();
    for pair in cuts.windows(2) {
        let (from, next) = (pair[0], pair[1]);
        for index in ends.get(&from).into_iter().flatten() {
            open.remove(index);
        }
        open.extend(starts.get(&from).into_iter().flatten());
        if open.is_empty() {
            continue;
        }
        let addresses = union(open.iter().map(|index| rectangles[*index].0).collect());
        // Cuts lie within 0..=65536 and `next` is above `from`, so both ends are ports.
        let ports = (from as u16, (next - 1) as u16);
        match stretches.last_mut() {
            Some((last, same)) if *same == addresses && u32::from(last.1) + 1 == from => last.1 = ports.1,
            _ => stretches.push((ports, addresses)),
        }
    }
    stretches
        .into_iter()
        .flat_map(|(ports, addresses)| addresses.into_iter().map(move |range| (range, ports)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(boxes: &[(Addresses, Ports)], address: u128, port: u16) -> usize {
        let inside = |((a, b), (p, q)): &&(Addresses, Ports)| (*a..=*b).contains(&address) && (*p..=*q).contains(&port);
        boxes.iter().filter(inside).count()
    }

    #[test]
    fn boxes_cover_the_same_area_exactly_once() {
        let rectangles = [
            ((0, u128::MAX), (22, 22)),
            ((10, 20), (22, 22)),
            ((10, 20), (20, 30)),
            ((21, 21), (20, 30)),
            ((5, 12), (0, 65_535)),
            ((40, 50), (65_535, 65_535)),
        ];
        let boxes = disjoint(&rectangles);
        for address in [0, 5, 9, 10, 12, 13, 20, 21, 22, 40, 45, 50, u128::MAX] {
            for port in [0, 19, 20, 21, 22, 23, 30, 31, 65_534, 65_535] {
                let wanted = usize::from(covers(&rectangles, address, port) > 0);
                assert_eq!(covers(&boxes, address, port), wanted, "{address} {port} in {boxes:?}");
            }
        }
    }

    #[test]
    fn adjoining_stretches_of_equal_addresses_become_one() {
        assert_eq!(disjoint(&[((1, 1), (1, 5)), ((1, 1), (6, 9))]), [((1, 1), (1, 9))]);
        assert_eq!(disjoint(&[]), []);
    }
}
