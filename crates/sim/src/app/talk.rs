//! What programs that talk over a connection have in common: listening, connecting, lines out of bytes, reply codes (RFC 5321,
//! 4.2; RFC 959, 4.2), and what of it the outcome keeps.

use std::net::{IpAddr, SocketAddr};

use crate::time::Span;
use crate::trace::Reason;

use super::{Calls, End, Reply, StreamId};

/// Longest line that is waited for, bytes; what is longer is cut there.
pub const LONGEST_LINE: usize = 4_096;

/// Bytes that came, to be taken as lines.
#[derive(Debug, Clone, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// More bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next line without its end; what is no UTF-8 is replaced.
    pub fn take(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == b'\n');
        let (line, used) = match end.filter(|end| *end < LONGEST_LINE) {
            Some(end) => (&self.0[..end], end + 1),
            None if self.0.len() >= LONGEST_LINE => (&self.0[..LONGEST_LINE], LONGEST_LINE),
            None => return None,
        };
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        self.0.drain(..used);
        Some(text)
    }
}

/// The code of a reply, once its last line is there: `250-` goes on, `250 ` ends.
pub fn code(line: &str) -> Option<u16> {
    let digits = line.get(..3)?;
    let is_last = line.as_bytes().get(3).is_none_or(|mark| *mark == b' ');
    let is_code = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_code && is_last)
}

/// Waits for connections at a port: the beginning of a server, and its end where the port is taken.
pub(super) fn listen(calls: &mut Calls<'_, '_>, port: u16) {
    if let Err(reason) = calls.listen(port) {
        calls.finish(End::Failed(reason));
    }
}

/// Connects, and asks to be woken by `key` when it has taken too long. Without a way there the program is over.
pub(super) fn open(calls: &mut Calls<'_, '_>, source: Option<IpAddr>, to: SocketAddr, timeout: Span, key: u32) -> Option<StreamId> {
    match calls.connect(source, None, to, None, None) {
        Ok(stream) => {
            calls.outcome().local = calls.flow(stream).map(|flow| SocketAddr::new(flow.local, flow.port));
            calls.wake_after(timeout, key);
            Some(stream)
        }
        Err(reason) => {
            calls.finish(End::Failed(reason));
            None
        }
    }
}

/// Sends a line; what it says is in the trace, under `reason`.
pub(super) fn write_line(calls: &mut Calls<'_, '_>, stream: StreamId, reason: Reason, line: &str) {
    calls.say(reason, || line.to_owned());
    let taken = calls.write(stream, format!("{line}\r\n").as_bytes());
    let outcome = calls.outcome();
    outcome.sent += 1;
    outcome.bytes_sent += taken as u64;
}

/// Notes an answer on a connection; `number` is its code.
pub(super) fn note_reply(calls: &mut Calls<'_, '_>, stream: StreamId, number: u32, bytes: usize) {
    let (now, ttl) = (calls.now(), calls.last_ttl(stream));
    let Some(flow) = calls.flow(stream) else { return };
    let outcome = calls.outcome();
    outcome.replies.push(Reply {
        at: now,
        from: SocketAddr::new(flow.remote, flow.remote_port),
        to: SocketAddr::new(flow.local, flow.port),
        sequence: number,
        ttl,
        bytes: bytes as u32,
        rtt: now.since(outcome.started),
        mac: None,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_end_with_or_without_a_carriage_return_and_codes_with_a_space() {
        let mut lines = Lines::default();
        lines.push(b"250-one\r\n250 tw");
        assert_eq!((lines.take().as_deref(), lines.take()), (Some("250-one"), None));
        lines.push(b"o\n\n");
        assert_eq!([lines.take(), lines.take(), lines.take()], [Some("250 two".to_owned()), Some(String::new()), None]);
        let codes = [("250 ok", Some(250)), ("354", Some(354)), ("250-ok", None), ("25x ok", None), ("+25 ok", None), ("", None)];
        for (line, expected) in codes {
            assert_eq!(code(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_lost_and_none_upset_it(pieces: Vec<Vec<u8>>, text: String) {
            let mut lines = Lines::default();
            let mut count = 0;
            for piece in &pieces {
                lines.push(piece);
                count += std::iter::from_fn(|| lines.take()).count();
            }
            let ends = pieces.iter().flatten().filter(|byte| **byte == b'\n').count();
            prop_assert!(count >= ends && lines.0.len() < LONGEST_LINE);
            let _ = code(&text);
        }
    }
}
