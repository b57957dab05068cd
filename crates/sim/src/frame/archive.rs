//! Bytes of frames that only a trace still holds: packed one behind the other in blocks that never move. What a router made
//! of a long frame differs from it in its headers alone: the rest is not stored twice.

use std::cell::OnceCell;

/// Bytes of a block; a longer frame has one of its own.
const BLOCK: usize = 2 << 20;
/// Frames begin at multiples of this.
const GRAIN: usize = 4;
/// Bits of a place that say where in its block a frame begins.
const OFFSET_BITS: u32 = (BLOCK / GRAIN).trailing_zeros();
/// Set in the place of a frame that shares its end with another one; otherwise it tells block and offset.
const SHARED: u32 = 1 << 30;
/// Bytes of a frame that are its own although its end is another one's: more than all headers of a packet take.
const HEAD: usize = 128;
/// A frame is so long, or all of it is stored.
const LONG: usize = 512;

/// Where a frame is.
pub(super) type Place = u32;
/// A place is below this.
pub(super) const PLACES: u32 = 1 << 31;

/// A frame whose end is that of another one.
#[derive(Debug)]
struct Shared {
    head: Place,
    other: Place,
    /// All of it in a row, once somebody has asked.
    whole: OnceCell<Box<[u8]>>,
}

/// The archive.
#[derive(Debug, Default)]
pub(super) struct Archive {
    blocks: Vec<Vec<u8>>,
    shared: Vec<Shared>,
    /// Frames that it holds.
    frames: usize,
}

impl Archive {
    /// Stores the bytes of a frame. `other` is a stored frame of the same length that it may be made of. Nothing if they find
    /// no place, after 4 GiB.
    pub fn store(&mut self, bytes: &[u8], other: Option<Place>) -> Option<Place> {
        let place = match other {
            Some(other) if bytes.len() >= LONG => self.share(bytes, other)?,
            _ => self.append(bytes)?,
        };
        self.frames += 1;
        Some(place)
    }

    fn share(&mut self, bytes: &[u8], other: Place) -> Option<Place> {
        let is_full = self.shared.len() >= SHARED as usize;
        if is_full || other & SHARED != 0 || self.stored(other, bytes.len())[HEAD..] != bytes[HEAD..] {
            return self.append(bytes);
        }
        let head = self.append(&bytes[..HEAD])?;
        self.shared.push(Shared { head, other, whole: OnceCell::new() });
        Some(SHARED | (self.shared.len() - 1) as u32)
    }

    fn append(&mut self, bytes: &[u8]) -> Option<Place> {
        let offset = self.blocks.last().map_or(BLOCK, |block| block.len().next_multiple_of(GRAIN));
        let offset = if offset + bytes.len() > BLOCK { self.begin_block(bytes.len())? } else { offset };
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        block.resize(offset, 0);
        block.extend_from_slice(bytes);
        Some((number as u32) << OFFSET_BITS | (offset / GRAIN) as u32)
    }

    #[cold]
    fn begin_block(&mut self, length: usize) -> Option<usize> {
        if self.blocks.len() >= (SHARED >> OFFSET_BITS) as usize {
            return None;
        }
        self.blocks.push(Vec::with_capacity(BLOCK.max(length)));
        Some(0)
    }

    fn stored(&self, place: Place, length: usize) -> &[u8] {
        let offset = (place as usize & ((1 << OFFSET_BITS) - 1)) * GRAIN;
        &self.blocks[(place >> OFFSET_BITS) as usize][offset..offset + length]
    }

    /// The bytes at a place.
    pub fn bytes(&self, place: Place, length: u32) -> &[u8] {
        let length = length as usize;
        if place & SHARED == 0 {
            return self.stored(place, length);
        }
        let Shared { head, other, whole } = &self.shared[(place & !SHARED) as usize];
        let join = || [self.stored(*head, HEAD), &self.stored(*other, length)[HEAD..]].concat().into_boxed_slice();
        whole.get_or_init(join)
    }

    /// One of its frames is not wanted any more. Without any the memory serves again, but for that of one block.
    pub fn forget_one(&mut self) {
        self.frames -= 1;
        if self.frames == 0 {
            self.blocks.truncate(1);
            self.blocks.iter_mut().for_each(Vec::clear);
            self.shared.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The law: what is stored is read as it was, whatever is stored later, in frames of any length, some of them made of
        /// the one before with a byte changed anywhere.
        #[test]
        fn bytes_come_back_as_they_were(
            frames in prop::collection::vec((prop_oneof![60 => 0_usize..2_000, 1 => 0..3 * BLOCK / 2], any::<bool>(), any::<usize>()), 1..40),
        ) {
            let mut archive = Archive::default();
            let mut stored: Vec<(Vec<u8>, Place)> = Vec::new();
            for (number, (length, is_like_last, at)) in frames.into_iter().enumerate() {
                let last = stored.last().filter(|_| is_like_last);
                let mut bytes = last.map_or_else(|| vec![number as u8; length], |(bytes, _)| bytes.clone());
                let length = bytes.len();
                if let Some(byte) = bytes.get_mut(at % length.max(1)) {
                    *byte = !*byte;
                }
                let place = archive.store(&bytes, last.map(|(_, place)| *place)).unwrap();
                stored.push((bytes, place));
            }
            for (bytes, place) in &stored {
                prop_assert_eq!(archive.bytes(*place, bytes.len() as u32), bytes);
            }
            stored.iter().for_each(|_| archive.forget_one());
            prop_assert_eq!((archive.frames, archive.blocks.len(), archive.blocks[0].len()), (0, 1, 0));
        }
    }

    #[test]
    fn what_a_router_made_of_a_long_frame_takes_no_more_than_its_headers() {
        let mut archive = Archive::default();
        let mut bytes = vec![7; 1_514];
        let first = archive.store(&bytes, None).unwrap();
        bytes[22] = 63;
        let second = archive.store(&bytes, Some(first)).unwrap();
        assert!(archive.blocks[0].len() < 1_514 + 4 + HEAD + 1);
        assert_eq!(archive.bytes(second, 1_514), bytes);
        assert_eq!(archive.bytes(first, 1_514)[22], 7);
    }
}
