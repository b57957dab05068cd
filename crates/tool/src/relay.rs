//! Between what is typed and a socket, both ways at once, in one loop that never blocks on one of them while the
//! other has something: input is read only when all before it was sent.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::Shutdown;

use crate::socket::timespec;

/// Bytes moved at once; with UDP, the largest datagram that is sent.
const CHUNK: usize = 16_384;
/// The largest datagram that is received.
const LARGEST: usize = 65_536;

/// What stands between both sides.
pub(crate) trait Filter {
    /// Something was typed: appends what to send. False ends the exchange.
    fn typed(&mut self, bytes: &[u8], send: &mut Vec<u8>) -> bool;
    /// Something was received: appends what to show and what to answer.
    fn received(&mut self, bytes: &[u8], show: &mut Vec<u8>, send: &mut Vec<u8>);
}

/// Nothing stands between.
pub(crate) struct Plain;

impl Filter for Plain {
    fn typed(&mut self, bytes: &[u8], send: &mut Vec<u8>) -> bool {
        send.extend_from_slice(bytes);
        true
    }

    fn received(&mut self, bytes: &[u8], show: &mut Vec<u8>, _: &mut Vec<u8>) {
        show.extend_from_slice(bytes);
    }
}

/// What to do when the input has ended and everything was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// Stay until the other side ends.
    Stay,
    /// Go when nothing was received for so long.
    Silence(Duration),
    /// Go after so long.
    Total(Duration),
}

/// Whether the other side is told that our input ended. Datagrams cannot say that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HalfClose {
    /// Always.
    Always,
    /// If the input held anything: a server in the background has an empty one, and its clients, who would take
    /// the end of our side for the end of the connection, are still sending.
    IfAnything,
    /// Never.
    Never,
}

/// How long an input may rest before it counts as ended, once the other side has ended; see [`Limits::rest`].
pub(crate) const REST: Duration = Duration::from_secs(1);

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Nothing moved for so long.
    pub(crate) idle: Option<Duration>,
    /// The input ended.
    pub(crate) afterwards: Afterwards,
    /// Whether to pass the end of the input on.
    pub(crate) half_close: HalfClose,
    /// Go on sending when the other side has ended, as long as there is something to send: it may be done talking,
    /// not listening.
    pub(crate) send_on: bool,
    /// How long nothing may be there to send, then, before that counts as the end.
    pub(crate) rest: Duration,
    /// An empty read means the end: of a stream, not of datagrams.
    pub(crate) stream: bool,
}

/// Why it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The other side closed.
    Remote,
    /// [`Filter::typed`] said so.
    Typed,
    /// Nothing moved for too long.
    Idle,
    /// The input ended, see [`Afterwards`].
    Input,
}

