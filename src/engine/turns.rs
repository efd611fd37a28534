//! What goes by turns of the event loop: connections of the local driver that the poller has not been told of, and ends that are met later.
//!
//! A client that connects has mostly sent its request by the time it is accepted, and where each has but one, it is answered, shut down and closed
//! within a turn of the event loop. So what has come is asked of the kernel in the first poll behind the accept, where libuv would find it, and only
//! what is still open then is watched: of the others the poller is told neither that they come nor that they go.

use super::held::Held;
use super::{Engine, Slot, enqueue, token};
use crate::connection::{Connection, failure};
use crate::driver::Transport;
use crate::driver::local::LocalSocket;
use crate::ring::events::{Header, Records};
use crate::ring::layout::{call, event};
use std::time::Instant;

/// One of them.
pub struct Unwatched {
    slot: u32,
    generation: u32,
    age: Age,
}

#[derive(PartialEq, Eq)]
enum Age {
    /// Accepted in the turn that ends.
    New,
    /// To be received from in the poll that begins.
    Due,
    /// Received from in the turn that ends.
    Received,
}

impl Unwatched {
    pub fn new(slot: u32, generation: u32) -> Self {
        Self {
            slot,
            generation,
            age: Age::New,
        }
    }

    /// The connection, while it is lent.
    fn find<'a>(&self, slots: &'a mut [Slot]) -> Option<&'a mut Connection> {
        let entry = slots
            .get_mut(self.slot as usize)
            .filter(|entry| entry.generation == self.generation)?;
        match &mut entry.connection {
            Some(Held::Own(connection)) => Some(connection),
            _ => None,
        }
    }
}

/// Whether the turn of the event loop that the next poll belongs to has been counted.
pub enum Turn {
    /// By whoever asks the poller.
    ToBegin,
    /// Before the poll, in which new connections are received from before or behind the poller is asked, as libuv has it.
    Begun,
}

/// What is put off to the loop's next turn.
pub enum Late {
    /// A connection, by slot and generation: behind what was received of it stands its end.
    Receive(u32, u32),
    /// A record.
    Record(Header),
}

/// The socket of a connection that is lent.
fn socket(connection: &mut Connection) -> Option<&mut LocalSocket> {
    match &mut connection.transport {
        Transport::Local(socket) => Some(socket),
        _ => None,
    }
}

impl Engine {
    /// Whether there are any.
    pub fn has_unwatched(&self) -> bool {
        !self.unwatched.is_empty()
    }

    /// The loop is about to poll. Those that were received from in the last poll and are open yet are watched: not before, as what is found of them belongs
    /// to another turn, and the poller may have been asked behind them in that poll. The new ones are received from within this poll: what their
    /// listeners leave for the check phase comes before whatever the next poll tells, as it does where libuv reads.
    /// True when there are such.
    pub fn before_poll(&mut self) -> bool {
        self.turn = Turn::ToBegin;
        self.watch_received();
        if self.unwatched.is_empty() {
            return false;
        }
        for one in &mut self.unwatched {
            one.age = Age::Due;
        }
        self.begin_turn();
        self.turn = Turn::Begun;
        true
    }

    /// A turn of the event loop begins, with what was put off to it.
    fn begin_turn(&mut self) {
        self.events.begin_turn();
        self.due.append(&mut self.late);
    }

    /// The poller is asked: a turn begins, unless the poll has been counted before.
    pub(super) fn begin_poll(&mut self) {
        match std::mem::replace(&mut self.turn, Turn::ToBegin) {
            Turn::ToBegin => self.begin_turn(),
            Turn::Begun => {}
        }
    }

    /// Queues those that are to be received from in this poll.
    pub fn receive_due(&mut self) {
        self.now = Instant::now();
        for one in &mut self.unwatched {
            if one.age == Age::Due
                && let Some(connection) = one.find(&mut self.slots)
                && let Some(socket) = socket(connection)
            {
                socket.readable = true;
                enqueue(&mut self.queue, one.slot, connection);
                one.age = Age::Received;
            }
        }
    }

    fn watch_received(&mut self) {
        let mut rest = std::mem::take(&mut self.unwatched);
        rest.retain_mut(|one| {
            let id = (one.slot, one.generation);
            let Some(connection) = one.find(&mut self.slots) else {
                return false;
            };
            let Some(socket) = socket(connection) else {
                return false;
            };
            if one.age != Age::Received {
                return true;
            }
            if let Err(error) = self.poller.watch(socket, token(id.0, id.1)) {
                connection.receiving.break_off();
                self.events.push_bare(failure(&error, call::READ, id));
                self.poller.wake();
            }
            false
        });
        self.unwatched = rest;
    }

    /// Has the END or IO_ERROR of an I/O thread's connection, which JavaScript has read, told in the next turn of the event loop, in which libuv would meet
    /// it. `a`: the record's operand.
    pub fn put_off(&mut self, slot: u32, kind: u32, a: u32) {
        if let Some(entry) = self.slots.get(slot as usize) {
            let bare = Header::bare(kind, (slot, entry.generation));
            self.late.push(Late::Record(Header { a, ..bare }));
            self.wake();
        }
    }

    /// What was put off to this turn.
    pub(super) fn take_due(&mut self) {
        for one in std::mem::take(&mut self.due) {
            let (slot, generation) = match &one {
                Late::Receive(slot, generation) => (*slot, *generation),
                Late::Record(header) => (header.slot, header.generation),
            };
            let held = self
                .slots
                .get_mut(slot as usize)
                .filter(|entry| entry.generation == generation)
                .and_then(|entry| entry.connection.as_mut());
            // Whoever has it back meets the end himself.
            match (one, held) {
                (Late::Receive(..), Some(Held::Own(connection))) => {
                    connection.transport.keep_readable();
                    enqueue(&mut self.queue, slot, connection);
                }
                (Late::Record(header), Some(held))
                    // But an error only the engine has met: it is told once.
                    if header.kind == event::IO_ERROR || matches!(held, Held::Shared(_)) =>
                {
                    self.events.push_bare(header);
                }
                _ => {}
            }
        }
    }
}
