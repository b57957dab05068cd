//! Frames seen at a guest's end of its interface: who really received what, with which header.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};
use sandbox::{Client, SocketSpec};

use super::error::{Error, Result};
use super::packet::Seen;

/// EtherTypes that matter here (IEEE 802 numbers).
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;

/// Frames kept between two looks; a flood beyond that loses the oldest.
const KEPT: usize = 4_096;

/// Bytes that may wait between two looks; the kernel gives as much of it as it allows (`net.core.rmem_max`).
const RECEIVE_BUFFER: usize = 4 << 20;

/// A packet socket on one interface.
pub struct Watch {
    fd: OwnedFd,
    mac: [u8; 6],
    frames: VecDeque<Frame>,
}

/// One frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Whether it came in; else the guest sent it.
    pub incoming: bool,
    /// EtherType.
    pub ethertype: u16,
    /// From the network header on.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The packet inside.
    pub fn packet(&self) -> Option<Seen> {
        if matches!(self.ethertype, ETHERTYPE_IPV4 | ETHERTYPE_IPV6) { Seen::parse(&self.payload) } else { None }
    }

    /// The sender of an ARP reply: hardware and protocol address (RFC 826).
    pub fn arp_reply(&self) -> Option<([u8; 6], Ipv4Addr)> {
        let bytes = self.payload.get(..28).filter(|b| self.ethertype == ETHERTYPE_ARP && b[6..8] == [0, 2])?;
        let mac: [u8; 6] = bytes[8..14].try_into().ok()?;
        let address: [u8; 4] = bytes[14..18].try_into().ok()?;
        Some((mac, address.into()))
    }
}

impl Watch {
    /// Watches `interface` of a namespace; `mac` is the interface's own address, which tells directions apart.
    /// Without an interface all of the namespace's are watched.
    pub fn open(client: &Client, namespace: &str, interface: Option<&str>, mac: [u8; 6]) -> Result<Watch> {
        Watch::adopt(client.open_socket(Watch::socket(namespace, interface))?, mac)
    }

    /// The socket of a watch, for who opens many at once.
    pub fn socket(namespace: &str, interface: Option<&str>) -> SocketSpec {
        let spec = match interface {
            Some(name) => SocketSpec::packet(namespace, name),
            None => SocketSpec::new(namespace, libc::AF_PACKET, libc::SOCK_RAW, libc::ETH_P_ALL),
        };
        SocketSpec { nonblocking: true, ..spec }
    }

    /// A watch on a socket made as [`Watch::socket`] says.
    pub fn adopt(fd: OwnedFd, mac: [u8; 6]) -> Result<Watch> {
        sockopt::set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER).map_err(Error::os("watching an interface"))?;
        Ok(Watch { fd, mac, frames: VecDeque::new() })
    }

    /// Takes in what has arrived since.
    pub fn read(&mut self) -> Result<()> {
        let mut buffer = vec![0u8; 65_536];
        let (mac, frames) = (self.mac, &mut self.frames);
        receive(&self.fd, &mut buffer, |frame| {
            if frames.len() == KEPT {
                frames.pop_front();
            }
            frames.push_back(Frame {
                incoming: frame[6..12] != mac,
                ethertype: u16::from_be_bytes([frame[12], frame[13]]),
                payload: frame[14..].to_vec(),
            });
        })
    }

    /// Hands over the packets that came in since, from the network header on, and keeps nothing. On the internet
    /// also those that went out.
    pub fn take(&mut self, buffer: &mut [u8], mut each: impl FnMut(&[u8])) -> Result<()> {
        let mac = self.mac;
        receive(&self.fd, buffer, |frame| {
            if frame[6..12] != mac && [ETHERTYPE_IPV4, ETHERTYPE_IPV6].iter().any(|kind| frame[12..14] == kind.to_be_bytes()) {
                each(&frame[14..]);
            }
        })
    }

    /// Takes in what has arrived and forgets all of it.
    pub fn clear(&mut self) -> Result<()> {
        self.read()?;
        self.frames.clear();
        Ok(())
    }

    /// Frames in order of arrival since the last [`Watch::clear`].
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> {
        self.frames.iter()
    }

    /// For event loops.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Closes watches apart from the caller, who need not wait for that: for each the kernel waits until nobody is in its
/// midst any more, 10 ms and longer.
pub fn close(watches: impl Iterator<Item = Watch>) {
    const THREADS: usize = 16;
    let mut parts: [Vec<Watch>; THREADS] = Default::default();
    watches.enumerate().for_each(|(number, watch)| parts[number % THREADS].push(watch));
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        std::thread::spawn(move || drop(part));
    }
}

/// Reads all frames that wait, none shorter than an Ethernet header.
fn receive(fd: &OwnedFd, buffer: &mut [u8], mut each: impl FnMut(&[u8])) -> Result<()> {
    loop {
        match recv(fd, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((length, _)) if length >= 14 => each(&buffer[..length]),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(()),
            // The interface went down or away: nothing more will be seen.
            Err(Errno::NETDOWN | Errno::NODEV) => return Ok(()),
            Err(error) => return Err(Error::os("reading captured frames")(error)),
        }
    }
}
