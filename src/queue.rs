//! What a connection's output and its records have in common: bytes that go from the front.

/// Bytes of memory that a connection keeps for them while nothing is queued.
pub const SMALL: usize = 16 * 1024;

/// Frees memory of a queue whose first `start` bytes have gone, when it is worth it: an idle connection must not keep what one large message
/// needed, nor one that never has nothing left all that it ever sent.
pub fn drop_front(bytes: &mut Vec<u8>, start: &mut usize) {
    if *start == bytes.len() {
        if bytes.capacity() > SMALL {
            *bytes = Vec::new();
        }
        bytes.clear();
        *start = 0;
    } else if *start > 64 * 1024 && *start > bytes.len() / 2 {
        bytes.drain(..*start);
        *start = 0;
    }
}
