//! Packets as they pass the hops of a lab: packet sockets with the kernel's own time stamps, merged into one stream.
//!
//! [`Hop`] says where one can look, [`Capture`] looks. What is written and shown of it is the caller's affair.

mod device;
mod frame;
mod hop;
mod order;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt;
use sandbox::{Client, SocketSpec};

use self::frame::Frame;
pub use self::device::device_names;
pub use self::hop::{Hop, Kind, names};
use self::order::Order;
use super::error::{Error, Result};
use crate::aside;

/// The most that is kept of a frame: more than any device here hands over, as tcpdump has it.
pub const SNAPSHOT_LENGTH: u32 = 262_144;
/// What a socket's queue should take, bytes; the kernel gives what `rmem_max` allows, and root all of it.
const QUEUE: usize = 8 << 20;
/// Frames read of one socket before the others have their turn.
const AT_ONCE: usize = 512;

/// Which way a packet went, seen from its hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The hop received it.
    Inbound,
    /// The hop sent it.
    Outbound,
}

/// A packet at a hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Index of the hop in [`Capture::hops`].
    pub hop: usize,
    /// The kernel's time, since 1970.
    pub time: Duration,
    /// Which way it went.
    pub direction: Direction,
    /// Index of the device.
    pub device: u32,
    /// The frame from its Ethernet header on, or the first [`SNAPSHOT_LENGTH`] bytes of it.
    pub bytes: Vec<u8>,
    /// How many bytes it had.
    pub original_length: usize,
}

/// What a hop's socket counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Frames that passed the hop.
    pub received: u64,
    /// Of those, how many the kernel dropped because we were too slow.
    pub dropped: u64,
}

/// Looks at hops.
pub struct Capture {
    hops: Vec<Hop>,
    sources: Vec<Source>,
    order: Order,
    buffer: Vec<u8>,
}

struct Source {
    socket: OwnedFd,
    /// The device that the socket is bound to. Until the bind it saw all.
    device: Option<u32>,
    counts: Counts,
    is_over: bool,
}

