//! Frames under way: bytes with a count of who holds them. One frame on five cables is stored once.
//!
//! Bytes are those of Ethernet from destination address to payload, without preamble and check sequence, as captures have
//! them; padding to the shortest frame is not stored either. What a frame takes on the wire is [`Frames::wire_bits`].

mod archive;

use archive::Archive;

/// A frame in [`Frames`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u32);

impl FrameId {
    /// No frame.
    pub const NONE: Self = Self(u32::MAX);
}

/// Shortest frame without its check sequence, bytes (IEEE 802.3 4A.4.2: 64 with it).
pub const SHORTEST: usize = 60;
/// Bytes of the check sequence.
pub const CHECK_SEQUENCE: usize = 4;
/// Bytes of preamble and start delimiter.
pub const PREAMBLE: usize = 8;
/// Shortest gap between frames, bits.
pub const GAP_BITS: u64 = 96;

/// Set beside the count of holders of a frame that a trace holds as well.
const KEPT: u32 = 1 << 31;
/// Set in the place of a frame whose bytes are in the archive; otherwise it is the number of a buffer.
const ARCHIVED: u32 = archive::PLACES;

/// 16 bytes: a trace keeps many.
#[derive(Debug, Clone, Copy)]
struct Slot {
    place: u32,
    /// Of its bytes, if they are in the archive.
    length: u32,
    holders: u32,
    /// The frame that it was made of, as a router makes one of another.
    parent: FrameId,
}

/// All frames that somebody holds. One under way has a buffer. When only a trace still holds it, its bytes go to the archive
/// and the buffer serves the next one.
#[derive(Debug, Default)]
pub struct Frames {
    slots: Vec<Slot>,
    /// Slots without a frame.
    free: Vec<u32>,
    buffers: Vec<Vec<u8>>,
    /// Buffers without a frame.
    spare: Vec<u32>,
    archive: Archive,
}

impl Frames {
    /// A slot with an empty buffer, held once.
    fn begin(&mut self, parent: FrameId) -> (FrameId, u32) {
        let buffer = match self.spare.pop() {
            Some(buffer) => buffer,
            None => {
                self.buffers.push(Vec::new());
                (self.buffers.len() - 1) as u32
            }
        };
        self.buffers[buffer as usize].clear();
        let slot = Slot { place: buffer, length: 0, holders: 1, parent };
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                index
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        (FrameId(index), buffer)
    }

    /// A new frame with one holder; `write` fills its bytes.
    pub fn make(&mut self, parent: FrameId, write: impl FnOnce(&mut Vec<u8>)) -> FrameId {
        let (frame, buffer) = self.begin(parent);
        write(&mut self.buffers[buffer as usize]);
        frame
    }

