//! ArrayBuffers that JavaScript lends to be received into, so that a large part of a body needs no copy.

use super::memory::Memory;

/// The slabs that are lent. One that a record refers to is JavaScript's alone from then on: it is no longer here when JavaScript reads the
/// record, so whatever becomes of it, nothing is received into memory that somebody holds.
#[derive(Default)]
pub struct Slabs {
    lent: Vec<Option<Memory>>,
}

impl Slabs {
    /// Takes a slab over, in the place of the one that had its number.
    pub fn lend(&mut self, number: u32, memory: Memory) {
        let number = number as usize;
        if number >= self.lent.len() {
            self.lent.resize_with(number + 1, || None);
        }
        self.lent[number] = Some(memory);
    }

    /// One to receive into, and its number. It stays lent until it is given away.
    pub fn next(&mut self) -> Option<(u32, &mut Memory)> {
        self.lent
            .iter_mut()
            .enumerate()
            .find_map(|(number, slab)| Some((number as u32, slab.as_mut()?)))
    }

    /// A record refers to the slab. Behind the `count` bytes that were received into it last there is nothing to be read: others' bytes may have
    /// been there.
    pub fn give_away(&mut self, number: u32, count: usize) {
        if let Some(mut memory) = self.lent.get_mut(number as usize).and_then(Option::take) {
            memory.bytes_mut()[count..].fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::tests::leaked;
    use super::*;

    #[test]
    fn a_slab_given_away_is_not_received_into_again() {
        let mut slabs = Slabs::default();
        assert!(slabs.next().is_none());
        slabs.lend(1, leaked(16));
        slabs.lend(0, leaked(16));
        assert_eq!(slabs.next().map(|(number, _)| number), Some(0));
        assert_eq!(slabs.next().map(|(number, _)| number), Some(0));
        slabs.give_away(0, 16);
        assert_eq!(slabs.next().map(|(number, _)| number), Some(1));
        slabs.give_away(1, 16);
        assert!(slabs.next().is_none());
        slabs.lend(0, leaked(16));
        assert_eq!(slabs.next().map(|(number, _)| number), Some(0));
    }

    #[test]
    fn what_was_received_before_is_not_given_away() {
        let memory = leaked(16);
        let start = memory.bytes().as_ptr();
        let mut slabs = Slabs::default();
        slabs.lend(0, memory);
        slabs
            .next()
            .unwrap()
            .1
            .bytes_mut()
            .copy_from_slice(b"secret of others");
        slabs.next().unwrap().1.bytes_mut()[..6].copy_from_slice(b"public");
        slabs.give_away(0, 6);
        // SAFETY: leaked by this test, and in nobody's hands any more.
        let given = unsafe { std::slice::from_raw_parts(start, 16) };
        assert_eq!(given, b"public\0\0\0\0\0\0\0\0\0\0");
    }
}
