//! The calls on packet sockets that rustix has no safe form for: time stamps, directions and counts come with them.
#![allow(unsafe_code, reason = "this file only; each block says why")]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use super::Direction;

/// A frame that was read, its bytes in the buffer.
pub(super) struct Frame {
    /// Bytes in the buffer.
    pub length: usize,
    /// Bytes that the frame had.
    pub original_length: usize,
    pub time: Duration,
    pub direction: Direction,
    pub device: u32,
    pub is_loopback: bool,
    /// Protocol and tag that belong behind the addresses.
    pub vlan: Option<[u8; 4]>,
}

/// Has the kernel say with each frame when it passed and which VLAN tag it had.
pub(super) fn prepare(socket: &OwnedFd) -> io::Result<()> {
    stamp(socket)?;
    set(socket, libc::SOL_PACKET, libc::PACKET_AUXDATA)
}

/// Has the kernel say with each message when it came.
pub(super) fn stamp(socket: &OwnedFd) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)
}

fn set(socket: &OwnedFd, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // JUSTIFICATION: rustix has neither option.
    // SAFETY: pointer and length are those of a live int, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, option, (&raw const on).cast(), size_of::<libc::c_int>() as libc::socklen_t)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The device that a packet socket is bound to.
pub(super) fn bound_device(socket: &OwnedFd) -> io::Result<u32> {
    // JUSTIFICATION: rustix cannot read a sockaddr_ll.
    // SAFETY: sockaddr_ll is plain integers, for which zeros are valid; the kernel writes at most `length` bytes of it.
    unsafe {
        let mut address: libc::sockaddr_ll = zeroed();
        let mut length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        if libc::getsockname(socket.as_raw_fd(), (&raw mut address).cast(), &mut length) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(address.sll_ifindex.cast_unsigned())
    }
}

/// Frames that passed and frames that were lost since the last call.
pub(super) fn statistics(socket: &OwnedFd) -> io::Result<(u32, u32)> {
    // JUSTIFICATION: rustix has no PACKET_STATISTICS.
    // SAFETY: tpacket_stats is two integers, for which zeros are valid; the kernel writes at most `length` bytes of it.
    unsafe {
        let mut counts: libc::tpacket_stats = zeroed();
        let mut length = size_of::<libc::tpacket_stats>() as libc::socklen_t;
        let target = (&raw mut counts).cast();
        if libc::getsockopt(socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_STATISTICS, target, &mut length) != 0 {
            return Err(io::Error::last_os_error());
        }
        // tp_packets counts those that were dropped, too (packet(7)).
        Ok((counts.tp_packets, counts.tp_drops))
    }
}

/// Room for the control messages asked for, aligned as they must be.
#[repr(align(8))]
struct Control([u8; 256]);

/// The next frame; none if none is there.
pub(super) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<Frame>> {
    let mut control = Control([0; 256]);
    // JUSTIFICATION: rustix reads neither these control messages nor a sockaddr_ll.
    // SAFETY: every pointer in the header is to a live buffer of the length said there; the structs are plain integers and
    // pointers, for which zeros are valid. Control messages are walked by the C library's macros within what the kernel
    // wrote, and their data, of the type that their level and type say, is read unaligned.
    unsafe {
        let mut address: libc::sockaddr_ll = zeroed();
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let mut header: libc::msghdr = zeroed();
        header.msg_name = (&raw mut address).cast();
        header.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = control.0.len() as _;
        let count = libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT | libc::MSG_TRUNC);
        let Ok(original_length) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        };
        let (mut time, mut vlan) = (Duration::ZERO, None);
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while !message.is_null() {
            let data = libc::CMSG_DATA(message);
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let stamp: libc::timespec = data.cast::<libc::timespec>().read_unaligned();
                    let seconds = u64::try_from(stamp.tv_sec).unwrap_or_default();
                    time = Duration::new(seconds, u32::try_from(stamp.tv_nsec).unwrap_or_default());
                }
                (libc::SOL_PACKET, libc::PACKET_AUXDATA) => {
                    vlan = tag(&data.cast::<libc::tpacket_auxdata>().read_unaligned());
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
        Ok(Some(Frame {
            length: original_length.min(buffer.len()),
            original_length,
            time,
            direction: if address.sll_pkttype == libc::PACKET_OUTGOING { Direction::Outbound } else { Direction::Inbound },
            device: address.sll_ifindex.cast_unsigned(),
            is_loopback: address.sll_hatype == libc::ARPHRD_LOOPBACK,
            vlan,
        }))
    }
}

fn tag(auxiliary: &libc::tpacket_auxdata) -> Option<[u8; 4]> {
    const VALID: u32 = 1 << 4; // TP_STATUS_VLAN_VALID
    const PROTOCOL_VALID: u32 = 1 << 6; // TP_STATUS_VLAN_TPID_VALID
    const DOT1Q: u16 = 0x8100;
    if auxiliary.tp_status & VALID == 0 {
        return None;
    }
    let protocol = if auxiliary.tp_status & PROTOCOL_VALID != 0 { auxiliary.tp_vlan_tpid } else { DOT1Q };
    let ([a, b], [c, d]) = (protocol.to_be_bytes(), auxiliary.tp_vlan_tci.to_be_bytes());
    Some([a, b, c, d])
}
