//! Pseudo-random numbers that a seed fixes on every machine: identifiers, synthetic accounts, random clouds and edits.

/// What the state grows by: 2^64 divided by the golden ratio, made odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The generator SplitMix64 (Steele, Lea and Flood 2014); the seed is its first state. Not for secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitMix64(pub u64);

impl SplitMix64 {
    /// 64 bits: a bijection of the state, so that 2^64 draws never repeat.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to one less than `bound`; 0 for no bound at all.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound.max(1) as u64) as usize
    }

    /// Whether something happens that has so many chances of 100.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.next_u64() % 100 < percent
    }

    /// One of these, each as likely as the others. Panics if there are none.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// The draw number `drawn` of a seed, counted from 1, without those before it.
pub(crate) fn draw(seed: u64, drawn: u64) -> u64 {
    SplitMix64(seed.wrapping_add(drawn.wrapping_sub(1).wrapping_mul(STEP))).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_the_reference() {
        // The first outputs of other implementations for this seed.
        let mut random = SplitMix64(1_234_567);
        let known = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for (drawn, expected) in (1..).zip(known) {
            assert_eq!((random.next_u64(), draw(1_234_567, drawn)), (expected, expected));
        }
    }
}
