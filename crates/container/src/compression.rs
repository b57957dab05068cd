//! gzip, zstd and plain bytes, told apart by how they begin: media types lie more often than bytes do.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::error::{Error, Result};

/// What bytes are packed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// Reads unpacked bytes.
pub enum Unpacked<R: BufRead> {
    /// As they are.
    Plain(R),
    /// Members of gzip, one after the other.
    Gzip(Box<MultiGzDecoder<R>>),
    /// Frames of zstd, one after the other.
    Zstd(Box<Frames<R>>),
}

impl<R: BufRead> Unpacked<R> {
    /// Looks at how `input` begins. `what` is named in errors.
    pub fn new(mut input: R, what: &str) -> Result<Unpacked<R>> {
        let begin = input
            .fill_buf()
            .map_err(Error::io(format!("reading {what}")))?;
        Ok(match begin {
            [0x1f, 0x8b, ..] => Unpacked::Gzip(Box::new(MultiGzDecoder::new(input))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Unpacked::Zstd(Box::new(Frames::Between(input)))
            }
            [b'B', b'Z', b'h', ..] => {
                return Err(Error::malformed(
                    what,
                    "it is packed with bzip2, which images are not; unpack it first",
                ));
            }
            [0xfd, b'7', b'z', b'X', b'Z', ..] => {
                return Err(Error::malformed(
                    what,
                    "it is packed with xz, which images are not; unpack it first",
                ));
            }
            _ => Unpacked::Plain(input),
        })
    }

    /// What the bytes are packed with.
    pub fn compression(&self) -> Compression {
        match self {
            Unpacked::Plain(_) => Compression::None,
            Unpacked::Gzip(_) => Compression::Gzip,
            Unpacked::Zstd(_) => Compression::Zstd,
        }
    }
}

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Unpacked::Plain(input) => input.read(buffer),
            Unpacked::Gzip(input) => input.read(buffer),
            Unpacked::Zstd(frames) => frames.read(buffer),
        }
    }
}

/// zstd frames: several in a row are one stream, and some are to be passed over (RFC 8878, 3.1).
pub enum Frames<R: BufRead> {
    /// Before a frame or at the end.
    Between(R),
    /// In a frame.
    Within(R, Box<FrameDecoder>),
    /// Given up.
    Broken,
}

impl<R: BufRead> Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(self, Frames::Broken) {
                Frames::Broken => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the zstd stream is broken",
                    ));
                }
                Frames::Within(mut input, mut frame) => {
                    let count = Read::read(&mut *frame, buffer)?;
                    if count > 0 {
                        *self = Frames::Within(input, frame);
                        return Ok(count);
                    }
                    if !frame.is_finished() {
                        frame
                            .decode_blocks(&mut input, BlockDecodingStrategy::UptoBlocks(1))
                            .map_err(broken)?;
                        *self = Frames::Within(input, frame);
                        continue;
                    }
                    if frame
                        .get_checksum_from_data()
                        .is_some_and(|told| frame.get_calculated_checksum() != Some(told))
                    {
                        return Err(broken("the checksum of a frame is wrong"));
                    }
                    *self = Frames::Between(input);
                }
                Frames::Between(mut input) => {
                    if input.fill_buf()?.is_empty() {
                        *self = Frames::Between(input);
                        return Ok(0);
                    }
                    *self = Frames::begin(input)?;
                }
            }
        }
    }

    fn begin(mut input: R) -> io::Result<Frames<R>> {
        let mut decoder = FrameDecoder::new();
        match decoder.init(&mut input) {
            Ok(()) => Ok(Frames::Within(input, Box::new(decoder))),
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let length = u64::from(length);
                if io::copy(&mut input.by_ref().take(length), &mut io::sink())? < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(Frames::Between(input))
            }
            Err(error) => Err(broken(error)),
        }
    }
}

fn broken(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zstd: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn unpack(bytes: &[u8], buffer: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        Unpacked::new(BufReader::with_capacity(buffer, bytes), "it")
            .unwrap()
            .read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn frames_in_a_row_are_one_stream_and_some_are_passed_over() {
        let data: Vec<u8> = (0..300_000u32).map(|at| (at / 7) as u8).collect();
        let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
        let frame = |data: &[u8]| compress_to_vec(data, CompressionLevel::Fastest);
        let bytes = [
            &skipped[..],
            &frame(&data),
            skipped,
            &frame(b"end"),
            skipped,
        ]
        .concat();
        for buffer in [4, 13, 65_536] {
            assert_eq!(
                unpack(&bytes, buffer).unwrap(),
                [&data[..], b"end"].concat(),
                "{buffer}"
            );
        }
        // Cut off inside a frame, and inside one that is passed over.
        assert!(unpack(&bytes[..bytes.len() - 1], 64).is_err());
        assert!(unpack(&bytes[..bytes.len() - skipped.len() - 1], 64).is_err());
    }
}
