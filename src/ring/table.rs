//! The table of per-connection figures that JavaScript reads without a call.

use super::layout::table;
use super::memory::Memory;

/// The table's writer: a row of 64-bit floats for each slot.
pub struct Table {
    memory: Memory,
}

impl Table {
    /// Wraps the table's memory.
    pub fn new(memory: Memory) -> Self {
        Self { memory }
    }

    /// Moves to larger memory, which JavaScript has made, with what is known so far.
    pub fn grow(&mut self, mut memory: Memory) {
        let length = self.memory.len().min(memory.len());
        memory.bytes_mut()[..length].copy_from_slice(&self.memory.bytes()[..length]);
        self.memory = memory;
    }

    /// Sets a field of a row.
    pub fn set(&mut self, slot: u32, field: u32, value: u64) {
        let at = (slot as usize * table::STRIDE as usize + field as usize) * 8;
        if let Some(cell) = self.memory.bytes_mut().get_mut(at..at + 8) {
            cell.copy_from_slice(&(value as f64).to_ne_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::tests::leaked;
    use super::*;

    #[test]
    fn growing_keeps_the_figures() {
        let mut figures = Table::new(leaked(2 * 40));
        figures.set(1, table::SENT, 3);
        figures.set(9, table::SENT, 4);
        figures.grow(leaked(4 * 40));
        assert_eq!(figures.memory.len(), 4 * 40);
        let at = (table::STRIDE + table::SENT) as usize * 8;
        assert_eq!(figures.memory.bytes()[at..at + 8], 3f64.to_ne_bytes());
    }
}
