//! The two buffers of a connection: what waits to be sent or acknowledged, and what waits to be read.

use super::ring::Ring;

const PERIOD: usize = 251;
const REACH: usize = 65_535;
// A prime period: no segment size or power of two makes a shifted stream look right.
static PATTERN: [u8; REACH + PERIOD] = {
    let mut bytes = [0; REACH + PERIOD];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at % PERIOD) as u8;
        at += 1;
    }
    bytes
};

/// The byte that the pattern has at a place of the stream, counted from its first byte.
pub fn pattern_byte(position: u64) -> u8 {
    PATTERN[(position % PERIOD as u64) as usize]
}

/// So many bytes of the pattern from one on that is `first`; nothing if none is, or if they are more than 65,535.
pub fn pattern(first: u8, length: usize) -> Option<&'static [u8]> {
    let from = usize::from(first);
    if from < PERIOD && length <= REACH { PATTERN.get(from..from + length) } else { None }
}

/// Bytes from the first unacknowledged one on: written ones, and at most one stretch of a pattern that takes no memory.
#[derive(Debug, Clone, Default)]
pub struct SendBuffer {
    ring: Ring,
    /// Written bytes before the pattern.
    before: u32,
    pattern: u64,
    /// Written bytes after the pattern.
    after: u32,
    /// Place in the stream of the first byte held.
    position: u64,
}

impl SendBuffer {
    /// Bytes held.
    pub fn len(&self) -> u64 {
        u64::from(self.before) + self.pattern + u64::from(self.after)
    }

    /// True if all was acknowledged.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that take memory.
    pub fn written(&self) -> u32 {
        self.before + self.after
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.ring.write(self.written() as usize, bytes);
        let part = if self.pattern > 0 { &mut self.after } else { &mut self.before };
        *part += bytes.len() as u32;
    }

    /// Appends so many bytes of the pattern. False while written bytes follow an earlier stretch of it.
    pub fn write_pattern(&mut self, bytes: u64) -> bool {
        let fits = self.after == 0;
        if fits {
            self.pattern = self.pattern.saturating_add(bytes);
        }
        fits
    }

    /// So many bytes from `offset` on that can be read as one piece, at most `length`.
    pub fn piece(&self, offset: u64, length: u32) -> u32 {
        let before = u64::from(self.before);
        let end = if offset < before {
            before
        } else if offset < before + self.pattern {
            before + self.pattern
        } else {
            self.len()
        };
        u64::from(length).min(end.saturating_sub(offset)) as u32
    }

    /// The bytes of one piece, in two parts where the ring closes.
    pub fn read(&self, offset: u64, length: u32) -> (&[u8], &[u8]) {
        let (before, length) = (u64::from(self.before), length as usize);
        if self.pattern == 0 || offset < before {
            self.ring.read(offset as usize, length)
        } else if offset < before + self.pattern {
            let phase = ((self.position + offset) % PERIOD as u64) as usize;
            (&PATTERN[phase..phase + length], &[])
        } else {
            self.ring.read((offset - self.pattern) as usize, length)
        }
    }

    /// The first bytes were acknowledged.
    pub fn advance(&mut self, bytes: u32) {
        self.position += u64::from(bytes);
        let before = bytes.min(self.before);
        let pattern = u64::from(bytes - before).min(self.pattern);
        let after = bytes - before - pattern as u32;
        self.ring.advance((before + after) as usize);
        self.before -= before;
        self.pattern -= pattern;
        self.after -= after;
        if self.pattern == 0 {
            self.before += std::mem::take(&mut self.after);
        }
    }

    /// Lets go of everything.
    pub fn release(&mut self) {
        *self = Self { position: self.position, ..Self::default() };
    }

    /// Place in the stream of the first byte held.
    pub fn position(&self) -> u64 {
        self.position
    }
}

/// Bytes that arrived in order and wait to be read; behind them, at their places, those beyond a gap.
#[derive(Debug, Clone, Default)]
pub struct ReceiveBuffer {
    ring: Ring,
    ready: u32,
}

impl ReceiveBuffer {
    /// Bytes that can be read.
    pub fn ready(&self) -> u32 {
        self.ready
    }

    /// Writes bytes so far behind those that can be read.
    pub fn write(&mut self, offset: u32, bytes: &[u8]) {
        self.ring.write((self.ready + offset) as usize, bytes);
    }

    /// So many bytes more can be read.
    pub fn complete(&mut self, bytes: u32) {
        self.ready += bytes;
    }

    /// The bytes that can be read, in two parts where the ring closes.
    pub fn read(&self) -> (&[u8], &[u8]) {
        self.ring.read(0, self.ready as usize)
    }

    /// The first bytes were read.
    pub fn consume(&mut self, bytes: u32) {
        self.ring.advance(bytes as usize);
        self.ready -= bytes;
    }

    /// Gives the memory back if nothing waits.
    pub fn release(&mut self) {
        if self.ready == 0 {
            self.ring.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(buffer: &SendBuffer, step: u32) -> Vec<u8> {
        let (mut bytes, mut at) = (Vec::new(), 0);
        while at < buffer.len() {
            let length = buffer.piece(at, step);
            let (first, second) = buffer.read(at, length);
            bytes.extend_from_slice(first);
            bytes.extend_from_slice(second);
            at += u64::from(length);
        }
        bytes
    }

    #[test]
    fn written_bytes_and_a_pattern_are_one_stream() {
        let mut buffer = SendBuffer::default();
        buffer.write(b"head");
        assert!(buffer.write_pattern(600));
        buffer.write(b"tail");
        assert!(!buffer.write_pattern(1));
        let pattern = (4..604).map(pattern_byte);
        let mut expected: Vec<u8> = b"head".iter().copied().chain(pattern).chain(*b"tail").collect();
        assert_eq!((all(&buffer, 7), all(&buffer, 1000)), (expected.clone(), expected.clone()));
        assert_eq!(buffer.written(), 8);
        for step in [2, 300, 302, 1, 2] {
            buffer.advance(step);
            expected.drain(..step as usize);
            assert_eq!(all(&buffer, 100), expected);
        }
        buffer.write(b"!");
        assert_eq!(all(&buffer, 100), b"l!");
        assert!(buffer.write_pattern(1));
    }
}
