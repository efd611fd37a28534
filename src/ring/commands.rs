//! Command records, from JavaScript to Rust. They are checked like any other input: a wrong record is an error, never a wild read.

use super::layout::{self, record};

/// One command, its payload still where JavaScript wrote it.
pub struct Command<'a> {
    /// One of [`layout::command`]'s kinds.
    pub kind: u32,
    /// Flags, without the kind's 8 bits.
    pub flags: u32,
    /// The connection's slot.
    pub slot: u32,
    /// Its generation when the command was written.
    pub generation: u32,
    /// The operand.
    pub a: u32,
    /// The payload.
    pub payload: &'a [u8],
}

/// Reads the commands in `bytes`.
pub struct Commands<'a> {
    bytes: &'a [u8],
}

impl<'a> Commands<'a> {
    /// `bytes` are the ring's written part.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = Result<Command<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let header = record::WORDS as usize * 4;
        let bytes = std::mem::take(&mut self.bytes);
        let Some((head, rest)) = bytes.split_at_checked(header) else {
            return Some(Err("a command record is cut off"));
        };
        let word = |index: u32| {
            let at = index as usize * 4;
            u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
        };
        let length = word(record::LENGTH) as usize;
        let Some(payload) = rest.get(..length) else {
            return Some(Err("a command record's payload is cut off"));
        };
        self.bytes = bytes.get(layout::record_size(length)..).unwrap_or_default();
        let kind = word(record::KIND);
        Some(Ok(Command {
            kind: kind & 0xff,
            flags: kind >> 8,
            slot: word(record::SLOT),
            generation: word(record::GENERATION),
            a: word(record::A),
            payload,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: u32, length: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [kind, 1, 2, length, 3, 4] {
            out.extend_from_slice(&word.to_ne_bytes());
        }
        out.extend_from_slice(payload);
        out.resize(out.len().div_ceil(8) * 8, 0);
        out
    }

    #[test]
    fn records_are_read_in_order() {
        let mut input = bytes(5 | 0x80 << 8, 3, b"abc");
        input.extend(bytes(6, 0, b""));
        let read: Vec<_> = Commands::new(&input)
            .map(|c| c.map(|c| (c.kind, c.flags, c.slot, c.a, c.payload.to_vec())))
            .collect();
        assert_eq!(
            read,
            [
                Ok((5, 0x80, 1, 3, b"abc".to_vec())),
                Ok((6, 0, 1, 3, Vec::new()))
            ]
        );
    }

    #[test]
    fn a_length_beyond_the_ring_is_an_error_and_ends_the_reading() {
        let input = bytes(5, 4000, b"abc");
        let mut commands = Commands::new(&input);
        assert!(commands.next().unwrap().is_err());
        assert!(commands.next().is_none());
        assert!(Commands::new(&input[..7]).next().unwrap().is_err());
    }
}
