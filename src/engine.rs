//! The engine of one JavaScript environment: its connections, and the records in and out.

mod commands;
pub mod deadlines;
mod held;
mod input;
#[cfg(test)]
mod recovery_tests;
pub(crate) mod threads;
mod turns;

use crate::connection::Connection;
use crate::driver::local::{LocalSocket, Poller};
use crate::driver::{Follows, Transport};
use crate::ring::events::Events;
use crate::ring::layout::{role, table, transport};
use crate::ring::memory::Memory;
use crate::ring::slabs::{Slab, Slabs};
use crate::ring::table::Table;
use ferrohttp_proto as proto;
use held::{Access, Held};
use proto::{Config, Leniency, Limits, Role, SendError, Timeouts};
use std::collections::VecDeque;
use std::io;
use std::time::Instant;
use threads::Threads;
use turns::{Late, Turn, Unwatched};

/// Bytes received by one system call at most; also what a connection may take before the next one has its turn.
const RECEIVE_SIZE: usize = 64 * 1024;

/// What JavaScript asks for when it attaches a connection.
pub struct Attach {
    /// [`role`].
    pub role: u32,
    /// [`transport`].
    pub transport: u32,
    /// The descriptor, for the local transport.
    pub fd: i32,
    /// Bytes of head and trailers allowed, 0 for the default.
    pub max_head: u32,
    /// 0 strict, 1 insecure, 2 relaxed.
    pub leniency: u32,
    /// A server connection's deadlines.
    pub timeouts: Timeouts,
}

/// Why JavaScript's call failed: a fault of the caller, not of the peer.
#[derive(Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The slot is free, or taken by another connection by now.
    NoConnection,
    /// A record that makes no sense.
    Record(&'static str),
    /// The protocol core refused.
    Send(SendError),
}

impl std::fmt::Display for Misuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoConnection => f.write_str("no such connection"),
            Self::Record(what) => f.write_str(what),
            Self::Send(error) => error.fmt(f),
        }
    }
}

/// Counters, for the benchmarks and the tests.
#[derive(Default)]
pub struct Stats {
    /// Calls of JavaScript into the addon.
    pub calls_in: u64,
    /// Calls of the addon into JavaScript.
    pub calls_out: u64,
    /// recv system calls.
    pub receives: u64,
    /// Sends tried.
    pub sends: u64,
}

struct Slot {
    generation: u32,
    connection: Option<Held>,
}

/// All connections of an environment.
pub struct Engine {
    slots: Vec<Slot>,
    free: Vec<u32>,
    pub(crate) events: Events,
    /// What parsers driven by hand have read: their callers want it at once, whatever lies in the ring.
    pub(crate) aside: Events,
    commands: Memory,
    table: Table,
    slabs: Slabs,
    /// The one that is received into.
    slab: Option<Slab>,
    /// Bytes that were received into it last.
    received: usize,
    poller: Poller,
    unwatched: Vec<Unwatched>,
    turn: Turn,
    threads: Option<Threads>,
    queue: VecDeque<u32>,
    /// Put off to the next turn.
    late: Vec<Late>,
    /// Put off to the turn that has begun.
    due: Vec<Late>,
    touched: Vec<u32>,
    buffer: Box<[u8]>,
    now: Instant,
    /// Between the poller's call and the end of its batch: nothing needs to wake it.
    pub(crate) is_pumping: bool,
    pub(crate) stats: Stats,
}

impl Engine {
    /// # Errors
    /// When the poller cannot be made.
    pub fn new(events: Memory, commands: Memory, table: Memory) -> io::Result<Self> {
        Ok(Self {
            slots: Vec::new(),
            free: Vec::new(),
            events: Events::new(events),
            aside: Events::new(Memory::empty()),
            commands,
            table: Table::new(table),
            slabs: Slabs::default(),
            slab: None,
            received: 0,
            poller: Poller::new()?,
            unwatched: Vec::new(),
            turn: Turn::ToBegin,
            threads: None,
            queue: VecDeque::new(),
            late: Vec::new(),
            due: Vec::new(),
            touched: Vec::new(),
            buffer: vec![0; RECEIVE_SIZE].into_boxed_slice(),
            now: Instant::now(),
            is_pumping: false,
            stats: Stats::default(),
        })
    }

