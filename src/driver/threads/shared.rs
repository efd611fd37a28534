//! One connection between JavaScript's thread and its I/O thread.

use super::descriptor::{reset_on_close, room};
use super::io_thread::{Letter, Outbox};
use super::{Id, Inbox};
use crate::connection::{Connection, Receiving, failure};
use crate::driver::local;
use crate::driver::output::Output;
use crate::ring::layout::event;
use crate::ring::records::{Draft, Header, Pending};
use crate::ring::slabs::{Slab, VIEW_MIN};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

/// Bytes of records that may wait to be fetched before a connection's receiving stops. One receive may go beyond.
const MOST_PENDING: usize = 256 * 1024;

/// Queued bytes that JavaScript is shown as sent while the kernel takes what it is given, or more where the kernel has room for more: the I/O thread is
/// about to give it these. So is JavaScript's thread, before it shuts the connection down, closes it, or exits; and what the kernel refuses of them then, the I/O thread keeps until it
/// takes it, as the kernel itself does for a socket that was closed.
const CREDIT: usize = 64 * 1024;

/// How often what is queued is sent before other connections have their turn. Each time it is all that was queued by then, which is bounded by what
/// JavaScript hands over in one go.
const ROUNDS: usize = 4;

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

/// Whether the kernel takes what it is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    Flowing,
    /// It did not take the last of it: the I/O thread waits for room.
    Blocked,
}

/// Who has a connection.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are the large one, and a box would cost each an allocation"
)]
enum Tenure {
    /// Both threads.
    Both(Connection),
    /// The I/O thread, which sends this and does nothing else: JavaScript has let go of the connection, and has been shown it as sent.
    Parting(Output),
    /// JavaScript's thread, or nobody: the I/O thread lets go of the descriptor.
    Over,
}

impl Tenure {
    fn connection(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Both(connection) => Some(connection),
            Self::Parting(_) | Self::Over => None,
        }
    }

    fn output(&mut self) -> Option<&mut Output> {
        match self {
            Self::Both(connection) => Some(&mut connection.output),
            Self::Parting(output) => Some(output),
            Self::Over => None,
        }
    }
}

/// What both threads work on, in turns.
pub struct State {
    tenure: Tenure,
    pending: Pending,
    sending: Sending,
    /// JavaScript's thread has been told, and has not fetched since.
    is_told: bool,
    /// The I/O thread has been told, and has not looked since.
    is_posted: bool,
    /// The I/O thread waits for a reason to receive again.
    input_rests: bool,
    /// Marks that JavaScript has been shown as reached.
    shown: u64,
    /// JavaScript knows of marks that it has not been shown as reached: it waits to hear of them.
    is_owed: bool,
    /// Bytes that it has been shown as sent.
    written: u64,
}

/// What JavaScript sees of a connection in the table.
pub struct View {
    /// Bytes queued.
    pub queued: u64,
    /// Marks reached.
    pub reached: u64,
    /// Bytes received.
    pub read: u64,
    /// Bytes sent.
    pub written: u64,
    /// Among them are some that it waits to hear of.
    pub is_news: bool,
}

/// What a turn of the I/O thread's task came to.
pub enum Turn {
    /// There is more to receive, or to send.
    More,
    /// Nothing to do before JavaScript's thread says so, but to wait for what [`Wait`] tells.
    Rest(Wait),
    /// Nothing to do but to wait for room to send, and not for ever: JavaScript has let go of the connection.
    Part,
    /// The connection is no longer this thread's.
    Over,
}

/// What a task waits for besides letters.
#[derive(Clone, Copy)]
pub struct Wait {
    /// For bytes to receive.
    pub readable: bool,
    /// For room to send.
    pub writable: bool,
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

    // --- system calls; the caller holds `io` -----------------------------------------------------------------------------

    /// Sends what is queued, as far as the kernel takes it. True: the I/O thread's task has something to wait for or to do.
    ///
    /// While it sends, JavaScript may queue more, as often as a fast reader makes room: after a few rounds other connections have their turn.
    pub fn send(&self, io: &mut Io) -> bool {
        self.send_by(io, |bytes| send_all(&self.stream, bytes))
    }

