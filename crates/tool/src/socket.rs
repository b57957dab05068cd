//! Raw sockets and waiting, as ping, traceroute and arping need them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};

/// A raw socket: what is sent gets its IP header from the kernel, what is received carries it. Of IPv6 the kernel hands over no header;
/// one is made of what it says of the packet.
pub(crate) struct Raw {
    socket: OwnedFd,
    is_v6: bool,
}

/// Bytes of an IPv6 header.
const HEADER_V6: usize = 40;

impl Raw {
    /// ICMP messages.
    pub(crate) fn icmp() -> io::Result<Raw> {
        Raw::open(ipproto::ICMP)
    }

    /// ICMPv6 messages, to which the kernel adds checksums.
    pub(crate) fn icmp_v6() -> io::Result<Raw> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Raw::of(rustix::net::socket_with(AddressFamily::INET6, SocketType::RAW, flags, Some(ipproto::ICMPV6))?, true)
    }

    /// A socket of ICMP, or of ICMPv6, that somebody else opened.
    pub(crate) fn of(socket: OwnedFd, is_v6: bool) -> io::Result<Raw> {
        if is_v6 {
            crate::sys::want_hop_limit(&socket)?;
        }
        Ok(Raw { socket, is_v6 })
    }

    /// TCP segments.
    pub(crate) fn tcp() -> io::Result<Raw> {
        Raw::open(ipproto::TCP)
    }

    /// UDP datagrams.
    pub(crate) fn udp() -> io::Result<Raw> {
        Raw::open(ipproto::UDP)
    }

    fn open(protocol: Protocol) -> io::Result<Raw> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Raw::of(rustix::net::socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(protocol))?, false)
    }

    /// Sends one message.
    pub(crate) fn send(&self, message: &[u8], to: impl Into<IpAddr>) -> io::Result<()> {
        rustix::net::sendto(&self.socket, message, SendFlags::empty(), &SocketAddr::new(to.into(), 0))?;
        Ok(())
    }

    /// The next packet that is there, from its IP header on.
    pub(crate) fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        if self.is_v6 {
            return self.receive_v6(buffer);
        }
        match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((length, _)) => Ok(Some(&buffer[..length])),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn receive_v6<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        let (header, payload) = buffer.split_at_mut(HEADER_V6);
        let (length, source, hop_limit) = match crate::sys::receive_with_hop_limit(&self.socket, payload) {
            Ok(received) => received,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return Ok(None),
            Err(error) => return Err(error),
        };
        let ip = wire::Ipv6 { hop_limit: hop_limit.unwrap_or(0), ..wire::Ipv6::new(source, Ipv6Addr::UNSPECIFIED, wire::protocol::ICMPV6) };
        header.copy_from_slice(&ip.packet(&payload[..length])[..HEADER_V6]);
        Ok(Some(&buffer[..HEADER_V6 + length]))
    }
}

impl AsFd for Raw {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// No address in particular, of the family of `of`.
pub(crate) fn unspecified(of: IpAddr) -> IpAddr {
    match of {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// The address that packets to `destination` leave with, by the kernel's routes.
pub(crate) fn source_towards(destination: IpAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((unspecified(destination), 0))?;
    socket.connect((destination, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// Waits until one of the descriptors has something to read, or until `deadline`; says which.
pub(crate) fn wait_readable<const N: usize>(fds: [&dyn AsFd; N], deadline: Option<Instant>) -> io::Result<[bool; N]> {
    let mut polled = fds.map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN));
    let timeout = deadline.map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(polled.map(|fd| !fd.revents().is_empty()))
}

pub(crate) fn timespec(duration: Duration) -> Timespec {
    // A day at most (options::seconds), so the conversion holds.
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}

/// What the kernel says, as C programs print it: `Connection refused`.
pub(crate) fn text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Connects, from a chosen address or port if `from` says one, within `timeout` if one is given.
pub(crate) fn connect(to: SocketAddr, from: Option<SocketAddr>, timeout: Option<Duration>) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    if let Some(from) = from {
        rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &from)?;
    }
    match rustix::net::connect(&socket, &to) {
        Ok(()) => return Ok(TcpStream::from(socket)),
        Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let remaining = deadline.map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
        let mut polled = [PollFd::new(&socket, PollFlags::OUT)];
        match poll(&mut polled, remaining.as_ref()) {
            Ok(0) => return Err(rustix::io::Errno::TIMEDOUT.into()),
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    rustix::net::sockopt::socket_error(&socket)??;
    Ok(TcpStream::from(socket))
}
