//! One connection between JavaScript's thread and its I/O thread.

mod moving;
mod state;

pub use moving::{Desk, Turn};
pub use state::{StateGuard, View};

use super::descriptor::{reset, reset_on_close, room};
use super::io_thread::{Letter, Outbox};
use super::{Id, Inbox};
use crate::connection::Connection;
use crate::driver::local;
use crate::ring::records::Pending;
use state::{Sending, State, Tenure};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
#[cfg(test)]
use std::time::Instant;

/// A connection that an I/O thread moves the bytes of.
pub struct Shared {
    id: Id,
    /// Our own duplicate of the socket's descriptor; any stream socket, whatever std's type is called. Non-blocking, as the socket's.
    stream: TcpStream,
    io: Mutex<Io>,
    state: Mutex<State>,
    inbox: Arc<Inbox>,
    outbox: Arc<Outbox>,
}

/// Held by whoever makes system calls on the descriptor.
#[derive(Default)]
pub struct Io {
    /// Wakes the I/O thread's task of this connection.
    task: Option<Waker>,
}

impl Io {
    /// Has the I/O thread's task look at the connection.
    pub fn wake_task(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }
}

impl Shared {
    /// Hands a connection over to an I/O thread; that one hears of it by the first letter.
    pub fn new(
        id: Id,
        connection: Connection,
        fd: OwnedFd,
        inbox: Arc<Inbox>,
        outbox: Arc<Outbox>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            stream: TcpStream::from(fd),
            io: Mutex::default(),
            state: Mutex::new(State {
                tenure: Tenure::Both(connection),
                pending: Pending::default(),
                sending: Sending::Flowing,
                is_told: false,
                is_posted: false,
                input_rests: false,
                shown: 0,
                is_owed: false,
                written: 0,
            }),
            inbox,
            outbox,
        })
    }

    /// A quiet connection on one end of a socket pair, and the other end.
    #[cfg(test)]
    pub fn for_test(outbox: Arc<Outbox>) -> (Arc<Self>, std::os::unix::net::UnixStream) {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let waker = local::Poller::new().unwrap().waker();
        let inbox = Inbox::new(waker, crate::ring::slabs::Slabs::default());
        let config = ferrohttp_proto::Config::default();
        let role = ferrohttp_proto::Role::Server;
        let proto = ferrohttp_proto::Connection::new(role, config, Instant::now());
        let connection = Connection::new(proto, crate::driver::Transport::Threads);
        (
            Self::new((0, 0), connection, near.into(), inbox, outbox),
            far,
        )
    }

    /// The thread it belongs to.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Bytes that the kernel would take now. Waits for nothing, so that it may be asked under whatever lock.
    pub fn room(&self) -> usize {
        room(&self.stream)
    }

    /// Waits until no system call on the descriptor is under way, and keeps others from being made.
    pub fn io(&self) -> MutexGuard<'_, Io> {
        // A panic in a parser breaks one connection, which is then closed: there is nothing here that its remains could harm.
        self.io.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for as short as can be.
    pub fn state(&self) -> StateGuard<'_> {
        StateGuard(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Slot and generation.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Has the I/O thread look at it.
    pub fn post(self: &Arc<Self>) {
        self.outbox.post([Letter::Look(Arc::clone(self))]);
    }

    /// Takes the connection back, with the records that were not fetched, once no system call is under way. What was queued is sent first, as far as
    /// the kernel takes it. The I/O thread lets go of the descriptor.
    pub fn take_back(self: &Arc<Self>) -> Option<(Connection, Pending)> {
        let mut io = self.io();
        self.send(&mut io);
        let mut guard = self.state();
        let state = &mut *guard.0;
        let pending = std::mem::take(&mut state.pending);
        let tenure = std::mem::replace(&mut state.tenure, Tenure::Over);
        drop(guard);
        drop(io);
        self.post();
        match tenure {
            Tenure::Both(connection) => Some((connection, pending)),
            Tenure::Parting(_) | Tenure::Over => None,
        }
    }

    /// JavaScript lets go of the connection, and hears no more of it. What it was shown as sent is sent, as far as the kernel takes it; false: it did not
    /// take all, and the rest is left to the I/O thread, which is to be told.
    pub fn part(&self) -> bool {
        let mut io = self.io();
        self.send(&mut io);
        let mut guard = self.state();
        let state = &mut *guard.0;
        let owed = state.owed();
        let last = match std::mem::replace(&mut state.tenure, Tenure::Over) {
            Tenure::Both(connection) => Some(connection.output),
            Tenure::Parting(output) => Some(output),
            Tenure::Over => None,
        };
        state.pending = Pending::default();
        state.is_told = true;
        if let Some(mut output) = last
            && owed > 0
        {
            output.truncate(owed);
            state.tenure = Tenure::Parting(output);
        }
        owed == 0
    }

    /// The I/O thread does nothing more for a connection that JavaScript has let go of: its peer has not taken what it was to get, which it must not take
    /// for all there was.
    pub fn give_up(&self) {
        let _io = self.io();
        let mut state = self.state();
        if matches!(state.0.tenure, Tenure::Parting(_)) {
            state.0.tenure = Tenure::Over;
            drop(state);
            reset_on_close(&self.stream);
        }
    }

    /// Sends what JavaScript was shown as sent, as far as the kernel takes it. True: there is more of it.
    pub fn send_owed(&self) -> bool {
        self.send(&mut self.io());
        self.state().0.owed() > 0
    }

    /// Whether nothing has come that JavaScript was not told of: neither from the kernel, nor to be fetched from here.
    pub fn is_quiet(&self) -> bool {
        // With it nothing is on its way from there to here.
        let _io = self.io();
        let state = self.state();
        let is_quiet =
            state.0.pending.is_empty() && state.unparsed.is_empty() && !state.receiving.is_over();
        drop(state);
        is_quiet && local::is_quiet(self.as_raw_fd())
    }

    /// Drops what is queued to be sent, whatever was shown.
    pub fn drop_output(&self) {
        // Nothing is lent for a system call while `io` is held.
        let _io = self.io();
        self.state().output.clear();
    }

    /// Resets the connection, and drops what is queued: not when the I/O thread closes its descriptor, by when the peer may have read what was sent.
    pub fn reset(&self) {
        self.drop_output();
        reset(&self.stream);
    }
}

impl AsRawFd for Shared {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}
