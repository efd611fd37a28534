//! Copying of what is read later, by another thread: past the cache.

/// Appends bytes, with stores that go to memory itself where there are such. What lay in the cache stays there; and a plain store reads
/// each line of memory from where it is before it writes the first byte of it, so that a third of what is moved is moved for nothing.
#[cfg(target_arch = "x86_64")]
pub fn append(to: &mut Vec<u8>, bytes: &[u8]) {
    use std::arch::x86_64::{
        __m128i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm_sfence, _mm_stream_si128,
    };

    /// Bytes of a line of the cache.
    const LINE: usize = 64;

    /// How far ahead of the copy the source is asked for.
    const AHEAD: usize = 512;

    to.reserve(bytes.len());
    let before = to.spare_capacity_mut().as_ptr().align_offset(LINE);
    let (head, rest) = bytes.split_at(before.min(bytes.len()));
    to.extend_from_slice(head);
    let (lines, tail) = rest.as_chunks::<LINE>();
    let place = to.spare_capacity_mut().as_mut_ptr().cast::<__m128i>();
    for (index, line) in lines.iter().enumerate() {
        let ahead = line.as_ptr().wrapping_add(AHEAD).cast();
        let line = line.as_ptr().cast::<__m128i>();
        // SAFETY: what is prefetched need not be valid. Each line is read within its 64 bytes, aligned or not, and written to as many of the vector's
        // spare capacity, of which at least `bytes.len() - head.len()` are left. If there are any lines, their places begin at a multiple of 64.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(ahead);
            let place = place.add(index * 4);
            for quarter in 0..4 {
                _mm_stream_si128(place.add(quarter), _mm_loadu_si128(line.add(quarter)));
            }
        }
    }
    // SAFETY: every x86-64 has the fence: such stores are ordered by nothing else, and must be before anybody looks. So many bytes more were written,
    // within the capacity.
    unsafe {
        _mm_sfence();
        to.set_len(to.len() + lines.len() * LINE);
    }
    to.extend_from_slice(tail);
}

/// Appends bytes.
#[cfg(not(target_arch = "x86_64"))]
pub fn append(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_appended_wherever_it_begins_stands_there() {
        let source: Vec<u8> = (0..1000).map(|index| index as u8).collect();
        for length in [0, 1, 15, 63, 64, 65, 127, 128, 129, 500, 900] {
            for begin in 0..70 {
                let (before, bytes) = (&source[..begin], &source[begin..begin + length]);
                let mut to = before.to_vec();
                append(&mut to, bytes);
                append(&mut to, bytes);
                assert_eq!(to, [before, bytes, bytes].concat(), "{begin}, {length}");
            }
        }
    }
}
