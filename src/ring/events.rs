//! Event records, from Rust to JavaScript.

use super::layout::{self, event, record, ring};
use super::memory::Memory;
pub use super::records::{Header, Records};
use super::records::{Large, Pending};
pub use super::slabs::VIEW_MIN;
use super::slabs::{Parsing, Slab, Slabs};
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
    parsing: Parsing,
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
            parsing: Parsing::default(),
        }
    }

    /// What is parsed from here on may lie in this slab.
    pub fn begin_slab(&mut self, slab: &mut Slab) {
        self.parsing.begin(slab.number(), slab.bytes());
    }

    /// Parsing of it is over. Whether a record refers to it: then it is JavaScript's.
    pub fn end_slab(&mut self) -> bool {
        self.parsing.end()
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
            self.fetch(&mut spilled, None);
            self.spilled = spilled;
        }
        while self.spilled.is_empty()
            && self.fits_bare()
            && let Some(header) = self.overflow.pop_front()
        {
            self.write_header(header, 0);
        }
    }

    /// Another turn of the event loop has begun.
    pub fn begin_turn(&mut self) {
        let turn = self.turn().wrapping_add(1);
        self.memory.set_word(ring::TURN as usize, turn);
    }

    /// The number of the turn of the event loop.
    pub fn turn(&self) -> u32 {
        self.memory.word(ring::TURN as usize)
    }

    /// Whether JavaScript has gathered answers in the command ring, which are to be sent before anything else happens.
    pub fn is_gathered(&self) -> bool {
        self.memory.word(ring::GATHERED as usize) != 0
    }

    /// Whether JavaScript will be asked for what it gathers.
    pub fn is_armed(&self) -> bool {
        self.memory.word(ring::ARMED as usize) != 0
    }

    /// Tells JavaScript whether it will be asked for what it gathers.
    pub fn set_armed(&mut self, is_armed: bool) {
        self.memory
            .set_word(ring::ARMED as usize, u32::from(is_armed));
    }

    /// Tells JavaScript how many connections wait for another turn.
    pub fn set_backlog(&mut self, connections: usize) {
        self.memory
            .set_word(ring::BACKLOG as usize, connections as u32);
    }

    /// Moves a connection's first part here, as far as there is room.
    /// A part of a body that was received into a slab stays there. Another payload that lies by itself goes into one, if it is a large part of a body and
    /// there is one, or into the ring; what is too large for it stays where it is.
    pub fn fetch(&mut self, pending: &mut Pending, slabs: Option<&Slabs>) {
        if !pending.has_large() {
            let records = pending.first(self.room());
            let length = records.len();
            if length > 0 {
                self.memory.bytes_mut()[self.tail..self.tail + length].copy_from_slice(records);
                self.tail += length;
                self.memory.set_word(ring::TAIL as usize, self.tail as u32);
                pending.advance(length);
            }
            return;
        }
        let mut left = pending.first(usize::MAX).len();
        while left > 0
            && let Some((header, length)) = pending.front()
        {
            let payload = pending.front_payload();
            if layout::record_size(payload.len().min(INLINE_MAX)) > self.room() {
                return;
            }
            if header.flags & event::IN_SLAB != 0 {
                self.write_header(header, 0);
                if let Some(Large::Slab(slab)) = pending.advance(length) {
                    slab.give_away();
                }
            } else if payload.len() > INLINE_MAX {
                let flags = header.flags | event::OUT_OF_LINE;
                self.write_header(Header { flags, ..header }, 0);
                if let Some(Large::Heap(payload)) = pending.advance(length) {
                    self.large.push_back(payload);
                }
            } else {
                if !self.put_into_slab(header, payload, slabs) {
                    self.push(header, payload);
                }
                pending.advance(length);
            }
            left -= length;
        }
    }

    fn put_into_slab(&mut self, mut header: Header, part: &[u8], slabs: Option<&Slabs>) -> bool {
        if header.kind != event::BODY || part.len() < VIEW_MIN {
            return false;
        }
        let Some(mut slab) = slabs.and_then(Slabs::take) else {
            return false;
        };
        let Some(place) = slab.bytes().get_mut(..part.len()) else {
            return false;
        };
        place.copy_from_slice(part);
        slab.clear_behind(part.len());
        header.flags |= event::IN_SLAB;
        header.a = slab.number() << event::SLAB_SHIFT;
        slab.give_away();
        header.b = part.len() as u32;
        self.write_header(header, 0);
        true
    }

    fn room(&self) -> usize {
        self.memory.len().saturating_sub(self.tail + MARGIN)
    }

    /// Takes over all of a connection's records: what has no room goes before anything that is written from now on.
    pub fn fetch_all(&mut self, mut pending: Pending) {
        if self.spilled.is_empty() && self.overflow.is_empty() {
            self.fetch(&mut pending, None);
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

    fn push_body(&mut self, mut header: Header, part: &[u8]) {
        if let Some((number, offset)) = self.parsing.place(part) {
            header.flags |= event::IN_SLAB;
            header.a = number << event::SLAB_SHIFT | offset;
            header.b = part.len() as u32;
            self.write_header(header, 0);
        } else {
            self.push(header, part);
        }
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
    use super::super::records::Draft;
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
    fn a_large_part_of_a_body_stays_in_its_slab_once() {
        let mut events = Events::new(leaked(1 << 20));
        let slabs = Slabs::default();
        slabs.lend(5, leaked(64 * 1024));
        let mut slab = slabs.take().unwrap();
        events.begin_slab(&mut slab);
        let at = events.tail;
        events.push_body(HEADER, &slab.bytes()[1024..1024 + VIEW_MIN]);
        let word = |field: u32| events.memory.word(at / 4 + field as usize);
        assert_ne!(word(record::KIND) >> 8 & event::IN_SLAB, 0);
        assert_eq!(word(record::A), 5 << event::SLAB_SHIFT | 1024);
        assert_eq!(word(record::B), VIEW_MIN as u32);
        assert_eq!(word(record::LENGTH), 0);
        let at = events.tail;
        events.push_body(HEADER, &slab.bytes()[1024..1024 + VIEW_MIN]);
        let kind = events.memory.word(at / 4 + record::KIND as usize);
        assert_eq!(kind >> 8 & event::IN_SLAB, 0, "a second time");
        assert!(events.end_slab());
    }

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

    #[test]
    fn records_made_elsewhere_are_fetched_part_by_part_and_large_payloads_into_slabs() {
        let mut events = Events::new(leaked(1 << 20));
        let slabs = Slabs::default();
        slabs.lend(0, leaked(64 * 1024));
        let mut draft = Draft::new(1 << 20);
        let mut pending = Pending::default();
        for length in [1, VIEW_MIN, VIEW_MIN, INLINE_MAX + 1] {
            draft.push(HEADER, &vec![b'x'; length]);
        }
        pending.append(&mut draft);
        draft.push(HEADER, b"of the next part");
        pending.append(&mut draft);
        events.fetch(&mut pending, Some(&slabs));
        let mut seen = Vec::new();
        let mut at = ring::START as usize;
        while at < events.tail {
            let word = |index: u32| events.memory.word(at / 4 + index as usize);
            seen.push((word(record::KIND) >> 8, word(record::LENGTH) as usize));
            at += layout::record_size(word(record::LENGTH) as usize);
        }
        assert_eq!(
            seen,
            [
                (0, 1),
                (event::IN_SLAB, 0),
                (0, VIEW_MIN),
                (event::OUT_OF_LINE, 0)
            ]
        );
        assert!(slabs.take().is_none());
        assert_eq!(
            events.take_large().map(|large| large.len()),
            Some(INLINE_MAX + 1)
        );
        events.fetch(&mut pending, Some(&slabs));
        assert!(pending.is_empty());
        assert_eq!(events.tail, at + layout::record_size(16));
    }

    #[test]
    fn a_part_received_into_a_slab_is_fetched_without_a_copy_and_one_that_is_never_fetched_gives_its_slab_back()
     {
        let mut events = Events::new(leaked(1 << 20));
        let slabs = Slabs::default();
        let mut draft = Draft::new(1 << 20);
        let mut pending = Pending::default();
        for number in [4, 5] {
            slabs.lend(number, leaked(64 * 1024));
            let mut slab = slabs.take().unwrap();
            draft.begin_slab(&mut slab);
            draft.push(HEADER, b"before");
            draft.push_body(HEADER, &slab.bytes()[8..8 + VIEW_MIN]);
            draft.push(HEADER, &vec![b'x'; INLINE_MAX + 1]);
            assert!(draft.end_slab(slab).is_none(), "it is the draft's");
            pending.append(&mut draft);
        }
        let waiting = pending.size();
        assert!(waiting > 2 * (VIEW_MIN + INLINE_MAX));
        events.fetch(&mut pending, None);
        let at = ring::START as usize + layout::record_size(6);
        let word = |field: u32| events.memory.word(at / 4 + field as usize);
        assert_eq!(word(record::KIND), event::BODY | event::IN_SLAB << 8);
        assert_eq!(word(record::A), 4 << event::SLAB_SHIFT | 8);
        assert_eq!(word(record::B), VIEW_MIN as u32);
        assert_eq!(pending.size(), waiting / 2);
        let large = events.take_large().map(|large| large.len());
        assert_eq!(large, Some(INLINE_MAX + 1));
        assert!(slabs.take().is_none(), "one is JavaScript's, one waits");
        drop(pending);
        assert_eq!(slabs.take().map(|slab| slab.number()), Some(5));
    }

    #[test]
    fn what_has_no_room_stays_where_it_is_or_goes_before_what_is_written_later() {
        let size = ring::START as usize + 2 * layout::record_size(INLINE_MAX) + MARGIN;
        let mut events = Events::new(leaked(size));
        let mut draft = Draft::new(1 << 20);
        let mut pending = Pending::default();
        for _ in 0..3 {
            draft.push(HEADER, &[b'x'; INLINE_MAX]);
        }
        pending.append(&mut draft);
        events.fetch(&mut pending, None);
        assert_eq!(
            pending.front().map(|(_, size)| size),
            Some(layout::record_size(0))
        );
        events.fetch_all(pending);
        assert!(events.has_overflow() && !events.has_room());
        events.push_bare(HEADER);
        let tail = events.tail as u32;
        events.memory.set_word(ring::HEAD as usize, tail);
        events.rewind();
        let first = ring::START as usize / 4 + record::LENGTH as usize;
        assert_eq!(events.memory.word(first), INLINE_MAX as u32, "first come");
        assert!(!events.has_overflow());
    }
}
