//! The threads driver's dealings with raw descriptors.

use super::shared::Shared;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Another descriptor of the same open socket, closed by whoever owns it: no close of the first one hands it a recycled number.
///
/// # Errors
/// When there are no descriptors to spare.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is borrowed for one call, which answers a closed one with an error; -1 is kept out.
    let lent = (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) });
    lent.ok_or(io::ErrorKind::InvalidInput)?
        .try_clone_to_owned()
}

/// Has the close of a socket reset its connection, instead of ending it in order with some of it missing. What the kernel still held is lost with it.
pub fn reset_on_close(fd: &impl AsRawFd) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let size = size_of_val(&linger) as libc::socklen_t;
    let linger = (&raw const linger).cast();
    // SAFETY: the descriptor is open for as long as its owner is borrowed, and the structure is the option's. Where there is no such option (a socket
    // that is no TCP's) nothing happens.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            linger,
            size,
        )
    };
}

/// Has the runtime watch a descriptor, edge-triggered and in both directions at once, as the local driver does.
///
/// # Errors
/// When it cannot be watched.
pub fn watch(shared: Arc<Shared>) -> io::Result<AsyncFd<Arc<Shared>>> {
    // SAFETY: a Shared has the same open descriptor from beginning to end, and the AsyncFd holds a count of it for as long as it watches.
    unsafe { AsyncFd::register_with_interest(shared, Interest::READABLE | Interest::WRITABLE) }
        .map_err(io::Error::from)
}
