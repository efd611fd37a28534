//! ArrayBuffers that JavaScript lends to be received into, so that a large part of a body needs no copy.

use super::memory::Memory;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The slabs that are lent and not in use. Whoever receives, on whichever thread, takes one out and owns it; one that a record refers to is
/// JavaScript's alone from the moment it can read that record, so whatever becomes of it, nothing is received into memory that somebody holds.
#[derive(Clone, Default)]
pub struct Slabs {
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Default)]
struct Shelf {
    /// With their numbers.
    free: Vec<(u32, Memory)>,
    /// Somebody found none, since one was lent.
    is_short: bool,
}

impl Slabs {
    /// Takes a slab over. JavaScript lends a number again only when a record has given it the one before. True: more are needed.
    pub fn lend(&self, number: u32, memory: Memory) -> bool {
        let mut shelf = self.shelf();
        shelf.free.push((number, memory));
        std::mem::take(&mut shelf.is_short)
    }

    /// One to receive into; the one that was returned last, as it may still be in the cache.
    pub fn take(&self) -> Option<Slab> {
        let mut shelf = self.shelf();
        let taken = shelf.free.pop();
        shelf.is_short |= taken.is_none();
        let (number, memory) = taken?;
        Some(Slab {
            number,
            memory: Some(memory),
            home: self.clone(),
        })
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slab in use. Dropped, it can be taken again, unless it was given away.
pub struct Slab {
    number: u32,
    /// None once it was given away.
    memory: Option<Memory>,
    home: Slabs,
}

// SAFETY: the memory is an ArrayBuffer's that JavaScript neither reads, writes nor lets go of before a record has given it the slab, or before the
// environment has ended, until which its I/O threads are joined. So it stays valid on whichever thread, and there is one owner at a time: this value,
// or the list it goes back to.
unsafe impl Send for Slab {}

// SAFETY: as above; the list of free slabs, which only ever hands a Memory on into a Slab or takes it from one, is guarded by its mutex.
unsafe impl Send for Slabs {}
// SAFETY: as above.
unsafe impl Sync for Slabs {}

impl Slab {
    /// Its number among those that are lent.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its memory.
    pub fn bytes(&mut self) -> &mut [u8] {
        self.memory.as_mut().map_or(&mut [], Memory::bytes_mut)
    }

    /// Behind the first `count` bytes, which were received into it last, there is nothing to be read: others' bytes may have been there. To be called
    /// before it is given away.
    pub fn clear_behind(&mut self, count: usize) {
        self.bytes()[count..].fill(0);
    }

    /// A record that JavaScript can read refers to it.
    pub fn give_away(mut self) {
        self.memory = None;
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.home.shelf().free.push((self.number, memory));
        }
    }
}

/// A part of a body of this many bytes and more, received into a slab, stays there: a view of it keeps at most twice as much memory as it shows.
pub const VIEW_MIN: usize = 32 * 1024;

/// Tells which part of what is parsed stays in its slab.
#[derive(Default)]
pub struct Parsing {
    /// The slab's number and address, the latter only to tell offsets by, and its size; None when nothing is parsed that lies in one, or when a
    /// record refers to it already: once, because JavaScript puts another slab in its place when it reads that record.
    slab: Option<(u32, usize, usize)>,
    is_given: bool,
}

impl Parsing {
    /// What is parsed from here on may lie in this slab.
    pub fn begin(&mut self, number: u32, bytes: &[u8]) {
        self.slab = Some((number, bytes.as_ptr().addr(), bytes.len()));
        self.is_given = false;
    }

    /// The slab that a part is to stay in, and where it lies in it.
    pub fn place(&mut self, part: &[u8]) -> Option<(u32, u32)> {
        let (number, start, length) = self.slab?;
        let offset = part.as_ptr().addr().checked_sub(start)?;
        if part.len() < VIEW_MIN || offset + part.len() > length {
            return None;
        }
        self.slab = None;
        self.is_given = true;
        Some((number, offset as u32))
    }

    /// Parsing is over. Whether a part is to stay.
    pub fn end(&mut self) -> bool {
        self.slab = None;
        std::mem::take(&mut self.is_given)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::tests::leaked;
    use super::*;

    #[test]
    fn a_slab_in_use_or_given_away_is_not_received_into_again() {
        let slabs = Slabs::default();
        assert!(slabs.take().is_none());
        assert!(slabs.lend(0, leaked(16)), "there was none");
        assert!(!slabs.lend(1, leaked(16)));
        let first = slabs.take().unwrap();
        let second = slabs.take().unwrap();
        assert_eq!((first.number(), second.number()), (1, 0));
        assert!(slabs.take().is_none(), "both are in use");
        drop(second);
        first.give_away();
        assert_eq!(slabs.take().map(|slab| slab.number()), Some(0));
        slabs.lend(1, leaked(16));
        assert_eq!(slabs.take().map(|slab| slab.number()), Some(1));
    }

    #[test]
    fn a_slab_comes_back_from_another_thread() {
        let slabs = Slabs::default();
        slabs.lend(3, leaked(16));
        let mut slab = slabs.take().unwrap();
        std::thread::spawn(move || slab.bytes().fill(7))
            .join()
            .unwrap();
        assert_eq!(slabs.take().unwrap().bytes(), [7; 16]);
    }

    #[test]
    fn what_was_received_before_is_not_given_away() {
        let memory = leaked(16);
        let start = memory.bytes().as_ptr();
        let slabs = Slabs::default();
        slabs.lend(0, memory);
        let fill =
            |slab: &mut Slab, bytes: &[u8]| slab.bytes()[..bytes.len()].copy_from_slice(bytes);
        fill(&mut slabs.take().unwrap(), b"secret of others");
        let mut slab = slabs.take().unwrap();
        fill(&mut slab, b"public");
        slab.clear_behind(6);
        slab.give_away();
        // SAFETY: leaked by this test, and in nobody's hands any more.
        let given = unsafe { std::slice::from_raw_parts(start, 16) };
        assert_eq!(given, b"public\0\0\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn one_large_part_stays_in_its_slab() {
        let mut parsing = Parsing::default();
        let slab = vec![7; 64 * 1024];
        let part = &slab[1024..1024 + VIEW_MIN];
        assert!(parsing.place(part).is_none(), "no slab is parsed");
        parsing.begin(5, &slab);
        assert!(parsing.place(&slab[..VIEW_MIN - 1]).is_none(), "too small");
        assert!(parsing.place(&[1; VIEW_MIN]).is_none(), "it lies elsewhere");
        assert_eq!(parsing.place(part), Some((5, 1024)));
        assert!(parsing.place(part).is_none(), "a second time");
        assert!(parsing.end());
        parsing.begin(5, &slab);
        assert!(!parsing.end());
    }
}
