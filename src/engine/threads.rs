//! The engine's side of connections that I/O threads move the bytes of.

use super::held::Held;
use super::{Attach, Engine, Slot, publish};
use crate::connection::Connection;
use crate::driver::threads::{Id, Inbox, IoThreads, Letter, Outbox, Shared, View, duplicate};
use crate::driver::{Transport, local};
use crate::ring::events::{Header, Records};
use crate::ring::layout::{event, table};
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long an environment that ends waits, in all, for peers to read what was told as sent.
const GRACE: Duration = Duration::from_millis(500);

/// Connections that JavaScript has let go of, and that wait for their peers to read: each takes a descriptor, which peers that never read must not
/// use up. Of more, the oldest gives up.
pub const MOST_PARTING: usize = 64;

/// What the engine has for its I/O threads, from the first connection of theirs on.
pub struct Threads {
    inbox: Arc<Inbox>,
    threads: IoThreads,
    /// Connections whose records are to be fetched, in order.
    told: Vec<Id>,
    /// Connections that their threads have not heard of: before this thread has gone round its loop once, nothing of them is received, as with the
    /// local driver.
    arrivals: Vec<Arc<Shared>>,
    /// Letters of one flush, before they are sorted by thread.
    letters: Vec<Arc<Shared>>,
    /// Connections that JavaScript has let go of, and whose threads have something to send yet.
    parting: Vec<Weak<Shared>>,
    /// What is left of [`GRACE`].
    grace: Duration,
}

impl Engine {
    /// Takes over a connection for one of the first `threads` I/O threads; its slot.
    ///
    /// # Errors
    /// When there is no descriptor or no thread to be had.
    pub fn attach_to_thread(&mut self, options: &Attach, threads: usize) -> io::Result<u32> {
        // Deadlines count from here, however long ago something happened last.
        self.now = Instant::now();
        let fd = duplicate(options.fd)?;
        let outbox = self.threads().threads.next(threads)?;
        let connection = self.new_connection(options, Transport::Threads);
        let slot = self.fill_slot(connection);
        self.share(slot, fd, outbox);
        Ok(slot)
    }

    /// Binds a pending connection to the descriptor of its connected socket, for one of the first `threads` I/O threads.
    ///
    /// # Errors
    /// When there is no descriptor or no thread to be had.
    pub fn bind_to_thread(&mut self, slot: u32, fd: i32, threads: usize) -> io::Result<()> {
        let fd = duplicate(fd)?;
        let outbox = self.threads().threads.next(threads)?;
        self.share(slot, fd, outbox);
        self.hand_over(slot);
        self.post_letters();
        Ok(())
    }

    fn threads(&mut self) -> &mut Threads {
        let (poller, slabs) = (&self.poller, &self.slabs);
        self.threads.get_or_insert_with(|| Threads {
            inbox: Inbox::new(poller.waker(), slabs.clone()),
            threads: IoThreads::default(),
            told: Vec::new(),
            arrivals: Vec::new(),
            letters: Vec::new(),
            parting: Vec::new(),
            grace: GRACE,
        })
    }

    fn share(&mut self, slot: u32, fd: std::os::fd::OwnedFd, outbox: Arc<Outbox>) {
        let inbox = Arc::clone(&self.threads().inbox);
        let Some(entry) = self.slots.get_mut(slot as usize) else {
            return;
        };
        if let Some(Held::Own(mut connection)) = entry.connection.take() {
            connection.transport = Transport::Threads;
            let shared = Shared::new((slot, entry.generation), connection, fd, inbox, outbox);
            entry.connection = Some(Held::Shared(Arc::clone(&shared)));
            let arrivals = &mut self.threads().arrivals;
            arrivals.push(shared);
            if arrivals.len() == 1 {
                // The call that this brings sends them on their way.
                self.wake();
            }
        }
    }

    /// Takes a connection back from its I/O thread, if it has one: once this returns, that one touches neither it nor the descriptor.
    pub(super) fn take_back(&mut self, slot: u32) {
        let Some(entry) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let Some(shared) = shared(entry) else {
            return;
        };
        self.forget_arrival(&shared);
        if let Some((connection, pending)) = shared.take_back() {
            publish(&mut self.table, slot, &connection);
            self.slots[slot as usize].connection = Some(Held::Own(Connection {
                transport: Transport::Fed,
                ..connection
            }));
            self.events.fetch_all(pending);
        }
        if self.has_backlog() {
            self.wake();
        }
    }

