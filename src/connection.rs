//! One connection: the protocol, who moves its bytes, and what waits on either side.

use crate::driver::output::Output;
use crate::driver::{Follows, Transport};
use crate::incoming_message;
use crate::receiving::Receiving;
use crate::ring::events::{Header, Records};
use crate::ring::layout::{call, event};
use ferrohttp_proto as proto;
use std::io;
use std::time::Instant;

/// Whether the sending side ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Not as far as is known.
    Open,
    /// The last message is queued: FIN is asked for when JavaScript hears that it has gone.
    Announced,
    /// FIN is asked for, and follows what is queued.
    Due,
}

/// Why parsing stopped.
#[derive(PartialEq, Eq)]
pub enum Parsed {
    /// All bytes were taken, or what is left waits for JavaScript's verdict.
    Enough,
    /// The same, and no record was written.
    Untold,
    /// The event ring is full: more when JavaScript has read it.
    RingFull,
}

/// A connection of the engine.
pub struct Connection {
    pub(crate) proto: proto::Connection,
    pub(crate) transport: Transport,
    pub(crate) output: Output,
    pub(crate) receiving: Receiving,
    pub(crate) ending: Ending,
    /// Why sending has failed: an errno.
    pub(crate) send_error: Option<i32>,
    pub(crate) bytes_read: u64,
    /// Received and not parsed: the ring was full, or a verdict or a resume is awaited.
    pub(crate) unparsed: Vec<u8>,
    /// The last head said by itself that its message ends with it: no COMPLETE record is owed.
    pub(crate) is_complete_implied: bool,
    /// Is in the engine's queue of connections to run.
    pub(crate) is_queued: bool,
    /// Is in the engine's list of connections with something to send.
    pub(crate) is_touched: bool,
}

impl Connection {
    /// A connection that nothing was received on.
    pub fn new(proto: proto::Connection, transport: Transport) -> Self {
        Self {
            proto,
            transport,
            output: Output::default(),
            receiving: Receiving::OPEN,
            ending: Ending::Open,
            send_error: None,
            bytes_read: 0,
            unparsed: Vec::new(),
            is_complete_implied: false,
            is_queued: false,
            is_touched: false,
        }
    }

    /// Whether parsing or receiving would get anywhere.
    pub fn is_runnable(&self) -> bool {
        self.can_parse() || (self.may_receive() && self.transport.is_readable())
    }

    /// Whether bytes wait that can be parsed now.
    pub fn can_parse(&self) -> bool {
        self.receiving.is_open() && !self.proto.is_halted() && !self.unparsed.is_empty()
    }

    /// Whether what the kernel has would have a place.
    pub fn may_receive(&self) -> bool {
        if self.receiving.is_open() {
            return !self.proto.is_halted();
        }
        let most_held = self.receiving.most_held();
        most_held.is_some_and(|most| self.unparsed.len() < most)
    }

    /// Parses what was left over, then `input`; keeps what cannot be parsed now.
    pub fn parse(
        &mut self,
        input: &[u8],
        id: (u32, u32),
        events: &mut impl Records,
        now: Instant,
    ) -> Parsed {
        if self.unparsed.is_empty() {
            let (consumed, parsed) = self.parse_slice(input, id, events, now);
            self.unparsed.extend_from_slice(&input[consumed..]);
            return parsed;
        }
        self.unparsed.extend_from_slice(input);
        let mut kept = std::mem::take(&mut self.unparsed);
        let (consumed, parsed) = self.parse_slice(&kept, id, events, now);
        if consumed < kept.len() {
            kept.drain(..consumed);
            self.unparsed = kept;
        }
        parsed
    }

    /// Parses `input` from its front; how much of it was taken.
    fn parse_slice(
        &mut self,
        input: &[u8],
        id: (u32, u32),
        events: &mut impl Records,
        now: Instant,
    ) -> (usize, Parsed) {
        let mut consumed = 0;
        let mut parsed_all = Parsed::Untold;
        while !self.receiving.is_over() {
            if !events.has_room() {
                return (consumed, Parsed::RingFull);
            }
            let mut rest = &input[consumed..];
            let Some(parsed) = self.proto.poll_event(&mut rest, now) else {
                return (input.len() - rest.len(), parsed_all);
            };
            parsed_all = Parsed::Enough;
            let is_implied = match &parsed {
                proto::Event::Head(head) => {
                    self.is_complete_implied = !head.upgrade && !incoming_message::has_body(head);
                    false
                }
                proto::Event::Complete(_) => std::mem::take(&mut self.is_complete_implied),
                proto::Event::Body(_) | proto::Event::Failed(_) => false,
            };
            if !is_implied && write_event(&parsed, input, consumed, id, events) {
                self.receiving.end();
            }
            consumed = input.len() - rest.len();
        }
        (input.len(), Parsed::Enough)
    }

