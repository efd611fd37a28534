//! Event records on their way to the event ring: made on a thread that may not touch it.

use super::layout::{self, event, record};
use super::slabs::{Parsing, Slab};
use crate::queue::drop_front;
use std::collections::VecDeque;

/// What a record's header says besides its payload.
#[derive(Clone, Copy)]
pub struct Header {
    /// One of [`event`]'s kinds.
    pub kind: u32,
    /// Flags, without the kind's 8 bits.
    pub flags: u32,
    /// The connection's slot.
    pub slot: u32,
    /// Its generation.
    pub generation: u32,
    /// First operand.
    pub a: u32,
    /// Second operand.
    pub b: u32,
}

impl Header {
    /// One that says no more than what happened, to the connection in that slot and generation.
    pub fn bare(kind: u32, (slot, generation): (u32, u32)) -> Self {
        Self {
            kind,
            flags: 0,
            slot,
            generation,
            a: 0,
            b: 0,
        }
    }

    /// The header's bytes, for a payload of `length`.
    fn bytes(self, length: usize) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        for (index, value) in [
            (record::KIND, self.kind | self.flags << 8),
            (record::SLOT, self.slot),
            (record::GENERATION, self.generation),
            (record::LENGTH, length as u32),
            (record::A, self.a),
            (record::B, self.b),
        ] {
            let at = index as usize * 4;
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        bytes
    }
}

/// Where a connection's events are written.
pub trait Records {
    /// Whether one more record of any kind fits.
    fn has_room(&self) -> bool;

    /// Appends a record whose payload `fill` writes into the free bytes it is given; it returns how many it used, or None when they do not
    /// suffice: then `fill_large` makes the payload on the heap. The caller has seen [`Self::has_room`].
    fn push_with(
        &mut self,
        header: Header,
        fill: impl FnOnce(&mut [u8]) -> Option<usize>,
        fill_large: impl FnOnce() -> Vec<u8>,
    );

    /// Appends a record without payload; there is always room for one.
    fn push_bare(&mut self, header: Header);

    /// Appends the record of a part of a body. The caller has seen [`Self::has_room`].
    fn push_body(&mut self, header: Header, part: &[u8]) {
        self.push(header, part);
    }

    /// Appends a record with `payload`. The caller has seen [`Self::has_room`].
    fn push(&mut self, header: Header, payload: &[u8]) {
        self.push_with(
            header,
            |free| {
                free.get_mut(..payload.len())?.copy_from_slice(payload);
                Some(payload.len())
            },
            || payload.to_vec(),
        );
    }
}

/// Bytes of a record's header.
const HEADER: usize = record::WORDS as usize * 4;

/// A payload above this many bytes is handed over by its pointer: one copy less on either thread.
const INLINE_MAX: usize = 4 * 1024;

/// A payload that lies by itself.
pub enum Large {
    /// In memory of its own.
    Heap(Vec<u8>),
    /// In the slab that it was received into; the record says where.
    Slab(Slab),
}

/// Where an I/O thread writes the records of one connection while it parses, before they are put behind those that wait already.
pub struct Draft {
    bytes: Box<[u8]>,
    tail: usize,
    large: VecDeque<Large>,
    /// Bytes in `large`.
    large_size: usize,
    parsing: Parsing,
    /// How many of `large` come before the part that stays in the slab that is parsed.
    before_slab: usize,
}

impl Draft {
    /// An empty one, of `size` bytes.
    pub fn new(size: usize) -> Self {
        Self {
            bytes: vec![0; size].into_boxed_slice(),
            tail: 0,
            large: VecDeque::new(),
            large_size: 0,
            parsing: Parsing::default(),
            before_slab: 0,
        }
    }

    /// What is parsed from here on may lie in this slab.
    pub fn begin_slab(&mut self, slab: &mut Slab) {
        self.parsing.begin(slab.number(), slab.bytes());
    }

    /// Parsing of it is over. If a record refers to it, it goes with it; else it is returned.
    pub fn end_slab(&mut self, slab: Slab) -> Option<Slab> {
        if !self.parsing.end() {
            return Some(slab);
        }
        self.large.insert(self.before_slab, Large::Slab(slab));
        None
    }

    fn write(&mut self, header: Header, length: usize) {
        self.bytes[self.tail..self.tail + HEADER].copy_from_slice(&header.bytes(length));
        self.tail += layout::record_size(length);
    }
}

impl Records for Draft {
    fn has_room(&self) -> bool {
        self.tail + layout::record_size(INLINE_MAX) + layout::record_size(0) <= self.bytes.len()
    }

