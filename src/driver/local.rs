//! The local driver: mio under libuv, I/O on the JavaScript thread, on descriptors that belong to Node's sockets.

use super::Follows;
use super::output::Output;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// Where a send may ask for no SIGPIPE it does; elsewhere it counts on Node, which ignores the signal.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const SEND_FLAGS: libc::c_int = libc::MSG_NOSIGNAL;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const SEND_FLAGS: libc::c_int = 0;

/// What has the kernel keep the end of what is sent, as more follows at once.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MORE: libc::c_int = libc::MSG_MORE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MORE: libc::c_int = 0;

const WAKE: Token = Token(usize::MAX);

/// A descriptor that Node's socket owns and lends while the connection is attached. Never closed here: the socket detaches before it closes it.
pub struct LocalSocket {
    fd: RawFd,
    /// A receive may bring something: set by the poller's edge, cleared when a receive found the end of it.
    pub readable: bool,
    /// The peer has sent FIN or RST: a short receive is not the end of it, see [`super::Transport::has_end_behind`].
    pub hung_up: bool,
    /// In which turn of the event loop a receive last took less than it had room for.
    pub emptied_in: Option<u32>,
    /// A send may be taken: cleared when one was not, set by the poller's edge.
    pub writable: bool,
    watch: Watch,
    sending: Sending,
}

/// Whether the poller knows of a descriptor.
#[derive(PartialEq, Eq)]
enum Watch {
    NotYet,
    On,
}

/// How far the sending side has come.
#[derive(PartialEq, Eq)]
enum Sending {
    /// What was sent is on its way.
    Open,
    /// The kernel was asked to keep the end of it.
    KeptBack,
    /// FIN was sent.
    ShutDown,
}

impl LocalSocket {
    /// One that the poller does not know of.
    pub fn new(fd: RawFd) -> Self {
        Self {
            fd,
            readable: false,
            hung_up: false,
            emptied_in: None,
            writable: true,
            watch: Watch::NotYet,
            sending: Sending::Open,
        }
    }

    /// Receives into `buffer`.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // SAFETY: the buffer is valid for writes of its length; a wrong descriptor is answered with an error.
            let count = unsafe { libc::recv(self.fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            if count >= 0 {
                let count = count as usize;
                // With edges, a short read is the end of what is there; for the end of the stream behind it see `has_end_behind`.
                self.readable = count == buffer.len();
                return Ok(count);
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock => self.readable = false,
                _ => {}
            }
            return Err(error);
        }
    }

    /// Sends the queue and `tail` behind it; see [`super::Transport::send`].
    pub fn send(
        &mut self,
        output: &mut Output,
        tail: &[&[u8]],
        follows: Follows,
    ) -> io::Result<()> {
        let total = output.len() + tail.iter().map(|part| part.len()).sum::<usize>();
        let flags = if follows == Follows::Fin { MORE } else { 0 };
        let mut sent = 0;
        while self.writable && sent < total {
            match self.send_some(output.as_slice(), tail, sent, flags) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) => return Err(error),
            }
        }
        let mut skip = sent.saturating_sub(output.len());
        output.advance(sent);
        for part in tail {
            let skipped = skip.min(part.len());
            output.push(&part[skipped..]);
            skip -= skipped;
        }
        if flags != 0 {
            self.sending = Sending::KeptBack;
        } else {
            self.push();
        }
        Ok(())
    }

    /// Has the kernel send what it was asked to keep.
    pub fn push(&mut self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.sending == Sending::KeptBack {
            self.sending = Sending::Open;
            let off: libc::c_int = 0;
            // SAFETY: the option's value is an int, which lives across the call; a wrong descriptor, or one that is no TCP socket's, is answered
            // with an error, and keeps nothing.
            unsafe {
                libc::setsockopt(
                    self.fd,
                    libc::IPPROTO_TCP,
                    libc::TCP_CORK,
                    (&raw const off).cast(),
                    size_of_val(&off) as libc::socklen_t,
                );
            }
        }
    }

    /// Its socket is being closed, or is already: what the kernel keeps goes with that, and whoever has the descriptor's number by now is left alone.
    pub fn abandon(&mut self) {
        if self.sending == Sending::KeptBack {
            self.sending = Sending::Open;
        }
    }

    /// Sends FIN, with what the kernel keeps.
    pub fn shut_down(&mut self) {
        self.sending = Sending::ShutDown;
        // SAFETY: takes no memory. It fails where there is no connection any more, which the next receive tells.
        unsafe { libc::shutdown(self.fd, libc::SHUT_WR) };
    }

    /// One system call for the bytes of `head` and `tail` behind the first `skip`.
    fn send_some(
        &self,
        head: &[u8],
        tail: &[&[u8]],
        mut skip: usize,
        flags: libc::c_int,
    ) -> io::Result<usize> {
        const EMPTY: libc::iovec = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        let mut parts = [EMPTY; 4];
        debug_assert!(tail.len() < parts.len());
        let mut used = 0;
        for part in std::iter::once(head).chain(tail.iter().copied()) {
            let skipped = skip.min(part.len());
            skip -= skipped;
            if skipped < part.len() {
                let part = &part[skipped..];
                parts[used] = libc::iovec {
                    iov_base: part.as_ptr().cast_mut().cast(),
                    iov_len: part.len(),
                };
                used += 1;
            }
        }
        // SAFETY: sendmsg reads `used` parts, each of which points into a slice that lives across the call; msghdr is plain data, all
        // zeroes being a valid value.
        let count = unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = parts.as_mut_ptr();
            message.msg_iovlen = used as _;
            libc::sendmsg(self.fd, &message, SEND_FLAGS | flags)
        };
        if count < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(count as usize)
        }
    }
}

