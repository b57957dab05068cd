//! Bytes of frames that only a trace still holds: packed one behind the other in blocks that never move. What a router made
//! of a long frame differs from it in its headers alone: the rest is not stored twice. And what a bulk transfer sends is a
//! pattern, which need not be stored at all.

use std::cell::OnceCell;

use crate::tcp::pattern;

/// Bytes of a block; a longer frame has one of its own.
const BLOCK: usize = 2 << 20;
/// Frames begin at multiples of this.
const GRAIN: usize = 4;
/// Bits of a place that say where in its block a frame begins.
const OFFSET_BITS: u32 = (BLOCK / GRAIN).trailing_zeros();
/// Set in the place of a frame that shares its end with another one; otherwise it tells block and offset.
const SHARED: u32 = 1 << 30;
/// Bytes of a long frame that are its own although its end is known: more than the headers of a packet take, as a rule.
const HEAD: usize = 96;
/// A frame of so many bytes is long.
const LONG: usize = 512;
/// The same of a shorter frame: what a router changes lies within the headers of Ethernet and IP.
const SHORT_HEAD: usize = 36;
/// A frame of fewer bytes is stored whole.
const SHORT: usize = 100;

/// Bytes of a frame that are its own although its end is known.
fn head_of(length: usize) -> usize {
    if length >= LONG { HEAD } else { SHORT_HEAD }
}

/// Where a frame is.
pub(super) type Place = u32;
/// A place is below this.
pub(super) const PLACES: u32 = 1 << 31;

/// The bytes of a frame behind its head.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Those of another frame of the same length, of which all is stored.
    Other(Place),
    /// The [`pattern`] from this byte on.
    Pattern(u8),
}

/// A frame whose end is known.
#[derive(Debug, Clone, Copy)]
struct Shared {
    head: Place,
    end: End,
}

/// A frame in a row, once somebody has asked.
type Whole = OnceCell<Box<[u8]>>;

/// The archive.
#[derive(Debug, Default)]
pub(super) struct Archive {
    blocks: Vec<Vec<u8>>,
    shared: Vec<Shared>,
    /// As many, once somebody has read one.
    wholes: OnceCell<Vec<Whole>>,
    /// Frames that it holds.
    frames: usize,
}

impl Archive {
    /// Stores the bytes of a frame. `other` is a stored frame of the same length that it may be made of. Nothing if they find
    /// no place, after 4 GiB.
    pub fn store(&mut self, bytes: &[u8], other: Option<Place>) -> Option<Place> {
        let has_room = bytes.len() >= SHORT && self.shared.len() < SHARED as usize;
        let end = if has_room { self.known_end(bytes, other) } else { None };
        let place = match end {
            Some(end) => {
                let head = self.append(&bytes[..head_of(bytes.len())])?;
                self.shared.push(Shared { head, end });
                if let Some(wholes) = self.wholes.get_mut() {
                    wholes.push(OnceCell::new());
                }
                SHARED | (self.shared.len() - 1) as u32
            }
            None => self.append(bytes)?,
        };
        self.frames += 1;
        Some(place)
    }

    fn known_end(&self, bytes: &[u8], other: Option<Place>) -> Option<End> {
        let head = head_of(bytes.len());
        let end = bytes.get(head..)?;
        let first = *end.first()?;
        if bytes.len() >= LONG && pattern(first, end.len()) == Some(end) {
            return Some(End::Pattern(first));
        }
        let other = match other? {
            place if place & SHARED == 0 => place,
            place => match self.shared[(place & !SHARED) as usize].end {
                End::Other(place) => place,
                End::Pattern(_) => return None,
            },
        };
        (self.stored(other, bytes.len())[head..] == *end).then_some(End::Other(other))
    }

    fn append(&mut self, bytes: &[u8]) -> Option<Place> {
        let offset = self.blocks.last().map(|block| block.len().next_multiple_of(GRAIN));
        let offset = match offset.filter(|offset| offset + bytes.len() <= BLOCK) {
            Some(offset) => offset,
            None => self.begin_block(bytes.len())?,
        };
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
        let number = (place & !SHARED) as usize;
        let Shared { head, end } = self.shared[number];
        let own = head_of(length);
        let end = match end {
            End::Other(other) => &self.stored(other, length)[own..],
            End::Pattern(first) => pattern(first, length - own).unwrap_or_default(),
        };
        let wholes = self.wholes.get_or_init(|| self.shared.iter().map(|_| OnceCell::new()).collect());
        wholes[number].get_or_init(|| [self.stored(head, own), end].concat().into_boxed_slice())
    }

    /// One of its frames is not wanted any more. Without any the memory serves again, but for that of one block.
    pub fn forget_one(&mut self) {
        self.frames -= 1;
        if self.frames == 0 {
            self.blocks.truncate(1);
            self.blocks.iter_mut().for_each(Vec::clear);
            self.shared.clear();
            self.wholes.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tcp::pattern_byte;

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
    fn of_a_shorter_frame_that_a_router_passed_on_the_headers_of_ethernet_and_ip_are_stored() {
        let mut archive = Archive::default();
        let mut bytes = vec![7; 142];
        let first = archive.store(&bytes, None).unwrap();
        bytes[25] = 9;
        let second = archive.store(&bytes, Some(first)).unwrap();
        assert_eq!(archive.bytes(second, 142), bytes);
        // Read before more is stored, and after.
        bytes[30] = 9;
        let third = archive.store(&bytes, Some(second)).unwrap();
        assert_eq!(archive.bytes(third, 142), bytes);
        assert!(archive.blocks[0].len() <= 144 + 2 * SHORT_HEAD);
    }

    #[test]
    fn a_frame_without_a_byte_may_be_the_first() {
        let mut archive = Archive::default();
        let places = [b"".as_slice(), b"x"].map(|bytes| archive.store(bytes, None).unwrap());
        assert_eq!([archive.bytes(places[0], 0), archive.bytes(places[1], 1)], [b"".as_slice(), b"x"]);
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
        bytes[22] = 62;
        let third = archive.store(&bytes, Some(second)).unwrap();
        assert!(archive.blocks[0].len() < 1_514 + 4 + 2 * (HEAD + 1));
        assert_eq!(archive.bytes(third, 1_514), bytes);
    }

    #[test]
    fn what_a_bulk_transfer_sends_takes_no_more_than_its_headers() {
        let mut archive = Archive::default();
        let frame = |position: u64| (0..1_514).map(|at| if at < 66 { 7 } else { pattern_byte(position + at) }).collect();
        let frames: Vec<Vec<u8>> = (0..260).map(|number| frame(number * 1_448)).collect();
        let places: Vec<Place> = frames.iter().map(|bytes| archive.store(bytes, None).unwrap()).collect();
        assert!(archive.blocks[0].len() <= frames.len() * HEAD);
        for (bytes, place) in frames.iter().zip(places) {
            assert_eq!(archive.bytes(place, 1_514), bytes);
        }
        let mut other = frames[0].clone();
        other[1_513] ^= 1;
        let place = archive.store(&other, None).unwrap();
        assert_eq!(archive.bytes(place, 1_514), other);
    }
}
