//! Chance that a seed fixes: one ChaCha8 stream for each seed, node and purpose, so that what one node draws changes nothing
//! for another.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::node::NodeId;

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of a node for a purpose.
    pub fn new(seed: u64, node: NodeId, purpose: &str) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..12].copy_from_slice(&node.0.to_le_bytes());
        // FNV-1a, 64 bits: tells purposes apart, no more.
        let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        key[16..24].copy_from_slice(&hash.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// 32 bits.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// 64 bits.
    pub fn wide(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, each as likely; 0 if there is none. Unbiased (Lemire 2019).
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 {
            return 0;
        }
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.bits()) * u64::from(bound);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }

    /// Whether something happens that does so many times in a million.
    pub fn happens(&mut self, per_million: u32) -> bool {
        per_million > 0 && self.below(1_000_000) < per_million
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_node_and_purpose_and_repeat_by_all_three() {
        let draw = |seed, node, purpose| Random::new(seed, NodeId(node), purpose).wide();
        assert_eq!(draw(1, 2, "loss"), draw(1, 2, "loss"));
        let others = [draw(2, 2, "loss"), draw(1, 3, "loss"), draw(1, 2, "backoff")];
        assert!(others.iter().all(|other| *other != draw(1, 2, "loss")), "{others:?}");
    }

    #[test]
    fn the_first_numbers_are_the_same_on_every_platform() {
        let mut random = Random::new(42, NodeId(7), "loss");
        assert_eq!([random.bits(), random.bits()], [3_790_299_358, 269_619_465]);
    }

    #[test]
    fn a_chance_comes_as_often_as_it_says() {
        let mut random = Random::new(1, NodeId(0), "chance");
        let hits = (0..100_000).filter(|_| random.happens(250_000)).count();
        assert!((24_500..25_500).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| !random.happens(0)) && (0..1_000).all(|_| random.happens(1_000_000)));
    }
}
