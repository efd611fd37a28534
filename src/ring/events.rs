//! Event records, from Rust to JavaScript.

use super::layout::{self, event, record, ring};
use super::memory::Memory;
use super::records::Pending;
pub use super::records::{Header, Records};
use std::collections::VecDeque;

/// A payload above this many bytes goes out of line: JavaScript takes it as a Buffer that owns the bytes.
pub const INLINE_MAX: usize = 64 * 1024;

/// Bytes kept free behind that for records without payload, which are pushed without asking: failed sends, reached marks.
const MARGIN: usize = 64 * 1024;

/// The event ring's writer.
pub struct Events {
    memory: Memory,
    tail: usize,
    large: VecDeque<Vec<u8>>,
    /// Records without payload that found no room even in the margin.
    overflow: VecDeque<Header>,
    /// Records made elsewhere that found no room, before those of `overflow`.
    spilled: Pending,
}

impl Events {
    /// Takes over an empty ring.
    pub fn new(mut memory: Memory) -> Self {
        memory.set_word(ring::TAIL as usize, ring::START);
        memory.set_word(ring::HEAD as usize, ring::START);
        Self {
            memory,
            tail: ring::START as usize,
            large: VecDeque::new(),
            overflow: VecDeque::new(),
            spilled: Pending::default(),
        }
    }

    /// Whether JavaScript has records to read.
    pub fn is_pending(&self) -> bool {
        (self.memory.word(ring::HEAD as usize) as usize) < self.tail
    }

    /// How many batches JavaScript has begun.
    pub fn batches(&self) -> u32 {
        self.memory.word(ring::BATCHES as usize)
    }

    /// Whether there are records that found no room and wait for the ring to be read.
    pub fn has_overflow(&self) -> bool {
        !self.overflow.is_empty() || !self.spilled.is_empty()
    }

    /// Starts over at the front once everything was read.
    pub fn rewind(&mut self) {
        if self.tail != ring::START as usize && !self.is_pending() {
            self.tail = ring::START as usize;
            self.memory.set_word(ring::HEAD as usize, ring::START);
            self.memory.set_word(ring::TAIL as usize, ring::START);
        }
        if !self.spilled.is_empty() {
            let mut spilled = std::mem::take(&mut self.spilled);
            self.fetch(&mut spilled);
            self.spilled = spilled;
        }
        while self.spilled.is_empty()
            && self.fits_bare()
            && let Some(header) = self.overflow.pop_front()
        {
            self.write_header(header, 0);
        }
    }

    /// Tells JavaScript how many connections wait for another turn.
    pub fn set_backlog(&mut self, connections: usize) {
        self.memory
            .set_word(ring::BACKLOG as usize, connections as u32);
    }

    /// Moves a connection's first part here, as far as there is room.
    pub fn fetch(&mut self, pending: &mut Pending) {
        let room = (self.memory.len() - self.tail.min(self.memory.len())).saturating_sub(MARGIN);
        let records = pending.first(room);
        if records.is_empty() {
            return;
        }
        let length = records.len();
        self.memory.bytes_mut()[self.tail..self.tail + length].copy_from_slice(records);
        pending.advance(length, &mut self.large);
        self.tail += length;
        self.memory.set_word(ring::TAIL as usize, self.tail as u32);
    }

    /// Takes over all of a connection's records: what has no room goes before anything that is written from now on.
    pub fn fetch_all(&mut self, mut pending: Pending) {
        if self.spilled.is_empty() && self.overflow.is_empty() {
            self.fetch(&mut pending);
        }
        if !pending.is_empty() {
            self.spilled.absorb(pending);
        }
    }

    fn fits_bare(&self) -> bool {
        self.tail + layout::record_size(0) <= self.memory.len()
    }

    /// The oldest out-of-line payload: records refer to them in order.
    pub fn take_large(&mut self) -> Option<Vec<u8>> {
        self.large.pop_front()
    }

