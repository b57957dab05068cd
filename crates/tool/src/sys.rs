//! The few calls that rustix has no safe form for.
#![allow(unsafe_code, reason = "this file only; each block says why")]

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};

/// Signals as a descriptor that becomes readable, so that Ctrl-C ends a loop between two packets.
pub struct Interrupt(OwnedFd);

impl Interrupt {
    /// SIGINT and SIGQUIT, taken away from their default action for the rest of the process. Call it before there are
    /// other threads: those would still be ended.
    pub fn new() -> io::Result<Interrupt> {
        Interrupt::of(&[libc::SIGINT, libc::SIGQUIT])
    }

    /// As [`Interrupt::new`], with SIGTERM and SIGHUP: for what must end in order however it is ended.
    pub fn any() -> io::Result<Interrupt> {
        Interrupt::of(&[libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP])
    }

    fn of(signals: &[libc::c_int]) -> io::Result<Interrupt> {
        // JUSTIFICATION: rustix has no signal mask and no signalfd.
        // SAFETY: the set is initialised by sigemptyset before use and outlives the calls; signalfd returns a
        // descriptor that nobody else owns.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            for signal in signals {
                libc::sigaddset(&mut set, *signal);
            }
            if libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            match libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(Interrupt(OwnedFd::from_raw_fd(fd))),
            }
        }
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends and receives by one device only (`SO_BINDTODEVICE`).
pub(crate) fn bind_to_device(socket: impl AsFd, device: &str) -> io::Result<()> {
    // JUSTIFICATION: rustix has no such option.
    // SAFETY: pointer and length are those of one live slice, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            device.as_ptr().cast(),
            device.len() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Asks for the hop limit of what a raw socket of IPv6 receives (`IPV6_RECVHOPLIMIT`, RFC 3542).
pub(crate) fn want_hop_limit(socket: impl AsFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // JUSTIFICATION: rustix has no such option.
    // SAFETY: pointer and length are those of one live integer, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_RECVHOPLIMIT,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Receives a message of IPv6 without its header: its length, who sent it, and the hop limit that it arrived with.
pub(crate) fn receive_with_hop_limit(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Ipv6Addr, Option<u8>)> {
    // As large as a control message of one integer and aligned as its header must be.
    let mut control = [0u64; 8];
    // JUSTIFICATION: rustix reads no control messages but descriptors and credentials.
    // SAFETY: name, buffer and control area are live and as long as the header says; control messages are read by the macros' own
    // walk, each value unaligned.
    unsafe {
        let mut name: libc::sockaddr_in6 = std::mem::zeroed();
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_name = (&raw mut name).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control) as _;
        let length = libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT);
        let Ok(length) = usize::try_from(length) else { return Err(io::Error::last_os_error()) };
        let mut hop_limit = None;
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while !message.is_null() {
            if ((*message).cmsg_level, (*message).cmsg_type) == (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) {
                let value: libc::c_int = libc::CMSG_DATA(message).cast::<libc::c_int>().read_unaligned();
                hop_limit = u8::try_from(value).ok();
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
        Ok((length, Ipv6Addr::from(name.sin6_addr.s6_addr), hop_limit))
    }
}

/// The address of a packet socket: one device, frames of one type.
pub(crate) struct LinkAddress(libc::sockaddr_ll);

impl LinkAddress {
    /// Of a device, for frames of an Ethernet type.
    pub(crate) fn new(device: u32, ether_type: u16) -> LinkAddress {
        LinkAddress(libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: ether_type.to_be(),
            sll_ifindex: device as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        })
    }
}

// JUSTIFICATION: rustix knows no sockaddr_ll; this trait is how it takes other addresses.
// SAFETY: pointer and length are those of a whole, initialised sockaddr_ll that lives throughout the call.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f((&raw const self.0).cast(), size_of::<libc::sockaddr_ll>() as SocketAddrLen)
    }
}
