//! How bytes of two streams go through one connection: eight bytes in front of each piece say whose it is and how long.

use container::engine::logs::Stream;

use crate::version::Version;

/// Whether pieces have a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A terminal's: there is one stream.
    Raw,
    /// Heads.
    Multiplexed,
}

impl Framing {
    /// Of a program with or without a terminal.
    pub fn of(terminal: bool) -> Framing {
        if terminal { Framing::Raw } else { Framing::Multiplexed }
    }

    /// Its media type; clients before 1.42 know one only.
    pub fn content_type(self, version: Option<Version>) -> &'static str {
        match self {
            Framing::Multiplexed if version.is_none_or(|version| version >= Version(1, 42)) => "application/vnd.docker.multiplexed-stream",
            _ => "application/vnd.docker.raw-stream",
        }
    }

    /// One piece.
    pub fn frame(self, stream: Stream, bytes: &[u8]) -> Vec<u8> {
        let mut framed = Vec::with_capacity(bytes.len() + 8);
        self.frame_into(stream, bytes, &mut framed);
        framed
    }

    /// The same behind others.
    pub fn frame_into(self, stream: Stream, bytes: &[u8], to: &mut Vec<u8>) {
        if self == Framing::Multiplexed {
            let number = match stream {
                Stream::Stdout => 1,
                Stream::Stderr => 2,
            };
            to.extend([number, 0, 0, 0]);
            to.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        }
        to.extend(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_stream_and_length() {
        assert_eq!(Framing::Multiplexed.frame(Stream::Stderr, b"abc"), b"\x02\0\0\0\0\0\0\x03abc");
        assert_eq!(Framing::Multiplexed.frame(Stream::Stdout, &[0; 258])[..8], *b"\x01\0\0\0\0\0\x01\x02");
        assert_eq!(Framing::Raw.frame(Stream::Stdout, b"abc"), b"abc");
    }
}