    /// Lets go of a connection that nobody needs any more; what it has shown as sent is sent, sooner or later.
    pub(super) fn close_shared(&mut self, shared: &Arc<Shared>) {
        let is_new = self.forget_arrival(shared);
        if shared.part() {
            shared.post();
            return;
        }
        let letter = if is_new {
            Letter::Arrival
        } else {
            Letter::Look
        };
        shared.outbox().post([letter(Arc::clone(shared))]);
        let parting = &mut self.threads().parting;
        parting.retain(|other| other.strong_count() > 0);
        parting.push(Arc::downgrade(shared));
        if parting.len() > MOST_PARTING
            && let Some(oldest) = parting.remove(0).upgrade()
        {
            oldest.give_up();
            oldest.post();
        }
    }

    /// True: its I/O thread has not heard of it.
    fn forget_arrival(&mut self, shared: &Arc<Shared>) -> bool {
        let Some(threads) = &mut self.threads else {
            return false;
        };
        let count = threads.arrivals.len();
        threads.arrivals.retain(|other| !Arc::ptr_eq(other, shared));
        threads.arrivals.len() < count
    }

    /// Sends what is queued of a connection of an I/O thread, as far as the kernel takes it, on this thread: something is about to happen to the
    /// socket that must come behind. Afterwards the table tells what is with the kernel.
    pub fn send_now(&mut self, slot: u32) {
        let Some(shared) = self.shared(slot) else {
            return;
        };
        let has_more = shared.send(&mut shared.io());
        let view = shared.state().plain_view();
        self.show(shared.id(), &view);
        if has_more {
            shared.post();
        }
    }

    /// The same for all of them: the process is about to exit. What was shown as sent, and is refused by the kernel, is waited for a little.
    pub fn send_all_now(&mut self) {
        if self.threads.is_some() {
            for slot in 0..self.slots.len() {
                self.send_now(slot as u32);
            }
            self.see_off();
        }
    }

    /// Waits until what was shown as sent has gone, as long as there is grace.
    fn see_off(&mut self) {
        let Some(threads) = &mut self.threads else {
            return;
        };
        let mut owing: Vec<_> = threads.parting.iter().filter_map(Weak::upgrade).collect();
        owing.extend(self.slots.iter().filter_map(shared));
        let began = Instant::now();
        owing.retain(|shared| shared.send_owed());
        while !owing.is_empty() && began.elapsed() < threads.grace {
            std::thread::sleep(Duration::from_millis(1));
            owing.retain(|shared| shared.send_owed());
        }
        threads.grace = threads.grace.saturating_sub(began.elapsed());
    }

    /// Ends the I/O threads. Peers that have not taken what was shown as sent hear that they have not got all.
    pub(super) fn end_threads(&mut self) {
        self.see_off();
        if let Some(threads) = self.threads.take() {
            let parting = threads.parting.iter().filter_map(Weak::upgrade);
            parting.for_each(|shared| shared.give_up());
        }
    }

    /// Waits for longer than it would.
    #[cfg(test)]
    pub fn grant(&mut self, grace: Duration) {
        self.threads().grace = grace;
    }

    /// Resets a connection of an I/O thread.
    pub fn reset(&mut self, slot: u32) {
        if let Some(shared) = self.shared(slot) {
            shared.reset();
        }
    }

    /// Drops what is queued to be sent of a connection of an I/O thread, also what was shown as sent.
    pub fn drop_output(&mut self, slot: u32) {
        if let Some(shared) = self.shared(slot) {
            shared.drop_output();
        }
    }

    /// Takes what is queued to be sent of a connection of an I/O thread. None: it has none.
    pub(super) fn take_output_back(&mut self, slot: u32) -> Option<Vec<u8>> {
        let shared = self.shared(slot)?;
        let _io = shared.io();
        let mut state = shared.state();
        let taken = state.output.take();
        let view = state.plain_view();
        drop(state);
        self.show(shared.id(), &view);
        Some(taken)
    }

    /// What was queued since the last time is the I/O thread's from now on. False: the connection has none.
    pub(super) fn hand_over(&mut self, slot: u32) -> bool {
        let Some(shared) = self.shared(slot) else {
            return false;
        };
        let mut state = shared.state();
        state.is_touched = false;
        if state.output.is_empty() {
            state.output.advance(0);
        }
        let view = state.view(|| shared.room());
        let must_post = state.must_post();
        let is_untold = state.is_untold();
        drop(state);
        self.show(shared.id(), &view);
        let threads = self.threads();
        if is_untold {
            threads.told.push(shared.id());
        }
        if must_post {
            threads.letters.push(shared);
        }
        true
    }

