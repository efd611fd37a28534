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

/// Resets a socket's connection now, though there are other descriptors of it that are closed later. Where it cannot be done so, the last close does it.
pub fn reset(fd: &impl AsRawFd) {
    reset_on_close(fd);
    // SAFETY: a sockaddr is plain data, all zeroes being a valid value.
    let mut nobody: libc::sockaddr = unsafe { std::mem::zeroed() };
    nobody.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
    let size = size_of_val(&nobody) as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as its owner is borrowed, and the address lives across the call.
    unsafe { libc::connect(fd.as_raw_fd(), &raw const nobody, size) };
}

/// Bytes that the kernel would take of what is sent next: what its account of the socket leaves, in which headers and half filled pages count, too. 0 where it
/// keeps none that can be read.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn room(fd: &impl AsRawFd) -> usize {
    let mut account = [0_u32; libc::SK_MEMINFO_DROPS as usize + 1];
    let mut size = size_of_val(&account) as libc::socklen_t;
    let place = (&raw mut account).cast();
    // SAFETY: the descriptor is open for as long as its owner is borrowed, and the array is valid for writes of the size told.
    let error = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            place,
            &raw mut size,
        )
    };
    let figure = |index: libc::c_int| account[index as usize] as usize;
    // TCP counts what it keeps until it is acknowledged, a socket pair what the other end has not read.
    let used = figure(libc::SK_MEMINFO_WMEM_QUEUED).max(figure(libc::SK_MEMINFO_WMEM_ALLOC));
    if error == 0 {
        figure(libc::SK_MEMINFO_SNDBUF).saturating_sub(used)
    } else {
        0
    }
}

/// The same, of a system that does not tell.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn room(_fd: &impl AsRawFd) -> usize {
    0
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
