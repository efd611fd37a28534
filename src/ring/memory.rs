//! Memory that JavaScript made and both sides use.

use std::ptr::NonNull;

/// The bytes of an ArrayBuffer that JavaScript allocated and keeps for as long as the engine lives.
///
/// The rings' and the table's: JavaScript and the engine run on one thread and take turns, and no slice made here is held across a call into JavaScript.
/// A slab's has one owner at a time, which may be an I/O thread: JavaScript reads it once it was given away, and it is written no more then.
pub struct Memory {
    start: NonNull<u8>,
    length: usize,
}

impl Memory {
    /// Wraps an ArrayBuffer's memory.
    ///
    /// # Safety
    /// `start` must be valid for reads and writes of `length` bytes for as long as the value is used; the ArrayBuffer must
    /// neither be detached nor collected before.
    pub unsafe fn new(start: NonNull<u8>, length: usize) -> Self {
        Self { start, length }
    }

    /// Memory of nothing, for an engine that is being taken down: whatever is written is dropped.
    pub fn empty() -> Self {
        Self {
            start: NonNull::<u64>::dangling().cast(),
            length: 0,
        }
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `new`'s caller vouches for `length` readable bytes; JavaScript does not write them while the borrow lives: it does not run, or has no such slab.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// All bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as `bytes`; the exclusive borrow of self excludes another slice from this side, and JavaScript does not run, or knows nothing of a slab's.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }

    /// The 32-bit word at `index` (in words).
    pub fn word(&self, index: usize) -> u32 {
        self.bytes()
            .get(index * 4..index * 4 + 4)
            .map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Sets the 32-bit word at `index` (in words).
    pub fn set_word(&mut self, index: usize, value: u32) {
        if let Some(slot) = self.bytes_mut().get_mut(index * 4..index * 4 + 4) {
            slot.copy_from_slice(&value.to_ne_bytes());
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Memory that a test owns, in the place of an ArrayBuffer; leaked, as the engine never frees its own.
    pub fn leaked(length: usize) -> Memory {
        let words = vec![0u64; length.div_ceil(8)].leak();
        // SAFETY: leaked, hence valid for ever, and of 8-byte alignment.
        unsafe { Memory::new(NonNull::new(words.as_mut_ptr().cast()).unwrap(), length) }
    }

    /// The same memory for either side of a ring.
    pub fn leaked_twice(length: usize) -> (Memory, Memory) {
        let memory = leaked(length);
        // SAFETY: leaked; the two are used in turns, as by JavaScript and the engine.
        let twin = unsafe { Memory::new(memory.start, length) };
        (memory, twin)
    }

    #[test]
    fn words_are_read_back_and_outside_is_ignored() {
        let mut memory = leaked(16);
        memory.set_word(3, 0xdead_beef);
        memory.set_word(4, 1);
        assert_eq!(memory.word(3), 0xdead_beef);
        assert_eq!(memory.word(4), 0);
        assert_eq!(memory.bytes().len(), 16);
    }
}