/// Whether nothing has come on a socket that was not received: no byte, no FIN, no reset. Looks without taking anything away.
pub fn is_quiet(fd: RawFd) -> bool {
    let mut octet = 0_u8;
    loop {
        // SAFETY: one octet is valid for writes; a wrong descriptor is answered with an error.
        let count = unsafe {
            libc::recv(
                fd,
                (&raw mut octet).cast(),
                1,
                libc::MSG_PEEK | libc::MSG_DONTWAIT,
            )
        };
        if count >= 0 {
            return false;
        }
        match io::Error::last_os_error().kind() {
            io::ErrorKind::Interrupted => {}
            kind => return kind == io::ErrorKind::WouldBlock,
        }
    }
}

/// What the poller saw of one connection.
pub struct Readiness {
    /// The connection's token, as given to [`Poller::watch`].
    pub token: u64,
    /// A receive may bring something.
    pub readable: bool,
    /// FIN or RST was seen.
    pub hung_up: bool,
    /// A send may be taken.
    pub writable: bool,
}

/// The readiness of all lent descriptors; its own descriptor is watched by libuv.
pub struct Poller {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
}

impl Poller {
    /// # Errors
    /// When the kernel has no descriptor to spare.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            waker,
        })
    }

    /// The descriptor that is readable while there is readiness to collect.
    pub fn fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }

    /// Watches a borrowed descriptor. Both directions at once and edge-triggered: no system call per change of interest.
    ///
    /// # Errors
    /// When the descriptor cannot be watched (a file, or one watched already).
    pub fn watch(&self, socket: &mut LocalSocket, token: u64) -> io::Result<()> {
        self.poll.registry().register(
            &mut SourceFd(&socket.fd),
            Token(token as usize),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        socket.watch = Watch::On;
        // An edge for what is there already comes with the next poll.
        Ok(())
    }

    /// Gives a descriptor back to its socket.
    pub fn give_back(&self, socket: &mut LocalSocket) {
        socket.push();
        if socket.watch == Watch::On {
            // It fails only for a descriptor that was closed behind our back, which ended the watch already.
            let _ = self.poll.registry().deregister(&mut SourceFd(&socket.fd));
        }
    }

    /// Makes the poller's descriptor readable, so that libuv calls again.
    pub fn wake(&self) {
        // Failing means that the wake-up is pending already.
        let _ = self.waker.wake();
    }

    /// The same for other threads, also after this poller's end.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// What has become ready, without waiting. True when there may be more.
    ///
    /// # Errors
    /// The poll's own.
    pub fn collect(&mut self, mut ready: impl FnMut(Readiness)) -> io::Result<bool> {
        if let Err(error) = self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            return if error.kind() == io::ErrorKind::Interrupted {
                Ok(true)
            } else {
                Err(error)
            };
        }
        let mut count = 0;
        for event in &self.events {
            count += 1;
            if event.token() != WAKE {
                let hung_up = event.is_read_closed() || event.is_error();
                ready(Readiness {
                    token: event.token().0 as u64,
                    readable: event.is_readable() || hung_up,
                    hung_up,
                    writable: event.is_writable() || event.is_write_closed() || event.is_error(),
                });
            }
        }
        Ok(count == self.events.capacity())
    }
}

#[cfg(test)]
pub mod tests {
    use super::{Follows, LocalSocket, Output, RawFd, is_quiet};
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    /// Whether libuv would call for a descriptor, which is not waited for.
    pub fn is_readable(fd: RawFd) -> bool {
        let mut fds = [libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        }];
        // SAFETY: one descriptor in an array of one.
        unsafe { libc::poll(fds.as_mut_ptr(), 1, 0) == 1 }
    }

    #[test]
    fn a_socket_is_quiet_until_something_comes_and_again_when_it_was_received() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let fd = near.as_raw_fd();
        assert!(is_quiet(fd));
        far.write_all(b"a").unwrap();
        assert!(!is_quiet(fd));
        assert!(!is_quiet(fd), "looking takes nothing away");
        near.read_exact(&mut [0]).unwrap();
        assert!(is_quiet(fd));
        drop(far);
        assert!(!is_quiet(fd));
        assert!(!is_quiet(-1), "no socket at all is not fit for anything");
    }

    /// A socket's TCP_CORK, which is set to `value` first if there is one.
    #[cfg(target_os = "linux")]
    fn cork(fd: super::RawFd, value: Option<libc::c_int>) -> libc::c_int {
        let mut now = value.unwrap_or(0);
        let mut size = size_of_val(&now) as libc::socklen_t;
        let (level, name) = (libc::IPPROTO_TCP, libc::TCP_CORK);
        // SAFETY: the option's value is an int, which lives across the calls, as does its size.
        unsafe {
            if value.is_some() {
                libc::setsockopt(fd, level, name, (&raw const now).cast(), size);
            }
            libc::getsockopt(fd, level, name, (&raw mut now).cast(), &raw mut size);
        }
        now
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_abandoned_socket_leaves_whoever_has_its_number_alone() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let fd = near.as_raw_fd();
        for is_abandoned in [false, true] {
            let mut socket = LocalSocket::new(fd);
            socket
                .send(&mut Output::default(), &[b"last"], Follows::Fin)
                .unwrap();
            assert_eq!(cork(fd, Some(1)), 1, "another's, by now");
            if is_abandoned {
                socket.abandon();
            }
            socket.push();
            assert_eq!(cork(fd, None), libc::c_int::from(is_abandoned));
        }
    }
}