impl Capture {
    /// Looks at these hops from now on.
    pub fn open(client: &Client, hops: Vec<Hop>) -> Result<Capture> {
        let spec = |hop: &Hop| {
            let spec = match &hop.device {
                Some(device) => SocketSpec::packet(&hop.namespace, device),
                None => SocketSpec::new(&hop.namespace, libc::AF_PACKET, libc::SOCK_RAW, libc::ETH_P_ALL),
            };
            SocketSpec { nonblocking: true, ..spec }
        };
        let specs: Vec<SocketSpec> = hops.iter().map(spec).collect();
        // A hop is a descriptor, and a lab may have a thousand.
        sandbox::raise_descriptor_limit();
        let sockets = client.open_sockets(&specs)?;
        let source = |(hop, socket): (&Hop, OwnedFd)| {
            // A smaller queue only loses packets earlier, which is counted.
            let _ = sockopt::set_socket_recv_buffer_size_force(&socket, QUEUE)
                .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, QUEUE));
            frame::prepare(&socket).map_err(Error::os(format!("preparing to capture at {}", hop.name)))?;
            let device = match &hop.device {
                Some(_) => Some(frame::bound_device(&socket).map_err(Error::os("asking for a device"))?),
                None => None,
            };
            Ok(Source { socket, device, counts: Counts::default(), is_over: false })
        };
        let sources = hops.iter().zip(sockets).map(source).collect::<Result<Vec<_>>>()?;
        await_stamps(client)?;
        Ok(Capture { hops, sources, order: Order::default(), buffer: vec![0; SNAPSHOT_LENGTH as usize] })
    }

    /// Where it looks.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// Whether every device looked at is gone.
    pub fn is_over(&self) -> bool {
        self.sources.iter().all(|source| source.is_over)
    }

    /// Waits until something passed, `other` became readable, or `timeout`; then the packets that are final, in the order of
    /// time. Empty does not mean that nothing will come.
    pub fn next(&mut self, other: &[BorrowedFd<'_>], timeout: Duration) -> Result<Vec<Captured>> {
        // What is held back becomes final by itself.
        let timeout = if self.order.is_empty() { timeout } else { timeout.min(Duration::from_millis(3)) };
        self.wait(other, timeout)?;
        let read_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut behind = Vec::new();
        for hop in 0..self.sources.len() {
            behind.extend(self.read(hop)?);
        }
        Ok(self.order.release(read_at, behind))
    }

    /// Everything that has come and was not given out yet, in the order of time.
    pub fn rest(&mut self) -> Result<Vec<Captured>> {
        for hop in 0..self.sources.len() {
            self.read(hop)?;
        }
        Ok(self.order.rest())
    }

    /// What each hop's socket counted so far.
    pub fn counts(&mut self) -> Result<Vec<Counts>> {
        for source in &mut self.sources {
            let (received, dropped) = frame::statistics(&source.socket).map_err(Error::os("counting captured frames"))?;
            source.counts.received += u64::from(received);
            source.counts.dropped += u64::from(dropped);
        }
        Ok(self.sources.iter().map(|source| source.counts).collect())
    }

    fn wait(&self, other: &[BorrowedFd<'_>], timeout: Duration) -> Result<()> {
        let open = self.sources.iter().filter(|source| !source.is_over).map(|source| source.socket.as_fd());
        let mut polled: Vec<PollFd<'_>> =
            open.chain(other.iter().copied()).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let limit = Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
        match poll(&mut polled, Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(Error::os("waiting for packets")(error)),
        }
    }

    /// Reads what one hop has, [`AT_ONCE`] at most: then the time of the last one read, because earlier ones than others'
    /// may still be there.
    fn read(&mut self, hop: usize) -> Result<Option<Duration>> {
        let source = &mut self.sources[hop];
        let mut last = None;
        for _ in 0..AT_ONCE {
            if source.is_over {
                return Ok(None);
            }
            let frame = match frame::receive(&source.socket, &mut self.buffer) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(None),
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => continue,
                // The device went down (its instance stopped) and may come up again; or it is gone for good.
                Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => return Ok(None),
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) => {
                    source.is_over = true;
                    return Ok(None);
                }
                Err(error) => return Err(Error::os(format!("capturing at {}", self.hops[hop].name))(error)),
            };
            last = Some(frame.time);
            let is_foreign = source.device.is_some_and(|device| device != frame.device);
            // On the loopback device every frame is seen twice: as sent and as received.
            let is_echo = frame.is_loopback && frame.direction == Direction::Outbound;
            // No lab's traffic: see `await_stamps`.
            let is_stamp = frame.is_loopback && self.hops[hop].device.is_none() && is_loopback_packet(&self.buffer[..frame.length]);
            // What a bridge is to its own system is no port of it; nor is anything that a user adds.
            let is_inner = self.hops[hop].kind == Kind::Device && !self.hops[hop].links.contains_key(&frame.device);
            // What a command asks beside the traffic is no part of it.
            let is_aside = aside::is_aside(&self.buffer[..frame.length]);
            if is_foreign || is_echo || is_stamp || is_inner || is_aside {
                continue;
            }
            let mut bytes = self.buffer[..frame.length].to_vec();
            let mut original_length = frame.original_length;
            if let Some(tag) = frame.vlan
                && bytes.len() >= 12
            {
                // The kernel takes 802.1Q tags out of the frame.
                bytes.splice(12..12, tag);
                original_length += tag.len();
            }
            let Frame { time, direction, device, .. } = frame;
            self.order.add(Captured { hop, time, direction, device, bytes, original_length });
        }
        Ok(last)
    }
}

/// Whether a frame carries an IPv4 packet from 127.0.0.0/8.
fn is_loopback_packet(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[8, 0]) && frame.get(26) == Some(&127)
}

/// Waits until the kernel stamps packets when they pass. It begins to a moment after the first socket asked for it, by a
/// worker of its own, which a busy machine lets wait; until then the stamp is the time of reading, which says nothing about the order.
fn await_stamps(client: &Client) -> Result<()> {
    const LONGEST: Duration = Duration::from_secs(10);
    const LATER: Duration = Duration::from_millis(1);
    let loopback = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let spec = SocketSpec { nonblocking: true, ..SocketSpec::udp(crate::naming::INTERNET, loopback) };
    let socket = client.open_socket(spec)?;
    frame::stamp(&socket).map_err(Error::os("asking for time stamps"))?;
    let own = rustix::net::getsockname(&socket).map_err(Error::os("looking at a socket"))?;
    rustix::net::connect(&socket, &own).map_err(Error::os("connecting a socket with itself"))?;
    let (begun, mut buffer) = (std::time::Instant::now(), [0; 16]);
    while begun.elapsed() < LONGEST {
        rustix::net::send(&socket, b"stamp", rustix::net::SendFlags::empty()).map_err(Error::os("sending to itself"))?;
        // Read later than it came: only a stamp of its coming is older.
        std::thread::sleep(LATER);
        let read_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let came = frame::receive(&socket, &mut buffer).map_err(Error::os("receiving from itself"))?;
        if came.is_some_and(|frame| frame.time < read_at) {
            return Ok(());
        }
    }
    Ok(())
}