    /// A copy with one holder, to be changed.
    pub fn copy(&mut self, frame: FrameId) -> FrameId {
        let (copy, buffer) = self.begin(frame);
        let mut bytes = std::mem::take(&mut self.buffers[buffer as usize]);
        bytes.extend_from_slice(self.bytes(frame));
        self.buffers[buffer as usize] = bytes;
        copy
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(&self, frame: FrameId) -> &[u8] {
        let slot = &self.slots[frame.0 as usize];
        match slot.place & ARCHIVED {
            0 => &self.buffers[slot.place as usize],
            _ => self.archive.bytes(slot.place & !ARCHIVED, slot.length),
        }
    }

    /// The first bytes of a frame that is under way; nothing if it is not, or has fewer.
    #[inline]
    pub fn start<const N: usize>(&self, frame: FrameId) -> Option<&[u8; N]> {
        // The place of one in the archive is beyond all buffers.
        self.buffers.get(self.slots[frame.0 as usize].place as usize)?.first_chunk()
    }

    /// How many bytes it has.
    #[inline]
    pub fn length(&self, frame: FrameId) -> usize {
        let slot = &self.slots[frame.0 as usize];
        match slot.place & ARCHIVED {
            0 => self.buffers[slot.place as usize].len(),
            _ => slot.length as usize,
        }
    }

    /// Its bytes to be changed; by its only holder.
    pub fn bytes_mut(&mut self, frame: FrameId) -> &mut Vec<u8> {
        let slot = &self.slots[frame.0 as usize];
        debug_assert_eq!(slot.holders, 1, "somebody else holds this frame");
        &mut self.buffers[slot.place as usize]
    }

    /// The frame that it was made of, as long as that is held.
    pub fn parent(&self, frame: FrameId) -> FrameId {
        self.slots[frame.0 as usize].parent
    }

    /// Says of which frame another one is made.
    pub fn adopt(&mut self, frame: FrameId, parent: FrameId) {
        self.slots[frame.0 as usize].parent = parent;
    }

    /// Holds a frame for a trace, once however often it is asked. Whether this was the first time.
    #[inline]
    pub fn keep(&mut self, frame: FrameId) -> bool {
        let slot = &mut self.slots[frame.0 as usize];
        let is_first = slot.holders & KEPT == 0;
        slot.holders |= KEPT;
        is_first
    }

    /// The bytes that a frame takes in a trace.
    pub fn bytes_kept(&self, frame: FrameId) -> usize {
        size_of::<Slot>() + self.bytes(frame).len()
    }

    /// Ends [`Frames::keep`].
    pub fn let_go(&mut self, frame: FrameId) {
        let Some(slot) = self.slots.get_mut(frame.0 as usize).filter(|slot| slot.holders & KEPT != 0) else { return };
        slot.holders &= !KEPT;
        if slot.holders == 0 {
            self.forget(frame);
        }
    }

    /// Nobody holds it.
    fn forget(&mut self, frame: FrameId) {
        let place = self.slots[frame.0 as usize].place;
        match place & ARCHIVED {
            0 => self.spare.push(place),
            _ => self.archive.forget_one(),
        }
        self.free.push(frame.0);
    }

    /// One more holder.
    #[inline]
    pub fn hold(&mut self, frame: FrameId) {
        self.slots[frame.0 as usize].holders += 1;
    }

    /// Whether more than one holds it, so that its bytes must stay as they are.
    pub fn is_shared(&self, frame: FrameId) -> bool {
        self.slots[frame.0 as usize].holders > 1
    }

    /// One holder fewer; without any the frame is gone, or the trace's alone.
    #[inline]
    pub fn release(&mut self, frame: FrameId) {
        let slot = &mut self.slots[frame.0 as usize];
        debug_assert!(slot.holders & !KEPT > 0, "nobody holds this frame");
        slot.holders -= 1;
        match slot.holders {
            0 => self.forget(frame),
            KEPT => self.put_away(frame),
            _ => {}
        }
    }

    /// Only a trace still holds it.
    #[inline(never)]
    fn put_away(&mut self, frame: FrameId) {
        let slot = self.slots[frame.0 as usize];
        if slot.place & ARCHIVED != 0 {
            return;
        }
        let bytes = &self.buffers[slot.place as usize];
        let length = bytes.len() as u32;
        let parent = self.slots.get(slot.parent.0 as usize);
        let parent = parent.filter(|parent| parent.holders & KEPT != 0 && parent.place & ARCHIVED != 0 && parent.length == length);
        if let Some(place) = self.archive.store(bytes, parent.map(|parent| parent.place & !ARCHIVED)) {
            self.spare.push(slot.place);
            self.slots[frame.0 as usize] = Slot { place: place | ARCHIVED, length, ..slot };
        }
    }

    /// Frames that somebody holds.
    pub fn held(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Bits between the first of the preamble and the last of the check sequence.
    pub fn wire_bits(&self, frame: FrameId) -> u64 {
        wire_bits(self.bytes(frame).len())
    }
}

/// Bits that so many bytes of a frame take, with preamble, padding and check sequence, without the gap.
pub fn wire_bits(bytes: usize) -> u64 {
    8 * (bytes.max(SHORTEST) + CHECK_SEQUENCE + PREAMBLE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_lives_as_long_as_somebody_holds_it_and_its_memory_serves_again() {
        let mut frames = Frames::default();
        let first = frames.make(FrameId::NONE, |bytes| bytes.extend_from_slice(b"one"));
        frames.hold(first);
        frames.release(first);
        assert_eq!(frames.bytes(first), b"one");
        frames.release(first);
        assert_eq!(frames.held(), 0);
        let second = frames.make(FrameId::NONE, |bytes| bytes.extend_from_slice(b"two"));
        assert_eq!((second, frames.bytes(second)), (first, b"two".as_slice()));
    }

    #[test]
    fn what_a_trace_keeps_is_read_as_it_was_and_gives_up_its_buffer() {
        let mut frames = Frames::default();
        let kept = frames.make(FrameId::NONE, |bytes| bytes.extend_from_slice(b"kept"));
        assert_eq!([frames.keep(kept), frames.keep(kept)], [true, false]);
        assert_eq!(frames.bytes_kept(kept), size_of::<Slot>() + 4);
        frames.release(kept);
        let next = frames.make(kept, |bytes| bytes.extend_from_slice(b"next"));
        assert_eq!((frames.bytes(kept), frames.bytes(next)), (b"kept".as_slice(), b"next".as_slice()));
        assert_eq!((frames.length(kept), frames.length(next)), (4, 4));
        assert_eq!((frames.start::<2>(kept), frames.start(next), frames.start::<5>(next)), (None, Some(b"ne"), None));
        assert_eq!((frames.held(), frames.buffers.len()), (2, 1));
        // Somebody takes it up once more.
        frames.hold(kept);
        let copy = frames.copy(kept);
        frames.let_go(kept);
        assert_eq!((frames.bytes(kept), frames.bytes(copy)), (b"kept".as_slice(), b"kept".as_slice()));
        frames.release(kept);
        frames.release(next);
        frames.release(copy);
        assert_eq!(frames.held(), 0);
        let again = frames.make(FrameId::NONE, |bytes| bytes.extend_from_slice(b"again"));
        assert_eq!(frames.bytes(again), b"again");
    }

    #[test]
    fn a_copy_knows_what_it_was_made_of() {
        let mut frames = Frames::default();
        let original = frames.make(FrameId::NONE, |bytes| bytes.extend_from_slice(b"abc"));
        let copy = frames.copy(original);
        frames.bytes_mut(copy)[0] = b'x';
        assert_eq!((frames.bytes(original), frames.bytes(copy)), (b"abc".as_slice(), b"xbc".as_slice()));
        assert_eq!(frames.parent(copy), original);
    }

    #[test]
    fn the_shortest_frame_takes_576_bits_with_its_preamble() {
        assert_eq!((wire_bits(1), wire_bits(60), wire_bits(1514)), (576, 576, 12_208));
    }
}
