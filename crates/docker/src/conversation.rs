//! A client whose connection is a stream, and a program's streams: bytes go both ways until one side is done.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use axum::body::{Body, Bytes};
use container::engine::logs::Stream;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sandbox::container::spec::ContainerStreams;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use crate::error::{Failure, Result};
use crate::frames::Framing;
use crate::serve::Place;

/// Bytes that are passed on at once.
const PIECE: usize = 32 << 10;
/// How long streams may stay open behind the end of their program: something that it started may have them.
const AFTER_END: Duration = Duration::from_secs(2);
/// How often a client that says no more is asked whether it is still there.
const LOOK: Duration = Duration::from_secs(1);

/// How long a client may take for the headers of an answer before what comes behind them is sent all the same.
const HEADERS: Duration = Duration::from_secs(1);

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The program said its last.
    Over,
    /// The client let go of it by its keys.
    Detached,
    /// The client is no more.
    Gone,
}

/// Somebody at the other end.
pub struct Client {
    input: Option<Input>,
    output: Output,
    /// Counts as a client as long as this is there.
    _place: Option<Place>,
}

struct Input {
    read: OwnedReadHalf,
    /// What came behind the request.
    early: Bytes,
}

enum Output {
    Connection {
        write: OwnedWriteHalf,
        /// Something was written behind the answer's headers.
        is_begun: bool,
    },
    Body(mpsc::Sender<io::Result<Bytes>>),
}

impl Client {
    /// The connection itself. None: it is no unix socket.
    pub fn of_connection(upgraded: Upgraded, place: Option<Place>) -> Option<Client> {
        let parts = upgraded.downcast::<TokioIo<UnixStream>>().ok()?;
        let (read, write) = parts.io.into_inner().into_split();
        Some(Client { input: Some(Input { read, early: parts.read_buf }), output: Output::Connection { write, is_begun: false }, _place: place })
    }

    /// The body of an ordinary answer: it hears and cannot speak.
    pub fn of_body(place: Option<Place>) -> (Client, Body) {
        let (sender, receiver) = mpsc::channel(4);
        (Client { input: None, output: Output::Body(sender), _place: place }, crate::progress::body(receiver))
    }

    /// False: it has gone.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        self.output.write(bytes).await
    }

    /// Whether it has gone for good: one that only says no more is still there.
    pub fn has_gone(&self) -> bool {
        self.output.has_gone()
    }

    /// It has everything.
    pub async fn close(mut self) {
        if let Output::Connection { write, is_begun } = &mut self.output {
            if !*is_begun {
                headers_are_read(write).await;
            }
            let _ = write.shutdown().await;
        }
    }

    /// Passes bytes until the streams end, or `ended` comes and they stay open a little longer.
    pub async fn converse(&mut self, streams: ContainerStreams, framing: Framing, keys: Keys, ended: impl Future<Output = ()>) -> Ended {
        let pipe = |descriptor: Option<OwnedFd>, interest| descriptor.and_then(|descriptor| Pipe::new(descriptor, interest).ok());
        let to = pipe(streams.input, Interest::WRITABLE);
        let (out, err) = (pipe(streams.output, Interest::READABLE), pipe(streams.errors, Interest::READABLE));
        let output = &mut self.output;
        let watched = output.watched();
        let hear = hear(self.input.as_mut(), to, keys);
        let tell = async {
            let mut pieces = (vec![0; PIECE], vec![0; PIECE]);
            let (mut out, mut err) = (out, err);
            while out.is_some() || err.is_some() {
                let (stream, read) = tokio::select! {
                    read = read_some(&mut out, &mut pieces.0) => (Stream::Stdout, read.map(|count| &pieces.0[..count])),
                    read = read_some(&mut err, &mut pieces.1) => (Stream::Stderr, read.map(|count| &pieces.1[..count])),
                };
                let Some(bytes) = read else { continue };
                if !output.write(&framing.frame(stream, bytes)).await {
                    return Ended::Gone;
                }
            }
            Ended::Over
        };
        let late = async {
            ended.await;
            tokio::time::sleep(AFTER_END).await;
        };
        let gone = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if watched.as_ref().is_some_and(is_hung_up) {
                    return;
                }
            }
        };
        tokio::select! {
            ended = tell => ended,
            ended = hear => ended,
            () = late => Ended::Over,
            () = gone => Ended::Gone,
        }
    }
}

impl Output {
    async fn write(&mut self, bytes: &[u8]) -> bool {
        match self {
            Output::Connection { write, is_begun } => {
                if !std::mem::replace(is_begun, true) {
                    headers_are_read(write).await;
                }
                write.write_all(bytes).await.is_ok()
            }
            Output::Body(sender) => sender.send(Ok(Bytes::copy_from_slice(bytes))).await.is_ok(),
        }
    }

    fn has_gone(&self) -> bool {
        match self {
            Output::Connection { write, .. } => is_hung_up(write.as_ref()),
            Output::Body(sender) => sender.is_closed(),
        }
    }

    /// The connection, to be asked about while it is written to.
    fn watched(&self) -> Option<OwnedFd> {
        match self {
            Output::Connection { write, .. } => write.as_ref().as_fd().try_clone_to_owned().ok(),
            Output::Body(_) => None,
        }
    }
}