    /// The same; `send_all` says how much the kernel took, and why no more.
    fn send_by(
        &self,
        _io: &mut Io,
        mut send_all: impl FnMut(&[u8]) -> (usize, Option<io::Error>),
    ) -> bool {
        let mut was_blocked = false;
        for _ in 0..ROUNDS {
            let lent = {
                let mut state = self.state();
                state.0.is_posted = false;
                was_blocked |= state.0.sending == Sending::Blocked;
                let wants_task = state.0.input_rests && state.0.wants_input();
                let State {
                    tenure, sending, ..
                } = &mut *state.0;
                let Some(output) = tenure.output() else {
                    return true;
                };
                if output.is_empty() {
                    // What the kernel refused was taken back: nobody waits for room any more, and what comes next is to be tried.
                    *sending = Sending::Flowing;
                    if tenure.connection().is_none() {
                        *tenure = Tenure::Over;
                        return true;
                    }
                    return wants_task;
                }
                output.lend()
            };
            let (sent, failed) = send_all(lent.as_slice());
            let mut guard = self.state();
            let state = &mut *guard.0;
            let Some(output) = state.tenure.output() else {
                return true;
            };
            let spare = output.take_back(lent, sent);
            let has_reached = output.reached() > state.shown;
            // Together with the output's end: in between a peer who is slow to read would look idle.
            if was_blocked && let Some(connection) = state.tenure.connection() {
                connection.proto.stir(Instant::now());
            }
            state.sending = Sending::Flowing;
            match failed {
                None => {}
                Some(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    state.sending = Sending::Blocked;
                }
                Some(error) => state.fail(failure(&error, 1, self.id)),
            }
            let is_blocked = state.sending == Sending::Blocked;
            let tells = (has_reached || !state.pending.is_empty()) && state.tells();
            drop(guard);
            if let Some(spare) = spare {
                self.outbox.spares().keep(spare);
            }
            if tells {
                self.inbox.tell(self.id);
            }
            if is_blocked {
                return true;
            }
        }
        true
    }

    /// One turn of the I/O thread's task: sends, and parses or receives once. `readable` and `writable` are asked before each system call that might find
    /// nothing to do, and told when it did.
    pub fn turn(
        &self,
        waker: &Waker,
        desk: &mut Desk,
        receive: impl FnOnce(&mut dyn FnMut() -> io::Result<usize>) -> Option<io::Result<usize>>,
    ) -> Turn {
        let mut io = self.io();
        if io.task.as_ref().is_none_or(|task| !task.will_wake(waker)) {
            io.task = Some(waker.clone());
        }
        self.send(&mut io);
        let (wait, has_more) = {
            let mut guard = self.state();
            let state = &mut *guard.0;
            let wants_input = state.wants_input();
            let writable = state.sending == Sending::Blocked;
            let connection = match &mut state.tenure {
                Tenure::Both(connection) => connection,
                Tenure::Parting(_) => return Turn::Part,
                Tenure::Over => return Turn::Over,
            };
            state.input_rests = !wants_input;
            let has_more = state.sending == Sending::Flowing && connection.output.waits();
            if wants_input && connection.can_parse() {
                let now = Instant::now();
                connection.parse(&[], self.id, &mut desk.draft, now);
                let tells = state.keep(&mut desk.draft);
                drop(guard);
                if tells {
                    self.inbox.tell(self.id);
                }
                return Turn::More;
            }
            let wait = Wait {
                readable: wants_input,
                writable,
            };
            (wait, has_more)
        };
        let idle = if has_more {
            Turn::More
        } else {
            Turn::Rest(wait)
        };
        if !wait.readable {
            return idle;
        }
        let Desk {
            buffer,
            slab,
            draft,
        } = desk;
        if slab.is_none() {
            *slab = self.inbox.slabs.take();
        }
        let memory = slab.as_mut().map_or(&mut **buffer, Slab::bytes);
        let Some(received) = receive(&mut || (&self.stream).read(memory)) else {
            return idle;
        };
        let count = received.as_ref().map_or(0, |count| *count);
        if count >= VIEW_MIN
            && let Some(slab) = slab
        {
            // It may be given away.
            slab.clear_behind(count);
        }
        let now = Instant::now();
        let mut guard = self.state();
        let state = &mut *guard.0;
        let Some(connection) = state.tenure.connection() else {
            return Turn::More;
        };
        if let Some(slab) = slab {
            draft.begin_slab(slab);
        }
        let memory = slab.as_mut().map_or(&mut **buffer, Slab::bytes);
        connection.take_in(received, memory, self.id, draft, now);
        *slab = slab.take().and_then(|slab| draft.end_slab(slab));
        let tells = state.keep(draft);
        drop(guard);
        if tells {
            self.inbox.tell(self.id);
        }
        Turn::More
    }

    /// The I/O thread can do nothing for the connection any more.
    pub fn fail(&self, error: &io::Error) {
        let mut guard = self.state();
        guard.0.fail(failure(error, 0, self.id));
        let tells = guard.0.tells();
        drop(guard);
        if tells {
            self.inbox.tell(self.id);
        }
    }
}

impl AsRawFd for Shared {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

/// Sends until all is sent or the kernel takes no more; how much it took.
fn send_all(mut stream: &TcpStream, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (sent, Some(error)),
        }
    }
    (sent, None)
}

impl State {
    /// Whether parsing or receiving would get anywhere, and what comes of it has somewhere to be.
    fn wants_input(&self) -> bool {
        self.pending.size() < MOST_PENDING
            && matches!(&self.tenure, Tenure::Both(connection)
                if connection.may_receive())
    }

    /// Bytes that JavaScript was shown as sent, and that are queued still.
    fn owed(&mut self) -> usize {
        let written = self.written;
        self.tenure.output().map_or(0, |output| {
            let behind = written.saturating_sub(output.sent());
            usize::try_from(behind).map_or(output.len(), |behind| behind.min(output.len()))
        })
    }

    /// Nothing is sent or received any more; `record` says why.
    fn fail(&mut self, record: Header) {
        if let Tenure::Both(connection) = &mut self.tenure {
            connection.output.clear();
            connection.receiving = Receiving::Broken;
            self.pending.push_bare(record);
        } else {
            self.tenure = Tenure::Over;
        }
    }

