//! The engine's sending half: JavaScript's commands, and what becomes of them.

use super::{Engine, Misuse, connection, publish};
use crate::connection::{Connection, Receiving};
use crate::ring::commands::{Command, Commands};
use crate::ring::layout::{command, expect, framing};
use ferrohttp_proto::{Expect, Framing};
use std::time::Instant;

impl Engine {
    /// Applies the first `length` bytes of the command ring, and sends.
    ///
    /// # Errors
    /// The first misuse; the other commands are applied all the same.
    pub fn flush(&mut self, length: usize) -> Result<(), Misuse> {
        let applied = self.apply(length);
        self.send_touched();
        applied
    }

    /// As [`Self::flush`], then a part of `slot`'s body, which is not copied as far as the kernel takes it.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn flush_with_body(
        &mut self,
        length: usize,
        slot: u32,
        generation: u32,
        mark: bool,
        body: &[u8],
    ) -> Result<(), Misuse> {
        let applied = self.apply(length);
        let sent = self.send_body(slot, generation, mark, body);
        self.send_touched();
        applied.and(sent)
    }

    fn send_body(
        &mut self,
        slot: u32,
        generation: u32,
        mark: bool,
        body: &[u8],
    ) -> Result<(), Misuse> {
        let entry = self
            .slots
            .get_mut(slot as usize)
            .filter(|entry| entry.generation == generation);
        let connection = entry
            .and_then(|entry| entry.connection.as_mut())
            .ok_or(Misuse::NoConnection)?;
        let (before, after) = connection
            .proto
            .frame_body(body.len())
            .map_err(Misuse::Send)?;
        if mark {
            connection
                .output
                .mark(before.len() + body.len() + after.len());
        }
        self.stats.sends += 1;
        connection.send(
            &[&before, body, after],
            (slot, generation),
            &mut self.events,
        );
        publish(&mut self.table, slot, connection);
        Ok(())
    }

    fn apply(&mut self, length: usize) -> Result<(), Misuse> {
        self.now = Instant::now();
        let mut result = Ok(());
        let Self {
            commands,
            slots,
            touched,
            queue,
            now,
            ..
        } = self;
        for read in Commands::new(commands.bytes().get(..length).unwrap_or_default()) {
            let applied = read.map_err(Misuse::Record).and_then(|command| {
                let Some(entry) = slots.get_mut(command.slot as usize) else {
                    return Err(Misuse::Record("a command for a slot that never was"));
                };
                // A connection that has gone meanwhile: its commands go with it.
                let Some(connection) = entry
                    .connection
                    .as_mut()
                    .filter(|_| entry.generation == command.generation)
                else {
                    return Ok(());
                };
                if !connection.is_touched {
                    connection.is_touched = true;
                    touched.push(command.slot);
                }
                let applied = apply_one(connection, &command, *now);
                if connection.is_runnable() && !connection.is_queued {
                    connection.is_queued = true;
                    queue.push_back(command.slot);
                }
                applied
            });
            result = result.and(applied);
        }
        result
    }

    fn send_touched(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for slot in touched.drain(..) {
            if let Ok(connection) = connection(&mut self.slots, slot) {
                connection.is_touched = false;
            }
            self.send(slot, &[]);
        }
        self.touched = touched;
        if !self.is_pumping && (self.has_backlog() || self.events.is_pending()) {
            self.wake();
        }
    }

    pub(super) fn send(&mut self, slot: u32, tail: &[&[u8]]) {
        let Some(entry) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let Some(connection) = entry.connection.as_mut() else {
            return;
        };
        if connection.output.is_empty() && tail.is_empty() {
            connection.output.advance(0);
        } else {
            self.stats.sends += 1;
            connection.send(tail, (slot, entry.generation), &mut self.events);
        }
        publish(&mut self.table, slot, connection);
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
            if *receiving == Receiving::Open {
                *receiving = Receiving::Paused;
            }
            Ok(())
        }
        command::RESUME => {
            if *receiving == Receiving::Paused {
                *receiving = Receiving::Open;
            }
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
    if command.flags & command::MARK != 0 {
        output.mark(0);
    }
    Ok(())
}