/// Waits until the client has taken the headers of the answer, for a moment. docker-py reads them through a buffer that it throws
/// away with all that came along; no other engine is so fast that this would show.
async fn headers_are_read(write: &OwnedWriteHalf) {
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < HEADERS && sandbox::process::unread_by_peer(write.as_ref()).is_ok_and(|bytes| bytes > 0) {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

/// Whether the other end is closed in both directions.
fn is_hung_up(stream: &impl AsFd) -> bool {
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut descriptors = [PollFd::new(stream, PollFlags::empty())];
    poll(&mut descriptors, Some(&none)).is_ok() && descriptors[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

async fn read_some(pipe: &mut Option<Pipe>, buffer: &mut [u8]) -> Option<usize> {
    let Some(open) = pipe else { return std::future::pending().await };
    match open.read(buffer).await {
        Ok(count) if count > 0 => Some(count),
        _ => {
            *pipe = None;
            None
        }
    }
}

/// Passes on what the client says. Ends only when it lets go.
async fn hear(input: Option<&mut Input>, to: Option<Pipe>, mut keys: Keys) -> Ended {
    let Some(input) = input else { return std::future::pending().await };
    let mut to = to;
    let mut buffer = vec![0; PIECE];
    loop {
        let early = std::mem::take(&mut input.early);
        let (typed, is_over): (&[u8], bool) = match early.is_empty() {
            false => (&early, false),
            true => match input.read.read(&mut buffer).await {
                Ok(count) if count > 0 => (&buffer[..count], false),
                _ => (&[], true),
            },
        };
        if is_over {
            // End of input for the program; the rest of its output is still heard.
            drop(to.take());
            return std::future::pending().await;
        }
        let (typed, detached) = keys.pass(typed);
        if let Some(open) = &to
            && open.write_all(&typed).await.is_err()
        {
            to = None;
        }
        if detached {
            return Ended::Detached;
        }
    }
}

/// One end of a pipe or a terminal's master.
struct Pipe(AsyncFd<OwnedFd>);

impl Pipe {
    fn new(descriptor: OwnedFd, interest: Interest) -> io::Result<Pipe> {
        crate::descriptor::watched(descriptor, interest).map(Pipe)
    }

    /// 0: it has ended; a terminal that nobody has open any more says EIO.
    async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|fd| rustix::io::read(fd.get_ref(), &mut *buffer).map_err(io::Error::from)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Ok(0),
                Ok(read) => return read,
                Err(_) => {}
            }
        }
    }

    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut ready = self.0.writable().await?;
            match ready.try_io(|fd| rustix::io::write(fd.get_ref(), bytes).map_err(io::Error::from)) {
                Ok(Ok(count)) => bytes = &bytes[count..],
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Keys that let go of a terminal, one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    keys: Vec<u8>,
    /// How many of them were typed.
    typed: usize,
}

impl Keys {
    /// Nothing lets go.
    pub fn none() -> Keys {
        Keys { keys: Vec::new(), typed: 0 }
    }

    /// `ctrl-p,ctrl-q` where nothing is said. Errors: 400.
    pub fn read(text: Option<&str>) -> Result<Keys> {
        let wrong = |key: &str| Failure::bad_request(format!("invalid detach keys: Unknown character: '{key}'"));
        let key = |text: &str| match (text.as_bytes(), text.strip_prefix("ctrl-").map(str::as_bytes)) {
            ([key], _) => Ok(*key),
            (_, Some([key @ b'a'..=b'z'])) => Ok(key - b'a' + 1),
            (_, Some(b"@")) => Ok(0),
            (_, Some([key @ (b'[' | b'\\' | b']' | b'^' | b'_')])) => Ok(key - b'[' + 27),
            _ => Err(wrong(text)),
        };
        let keys = text.unwrap_or("ctrl-p,ctrl-q").split(',').map(key).collect::<Result<_>>()?;
        Ok(Keys { keys, typed: 0 })
    }

    /// What is passed on of what was typed, and whether it lets go. The beginning of the keys waits for what comes behind it.
    fn pass(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        if self.keys.is_empty() {
            return (typed.to_vec(), false);
        }
        let mut passed = Vec::with_capacity(typed.len());
        for &byte in typed {
            if byte == self.keys[self.typed] {
                self.typed += 1;
                if self.typed == self.keys.len() {
                    return (passed, true);
                }
                continue;
            }
            passed.extend(&self.keys[..self.typed]);
            self.typed = usize::from(byte == self.keys[0] && self.keys.len() > 1);
            if self.typed == 0 {
                passed.push(byte);
            }
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_let_go_and_their_beginning_is_passed_on() {
        for (pieces, passed, detached) in [
            (vec![&b"abc"[..]], &b"abc"[..], false),
            (vec![b"a\x10\x11b"], b"a", true),
            (vec![b"a\x10", b"\x11"], b"a", true),
            (vec![b"\x10x"], b"\x10x", false),
            (vec![b"\x10\x10\x11"], b"\x10", true),
        ] {
            let mut keys = Keys::read(None).unwrap();
            let (mut all, mut is_detached) = (Vec::new(), false);
            for piece in &pieces {
                let (piece, now) = keys.pass(piece);
                all.extend(piece);
                is_detached |= now;
            }
            assert_eq!((&all[..], is_detached), (passed, detached), "{pieces:?}");
        }
    }

    #[test]
    fn keys_are_read_as_the_cli_writes_them() {
        assert_eq!(Keys::read(Some("ctrl-a,b,ctrl-[")).unwrap().keys, [1, b'b', 27]);
        assert!(Keys::read(Some("ctrl-1")).is_err() && Keys::read(Some("alt-x")).is_err());
    }
}
