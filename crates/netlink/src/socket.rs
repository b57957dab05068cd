//! One blocking netlink socket: send a batch, learn which message was refused; dump; wait for events.
//!
//! The kernel works on a request inside `send`, so every answer is queued when `send` returns; the
//! timeout only guards against a kernel that breaks that rule. The only unsafe code of this crate is
//! here: three options that no safe wrapper knows.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, sockopt};

use crate::error::{Error, Malformed, Refusal};
use crate::message::{self, Batch, Message, Messages, Outcome};

/// What a netlink socket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `NETLINK_ROUTE`: links, addresses, routes, rules, neighbours.
    Route,
    /// `NETLINK_SOCK_DIAG`: open sockets.
    SockDiag,
    /// `NETLINK_NETFILTER`: nf_tables, conntrack, nflog.
    Netfilter,
}

impl Protocol {
    const fn number(self) -> u32 {
        match self {
            Protocol::Route => 0,
            Protocol::SockDiag => 4,
            Protocol::Netfilter => 12,
        }
    }

    fn from_number(number: u32) -> Option<Protocol> {
        [Protocol::Route, Protocol::SockDiag, Protocol::Netfilter].into_iter().find(|p| p.number() == number)
    }
}

/// Wished for; an unprivileged owner gets at most `net.core.wmem_max` and `rmem_max` (twice that, as
/// the kernel counts).
const SEND_BUFFER: usize = 16 << 20;
const RECEIVE_BUFFER: usize = 8 << 20;
/// Ordinary batches travel in pieces of at most this many bytes …
const CHUNK_BYTES: usize = 64 << 10;
/// … and messages: the refusals of a whole piece fit into the smallest usual receive buffer.
const CHUNK_MESSAGES: usize = 128;
/// The largest datagram: NFLOG's biggest buffer (`NFULNL_NLBUFSIZ_MAX`) and a header.
const DATAGRAM: usize = (128 << 10) + 4096;
/// A dump that changes while it is read is read again this often.
const DUMP_ATTEMPTS: u32 = 8;
/// One call of [`Socket::receive`] reads at most this many datagrams.
const RECEIVE_DATAGRAMS: usize = 256;

/// What one [`Socket::receive`] brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Messages handed to the callback.
    pub messages: usize,
    /// The receive buffer overflowed since the last call: events were lost.
    pub overrun: bool,
}