/// Moves bytes until one of the ends of [`End`]. `socket` must not block; `input` is not read at all if none.
pub(crate) fn relay(
    input: Option<BorrowedFd<'_>>,
    output: &mut impl Write,
    socket: impl AsFd,
    filter: &mut impl Filter,
    limits: Limits,
) -> io::Result<End> {
    let socket = socket.as_fd();
    let mut input = input;
    let (mut input_ended, mut remote_ended): (Option<Instant>, Option<Instant>) = (None, None);
    let mut anything = false;
    let (mut received_at, mut moved_at) = (Instant::now(), Instant::now());
    let (mut pending, mut sent) = (Vec::new(), 0);
    let mut buffer = vec![0; LARGEST];
    loop {
        if pending.len() == sent {
            pending.clear();
            sent = 0;
        }
        let is_idle_due = limits.idle.map(|idle| (moved_at + idle, End::Idle));
        let afterwards = input_ended.filter(|_| pending.is_empty()).and_then(|ended| match limits.afterwards {
            Afterwards::Stay => None,
            Afterwards::Silence(time) => Some((ended.max(received_at) + time, End::Input)),
            Afterwards::Total(time) => Some((ended + time, End::Input)),
        });
        if remote_ended.is_some() && pending.is_empty() && (input.is_none() || !limits.send_on) {
            return Ok(End::Remote);
        }
        let rested = remote_ended.filter(|_| pending.is_empty()).map(|ended| (ended.max(moved_at) + limits.rest, End::Remote));
        let due = [is_idle_due, afterwards, rested].into_iter().flatten().min_by_key(|(due, _)| *due);
        if let Some((due, end)) = due
            && Instant::now() >= due
        {
            return Ok(end);
        }
        let timeout = due.map(|(due, _)| timespec(due.saturating_duration_since(Instant::now())));
        let mut socket_events = if pending.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        // Behind its end a stream is readable for ever.
        socket_events.set(PollFlags::IN, remote_ended.is_none());
        let mut fds = vec![PollFd::from_borrowed_fd(socket, socket_events)];
        fds.extend(input.filter(|_| pending.is_empty()).map(|input| PollFd::from_borrowed_fd(input, PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let (socket_is, input_is) = (fds[0].revents(), fds.get(1).is_some_and(|fd| !fd.revents().is_empty()));
        let is_broken = socket_is.intersects(PollFlags::HUP | PollFlags::ERR);
        if is_broken && remote_ended.is_some() {
            return Ok(End::Remote);
        }
        if socket_is.intersects(PollFlags::OUT) && !pending.is_empty() {
            match rustix::net::send(socket, &pending[sent..], rustix::net::SendFlags::NOSIGNAL) {
                Ok(length) => {
                    sent += length;
                    moved_at = Instant::now();
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                // Nobody reads any more, but what was sent to us before is still there.
                Err(Errno::PIPE) => (input, sent) = (None, pending.len()),
                Err(error) => return Err(error.into()),
            }
        }
        if remote_ended.is_none() && (is_broken || socket_is.intersects(PollFlags::IN)) {
            match rustix::io::read(socket, &mut *buffer) {
                Ok(0) if limits.stream => remote_ended = Some(Instant::now()),
                Ok(length) => {
                    (received_at, moved_at) = (Instant::now(), Instant::now());
                    let mut show = Vec::new();
                    filter.received(&buffer[..length], &mut show, &mut pending);
                    output.write_all(&show)?;
                    output.flush()?;
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if input_is && let Some(open) = input {
            match rustix::io::read(open, &mut buffer[..CHUNK]) {
                Ok(length) if length > 0 => {
                    (moved_at, anything) = (Instant::now(), true);
                    if !filter.typed(&buffer[..length], &mut pending) {
                        return Ok(End::Typed);
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                // The end, or a descriptor that is closed or was never readable.
                Ok(_) | Err(_) => input = None,
            }
        }
        if input.is_none() && input_ended.is_none() && pending.len() == sent {
            input_ended = Some(Instant::now());
            if limits.half_close == HalfClose::Always || limits.half_close == HalfClose::IfAnything && anything {
                // A connection that is gone already will say so when it is read.
                let _ = rustix::net::shutdown(socket, Shutdown::Write);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;
    use std::net::TcpStream;

    const STREAM: Limits = Limits {
        idle: None,
        afterwards: Afterwards::Stay,
        half_close: HalfClose::Always,
        send_on: true,
        rest: REST,
        stream: true,
    };

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nonblocking(true).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn large_transfers_both_ways_at_once_arrive_whole() {
        // More than both socket buffers hold, and the far side reads nothing before it has written all and ended.
        const SIZE: usize = 16 << 20;
        let (near, mut far) = pair();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let typing = std::thread::spawn(move || writer.write_all(&vec![1; SIZE]));
        let peer = std::thread::spawn(move || {
            far.write_all(&vec![2; SIZE]).unwrap();
            far.shutdown(std::net::Shutdown::Write).unwrap();
            let mut got = Vec::new();
            far.read_to_end(&mut got).map(|_| got.len())
        });
        let mut output = Vec::new();
        let end = relay(Some(reader.as_fd()), &mut output, &near, &mut Plain, STREAM).unwrap();
        assert_eq!((end, output.len(), output[SIZE - 1]), (End::Remote, SIZE, 2));
        drop(near);
        assert!(typing.join().unwrap().is_ok());
        assert_eq!(peer.join().unwrap().unwrap(), SIZE);
    }

    #[test]
    fn the_other_sides_end_is_the_end_when_nothing_more_is_typed() {
        // One that does not send on ends without the rest, or this test would never end.
        let (never, short) = (Duration::from_secs(86_400), Duration::from_millis(50));
        for (send_on, rest, least) in [(false, never, Duration::ZERO), (true, short, short)] {
            let (near, far) = pair();
            let (reader, _writer) = std::io::pipe().unwrap();
            drop(far);
            let start = Instant::now();
            let end = relay(Some(reader.as_fd()), &mut Vec::new(), &near, &mut Plain, Limits { send_on, rest, ..STREAM });
            assert_eq!(end.unwrap(), End::Remote);
            assert!(start.elapsed() >= least, "{:?}", start.elapsed());
        }
    }

    #[test]
    fn an_empty_input_of_a_server_is_not_passed_on() {
        let (near, mut far) = pair();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(writer);
        let peer = std::thread::spawn(move || {
            far.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let silence = far.read(&mut [0; 8]).map_err(|error| error.kind());
            far.write_all(b"late").unwrap();
            silence
        });
        let mut output = Vec::new();
        let limits = Limits { half_close: HalfClose::IfAnything, ..STREAM };
        assert_eq!(relay(Some(reader.as_fd()), &mut output, &near, &mut Plain, limits).unwrap(), End::Remote);
        assert_eq!((output, peer.join().unwrap()), (b"late".to_vec(), Err(io::ErrorKind::WouldBlock)));
    }

    #[test]
    fn the_end_of_the_input_is_passed_on_and_the_answer_still_comes() {
        let (near, mut far) = pair();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"question").unwrap();
        drop(writer);
        let peer = std::thread::spawn(move || {
            let mut question = String::new();
            far.read_to_string(&mut question).unwrap();
            far.write_all(b"answer").unwrap();
            question
        });
        let mut output = Vec::new();
        assert_eq!(relay(Some(reader.as_fd()), &mut output, &near, &mut Plain, STREAM).unwrap(), End::Remote);
        assert_eq!((output, peer.join().unwrap()), (b"answer".to_vec(), "question".to_owned()));
    }

    #[test]
    fn idle_and_silent_exchanges_end() {
        let (near, _far) = pair();
        let (reader, writer) = std::io::pipe().unwrap();
        let short = Duration::from_millis(30);
        let idle = Limits { idle: Some(short), ..STREAM };
        assert_eq!(relay(Some(reader.as_fd()), &mut Vec::new(), &near, &mut Plain, idle).unwrap(), End::Idle);
        drop(writer);
        for afterwards in [Afterwards::Silence(short), Afterwards::Total(short)] {
            let limits = Limits { afterwards, half_close: HalfClose::Never, ..STREAM };
            assert_eq!(relay(Some(reader.as_fd()), &mut Vec::new(), &near, &mut Plain, limits).unwrap(), End::Input);
        }
        // Without an input at all.
        assert_eq!(relay(None, &mut Vec::new(), &near, &mut Plain, Limits { half_close: HalfClose::Never, ..idle }).unwrap(), End::Idle);
    }
}
