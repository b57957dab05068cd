//! Bytes of frames that only a trace still holds: packed one behind the other in blocks that never move.

/// Bytes of a block; a longer frame has one of its own.
const BLOCK: usize = 1 << 18;
/// Frames begin at multiples of this.
const GRAIN: usize = 4;
/// Bits of a place that say where in its block a frame begins.
const OFFSET_BITS: u32 = (BLOCK / GRAIN).trailing_zeros();

/// Where a frame is.
pub(super) type Place = u32;
/// A place is below this.
pub(super) const PLACES: u32 = 1 << 31;

/// The archive.
#[derive(Debug, Default)]
pub(super) struct Archive {
    blocks: Vec<Vec<u8>>,
    /// Frames that it holds.
    frames: usize,
}

impl Archive {
    /// Stores bytes; nothing if they find no place, after 8 GiB.
    pub fn store(&mut self, bytes: &[u8]) -> Option<Place> {
        let offset = match self.blocks.last() {
            Some(block) => block.len().next_multiple_of(GRAIN),
            None => BLOCK,
        };
        let offset = if offset + bytes.len() > BLOCK { self.begin_block(bytes.len())? } else { offset };
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        block.resize(offset, 0);
        block.extend_from_slice(bytes);
        self.frames += 1;
        Some((number as u32) << OFFSET_BITS | (offset / GRAIN) as u32)
    }

    #[cold]
    fn begin_block(&mut self, length: usize) -> Option<usize> {
        if self.blocks.len() >= (PLACES >> OFFSET_BITS) as usize {
            return None;
        }
        self.blocks.push(Vec::with_capacity(BLOCK.max(length)));
        Some(0)
    }

    /// The bytes at a place.
    pub fn bytes(&self, place: Place, length: u32) -> &[u8] {
        let offset = (place as usize & ((1 << OFFSET_BITS) - 1)) * GRAIN;
        &self.blocks[(place >> OFFSET_BITS) as usize][offset..offset + length as usize]
    }

    /// One of its frames is not wanted any more. Without any the memory serves again, but for that of one block.
    pub fn forget_one(&mut self) {
        self.frames -= 1;
        if self.frames == 0 {
            self.blocks.truncate(1);
            self.blocks.iter_mut().for_each(Vec::clear);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The law: what is stored is read as it was, whatever is stored later, in frames of any length.
        #[test]
        fn bytes_come_back_as_they_were(lengths in prop::collection::vec(prop_oneof![0_usize..200, 0..3 * BLOCK / 2], 1..40)) {
            let mut archive = Archive::default();
            let bytes = |(number, length): (usize, &usize)| vec![number as u8; *length];
            let stored: Vec<_> = lengths.iter().enumerate().map(|frame| archive.store(&bytes(frame)).unwrap()).collect();
            for (frame, place) in lengths.iter().enumerate().zip(&stored) {
                prop_assert_eq!(archive.bytes(*place, *frame.1 as u32), bytes(frame));
            }
            lengths.iter().for_each(|_| archive.forget_one());
            prop_assert_eq!((archive.frames, archive.blocks.len(), archive.blocks[0].len()), (0, 1, 0));
        }
    }
}
