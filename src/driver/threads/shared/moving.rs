//! System calls: a connection's bytes moved by whoever holds `io`.

use super::state::{Sending, State, Tenure};
use super::{Io, Shared};
use crate::connection::failure;
use crate::ring::layout::call;
use crate::ring::records::Draft;
use crate::ring::slabs::{Slab, VIEW_MIN};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::task::Waker;
use std::time::Instant;

/// How often what is queued is sent before other connections have their turn. Each time it is all that was queued by then, which is bounded by what
/// JavaScript hands over in one go.
const ROUNDS: usize = 4;

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
                let wants_task = state.0.is_input_due();
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
                Some(error) => state.fail(failure(&error, call::WRITE_UNDER_WAY, self.id)),
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

    /// One turn of the I/O thread's task, which `waker` wakes: sends, and parses or receives once, into what lies on the `desk`. `receive` is given the
    /// system call, and says what it came to; None: the descriptor is not ready for it, or the call has found nothing.
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
            let may_receive = state.may_receive();
            let writable = state.sending == Sending::Blocked;
            let connection = match &mut state.tenure {
                Tenure::Both(connection) => connection,
                Tenure::Parting(_) => return Turn::Part,
                Tenure::Over => return Turn::Over,
            };
            state.input_rests = !may_receive;
            let has_more = state.sending == Sending::Flowing && connection.output.waits();
            if may_receive && connection.can_parse() {
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
                readable: may_receive,
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
        guard.0.fail(failure(error, call::READ, self.id));
        let tells = guard.0.tells();
        drop(guard);
        if tells {
            self.inbox.tell(self.id);
        }
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
    use crate::driver::threads::Outbox;
    use std::sync::Arc;

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

    #[test]
    fn what_was_held_is_parsed_when_javascript_asks_for_more_though_no_more_comes() {
        let (shared, mut far) = Shared::for_test(Arc::new(Outbox::new()));
        let mut desk = Desk::new(65536);
        let mut turn = || {
            shared.turn(Waker::noop(), &mut desk, |read| match read() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                received => Some(received),
            })
        };
        shared.state().receiving.pause(1024);
        far.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(matches!(turn(), Turn::More));
        assert!(
            matches!(turn(), Turn::Rest(Wait { readable: true, .. })),
            "it waits for the kernel, as it would hold more"
        );
        shared.state().receiving.resume();
        assert!(shared.state().must_post(), "nobody wakes the I/O thread");
        turn();
        assert!(shared.state().is_left());
    }
}