    /// The descriptor that libuv watches.
    pub fn poll_fd(&self) -> i32 {
        self.poller.fd()
    }

    /// Takes over memory to receive into, in the place of what had its number. True: more is needed.
    pub fn lend_slab(&self, number: u32, memory: Memory) -> bool {
        self.slabs.lend(number, memory)
    }

    /// Moves the table to larger memory.
    pub fn grow_table(&mut self, memory: Memory) {
        self.table.grow(memory);
    }

    /// Lets go of the shared memory, for good: the environment is going down.
    pub fn close(&mut self) {
        self.events = Events::new(Memory::empty());
        self.aside = Events::new(Memory::empty());
        self.commands = Memory::empty();
        self.table = Table::new(Memory::empty());
        self.slab = None;
        self.slabs = Slabs::default();
        self.queue.clear();
        self.unwatched.clear();
        for slot in 0..self.slots.len() {
            // Some may be closed already, and their numbers another's.
            if let Some(Held::Own(connection)) = &mut self.slots[slot].connection
                && let Transport::Local(socket) = &mut connection.transport
            {
                socket.abandon();
            }
            let _ = self.release(slot as u32);
        }
        self.end_threads();
    }

    /// Takes over a connection; its slot. A server's is not watched before the loop polls.
    ///
    /// # Errors
    /// When the descriptor cannot be watched.
    pub fn attach(&mut self, options: &Attach) -> io::Result<u32> {
        self.now = Instant::now();
        let (slot, generation) = self.next_slot();
        let transport = match options.transport {
            transport::PENDING => Transport::Pending,
            transport::LOCAL => {
                let mut socket = LocalSocket::new(options.fd);
                if options.role == role::SERVER {
                    self.unwatched.push(Unwatched::new(slot, generation));
                } else {
                    self.poller.watch(&mut socket, token(slot, generation))?;
                }
                Transport::Local(socket)
            }
            _ => Transport::Fed,
        };
        let connection = self.new_connection(options, transport);
        self.fill_slot(connection);
        self.enqueue(slot);
        Ok(slot)
    }

    fn new_connection(&self, options: &Attach, transport: Transport) -> Connection {
        let role = if options.role == role::SERVER {
            Role::Server
        } else {
            Role::Client
        };
        let limits = limits(options.max_head);
        let leniency = match options.leniency {
            1 => Leniency::INSECURE,
            2 => Leniency::RELAXED,
            _ => Leniency::STRICT,
        };
        let mut proto = proto::Connection::new(role, Config { limits, leniency }, self.now);
        proto.set_timeouts(options.timeouts);
        Connection::new(proto, transport)
    }

    /// The slot of the next connection, and its generation.
    fn next_slot(&self) -> (u32, u32) {
        let slot = self.free.last().copied().unwrap_or(self.slots.len() as u32);
        let generation = self
            .slots
            .get(slot as usize)
            .map_or(0, |slot| slot.generation);
        (slot, generation)
    }

    /// Puts a connection into the next slot.
    pub(crate) fn fill_slot(&mut self, connection: Connection) -> u32 {
        let (slot, generation) = self.next_slot();
        if self.free.pop().is_none() {
            self.slots.push(Slot {
                generation,
                connection: None,
            });
        }
        self.slots[slot as usize].connection = Some(Held::Own(connection));
        for field in [
            table::QUEUED,
            table::SENT,
            table::BYTES_READ,
            table::BYTES_WRITTEN,
        ] {
            self.table.set(slot, field, 0);
        }
        self.table.set(slot, table::GENERATION, generation.into());
        slot
    }