/// A netlink socket. It belongs to the network namespace in which its descriptor was opened, whoever uses it.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    protocol: Protocol,
    sequence: u32,
    timeout: Duration,
    datagram: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open(protocol: Protocol) -> Result<Socket, Error> {
        let number = std::num::NonZeroU32::new(protocol.number()).map(rustix::net::Protocol::from_raw);
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, number)
            .map_err(|errno| failed("socket", errno))?;
        Socket::configure(fd, protocol)
    }

    /// Adopts a netlink socket that was opened elsewhere (in another namespace, by another process).
    pub fn from_fd(fd: OwnedFd) -> Result<Socket, Error> {
        let number = sockopt::socket_protocol(&fd)
            .map_err(|errno| failed("getsockopt(SO_PROTOCOL)", errno))?
            .map_or(0, |protocol| protocol.as_raw().get());
        let domain = sockopt::socket_domain(&fd).map_err(|errno| failed("getsockopt(SO_DOMAIN)", errno))?;
        let protocol = Protocol::from_number(number).filter(|_| domain == AddressFamily::NETLINK).ok_or_else(|| {
            Error::Io { call: "from_fd", source: io::Error::new(io::ErrorKind::InvalidInput, "not a netlink socket of a known protocol") }
        })?;
        Socket::configure(fd, protocol)
    }

    fn configure(fd: OwnedFd, protocol: Protocol) -> Result<Socket, Error> {
        // The forced sizes need CAP_NET_ADMIN in the initial user namespace; the plain ones are
        // clamped silently, so `send_capacity` asks what we got.
        if sockopt::set_socket_send_buffer_size_force(&fd, SEND_BUFFER).is_err() {
            sockopt::set_socket_send_buffer_size(&fd, SEND_BUFFER).map_err(|e| failed("setsockopt(SO_SNDBUF)", e))?;
        }
        if sockopt::set_socket_recv_buffer_size_force(&fd, RECEIVE_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER).map_err(|e| failed("setsockopt(SO_RCVBUF)", e))?;
        }
        set_netlink_option(&fd, libc::NETLINK_CAP_ACK, 1)?;
        set_netlink_option(&fd, libc::NETLINK_EXT_ACK, 1)?;
        if protocol == Protocol::Route {
            // Lets a dump be filtered by the kernel (one routing table, one device).
            set_netlink_option(&fd, libc::NETLINK_GET_STRICT_CHK, 1)?;
        }
        // Bound, because an unbound socket misses multicasts that exclude port 0. A socket that is
        // bound already answers EINVAL.
        match rustix::net::bind(&fd, &netlink::SocketAddrNetlink::new(0, 0)) {
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(errno) => return Err(failed("bind", errno)),
        }
        // Not from 0 or 1: a stale answer to an earlier owner of an adopted socket must not match.
        let sequence = std::process::id().rotate_left(16) | 1;
        Ok(Socket { fd, protocol, sequence, timeout: Duration::from_secs(5), datagram: vec![0; DATAGRAM] })
    }

    /// The descriptor, to hand it to another process or namespace's user.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// What this socket speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// How long an answer may take; 5 s at first.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// The largest indivisible send in bytes (an nf_tables transaction is one). Without privileges
    /// about 416 KiB.
    pub fn send_capacity(&self) -> Result<usize, Error> {
        // af_netlink.c, netlink_sendmsg(): EMSGSIZE if len > sk_sndbuf - 32.
        let buffer = sockopt::socket_send_buffer_size(&self.fd).map_err(|e| failed("getsockopt(SO_SNDBUF)", e))?;
        Ok(buffer.saturating_sub(32))
    }

    /// Sends a batch in pieces and returns the first refusal. The messages of a piece behind a refused
    /// one have still been carried out (rtnetlink does not undo); later pieces have not been sent.
    pub fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        match self.execute_pieces(batch, true)?.into_iter().next() {
            Some(refusal) => Err(Error::Refused(refusal)),
            None => Ok(()),
        }
    }

    /// Sends a whole batch whatever is refused, and returns every refusal in order: for taking
    /// things down that may be gone already.
    pub fn execute_all(&mut self, batch: &Batch) -> Result<Vec<Refusal>, Error> {
        self.execute_pieces(batch, false)
    }

    /// Sends the whole batch in one system call, acknowledging message `acknowledge` (the last one the
    /// kernel answers for). Nothing was changed if the protocol is transactional and this fails.
    pub fn execute_atomic(&mut self, batch: &Batch, acknowledge: usize) -> Result<(), Error> {
        match self.execute_piece(batch, 0..batch.len(), acknowledge)?.into_iter().next() {
            Some(refusal) => Err(Error::Refused(refusal)),
            None => Ok(()),
        }
    }

    fn execute_pieces(&mut self, batch: &Batch, stop: bool) -> Result<Vec<Refusal>, Error> {
        let mut refusals = Vec::new();
        let mut start = 0;
        while start < batch.len() {
            let mut end = start;
            let mut bytes = 0;
            while end < batch.len() && end - start < CHUNK_MESSAGES {
                let next = batch.message(end).map_or(0, <[u8]>::len);
                if end > start && bytes + next > CHUNK_BYTES {
                    break;
                }
                bytes += next;
                end += 1;
            }
            refusals.extend(self.execute_piece(batch, start..end, end - 1)?);
            if stop && !refusals.is_empty() {
                break;
            }
            start = end;
        }
        Ok(refusals)
    }

    fn execute_piece(&mut self, batch: &Batch, range: std::ops::Range<usize>, acknowledge: usize) -> Result<Vec<Refusal>, Error> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let count = range.len() as u32;
        let first = self.take_sequences(count);
        self.send(&batch.numbered(range.clone(), first, Some(acknowledge)))?;
        let last = (acknowledge - range.start) as u32;
        let mut outcomes: Vec<(u32, Outcome)> = Vec::new();
        let mut done = false;
        let deadline = Instant::now() + self.timeout;
        // After a refusal the acknowledgement may never come (a stale generation id stops a
        // transaction before its first message), so what is queued is then all there is.
        while !done && (outcomes.is_empty() || self.readable(Instant::now())?) {
            self.receive_datagram(deadline, |message| {
                let at = message.sequence.wrapping_sub(first);
                if message.kind == message::ERROR && at < count {
                    let outcome = Outcome::parse(&message)?;
                    done |= at == last;
                    if outcome.errno != 0 {
                        outcomes.push((at, outcome));
                    }
                }
                Ok(())
            })?;
        }
        let refusal = |(at, outcome): (u32, Outcome)| {
            let index = range.start + at as usize;
            let request = batch.message(index).and_then(|bytes| self.describe(bytes));
            Refusal { index: Some(index), errno: outcome.errno, message: outcome.message, offset: outcome.offset, request }
        };
        Ok(outcomes.into_iter().map(refusal).collect())
    }

    fn describe(&self, message: &[u8]) -> Option<String> {
        match self.protocol {
            Protocol::Netfilter => crate::nft::describe(message),
            Protocol::Route => crate::rtnl::describe(message),
            Protocol::SockDiag => None,
        }
    }

    /// Sends the first message of `request` as a dump and collects what `parse` makes of each answer
    /// (`None` skips it). Reads again when the kernel says that the dump was not consistent.
    pub fn dump<T>(
        &mut self,
        request: &Batch,
        mut parse: impl FnMut(Message<'_>) -> Result<Option<T>, Malformed>,
    ) -> Result<Vec<T>, Error> {
        for _ in 0..DUMP_ATTEMPTS {
            let first = self.take_sequences(1);
            self.send(&request.numbered(0..1, first, None))?;
            let (mut found, mut interrupted, mut done) = (Vec::new(), false, false);
            let (mut refusal, mut malformed) = (None, None);
            while !done {
                let deadline = Instant::now() + self.timeout;
                self.receive_datagram(deadline, |message| {
                    if message.sequence != first {
                        return Ok(());
                    }
                    interrupted |= message.flags & message::DUMP_INTERRUPTED != 0;
                    match message.kind {
                        message::DONE | message::ERROR => {
                            done = true;
                            let outcome = Outcome::parse(&message)?;
                            if outcome.errno != 0 {
                                refusal = Some(outcome);
                            }
                        }
                        message::NOOP => {}
                        // Read on to the end: a socket with half a dump refuses the next one.
                        _ => match parse(message) {
                            Ok(value) => found.extend(value),
                            Err(error) => malformed = malformed.or(Some(error)),
                        },
                    }
                    Ok(())
                })?;
            }
            match refusal {
                // nf_tables ends an inconsistent dump with EINTR.
                Some(outcome) if outcome.errno == libc::EINTR => interrupted = true,
                Some(Outcome { errno, message, offset }) => {
                    let request = request.message(0).and_then(|bytes| self.describe(bytes));
                    return Err(Error::Refused(Refusal { index: Some(0), errno, message, offset, request }));
                }
                None => {}
            }
            if !interrupted {
                return malformed.map_or(Ok(found), |error| Err(error.into()));
            }
        }
        Err(Error::Interrupted(DUMP_ATTEMPTS))
    }

    /// Sends the first message of `request`, which asks for one object, and returns what `parse` makes
    /// of the answer.
    pub fn get<T>(
        &mut self,
        request: &Batch,
        mut parse: impl FnMut(Message<'_>) -> Result<T, Malformed>,
    ) -> Result<T, Error> {
        let first = self.take_sequences(1);
        self.send(&request.numbered(0..1, first, None))?;
        let deadline = Instant::now() + self.timeout;
        let (mut answer, mut refusal) = (None, None);
        while answer.is_none() && refusal.is_none() {
            self.receive_datagram(deadline, |message| {
                if message.sequence == first {
                    match message.kind {
                        message::ERROR => refusal = Some(Outcome::parse(&message)?),
                        message::NOOP | message::DONE => {}
                        _ => answer = Some(parse(message)?),
                    }
                }
                Ok(())
            })?;
        }
        match (answer, refusal) {
            (Some(answer), _) => Ok(answer),
            (None, refusal) => {
                let Outcome { errno, message, offset } =
                    refusal.unwrap_or(Outcome { errno: libc::ENODATA, message: None, offset: None });
                let request = request.message(0).and_then(|bytes| self.describe(bytes));
                Err(Error::Refused(Refusal { index: Some(0), errno, message, offset, request }))
            }
        }
    }

    /// Joins a multicast group by number (`RTNLGRP_*`, `NFNLGRP_*`).
    pub fn join(&mut self, group: u32) -> Result<(), Error> {
        set_netlink_option(&self.fd, libc::NETLINK_ADD_MEMBERSHIP, group as libc::c_int)
    }

    /// Waits up to `wait` for events, then hands over everything that is queued (256 datagrams at
    /// most). With `Duration::ZERO` it never blocks.
    pub fn receive(&mut self, wait: Duration, mut each: impl FnMut(Message<'_>)) -> Result<Receipt, Error> {
        let mut receipt = Receipt::default();
        if !self.readable(Instant::now() + wait)? {
            return Ok(receipt);
        }
        for _ in 0..RECEIVE_DATAGRAMS {
            let read = match rustix::net::recv(&self.fd, &mut self.datagram[..], RecvFlags::DONTWAIT) {
                Ok((read, _)) => read,
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::NOBUFS) => {
                    receipt.overrun = true;
                    continue;
                }
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(failed("recv", errno)),
            };
            for message in Messages::new(&self.datagram[..read]) {
                if !matches!(message.kind, message::NOOP | message::ERROR | message::DONE) {
                    receipt.messages += 1;
                    each(message);
                }
            }
        }
        Ok(receipt)
    }

    fn take_sequences(&mut self, count: u32) -> u32 {
        let first = self.sequence;
        self.sequence = self.sequence.wrapping_add(count);
        first
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        loop {
            match rustix::net::send(&self.fd, bytes, SendFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::MSGSIZE) => {
                    return Err(Error::TooLarge { bytes: bytes.len(), limit: self.send_capacity()? });
                }
                Err(errno) => return Err(failed("send", errno)),
            }
        }
    }

    /// True when something can be read before `deadline`.
    fn readable(&self, deadline: Instant) -> Result<bool, Error> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&left)) {
                Ok(ready) => return Ok(ready > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(failed("poll", errno)),
            }
        }
    }

    fn receive_datagram(
        &mut self,
        deadline: Instant,
        mut each: impl FnMut(Message<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Error> {
        let read = loop {
            match rustix::net::recv(&self.fd, &mut self.datagram[..], RecvFlags::DONTWAIT) {
                Ok((read, _)) => break read,
                Err(rustix::io::Errno::AGAIN) => {
                    if !self.readable(deadline)? {
                        return Err(Error::Timeout);
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(failed("recv", errno)),
            }
        };
        for message in Messages::new(&self.datagram[..read]) {
            each(message)?;
        }
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn failed(call: &'static str, errno: rustix::io::Errno) -> Error {
    Error::Io { call, source: errno.into() }
}

#[allow(unsafe_code)]
fn set_netlink_option(fd: &OwnedFd, option: libc::c_int, value: libc::c_int) -> Result<(), Error> {
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // JUSTIFICATION: rustix has no wrapper for options of level SOL_NETLINK.
    // SAFETY: the descriptor is open and `value` is a live c_int of the given size, which the kernel only reads.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_NETLINK, option, (&raw const value).cast(), size) };
    if result == 0 { Ok(()) } else { Err(Error::Io { call: "setsockopt(SOL_NETLINK)", source: io::Error::last_os_error() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adopted_socket_keeps_its_protocol() {
        for protocol in [Protocol::Route, Protocol::SockDiag, Protocol::Netfilter] {
            let Ok(socket) = Socket::open(protocol) else { continue };
            assert_eq!(Socket::from_fd(socket.fd).expect("adopted").protocol(), protocol);
        }
    }

    #[test]
    fn a_file_is_not_adopted() {
        let file = std::fs::File::open("/dev/null").expect("/dev/null");
        assert!(Socket::from_fd(file.into()).is_err());
    }
}