    fn push_with(
        &mut self,
        mut header: Header,
        fill: impl FnOnce(&mut [u8]) -> Option<usize>,
        fill_large: impl FnOnce() -> Vec<u8>,
    ) {
        let start = self.tail + HEADER;
        let length = match fill(&mut self.bytes[start..start + INLINE_MAX]) {
            Some(length) => length,
            None => {
                let payload = fill_large();
                self.large_size += payload.len();
                self.large.push_back(Large::Heap(payload));
                header.flags |= event::OUT_OF_LINE;
                0
            }
        };
        self.write(header, length);
    }

    fn push_body(&mut self, mut header: Header, part: &[u8]) {
        if let Some((number, offset)) = self.parsing.place(part) {
            header.flags |= event::IN_SLAB;
            header.a = number << event::SLAB_SHIFT | offset;
            header.b = part.len() as u32;
            self.before_slab = self.large.len();
            self.large_size += part.len();
            self.write(header, 0);
        } else {
            self.push(header, part);
        }
    }

    /// The room for it is what [`Self::has_room`] leaves; nothing follows it before the draft is taken over.
    fn push_bare(&mut self, header: Header) {
        self.write(header, 0);
    }
}

/// A connection's records that JavaScript's thread has not fetched.
#[derive(Default)]
pub struct Pending {
    bytes: Vec<u8>,
    /// Bytes from the front that were fetched.
    start: usize,
    /// Bytes of each part left: what came of one receive. JavaScript drains ticks between two of them, as Node does between two reads.
    parts: VecDeque<usize>,
    large: VecDeque<Large>,
    /// Bytes in `large`.
    large_size: usize,
}

impl Pending {
    /// Whether there is nothing to fetch.
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Bytes held, payloads out of line included.
    pub fn size(&self) -> usize {
        self.bytes.len() - self.start + self.large_size
    }

    /// Takes over all that `draft` holds.
    pub fn append(&mut self, draft: &mut Draft) {
        if draft.tail > 0 {
            self.parts.push_back(draft.tail);
        }
        self.bytes.extend_from_slice(&draft.bytes[..draft.tail]);
        draft.tail = 0;
        self.large_size += std::mem::take(&mut draft.large_size);
        self.large.append(&mut draft.large);
    }

    /// Appends a record without payload.
    pub fn push_bare(&mut self, header: Header) {
        self.bytes.extend_from_slice(&header.bytes(0));
        self.parts.push_back(HEADER);
    }

    /// The first part, or the longest run of whole records at its front in at most `room` bytes.
    pub fn first(&self, room: usize) -> &[u8] {
        let length = self.parts.front().copied().unwrap_or_default();
        let part = &self.bytes[self.start..self.start + length];
        if part.len() <= room {
            return part;
        }
        let mut end = 0;
        while let Some(header) = part.get(end..end + HEADER) {
            let next = end + layout::record_size(word(header, record::LENGTH) as usize);
            if next > room {
                break;
            }
            end = next;
        }
        &part[..end]
    }

    /// Whether payloads lie out of line.
    pub fn has_large(&self) -> bool {
        !self.large.is_empty()
    }

    /// The header of the first record, and how many bytes the record takes here. That its payload lies out of line is not told.
    pub fn front(&self) -> Option<(Header, usize)> {
        let bytes = self.bytes.get(self.start..self.start + HEADER)?;
        let header = Header {
            kind: word(bytes, record::KIND) & 0xff,
            flags: word(bytes, record::KIND) >> 8 & !event::OUT_OF_LINE,
            slot: word(bytes, record::SLOT),
            generation: word(bytes, record::GENERATION),
            a: word(bytes, record::A),
            b: word(bytes, record::B),
        };
        let length = word(bytes, record::LENGTH) as usize;
        Some((header, layout::record_size(length)))
    }

    /// The payload of the first record, if it does not lie in a slab.
    pub fn front_payload(&self) -> &[u8] {
        let record = &self.bytes[self.start..];
        if is_large(record) {
            return match self.large.front() {
                Some(Large::Heap(payload)) => payload,
                Some(Large::Slab(_)) | None => &[],
            };
        }
        &record[HEADER..HEADER + word(record, record::LENGTH) as usize]
    }

    /// Drops `length` bytes of records from the front, no more than the first part, as fetched: one record only while payloads lie out of line.
    /// Its payload, if it is one of those.
    pub fn advance(&mut self, length: usize) -> Option<Large> {
        let record = &self.bytes[self.start..];
        let large = is_large(record).then(|| self.large.pop_front()).flatten();
        self.large_size -= large.as_ref().map_or(0, |large| match large {
            Large::Heap(payload) => payload.len(),
            Large::Slab(_) => word(record, record::B) as usize,
        });
        self.start += length;
        if let Some(part) = self.parts.front_mut() {
            *part -= length;
            if *part == 0 {
                self.parts.pop_front();
            }
        }
        drop_front(&mut self.bytes, &mut self.start);
        large
    }

