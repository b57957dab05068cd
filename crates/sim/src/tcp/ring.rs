//! Bytes in a ring that grows by doubling: read at its front, written at any place behind it, never moved otherwise.

/// The least that is taken from memory, bytes.
const LEAST: usize = 2048;

/// A ring of bytes; it does not know which of them are written. Takes no memory until something is.
#[derive(Clone, Default)]
pub struct Ring {
    /// As long as a power of two, or empty.
    storage: Box<[u8]>,
    front: usize,
}

impl Ring {
    /// Writes `bytes` so far behind the front, and takes memory for it if there is too little.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.reach(offset + bytes.len());
        let (first, second) = self.places(offset, bytes.len());
        let cut = first.len();
        self.storage[first].copy_from_slice(&bytes[..cut]);
        self.storage[second].copy_from_slice(&bytes[cut..]);
    }

    /// The bytes from so far behind the front, in two parts where the ring closes. They must have been written.
    pub fn read(&self, offset: usize, length: usize) -> (&[u8], &[u8]) {
        let (first, second) = self.places(offset, length);
        (&self.storage[first], &self.storage[second])
    }

    /// Moves the front on.
    pub fn advance(&mut self, bytes: usize) {
        self.front = (self.front + bytes) & self.storage.len().saturating_sub(1);
    }

    /// Gives the memory back.
    pub fn release(&mut self) {
        *self = Self::default();
    }

    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.storage.len()
    }

    fn places(&self, offset: usize, length: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        if length == 0 {
            return (0..0, 0..0);
        }
        let from = (self.front + offset) & (self.storage.len() - 1);
        let first = length.min(self.storage.len() - from);
        (from..from + first, 0..length - first)
    }

    fn reach(&mut self, length: usize) {
        if length <= self.storage.len() {
            return;
        }
        let mut larger = vec![0; length.next_power_of_two().max(LEAST)].into_boxed_slice();
        let (first, second) = (&self.storage[self.front..], &self.storage[..self.front]);
        larger[..first.len()].copy_from_slice(first);
        larger[first.len()..first.len() + second.len()].copy_from_slice(second);
        *self = Self { storage: larger, front: 0 };
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({} bytes)", self.storage.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn a_ring_reads_back_what_was_written(steps in prop::collection::vec((0usize..3000, 0usize..3000), 1..20)) {
            let (mut ring, mut queue) = (Ring::default(), VecDeque::new());
            let mut next = 0u8;
            for (write, read) in steps {
                let bytes: Vec<u8> = (0..write).map(|_| { next = next.wrapping_add(1); next }).collect();
                ring.write(queue.len(), &bytes);
                queue.extend(bytes);
                let (first, second) = ring.read(0, queue.len());
                prop_assert_eq!([first, second].concat(), queue.iter().copied().collect::<Vec<_>>());
                let read = read.min(queue.len());
                ring.advance(read);
                queue.drain(..read);
            }
        }
    }

    #[test]
    fn a_new_ring_takes_no_memory_and_a_released_one_gives_it_back() {
        let mut ring = Ring::default();
        assert_eq!(ring.capacity(), 0);
        ring.write(0, &[1; 3000]);
        assert_eq!(ring.capacity(), 4096);
        ring.release();
        assert_eq!(ring.capacity(), 0);
    }
}
