//! Carving subnets out of a VPC: `/26` takes the lowest free block of that size.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// What is taken, as ranges that do not touch each other's addresses, by first address.
#[derive(Debug, Default)]
pub(super) struct Taken {
    ranges: BTreeMap<u32, u32>,
    /// Where the search for a length in a block goes on: what is taken is never given back.
    next: BTreeMap<(Ipv4Net, u8), u64>,
}

impl Taken {
    pub fn add(&mut self, block: Ipv4Net) {
        let (first, last) = (u32::from(block.network()), u32::from(block.broadcast()));
        if self.ranges.range(..=first).next_back().is_some_and(|(_, end)| *end >= last) {
            return;
        }
        // Two blocks are apart or one holds the other.
        let inside: Vec<u32> = self.ranges.range(first..=last).map(|(start, _)| *start).collect();
        for start in inside {
            self.ranges.remove(&start);
        }
        self.ranges.insert(first, last);
    }

    pub fn overlaps(&self, block: Ipv4Net) -> bool {
        self.blocker(u32::from(block.network()), u32::from(block.broadcast())).is_some()
    }

    /// The last address of the last range that touches these addresses.
    fn blocker(&self, first: u32, last: u32) -> Option<u32> {
        self.ranges.range(..=last).next_back().map(|(_, end)| *end).filter(|end| *end >= first)
    }

    /// Takes the lowest free block of a length.
    pub fn carve(&mut self, within: Ipv4Net, length: u8) -> Option<Ipv4Net> {
        if length < within.prefix_len() || length > 32 {
            return None;
        }
        let (size, end) = (1u64 << (32 - length), u64::from(u32::from(within.broadcast())));
        let mut base = self.next.get(&(within, length)).copied().unwrap_or(u64::from(u32::from(within.network())));
        while base + size - 1 <= end {
            match self.blocker(base as u32, (base + size - 1) as u32) {
                None => {
                    let block = Ipv4Net::new_assert(Ipv4Addr::from(base as u32), length);
                    self.add(block);
                    self.next.insert((within, length), base + size);
                    return Some(block);
                }
                Some(last) => base = (u64::from(last) + 1).next_multiple_of(size),
            }
        }
        None
    }

    /// What is taken, as blocks.
    pub fn blocks(&self) -> Vec<Ipv4Net> {
        let block = |(first, last): (&u32, &u32)| {
            let length = 32 - (u64::from(last - first) + 1).ilog2() as u8;
            Ipv4Net::new_assert(Ipv4Addr::from(*first), length)
        };
        self.ranges.iter().map(block).collect()
    }
}

#[cfg(test)]
mod tests {
    use model::cidr;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_takes_in_a_smaller_one_at_its_end() {
        let block = |text: &str| text.parse::<Ipv4Net>().unwrap();
        let mut taken = Taken::default();
        taken.add(block("10.0.1.128/25"));
        taken.add(block("10.0.1.0/24"));
        assert_eq!(taken.blocks(), [block("10.0.1.0/24")]);
        assert_eq!(taken.carve(block("10.0.0.0/22"), 24), Some(block("10.0.0.0/24")));
        assert_eq!(taken.carve(block("10.0.0.0/22"), 25), Some(block("10.0.2.0/25")));
    }

    proptest! {
        #[test]
        fn carving_is_what_the_model_calls_first_free(pins in proptest::collection::vec((0u32..256, 24u8..=28), 0..4), sizes in proptest::collection::vec(18u8..=28, 0..40)) {
            let within: Ipv4Net = "10.0.0.0/18".parse().unwrap();
            let (mut taken, mut naive) = (Taken::default(), Vec::new());
            for (at, length) in pins {
                let block = Ipv4Net::new_assert(Ipv4Addr::from(0x0a00_0000 + at * 64), length).trunc();
                taken.add(block);
                naive.push(block);
            }
            for length in sizes {
                let expected = cidr::first_free(within, length, &naive);
                prop_assert_eq!(taken.carve(within, length), expected);
                naive.extend(expected);
            }
        }
    }
}
