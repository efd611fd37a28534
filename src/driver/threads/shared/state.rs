//! What both threads work on, in turns: who has the connection, what is pending, and what JavaScript has been told and shown.

use crate::connection::Connection;
use crate::driver::output::Output;
use crate::ring::layout::event;
use crate::ring::records::{Draft, Header, Pending};
use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

/// Bytes of records that may wait to be fetched before a connection's receiving stops. One receive may go beyond.
const MOST_PENDING: usize = 256 * 1024;

/// Queued bytes that JavaScript is shown as sent while the kernel takes what it is given, or more where the kernel has room for more: the I/O thread is
/// about to give it these. So is JavaScript's thread, before it shuts the connection down, closes it, or exits; and what the kernel refuses of them then, the I/O thread keeps until it
/// takes it, as the kernel itself does for a socket that was closed.
const CREDIT: usize = 64 * 1024;

/// Whether the kernel takes what it is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Flowing,
    /// It did not take the last of it: the I/O thread waits for room.
    Blocked,
}

/// Who has a connection.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are the large one, and a box would cost each an allocation"
)]
pub(super) enum Tenure {
    /// Both threads.
    Both(Connection),
    /// The I/O thread, which sends this and does nothing else: JavaScript has let go of the connection, and has been shown it as sent.
    Parting(Output),
    /// JavaScript's thread, or nobody: the I/O thread lets go of the descriptor.
    Over,
}

impl Tenure {
    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Both(connection) => Some(connection),
            Self::Parting(_) | Self::Over => None,
        }
    }

    pub(super) fn output(&mut self) -> Option<&mut Output> {
        match self {
            Self::Both(connection) => Some(&mut connection.output),
            Self::Parting(output) => Some(output),
            Self::Over => None,
        }
    }
}

/// What both threads work on, in turns.
pub struct State {
    pub(super) tenure: Tenure,
    pub(super) pending: Pending,
    pub(super) sending: Sending,
    /// JavaScript's thread has been told, and has not fetched since.
    pub(super) is_told: bool,
    /// The I/O thread has been told, and has not looked since.
    pub(super) is_posted: bool,
    /// The I/O thread waits for a reason to receive again.
    pub(super) input_rests: bool,
    /// Marks that JavaScript has been shown as reached.
    pub(super) shown: u64,
    /// JavaScript knows of marks that it has not been shown as reached: it waits to hear of them.
    pub(super) is_owed: bool,
    /// Bytes that it has been shown as sent.
    pub(super) written: u64,
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

impl State {
    /// Whether parsing or receiving would get anywhere, and what comes of it has somewhere to be.
    pub(super) fn may_receive(&self) -> bool {
        self.pending.size() < MOST_PENDING
            && matches!(&self.tenure, Tenure::Both(connection)
                if connection.may_receive())
    }

    /// The same where the I/O thread would not find out by itself: it waits for a reason, or for the kernel while what it has can be parsed again. It
    /// was told to go on by a command, behind which the peer may have nothing more to send.
    pub(super) fn is_input_due(&self) -> bool {
        let can_parse =
            || matches!(&self.tenure, Tenure::Both(connection) if connection.can_parse());
        self.may_receive() && (self.input_rests || can_parse())
    }

    /// Bytes that JavaScript was shown as sent, and that are queued still.
    pub(super) fn owed(&mut self) -> usize {
        let written = self.written;
        self.tenure.output().map_or(0, |output| {
            let behind = written.saturating_sub(output.sent());
            usize::try_from(behind).map_or(output.len(), |behind| behind.min(output.len()))
        })
    }

    /// Nothing is sent or received any more; `record` says why.
    pub(super) fn fail(&mut self, record: Header) {
        if let Tenure::Both(connection) = &mut self.tenure {
            connection.break_off(&record);
            self.pending.push_bare(record);
        } else {
            self.tenure = Tenure::Over;
        }
    }

    /// Whether JavaScript's thread is to be told, by the caller: once, until it fetches.
    pub(super) fn tells(&mut self) -> bool {
        !std::mem::replace(&mut self.is_told, true)
    }

    /// Puts what was parsed behind what waits already. True: JavaScript's thread is to be told.
    pub(super) fn keep(&mut self, draft: &mut Draft) -> bool {
        self.pending.append(draft);
        !self.pending.is_empty() && self.tells()
    }
}

/// The state, locked; for JavaScript's thread, which is the only one to take the connection out of it, the connection itself.
pub struct StateGuard<'a>(pub(super) MutexGuard<'a, State>);

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
        self.receiving.is_paused() && !(self.receiving.tells_end() && is_end())
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
        let has_work =
            (self.output.waits() && self.0.sending == Sending::Flowing) || self.0.is_input_due();
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
