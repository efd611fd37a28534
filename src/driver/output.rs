//! Bytes that wait to be sent, and the marks among them that JavaScript wants to hear of.

use super::past_cache;
use crate::queue::{SMALL, drop_front};
use std::collections::VecDeque;

/// Bytes of one connection's queue that another thread is likely to find in the cache: what is put behind more than these is copied past it.
const MOST_HOT: usize = 128 * 1024;

/// The least for which another way of copying makes a difference.
const LARGE: usize = 32 * 1024;

/// A connection's output queue.
#[derive(Default)]
pub struct Output {
    bytes: Vec<u8>,
    start: usize,
    /// Bytes before those, which [`Self::lend`] gave away.
    lent: usize,
    /// Bytes that left the queue since the connection began.
    sent: u64,
    /// Offsets, counted from the connection's beginning, of the marks not yet reached.
    marks: VecDeque<u64>,
    reached: u64,
}

/// Queued bytes that were given away for a system call.
pub struct Lent {
    bytes: Vec<u8>,
    start: usize,
}

impl Lent {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl Output {
    /// Bytes queued.
    pub fn len(&self) -> usize {
        self.lent + self.bytes.len() - self.start
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether bytes are queued and none are given away: whoever takes those back looks for more.
    pub fn waits(&self) -> bool {
        self.lent == 0 && !self.is_empty()
    }

    /// Gives the queued bytes away for a system call, during which more may be queued behind them. They count as queued all the while.
    pub fn lend(&mut self) -> Lent {
        self.lent = self.bytes.len() - self.start;
        Lent {
            bytes: std::mem::take(&mut self.bytes),
            start: std::mem::take(&mut self.start),
        }
    }

    /// Makes room for `length` bytes more in memory that `spare` may have, instead of new memory, each of whose pages costs a fault. What is queued already
    /// is copied there; so that a queue that grows by one part after the other does not copy all of it each time, it gets twice its size at least.
    pub fn make_room(&mut self, length: usize, spare: impl FnOnce(usize) -> Option<Vec<u8>>) {
        let queued = self.bytes.len() - self.start;
        if queued + length <= self.bytes.capacity() - self.start {
            return;
        }
        let needed = (queued + length).max(2 * queued);
        if let Some(mut memory) = spare(needed) {
            memory.clear();
            past_cache::append(&mut memory, &self.bytes[self.start..]);
            self.bytes = memory;
            self.start = 0;
        } else {
            self.bytes.reserve_exact(needed - queued);
        }
    }

    /// Takes back what [`Self::lend`] gave, of which the first `sent` bytes were sent. Large memory that is needed no more is returned.
    pub fn take_back(&mut self, lent: Lent, sent: usize) -> Option<Vec<u8>> {
        let is_left = sent < self.lent;
        self.lent = 0;
        // What was queued meanwhile goes behind; small memory that all was sent of serves again, unless there is newer.
        if is_left || (self.bytes.is_empty() && lent.bytes.capacity() <= SMALL) {
            let newer = std::mem::replace(&mut self.bytes, lent.bytes);
            self.bytes.extend_from_slice(&newer);
            self.start = lent.start;
            self.advance(sent);
            return None;
        }
        self.sent += sent as u64;
        self.reach();
        (lent.bytes.capacity() > SMALL).then_some(lent.bytes)
    }

    /// The queued bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Queues bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Queues bytes that another thread is to send.
    pub fn push_for_another(&mut self, bytes: &[u8]) {
        if bytes.len() >= LARGE && self.len() + bytes.len() > MOST_HOT {
            past_cache::append(&mut self.bytes, bytes);
        } else {
            self.push(bytes);
        }
    }

    /// Where an encoder appends.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Marks the end of what is queued, plus `behind` bytes that are about to be.
    pub fn mark(&mut self, behind: usize) {
        self.marks
            .push_back(self.sent + (self.len() + behind) as u64);
    }

    /// `count` bytes were sent: of those queued, then of those that never were.
    pub fn advance(&mut self, count: usize) {
        self.sent += count as u64;
        self.start += count.min(self.len());
        drop_front(&mut self.bytes, &mut self.start);
        self.reach();
    }

    fn reach(&mut self) {
        while self.marks.front().is_some_and(|mark| *mark <= self.sent) {
            self.marks.pop_front();
            self.reached += 1;
        }
    }

    /// Takes all that is queued, as sent.
    pub fn take(&mut self) -> Vec<u8> {
        let taken = if self.start == 0 {
            std::mem::take(&mut self.bytes)
        } else {
            self.as_slice().to_vec()
        };
        self.bytes.clear();
        self.start = 0;
        self.advance(0);
        self.sent += taken.len() as u64;
        self.advance(0);
        taken
    }

    /// Drops what is queued behind the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(self.start + length);
    }

    /// Drops all that is queued; its marks are never reached.
    pub fn clear(&mut self) {
        self.bytes = Vec::new();
        self.start = 0;
        self.marks.clear();
    }

    /// Marks made since the connection began, unless they were dropped.
    pub fn marked(&self) -> u64 {
        self.reached + self.marks.len() as u64
    }

    /// Marks reached since the connection began.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// Bytes sent since the connection began.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_reached_when_their_bytes_have_gone() {
        let mut output = Output::default();
        output.push(b"abc");
        output.mark(0);
        output.push(b"de");
        output.mark(2);
        output.advance(2);
        assert_eq!((output.reached(), output.as_slice()), (0, &b"cde"[..]));
        output.advance(3);
        assert_eq!((output.reached(), output.len()), (1, 0));
        output.advance(2);
        assert_eq!((output.reached(), output.sent()), (2, 7));
    }

    #[test]
    fn a_mark_on_an_empty_queue_is_reached_at_once() {
        let mut output = Output::default();
        output.mark(0);
        output.advance(0);
        assert_eq!(output.reached(), 1);
    }

    #[test]
    fn taking_counts_as_sending() {
        let mut output = Output::default();
        output.push(b"abcd");
        output.mark(0);
        output.advance(1);
        assert_eq!(output.take(), b"bcd");
        assert_eq!(
            (output.reached(), output.sent(), output.is_empty()),
            (1, 4, true)
        );
    }

    #[test]
    fn lent_bytes_stay_before_those_queued_meanwhile() {
        let mut output = Output::default();
        output.push(b"abcd");
        output.mark(0);
        output.advance(1);
        let lent = output.lend();
        output.push(b"ef");
        output.mark(0);
        assert_eq!((lent.as_slice(), output.len()), (&b"bcd"[..], 5));
        output.take_back(lent, 1);
        assert_eq!((output.as_slice(), output.reached()), (&b"cdef"[..], 0));
        let lent = output.lend();
        output.push(b"g");
        output.take_back(lent, 4);
        assert_eq!((output.as_slice(), output.reached()), (&b"g"[..], 2));
        let lent = output.lend();
        output.take_back(lent, 1);
        assert_eq!((output.is_empty(), output.sent()), (true, 7));
    }

    #[test]
    fn parts_follow_each_other_whichever_way_they_are_copied() {
        let mut output = Output::default();
        let parts = [
            vec![1; LARGE],
            vec![2; MOST_HOT],
            vec![3; 5],
            vec![4; LARGE + 7],
            vec![5; LARGE - 1],
        ];
        for part in &parts {
            output.push_for_another(part);
        }
        assert!(output.as_slice() == parts.concat());
    }

    #[test]
    fn long_queues_give_back_what_was_sent() {
        let mut output = Output::default();
        output.push(&[7; 200_000]);
        output.advance(150_000);
        assert_eq!((output.start, output.len()), (0, 50_000));
    }
}