    /// The connection in a slot.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub(crate) fn connection(&mut self, slot: u32) -> Result<Access<'_>, Misuse> {
        connection(&mut self.slots, slot)
    }

    /// Binds a pending connection to the descriptor of its connected socket, and sends what has gathered.
    ///
    /// # Errors
    /// When the descriptor cannot be watched.
    pub fn bind(&mut self, slot: u32, fd: i32) -> io::Result<()> {
        let Some(entry) = self.slots.get_mut(slot as usize) else {
            return Ok(());
        };
        if let Some(Held::Own(connection)) = entry.connection.as_mut() {
            let mut socket = LocalSocket::new(fd);
            self.poller
                .watch(&mut socket, token(slot, entry.generation))?;
            connection.transport = Transport::Local(socket);
        }
        self.send(slot, Follows::Unknown);
        self.enqueue(slot);
        Ok(())
    }

    /// Turns a connection to the fed transport: its descriptor goes back to its socket.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn unbind(&mut self, slot: u32) -> Result<(), Misuse> {
        self.take_back(slot);
        let mut connection = connection(&mut self.slots, slot)?;
        if let Transport::Local(socket) = &mut connection.transport {
            self.poller.give_back(socket);
        }
        connection.transport = Transport::Fed;
        Ok(())
    }

    /// Forgets a connection. Its descriptor goes back to its socket; what was neither parsed nor sent is lost unless taken before.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn release(&mut self, slot: u32) -> Result<(), Misuse> {
        let entry = self
            .slots
            .get_mut(slot as usize)
            .ok_or(Misuse::NoConnection)?;
        let held = entry.connection.take().ok_or(Misuse::NoConnection)?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(slot);
        match held {
            Held::Own(Connection {
                transport: Transport::Local(mut socket),
                ..
            }) => self.poller.give_back(&mut socket),
            Held::Own(_) => {}
            Held::Shared(shared) => self.close_shared(&shared),
        }
        Ok(())
    }

    /// Takes what was received and not parsed.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn take_unread(&mut self, slot: u32) -> Result<Vec<u8>, Misuse> {
        self.take_back(slot);
        Ok(std::mem::take(
            &mut connection(&mut self.slots, slot)?.unparsed,
        ))
    }

    /// Takes what is queued to be sent; its marks count as reached.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn take_output(&mut self, slot: u32) -> Result<Vec<u8>, Misuse> {
        if let Some(taken) = self.take_output_back(slot) {
            return Ok(taken);
        }
        let taken = connection(&mut self.slots, slot)?.output.take();
        self.publish(slot);
        Ok(taken)
    }

    /// Why sending has failed, an errno; the record that tells of it may not have been read.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn send_error(&mut self, slot: u32) -> Result<Option<i32>, Misuse> {
        Ok(connection(&mut self.slots, slot)?.send_error)
    }

    /// Whether no message has begun in either direction.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn is_idle(&mut self, slot: u32) -> Result<bool, Misuse> {
        Ok(connection(&mut self.slots, slot)?.proto.is_idle())
    }

    /// Whether a body is being read that ends with the connection.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn ends_with_connection(&mut self, slot: u32) -> Result<bool, Misuse> {
        Ok(connection(&mut self.slots, slot)?
            .proto
            .ends_with_connection())
    }

    fn publish(&mut self, slot: u32) {
        if let Ok(connection) = connection(&mut self.slots, slot) {
            publish(&mut self.table, slot, &connection);
        }
    }

    fn enqueue(&mut self, slot: u32) {
        if let Ok(mut connection) = connection(&mut self.slots, slot) {
            enqueue(&mut self.queue, slot, &mut connection);
        }
    }
}

/// `max_head`: bytes, 0 for the default.
pub(crate) fn limits(max_head: u32) -> Limits {
    let mut limits = Limits::default();
    if max_head > 0 {
        limits.max_head = max_head as usize;
    }
    limits
}

fn token(slot: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(slot)
}

fn connection(slots: &mut [Slot], slot: u32) -> Result<Access<'_>, Misuse> {
    slots
        .get_mut(slot as usize)
        .and_then(|slot| slot.connection.as_mut())
        .map(Held::access)
        .ok_or(Misuse::NoConnection)
}

/// Has a connection run that would get anywhere, once.
fn enqueue(queue: &mut VecDeque<u32>, slot: u32, connection: &mut Connection) {
    if connection.is_runnable() && !connection.is_queued {
        connection.is_queued = true;
        queue.push_back(slot);
    }
}

fn publish(table: &mut Table, slot: u32, connection: &Connection) {
    table.set(slot, table::QUEUED, connection.output.len() as u64);
    table.set(slot, table::SENT, connection.output.reached());
    table.set(slot, table::BYTES_READ, connection.bytes_read);
    table.set(slot, table::BYTES_WRITTEN, connection.output.sent());
}

impl From<SendError> for Misuse {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}
