//! The engine's receiving half: what is ready is received, parsed, and told by records.

use super::held::Held;
use super::turns::Late;
use super::{Engine, Misuse, enqueue, publish};
use crate::connection::Parsed;
use crate::driver::Transport;
use crate::ring::events::{Header, Records};
use crate::ring::layout::{event, table};
use crate::ring::slabs::Slab;
use std::time::Instant;

impl Engine {
    /// Parses bytes that a JavaScript stream brought.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn feed(&mut self, slot: u32, bytes: &[u8]) -> Result<(), Misuse> {
        self.now = Instant::now();
        self.events.rewind();
        let entry = self
            .slots
            .get_mut(slot as usize)
            .ok_or(Misuse::NoConnection)?;
        let Some(Held::Own(connection)) = entry.connection.as_mut() else {
            return Err(Misuse::NoConnection);
        };
        connection.bytes_read += bytes.len() as u64;
        if connection.receiving.is_paused() {
            connection.unparsed.extend_from_slice(bytes);
        } else {
            connection.parse(bytes, (slot, entry.generation), &mut self.events, self.now);
        }
        self.publish(slot);
        self.enqueue(slot);
        self.events.set_backlog(self.queue.len());
        Ok(())
    }

    /// The peer has ended its side: records for what the protocol makes of that. False: there is no room yet for what comes before it. The caller is to
    /// read the ring and ask again.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn finish(&mut self, slot: u32) -> Result<bool, Misuse> {
        self.now = Instant::now();
        self.events.rewind();
        let entry = self
            .slots
            .get_mut(slot as usize)
            .ok_or(Misuse::NoConnection)?;
        let held = entry.connection.as_mut().ok_or(Misuse::NoConnection)?;
        let id = (slot, entry.generation);
        let mut connection = held.access();
        if connection.can_parse() {
            connection.parse(&[], id, &mut self.events, self.now);
        }
        // What the kernel still holds is not waited for: whoever told the end knows nothing of it.
        if connection.can_parse() || !self.events.has_room() {
            return Ok(false);
        }
        connection.finish(id, &mut self.events);
        Ok(true)
    }

    /// Collects readiness; called when the poller's descriptor is readable.
    pub fn collect(&mut self) {
        self.now = Instant::now();
        self.begin_poll();
        self.take_due();
        self.send_off_arrivals();
        loop {
            let Self {
                poller,
                slots,
                queue,
                events,
                table,
                now,
                late,
                ..
            } = self;
            let turn = events.turn();
            let collected = poller.collect(|ready| {
                let (slot, generation) = (ready.token as u32, (ready.token >> 32) as u32);
                let Some(entry) = slots
                    .get_mut(slot as usize)
                    .filter(|entry| entry.generation == generation)
                else {
                    return;
                };
                let Some(Held::Own(connection)) = entry.connection.as_mut() else {
                    return;
                };
                let Transport::Local(socket) = &mut connection.transport else {
                    return;
                };
                socket.hung_up |= ready.hung_up;
                if ready.hung_up && socket.emptied_in == Some(turn) {
                    // It has been received from before the poller was asked.
                    late.push(Late::Receive(slot, generation));
                } else {
                    socket.readable |= ready.readable;
                }
                if ready.writable && !socket.writable {
                    socket.writable = true;
                    let reached = connection.output.reached();
                    connection.send_on((slot, generation), events);
                    connection.end_if_due();
                    if connection.output.is_empty() {
                        connection.proto.stir(*now);
                    }
                    publish(table, slot, connection);
                    if connection.output.reached() > reached {
                        events.push_bare(Header::bare(event::SENT, (slot, generation)));
                    }
                }
                enqueue(queue, slot, connection);
            });
            if !matches!(collected, Ok(true)) {
                break;
            }
        }
        // Behind the poll, which has taken the wake-up for what is found here, and for what is put off.
        self.open_inbox();
        if !self.late.is_empty() {
            self.wake();
        }
    }

    /// A pump has panicked: what is flushed wakes the loop by itself again, and what waits has it called again.
    pub fn recover(&mut self) {
        self.is_pumping = false;
        // A part of it may be in the ring: JavaScript's reader has that memory then, and nothing is received into it any more.
        if self.events.end_slab()
            && let Some(mut slab) = self.slab.take()
        {
            slab.clear_behind(self.received);
            slab.give_away();
        }
        if self.has_backlog() || self.events.is_pending() {
            self.wake();
        }
    }

    /// Receives and parses for each connection that is ready, once round, until the event ring is full. False when none was ready.
    pub fn run(&mut self) -> bool {
        self.events.rewind();
        let has_fetched = self.fetch();
        let mut turns = self.queue.len();
        let worked = turns > 0 || has_fetched;
        while turns > 0 && self.events.has_room() {
            let Some(slot) = self.queue.pop_front() else {
                break;
            };
            turns -= 1;
            self.run_one(slot);
        }
        self.events.set_backlog(self.queue.len());
        worked
    }

    fn run_one(&mut self, slot: u32) {
        let Some(entry) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let Some(Held::Own(connection)) = entry.connection.as_mut() else {
            return;
        };
        connection.is_queued = false;
        if !connection.is_runnable() {
            return;
        }
        let id = (slot, entry.generation);
        let mut parsed = Parsed::Enough;
        if connection.can_parse() {
            parsed = connection.parse(&[], id, &mut self.events, self.now);
        } else if connection.transport.is_readable() {
            self.stats.receives += 1;
            if self.slab.is_none() {
                self.slab = self.slabs.take();
            }
            if let Some(slab) = &mut self.slab {
                self.events.begin_slab(slab);
            }
            let buffer = self.slab.as_mut().map_or(&mut *self.buffer, Slab::bytes);
            let received = connection.transport.receive(buffer);
            let count = received.as_ref().map_or(0, |count| *count);
            self.received = count;
            let turn = self.events.turn();
            if connection
                .transport
                .has_end_behind(count, buffer.len(), turn)
            {
                if self.late.is_empty() {
                    self.poller.wake();
                }
                self.late.push(Late::Receive(slot, entry.generation));
            }
            parsed = connection.take_in(received, buffer, id, &mut self.events, self.now);
            if self.events.end_slab()
                && let Some(mut slab) = self.slab.take()
            {
                slab.clear_behind(count);
                slab.give_away();
            }
            if count > 0 {
                self.table
                    .set(slot, table::BYTES_READ, connection.bytes_read);
            }
        }
        if parsed == Parsed::RingFull || connection.is_runnable() {
            connection.is_queued = true;
            self.queue.push_back(slot);
        }
    }

    /// Whether a connection, or a record, waits for another turn.
    pub fn has_backlog(&self) -> bool {
        !self.queue.is_empty() || self.events.has_overflow() || self.has_told()
    }

    /// Makes libuv call the pump again.
    pub fn wake(&self) {
        self.poller.wake();
    }
}