    /// What a receive into `buffer` came to: bytes are parsed, an end or a failure is told.
    pub fn take_in(
        &mut self,
        received: io::Result<usize>,
        buffer: &[u8],
        id: (u32, u32),
        events: &mut impl Records,
        now: Instant,
    ) -> Parsed {
        let holds = self.receiving.most_held().is_some();
        match received {
            Ok(0) if holds && !self.unparsed.is_empty() => {
                self.receiving.end_behind_held();
                self.transport.keep_readable();
            }
            Ok(count) if count > 0 && holds => {
                self.bytes_read += count as u64;
                self.unparsed.extend_from_slice(&buffer[..count]);
            }
            Ok(0) => {
                self.receiving.end();
                events.push_bare(Header::bare(event::END, id));
            }
            Ok(count) => {
                self.bytes_read += count as u64;
                let parsed = self.parse(&buffer[..count], id, events, now);
                if parsed == Parsed::Untold {
                    // Its socket's time-out begins anew, as behind each read of libuv's.
                    events.push_bare(Header::bare(event::STIR, id));
                }
                return parsed;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                if holds {
                    // A socket that fails has no more use for what it holds.
                    self.unparsed.clear();
                }
                self.receiving.end();
                events.push_bare(failure(&error, call::READ, id));
            }
        }
        Parsed::Enough
    }

    /// The peer has ended its side: what the protocol makes of that.
    pub fn finish(&mut self, id: (u32, u32), events: &mut impl Records) {
        if let Some(last) = self.proto.handle_eof() {
            write_event(&last, &[], 0, id, events);
        }
    }

    /// Sends FIN if it is asked for and nothing is queued before it.
    pub fn end_if_due(&mut self) {
        if self.ending == Ending::Due && self.output.is_empty() {
            self.ending = Ending::Open;
            if let Transport::Local(socket) = &mut self.transport {
                socket.shut_down();
            }
        }
    }

    /// Sends what is queued and `tail` behind it. A failure goes to JavaScript as an event, and the output with it.
    pub fn send(
        &mut self,
        tail: &[&[u8]],
        follows: Follows,
        id: (u32, u32),
        events: &mut impl Records,
    ) {
        self.try_to_send(tail, follows, call::WRITE, id, events);
    }

    /// The kernel may take more of what it has refused.
    pub fn send_on(&mut self, id: (u32, u32), events: &mut impl Records) {
        self.try_to_send(&[], Follows::Unknown, call::WRITE_UNDER_WAY, id, events);
    }

    fn try_to_send(
        &mut self,
        tail: &[&[u8]],
        follows: Follows,
        call: u32,
        id: (u32, u32),
        events: &mut impl Records,
    ) {
        if let Err(error) = self.transport.send(&mut self.output, tail, follows) {
            let record = failure(&error, call, id);
            self.break_off(&record);
            events.push_bare(record);
        }
    }

    /// Nothing is sent or received any more; `record` tells JavaScript why.
    pub fn break_off(&mut self, record: &Header) {
        self.output.clear();
        self.receiving.break_off();
        if record.flags != call::READ {
            self.send_error.get_or_insert(record.a as i32);
        }
    }
}

/// The record that tells JavaScript of a failed system call.
pub fn failure(error: &io::Error, call: u32, (slot, generation): (u32, u32)) -> Header {
    Header {
        kind: event::IO_ERROR,
        flags: call,
        slot,
        generation,
        a: error.raw_os_error().unwrap_or(libc::EIO) as u32,
        b: 0,
    }
}

/// Writes the record for what was parsed, `consumed` bytes into `packet`; true when it was the last one.
fn write_event(
    parsed: &proto::Event<'_>,
    packet: &[u8],
    consumed: usize,
    (slot, generation): (u32, u32),
    events: &mut impl Records,
) -> bool {
    let header = Header::bare(event::BODY, (slot, generation));
    match parsed {
        proto::Event::Head(head) => events.push_with(
            incoming_message::header(head, slot, generation),
            |free| incoming_message::encode(head, free),
            || incoming_message::encode_large(head),
        ),
        proto::Event::Body(part) => events.push_body(header, part),
        proto::Event::Complete(trailers) => events.push_with(
            Header {
                kind: event::COMPLETE,
                ..header
            },
            |free| incoming_message::encode_trailers(trailers, free),
            || incoming_message::encode_trailers_large(trailers),
        ),
        proto::Event::Failed(error) => {
            let text = format!("{}\n{}", error.code.as_str(), error.reason);
            let mut payload = text.clone().into_bytes();
            payload.extend_from_slice(packet);
            let (a, b) = ((consumed + error.bytes_parsed) as u32, text.len() as u32);
            events.push(
                Header {
                    kind: event::PARSE_ERROR,
                    a,
                    b,
                    ..header
                },
                &payload,
            );
            return true;
        }
    }
    false
}
