//! Parsers driven by hand (JavaScript's `HTTPParser`): connections that only read, and tell what they read at once.

use crate::connection::Connection;
use crate::driver::Transport;
use crate::engine::{Engine, Misuse, limits};
use crate::ring::events::Events;
use crate::ring::layout::role;
use crate::ring::memory::Memory;
use ferrohttp_proto as proto;
use proto::{Config, Leniency, Role};
use std::time::Instant;

impl Engine {
    /// Where parsers write their events; whoever calls one reads all of them before the next call.
    pub fn set_aside(&mut self, events: Memory) {
        self.aside = Events::new(events);
    }

    /// Makes a parser; its slot. `lenient_flags`: llhttp's.
    pub fn open_parser(&mut self, role: u32, max_head: u32, lenient_flags: u32) -> u32 {
        let role = if role == role::SERVER {
            Role::Server
        } else {
            Role::Client
        };
        let config = Config {
            limits: limits(max_head),
            leniency: Leniency::from_bits(lenient_flags as u16),
        };
        let proto = proto::Connection::by_hand(role, config, Instant::now());
        self.fill_slot(Connection::new(proto, Transport::Fed))
    }

    /// Parses what was left over, then `bytes`, to the next halt: behind a head, behind a message's end, or where room for events ends.
    /// How many bytes are left over.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn parse(&mut self, slot: u32, bytes: &[u8]) -> Result<u32, Misuse> {
        self.aside.rewind();
        let mut aside = std::mem::replace(&mut self.aside, Events::new(Memory::empty()));
        let parsed = self.connection(slot).map(|mut connection| {
            connection.parse(bytes, (slot, 0), &mut aside, Instant::now());
            connection.unparsed.len() as u32
        });
        self.aside = aside;
        parsed
    }

    /// Goes on behind a head (`body`: with the body its fields tell) or a message's end.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn go_on(&mut self, slot: u32, body: bool) -> Result<(), Misuse> {
        self.connection(slot)?.proto.go_on(body);
        Ok(())
    }

    /// There is no more input.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn finish_parser(&mut self, slot: u32) -> Result<(), Misuse> {
        self.aside.rewind();
        let mut aside = std::mem::replace(&mut self.aside, Events::new(Memory::empty()));
        let finished = self
            .connection(slot)
            .map(|mut connection| connection.finish((slot, 0), &mut aside));
        self.aside = aside;
        finished
    }
}