    /// Posts the letters of a flush: one wake-up at most for each thread.
    pub(super) fn post_letters(&mut self) {
        let Some(threads) = &mut self.threads else {
            return;
        };
        // A few threads at most, and nearly always one.
        while let Some(first) = threads.letters.first() {
            let outbox = Arc::clone(first.outbox());
            let own = |shared: &mut Arc<Shared>| Arc::ptr_eq(shared.outbox(), &outbox);
            outbox.post(threads.letters.extract_if(.., own).map(Letter::Look));
        }
    }

    /// Fetches a part of the records of each connection that was told of, as far as there is room. False: there were none.
    pub(super) fn fetch(&mut self) -> bool {
        if self.threads.is_none() {
            return false;
        }
        // They stay where they are until all is done: nobody would tell of them once more if this panicked.
        let worked = !self.threads().told.is_empty();
        // Those of which there is more have their next turn behind the others.
        let mut left = Vec::new();
        let mut done = 0;
        while self.events.has_room()
            && let Some(&(slot, generation)) = self.threads().told.get(done)
        {
            done += 1;
            let entry = self.slots.get(slot as usize);
            if let Some(shared) = entry
                .filter(|entry| entry.generation == generation)
                .and_then(shared)
                && self.fetch_one(slot, generation, &shared)
            {
                left.push((slot, generation));
            }
        }
        let told = &mut self.threads().told;
        told.drain(..done);
        told.append(&mut left);
        self.post_letters();
        worked
    }

    /// True: there is more.
    fn fetch_one(&mut self, slot: u32, generation: u32, shared: &Arc<Shared>) -> bool {
        let mut state = shared.state();
        if let Some(pending) = state.fetch() {
            self.events.fetch(pending, Some(&self.slabs));
        }
        let is_left = state.is_left();
        let view = state.view(|| shared.room());
        let must_post = state.must_post();
        drop(state);
        self.show((slot, generation), &view);
        if must_post {
            self.threads().letters.push(Arc::clone(shared));
        }
        is_left
    }

    /// Learns which connections have records to fetch.
    pub(super) fn open_inbox(&mut self) {
        if let Some(threads) = &mut self.threads {
            threads.inbox.take(&mut threads.told);
        }
    }

    /// Has the I/O threads take over the connections that are new.
    pub(super) fn send_off_arrivals(&mut self) {
        if let Some(threads) = &mut self.threads {
            for shared in threads.arrivals.drain(..) {
                let outbox = Arc::clone(shared.outbox());
                outbox.post([Letter::Arrival(shared)]);
            }
        }
    }

    /// Whether records wait to be fetched that nobody will tell of any more.
    pub(super) fn has_told(&self) -> bool {
        self.threads
            .as_ref()
            .is_some_and(|threads| !threads.told.is_empty())
    }
}

impl Engine {
    /// Whether nothing has come on a socket that JavaScript was not told of: no byte, no FIN, no reset. `slot`: its connection's, or none.
    pub fn is_quiet(&self, fd: i32, slot: i32) -> bool {
        let shared = u32::try_from(slot).ok().and_then(|slot| self.shared(slot));
        shared.map_or_else(|| local::is_quiet(fd), |shared| shared.is_quiet())
    }

    /// The connection in a slot, if it is an I/O thread's.
    pub(crate) fn shared(&self, slot: u32) -> Option<Arc<Shared>> {
        self.slots.get(slot as usize).and_then(shared)
    }

    /// Shows JavaScript how a connection stands, and has it look when it waits for just that.
    fn show(&mut self, (slot, generation): Id, view: &View) {
        self.table.set(slot, table::QUEUED, view.queued);
        self.table.set(slot, table::SENT, view.reached);
        self.table.set(slot, table::BYTES_READ, view.read);
        self.table.set(slot, table::BYTES_WRITTEN, view.written);
        if view.is_news {
            self.events
                .push_bare(Header::bare(event::SENT, (slot, generation)));
            if !self.is_pumping {
                self.wake();
            }
        }
    }
}

fn shared(entry: &Slot) -> Option<Arc<Shared>> {
    match entry.connection.as_ref()? {
        Held::Shared(shared) => Some(Arc::clone(shared)),
        Held::Own(_) => None,
    }
}
