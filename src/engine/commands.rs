//! The engine's sending half: JavaScript's commands, and what becomes of them.

use super::held::{Access, Held};
use super::{Engine, Misuse, Slot, connection, enqueue, publish};
use crate::connection::{Connection, Ending};
use crate::driver::{Follows, Transport};
use crate::ring::commands::{Command, Commands};
use crate::ring::events::{Events, Header, Records};
use crate::ring::layout::{command, event, expect, framing};
use crate::ring::memory::Memory;
use ferrohttp_proto::{Expect, Framing, SendError};
use std::time::Instant;

impl Engine {
    /// Applies the first `length` bytes of the command ring, and sends. `is_told`: those who wait for it are told at once, and a connection whose
    /// last message that was is shut down then.
    ///
    /// # Errors
    /// The first misuse; the other commands are applied all the same.
    pub fn flush(&mut self, length: usize, is_told: bool) -> Result<(), Misuse> {
        let applied = self.apply(length);
        self.send_touched(is_told);
        applied
    }

    /// As [`Self::flush`], then one command whose payload does not lie in the ring. A part of a body is not copied as far as the kernel
    /// takes it.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn flush_with(&mut self, length: usize, large: &Command<'_>) -> Result<(), Misuse> {
        let applied = self.apply(length);
        let sent = if large.kind == command::BODY {
            self.send_body(large)
        } else {
            self.apply_to_its_connection(large)
        };
        self.send_touched(false);
        applied.and(sent)
    }

    fn send_body(&mut self, large: &Command<'_>) -> Result<(), Misuse> {
        let Command {
            slot,
            generation,
            payload,
            ..
        } = *large;
        let shared = self.shared(slot);
        let Some(mut access) = current(&mut self.slots, slot, generation)? else {
            return Ok(());
        };
        let connection = &mut *access;
        match connection.proto.frame_body(payload.len()) {
            Ok((before, after)) => {
                if large.flags & command::MARK != 0 {
                    let framed = before.len() + payload.len() + after.len();
                    connection.output.mark(framed);
                }
                self.stats.sends += 1;
                let parts: [&[u8]; 3] = [&before, payload, after];
                if let Some(shared) = shared {
                    let length = before.len() + payload.len() + after.len();
                    let spare = |needed| shared.outbox().spares().take(needed);
                    connection.output.make_room(length, spare);
                }
                connection.send(
                    &parts,
                    Follows::Unknown,
                    (slot, generation),
                    &mut self.events,
                );
            }
            Err(error) => tell_misuse(&error, (slot, generation), &mut self.events),
        }
        if let Access::Own(connection) = access {
            publish(&mut self.table, slot, connection);
        } else if !std::mem::replace(&mut access.is_touched, true) {
            self.touched.push(slot);
        }
        Ok(())
    }

    fn apply_to_its_connection(&mut self, command: &Command<'_>) -> Result<(), Misuse> {
        let Self {
            slots,
            touched,
            queue,
            now,
            events,
            ..
        } = self;
        let Some(mut access) = current(slots, command.slot, command.generation)? else {
            return Ok(());
        };
        let connection = &mut *access;
        if !connection.is_touched {
            connection.is_touched = true;
            touched.push(command.slot);
        }
        let applied = apply_one(connection, command, *now);
        enqueue(queue, command.slot, connection);
        match applied {
            // Whoever flushes is seldom whose message it is: its own connection hears of it.
            Err(Misuse::Send(error)) => {
                tell_misuse(&error, (command.slot, command.generation), events);
                Ok(())
            }
            other => other,
        }
    }

    fn apply(&mut self, length: usize) -> Result<(), Misuse> {
        self.now = Instant::now();
        let mut result = Ok(());
        // The ring's memory is set aside while its commands are applied, which touches everything else.
        let commands = std::mem::replace(&mut self.commands, Memory::empty());
        for read in Commands::new(commands.bytes().get(..length).unwrap_or_default()) {
            let applied = read
                .map_err(Misuse::Record)
                .and_then(|command| self.apply_to_its_connection(&command));
            result = result.and(applied);
        }
        self.commands = commands;
        result
    }

    fn send_touched(&mut self, is_told: bool) {
        let mut touched = std::mem::take(&mut self.touched);
        for slot in touched.drain(..) {
            if self.hand_over(slot) {
                continue;
            }
            let mut follows = Follows::Unknown;
            if let Ok(mut connection) = connection(&mut self.slots, slot) {
                connection.is_touched = false;
                match connection.ending {
                    // For this one send only: whatever comes behind it instead of FIN is sent as anything is.
                    Ending::Announced => {
                        connection.ending = Ending::Open;
                        if is_told {
                            follows = Follows::Fin;
                        }
                    }
                    Ending::Due => follows = Follows::Fin,
                    Ending::Open => {}
                }
            }
            self.send(slot, follows);
        }
        self.touched = touched;
        self.post_letters();
        if !self.is_pumping && (self.has_backlog() || self.events.is_pending()) {
            self.wake();
        }
    }

    pub(super) fn send(&mut self, slot: u32, follows: Follows) {
        let Some(entry) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let Some(Held::Own(connection)) = entry.connection.as_mut() else {
            return;
        };
        if !connection.output.is_empty() {
            self.stats.sends += 1;
            connection.send(&[], follows, (slot, entry.generation), &mut self.events);
        } else {
            connection.output.advance(0);
            if connection.ending != Ending::Due
                && let Transport::Local(socket) = &mut connection.transport
            {
                socket.push();
            }
        }
        connection.end_if_due();
        publish(&mut self.table, slot, connection);
    }
}

