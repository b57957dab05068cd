//! Descriptors of pipes, terminals and watches for the runtime.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the runtime wait for a descriptor, which does not block from now on.
#[allow(unsafe_code)]
pub(crate) fn watched(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::io::ioctl_fionbio(&descriptor, true)?;
    // JUSTIFICATION: what registers without this keyword is deprecated, and the types for pipes refuse terminals and inotify.
    // SAFETY: an `OwnedFd` is one open descriptor for as long as it lives, and the registration owns it.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, interest) };
    registered.map_err(io::Error::from)
}

/// Ends when the descriptor of an exit is readable; without a wait where it cannot be watched.
pub(crate) async fn readable(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let own = descriptor.try_clone_to_owned()?;
    watched(own, Interest::READABLE)?.readable().await.map(drop)
}
