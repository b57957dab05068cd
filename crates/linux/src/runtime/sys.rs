//! The calls that rustix has no safe wrapper for.
#![allow(unsafe_code, reason = "ioctls without a wrapper; each argued below")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Bytes in a stream socket's send queue that the other side has not acknowledged (`SIOCOUTQ`).
pub(crate) fn output_queue(socket: impl AsFd) -> io::Result<u32> {
    let mut value: libc::c_int = 0;
    // JUSTIFICATION: rustix has no wrapper for SIOCOUTQ (= TIOCOUTQ).
    // SAFETY: the kernel writes one int behind the pointer, which is valid for the call.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut value) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(value.max(0).cast_unsigned()) }
}