    fn write_header(&mut self, header: Header, length: usize) {
        let word = self.tail / 4;
        self.memory.set_word(
            word + record::KIND as usize,
            header.kind | header.flags << 8,
        );
        self.memory
            .set_word(word + record::SLOT as usize, header.slot);
        self.memory
            .set_word(word + record::GENERATION as usize, header.generation);
        self.memory
            .set_word(word + record::LENGTH as usize, length as u32);
        self.memory.set_word(word + record::A as usize, header.a);
        self.memory.set_word(word + record::B as usize, header.b);
        self.tail += layout::record_size(length);
        self.memory.set_word(ring::TAIL as usize, self.tail as u32);
    }
}

impl Records for Events {
    fn has_room(&self) -> bool {
        self.spilled.is_empty()
            && self.tail + layout::record_size(INLINE_MAX) + MARGIN <= self.memory.len()
    }

    fn push_with(
        &mut self,
        mut header: Header,
        fill: impl FnOnce(&mut [u8]) -> Option<usize>,
        fill_large: impl FnOnce() -> Vec<u8>,
    ) {
        let start = self.tail + record::WORDS as usize * 4;
        let end = (start + INLINE_MAX).min(self.memory.len());
        let length = match fill(&mut self.memory.bytes_mut()[start..end]) {
            Some(length) => length,
            None => {
                self.large.push_back(fill_large());
                header.flags |= event::OUT_OF_LINE;
                0
            }
        };
        self.write_header(header, length);
    }

    fn push_bare(&mut self, header: Header) {
        if self.spilled.is_empty() && self.overflow.is_empty() && self.fits_bare() {
            self.write_header(header, 0);
        } else {
            self.overflow.push_back(header);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::tests::leaked;
    use super::*;

    const HEADER: Header = Header {
        kind: event::BODY,
        flags: 0,
        slot: 7,
        generation: 2,
        a: 3,
        b: 4,
    };

    #[test]
    fn a_record_is_written_where_the_tail_says_and_the_ring_rewinds_when_read() {
        let mut events = Events::new(leaked(1 << 20));
        assert!(!events.is_pending());
        events.push(HEADER, b"hello");
        assert!(events.is_pending());
        let word = ring::START as usize / 4;
        assert_eq!(events.memory.word(word), event::BODY);
        assert_eq!(events.memory.word(word + record::LENGTH as usize), 5);
        assert_eq!(events.memory.word(0), ring::START + 32);
        events.rewind();
        assert_eq!(
            events.memory.word(0),
            ring::START + 32,
            "unread records stay"
        );
        events
            .memory
            .set_word(ring::HEAD as usize, ring::START + 32);
        events.rewind();
        assert_eq!(events.memory.word(0), ring::START);
    }

    #[test]
    fn a_payload_that_is_too_large_goes_out_of_line() {
        let mut events = Events::new(leaked(1 << 20));
        events.push(HEADER, &vec![1; INLINE_MAX + 1]);
        assert_eq!(
            events.memory.word(ring::START as usize / 4),
            event::BODY | event::OUT_OF_LINE << 8
        );
        assert_eq!(events.take_large().map(|v| v.len()), Some(INLINE_MAX + 1));
        assert!(events.take_large().is_none());
    }

    #[test]
    fn has_room_promises_a_record_of_the_largest_inline_size() {
        let mut events = Events::new(leaked(2 * layout::record_size(INLINE_MAX) + MARGIN + 100));
        let mut records = 0;
        while events.has_room() {
            events.push(HEADER, &vec![0; INLINE_MAX]);
            records += 1;
        }
        assert_eq!(records, 2);
    }

    #[test]
    fn bare_records_are_not_lost_when_the_ring_is_full() {
        let mut events = Events::new(leaked(ring::START as usize + 48));
        (0..3).for_each(|_| events.push_bare(HEADER));
        assert_eq!(events.memory.word(0), ring::START + 48);
        events
            .memory
            .set_word(ring::HEAD as usize, ring::START + 48);
        events.rewind();
        assert!(events.is_pending());
        assert_eq!(events.memory.word(0), ring::START + 24);
    }
}