    /// Takes over what `other` holds, behind what is here.
    pub fn absorb(&mut self, mut other: Self) {
        self.bytes.extend_from_slice(&other.bytes[other.start..]);
        self.parts.append(&mut other.parts);
        self.large_size += other.large_size;
        self.large.append(&mut other.large);
    }
}

/// Whether the payload of the record that begins here lies by itself.
fn is_large(record: &[u8]) -> bool {
    let flags = event::OUT_OF_LINE | event::IN_SLAB;
    record.len() >= HEADER && word(record, record::KIND) >> 8 & flags != 0
}

fn word(header: &[u8], index: u32) -> u32 {
    let at = index as usize * 4;
    u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: Header = Header {
        kind: event::BODY,
        flags: 0,
        slot: 7,
        generation: 2,
        a: 3,
        b: 4,
    };

    fn pending(payloads: &[&[u8]]) -> Pending {
        let mut draft = Draft::new(64 * 1024);
        let mut pending = Pending::default();
        for payload in payloads {
            assert!(draft.has_room());
            draft.push(BODY, payload);
        }
        pending.append(&mut draft);
        pending.append(&mut draft);
        pending
    }

    #[test]
    fn records_are_fetched_whole_and_in_order() {
        let mut pending = pending(&[b"hello", b"", b"abcdefgh"]);
        assert_eq!(pending.first(31).len(), 0, "none in part");
        let first = pending.first(40).to_vec();
        assert_eq!(first.len(), 32);
        assert_eq!(&first[24..29], b"hello");
        pending.advance(32);
        assert_eq!(pending.first(usize::MAX).len(), 24 + 32);
        pending.advance(24 + 32);
        assert!(pending.is_empty());
    }

    #[test]
    fn what_was_fetched_is_not_kept_while_there_is_always_more() {
        let mut draft = Draft::new(64 * 1024);
        let mut pending = pending(&[&[0; 1024]]);
        for round in 1..=1000_u32 {
            draft.push(BODY, &round.to_ne_bytes().repeat(256));
            pending.append(&mut draft);
            let first = pending.first(usize::MAX);
            assert_eq!(first[HEADER..HEADER + 4], (round - 1).to_ne_bytes());
            let length = first.len();
            pending.advance(length);
            assert!(pending.bytes.len() <= 3 * 64 * 1024);
        }
    }

    #[test]
    fn large_payloads_go_with_their_records() {
        let mut pending = pending(&[b"a", &[1; INLINE_MAX + 1], b"b", &[2; INLINE_MAX + 2]]);
        assert_eq!(pending.size(), 2 * 32 + 2 * 24 + 2 * INLINE_MAX + 3);
        for (length, is_large) in [
            (1, false),
            (INLINE_MAX + 1, true),
            (1, false),
            (INLINE_MAX + 2, true),
        ] {
            let (header, size) = pending.front().unwrap();
            assert_eq!(
                (header.kind, header.flags, header.slot, header.b),
                (event::BODY, 0, 7, 4)
            );
            assert_eq!(pending.front_payload().len(), length);
            let large = pending.advance(size);
            assert_eq!(
                large.map(|large| match large {
                    Large::Heap(payload) => payload.len(),
                    Large::Slab(_) => 0,
                }),
                is_large.then_some(length)
            );
        }
        assert!(pending.is_empty() && pending.front().is_none());
        assert_eq!(pending.size(), 0);
    }

    #[test]
    fn a_draft_has_room_until_a_record_of_the_largest_inline_size_might_not_fit() {
        let mut draft = Draft::new(2 * layout::record_size(INLINE_MAX) + layout::record_size(0));
        draft.push(BODY, &[0; INLINE_MAX]);
        assert!(draft.has_room());
        draft.push(BODY, b"x");
        assert!(!draft.has_room());
    }

    #[test]
    fn what_is_absorbed_comes_behind_as_a_part_of_its_own() {
        let mut first = pending(&[b"a"]);
        let mut rest = pending(&[b"b", b"c"]);
        rest.advance(32);
        first.absorb(rest);
        assert_eq!(first.first(usize::MAX)[24], b'a');
        first.advance(32);
        first.push_bare(BODY);
        assert_eq!(first.first(usize::MAX)[24], b'c');
        first.advance(32);
        assert_eq!(first.first(usize::MAX).len(), 24);
    }
}