/// The connection a command is for; None when it has gone meanwhile, and its commands with it.
fn current(slots: &mut [Slot], slot: u32, generation: u32) -> Result<Option<Access<'_>>, Misuse> {
    let entry = slots
        .get_mut(slot as usize)
        .ok_or(Misuse::Record("a command for a slot that never was"))?;
    let is_current = entry.generation == generation;
    let held = entry.connection.as_mut().filter(|_| is_current);
    Ok(held.map(Held::access))
}

/// A message was sent as no message can be: its connection is told.
fn tell_misuse(error: &SendError, (slot, generation): (u32, u32), events: &mut Events) {
    let header = Header::bare(event::MISUSE, (slot, generation));
    if events.has_room() {
        events.push(header, error.to_string().as_bytes());
    } else {
        events.push_bare(header);
    }
}

fn apply_one(
    connection: &mut Connection,
    command: &Command<'_>,
    now: Instant,
) -> Result<(), Misuse> {
    let Connection {
        proto,
        output,
        receiving,
        ..
    } = connection;
    let framing = match command.flags >> command::FRAMING_SHIFT & command::CHOICE_MASK {
        framing::LENGTH => Framing::Length(None),
        framing::CHUNKED => Framing::Chunked,
        framing::UNTIL_CLOSE => Framing::UntilClose,
        _ => Framing::None,
    };
    let expect = match command.flags >> command::EXPECT_SHIFT & command::CHOICE_MASK {
        expect::HEAD => Expect::Head,
        expect::CONNECT => Expect::Connect,
        _ => Expect::Message,
    };
    let sent = match command.kind {
        command::MESSAGE_HEAD => proto.send_head(command.payload, framing, expect, output.buffer()),
        command::BODY => proto.send_body(command.payload, output.buffer()),
        command::END => proto.send_end(command.payload, now, output.buffer()),
        // Its last bytes have gone the other way; that it has ended counts all the same.
        command::ENDED => proto.send_end(b"", now, &mut Vec::new()),
        command::MESSAGE => {
            let Some((head, body)) = command.payload.split_at_checked(command.a as usize) else {
                return Err(Misuse::Record(
                    "a message's head is longer than the message",
                ));
            };
            proto.send_head(head, framing, expect, output.buffer())?;
            if !body.is_empty() {
                proto.send_body(body, output.buffer())?;
            }
            proto.send_end(b"", now, output.buffer())
        }
        command::RAW => {
            output.push(command.payload);
            Ok(())
        }
        command::PAUSE => {
            receiving.pause(command.a as usize);
            Ok(())
        }
        command::RESUME => {
            receiving.resume();
            Ok(())
        }
        command::SHUTDOWN => {
            connection.ending = Ending::Due;
            Ok(())
        }
        command::UPGRADE => {
            proto.upgrade_verdict(command.a != 0);
            Ok(())
        }
        command::EXPECT => {
            proto.expect_response(expect);
            Ok(())
        }
        _ => return Err(Misuse::Record("a command of no known kind")),
    };
    sent?;
    if command.flags & command::LAST != 0 {
        connection.ending = Ending::Announced;
    }
    // Behind what was lost nothing is sent, be it nothing.
    if command.flags & command::MARK != 0 && connection.send_error.is_none() {
        output.mark(0);
    }
    Ok(())
}
