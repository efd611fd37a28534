//! The chunked coding, outwards.

use std::ops::Deref;

/// What stands before a chunk's data: its size in hexadecimal and CRLF; empty when the body is not chunked.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    bytes: [u8; ChunkHead::LONGEST],
    start: u8,
}

impl ChunkHead {
    const LONGEST: usize = 18;

    pub(crate) const EMPTY: ChunkHead = ChunkHead {
        bytes: [0; Self::LONGEST],
        start: Self::LONGEST as u8,
    };

    pub(crate) fn new(size: usize) -> ChunkHead {
        let mut bytes = [0; Self::LONGEST];
        bytes[Self::LONGEST - 2] = b'\r';
        bytes[Self::LONGEST - 1] = b'\n';
        let mut start = Self::LONGEST - 2;
        let mut left = size;
        loop {
            start -= 1;
            bytes[start] = b"0123456789abcdef"[left & 15];
            left >>= 4;
            if left == 0 {
                return ChunkHead {
                    bytes,
                    start: start as u8,
                };
            }
        }
    }
}

impl Deref for ChunkHead {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

#[cfg(test)]
mod tests {
    use super::ChunkHead;

    #[test]
    fn the_size_is_lower_case_hexadecimal_without_leading_zeros() {
        assert_eq!(&*ChunkHead::new(0), b"0\r\n");
        assert_eq!(&*ChunkHead::new(0xabc), b"abc\r\n");
        assert_eq!(&*ChunkHead::new(usize::MAX), b"ffffffffffffffff\r\n");
        assert_eq!(&*ChunkHead::EMPTY, b"");
    }
}