    /// Whether JavaScript's thread is to be told, by the caller: once, until it fetches.
    fn tells(&mut self) -> bool {
        !std::mem::replace(&mut self.is_told, true)
    }

    /// Puts what was parsed behind what waits already. True: JavaScript's thread is to be told.
    fn keep(&mut self, draft: &mut Draft) -> bool {
        self.pending.append(draft);
        !self.pending.is_empty() && self.tells()
    }
}

/// The state, locked; for JavaScript's thread, which is the only one to take the connection out of it, the connection itself.
pub struct StateGuard<'a>(MutexGuard<'a, State>);

impl StateGuard<'_> {
    /// The records to fetch; None: JavaScript wants none now. What the I/O thread has received of a paused connection stays with it, as if it were
    /// still in the kernel's buffer.
    pub fn fetch(&mut self) -> Option<&mut Pending> {
        self.0.is_told = false;
        (!self.is_withheld()).then_some(&mut self.0.pending)
    }

    /// Whether JavaScript wants none of the records now. The end behind none of them is told to one that would hold the others.
    fn is_withheld(&self) -> bool {
        let is_end = || {
            let front = self.0.pending.front();
            front.is_some_and(|(header, _)| matches!(header.kind, event::END | event::IO_ERROR))
        };
        self.receiving.is_paused() && !(self.receiving == Receiving::OverHolding && is_end())
    }

    /// There are records left that are to be fetched without another letter.
    pub fn is_left(&mut self) -> bool {
        let is_left = !self.0.pending.is_empty() && !self.is_withheld();
        self.0.is_told |= is_left;
        is_left
    }

    /// Whether records wait that JavaScript wants, and nobody has told its thread: the caller does. Once, because each time it is told a part is
    /// fetched, and two parts are not to come in one batch.
    pub fn is_untold(&mut self) -> bool {
        !self.0.is_told && self.is_left()
    }

    /// Whether the I/O thread has to be told: once, until it looks.
    pub fn must_post(&mut self) -> bool {
        let has_work = (self.output.waits() && self.0.sending == Sending::Flowing)
            || (self.0.input_rests && self.0.wants_input());
        has_work && !std::mem::replace(&mut self.0.is_posted, true)
    }

    /// What JavaScript is to see from now on. `room`: bytes that the kernel would take now, which is asked for only when it matters.
    pub fn view(&mut self, room: impl FnOnce() -> usize) -> View {
        let owed = self.0.owed() as u64;
        let is_flowing = self.0.sending == Sending::Flowing;
        let output = &self.output;
        let (queued, reached, written) = (output.len() as u64, output.reached(), output.sent());
        let view = if is_flowing && (output.len() <= CREDIT || output.len() <= room()) {
            (0, output.marked(), written + queued)
        } else {
            // The kernel has refused: what was shown as sent before stays so.
            (queued - owed, reached, written)
        };
        self.show(view)
    }

    /// The same, of what is with the kernel.
    pub fn plain_view(&mut self) -> View {
        let output = &self.output;
        self.show((output.len() as u64, output.reached(), output.sent()))
    }

    fn show(&mut self, (queued, reached, written): (u64, u64, u64)) -> View {
        let is_news = self.0.is_owed && reached > self.0.shown;
        // What it has been shown is never taken back, though the kernel may be behind it.
        self.0.shown = self.0.shown.max(reached);
        self.0.written = self.0.written.max(written);
        self.0.is_owed = self.0.shown < self.output.marked();
        View {
            queued,
            reached: self.0.shown,
            read: self.bytes_read,
            written: self.0.written,
            is_news,
        }
    }
}

impl Deref for StateGuard<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.0.tenure {
            Tenure::Both(connection) => connection,
            Tenure::Parting(_) | Tenure::Over => panic!("{TAKEN}"),
        }
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.0.tenure.connection().expect(TAKEN)
    }
}

const TAKEN: &str = "a connection is taken back only together with its slot";

/// What an I/O thread works with, one connection at a time.
pub struct Desk {
    /// Where there is no slab to receive into.
    buffer: Box<[u8]>,
    slab: Option<Slab>,
    draft: Draft,
}

impl Desk {
    /// `size`: bytes received by one system call at most.
    pub fn new(size: usize) -> Self {
        Self {
            buffer: vec![0; size].into_boxed_slice(),
            slab: None,
            draft: Draft::new(3 * size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_given_more_to_send_all_the_while_lets_others_have_their_turn() {
        let outbox = Arc::new(Outbox::new());
        let (shared, _far) = Shared::for_test(outbox);
        shared.state().output.push(b"some");
        let mut sent = Vec::new();
        let has_more = shared.send_by(&mut shared.io(), |bytes| {
            sent.extend_from_slice(bytes);
            shared.state().output.push(b" more");
            (bytes.len(), None)
        });
        assert!(has_more);
        assert_eq!(sent, b"some more more more");
        assert!(
            shared.state().output.waits(),
            "the last is for the next turn"
        );
    }
}
