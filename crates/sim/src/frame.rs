//! Frames under way: bytes with a count of who holds them. One frame on five cables is stored once.
//!
//! Bytes are those of Ethernet from destination address to payload, without preamble and check sequence, as captures have
//! them; padding to the shortest frame is not stored either. What a frame takes on the wire is [`Frames::wire_bits`].

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

#[derive(Debug)]
struct Slot {
    bytes: Vec<u8>,
    holders: u32,
    /// Whether a trace holds it.
    kept: bool,
    /// The frame that it was made of, as a router makes one of another.
    parent: FrameId,
}

/// All frames that somebody holds.
#[derive(Debug, Default)]
pub struct Frames {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Where a frame is written whose slot has no memory yet.
    draft: Vec<u8>,
}

impl Frames {
    /// A new frame with one holder; `write` fills its bytes.
    pub fn make(&mut self, parent: FrameId, write: impl FnOnce(&mut Vec<u8>)) -> FrameId {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot { bytes: Vec::new(), holders: 0, kept: false, parent: FrameId::NONE });
                (self.slots.len() - 1) as u32
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.bytes.clear();
        if slot.bytes.capacity() > 0 {
            write(&mut slot.bytes);
        } else {
            // It gets as much as it needs, at once: traces keep many.
            self.draft.clear();
            write(&mut self.draft);
            slot.bytes.reserve_exact(self.draft.len());
            slot.bytes.extend_from_slice(&self.draft);
        }
        (slot.holders, slot.kept, slot.parent) = (1, false, parent);
        FrameId(index)
    }

    /// A copy with one holder, to be changed.
    pub fn copy(&mut self, frame: FrameId) -> FrameId {
        let bytes = std::mem::take(&mut self.slots[frame.0 as usize].bytes);
        let copy = self.make(frame, |new| new.extend_from_slice(&bytes));
        self.slots[frame.0 as usize].bytes = bytes;
        copy
    }

    /// Its bytes.
    pub fn bytes(&self, frame: FrameId) -> &[u8] {
        &self.slots[frame.0 as usize].bytes
    }

    /// Its bytes to be changed; by its only holder.
    pub fn bytes_mut(&mut self, frame: FrameId) -> &mut Vec<u8> {
        let slot = &mut self.slots[frame.0 as usize];
        debug_assert_eq!(slot.holders, 1, "somebody else holds this frame");
        &mut slot.bytes
    }

    /// The frame that it was made of, as long as that is held.
    pub fn parent(&self, frame: FrameId) -> FrameId {
        self.slots[frame.0 as usize].parent
    }

    /// Says of which frame another one is made.
    pub fn adopt(&mut self, frame: FrameId, parent: FrameId) {
        self.slots[frame.0 as usize].parent = parent;
    }

    /// Holds a frame for a trace, once however often it is asked. Returns the bytes that this takes.
    pub fn keep(&mut self, frame: FrameId) -> usize {
        let slot = &mut self.slots[frame.0 as usize];
        if slot.kept {
            return 0;
        }
        slot.kept = true;
        slot.holders += 1;
        slot.bytes.capacity() + size_of::<Slot>()
    }

    /// Ends [`Frames::keep`].
    pub fn let_go(&mut self, frame: FrameId) {
        if let Some(slot) = self.slots.get_mut(frame.0 as usize)
            && slot.kept
        {
            slot.kept = false;
            self.release(frame);
        }
    }

    /// One more holder.
    pub fn hold(&mut self, frame: FrameId) {
        self.slots[frame.0 as usize].holders += 1;
    }

    /// Whether more than one holds it, so that its bytes must stay as they are.
    pub fn is_shared(&self, frame: FrameId) -> bool {
        self.slots[frame.0 as usize].holders > 1
    }

    /// One holder fewer; without any the frame is gone.
    pub fn release(&mut self, frame: FrameId) {
        let slot = &mut self.slots[frame.0 as usize];
        debug_assert!(slot.holders > 0, "nobody holds this frame");
        slot.holders -= 1;
        if slot.holders == 0 {
            self.free.push(frame.0);
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
