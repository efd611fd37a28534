//! The threads driver: tokio does the I/O on threads of its own, and parses there; JavaScript's thread does JavaScript.
//!
//! A connection is a [`Shared`], in the hands of JavaScript's thread and of one I/O thread, which it stays with. The I/O thread receives, parses, and
//! puts event records behind those that wait in the connection; a letter tells JavaScript's thread, which fetches them. JavaScript's thread frames
//! what is to be sent and queues it in the connection; a letter tells the I/O thread, which sends. In each direction there is one [`Mailbox`] and at
//! most one wake-up per batch, none while the reader is awake.
//!
//! Locks are taken in one order: a connection's `io`, then its `state`, then a mailbox's. No system call is made under `state`, so that JavaScript's
//! thread, which takes it for every message, waits for a parser at worst. `io` is held across system calls on the descriptor: it is by taking it that
//! JavaScript's thread gets hold of a connection (to hand it back, to close it, to send by itself) with nothing under way.

mod descriptor;
mod io_thread;
mod mailbox;
mod shared;
mod spares;

pub use descriptor::duplicate;
pub use io_thread::{IoThreads, Letter, Outbox};
pub use shared::{Shared, StateGuard, View};

use crate::ring::slabs::Slabs;
use mailbox::Mailbox;
use std::sync::Arc;

mod sync {
    pub use std::sync::atomic::{AtomicBool, Ordering};
    pub use std::sync::{Mutex, MutexGuard};
}

/// Slot and generation.
pub type Id = (u32, u32);

/// Where I/O threads leave the connections whose records JavaScript's thread is to fetch.
pub struct Inbox {
    mailbox: Mailbox<Id>,
    waker: Arc<mio::Waker>,
    /// JavaScript's memory to receive into.
    slabs: Slabs,
}

impl Inbox {
    /// `waker` is the poller's that libuv watches; `slabs` are the engine's.
    pub fn new(waker: Arc<mio::Waker>, slabs: Slabs) -> Arc<Self> {
        Arc::new(Self {
            mailbox: Mailbox::new(),
            waker,
            slabs,
        })
    }

    /// Tells JavaScript's thread of a connection.
    fn tell(&self, id: Id) {
        if self.mailbox.post([id]) {
            // Failing means that the wake-up is pending already.
            let _ = self.waker.wake();
        }
    }

    /// The connections told of since the last time. For what comes from now on JavaScript's thread will be woken, though it is awake: what is new
    /// has to wait until other things of its loop have had their turn, and the wake-up is what brings it back.
    pub fn take(&self, into: &mut Vec<Id>) {
        self.mailbox.take_and_rest(into);
    }
}
