//! The deadlines of a server's connections.

use super::{Engine, Misuse, connection};
use crate::ring::layout::timeout;
use ferrohttp_proto::{self as proto, Timeouts};
use std::time::{Duration, Instant};

/// Deadlines from JavaScript's; each in milliseconds, 0 for none.
pub fn timeouts(headers: f64, request: f64, keep_alive: f64) -> Timeouts {
    // What is longer than a Duration can be never passes.
    let duration = |ms: f64| {
        Duration::try_from_secs_f64(ms / 1000.0)
            .ok()
            .filter(|duration| !duration.is_zero())
    };
    Timeouts {
        headers: duration(headers),
        request: duration(request),
        keep_alive: duration(keep_alive),
    }
}

impl Engine {
    /// Sets a server connection's deadlines.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn set_timeouts(&mut self, slot: u32, timeouts: Timeouts) -> Result<(), Misuse> {
        connection(&mut self.slots, slot)?
            .proto
            .set_timeouts(timeouts);
        Ok(())
    }

    /// Milliseconds until the first of `slot`'s deadlines that are of `kinds` (bits of [`timeout`]): 0 when it has passed, in which case it will not
    /// be told again, negative when there is none. The kind comes with it.
    ///
    /// # Errors
    /// [`Misuse::NoConnection`].
    pub fn check_timeout(&mut self, slot: u32, kinds: u32) -> Result<(f64, u32), Misuse> {
        let mut connection = connection(&mut self.slots, slot)?;
        let now = Instant::now();
        // Whose answer is still being sent is not idle, however slowly he reads.
        let kinds = if connection.output.is_empty() {
            kinds
        } else {
            kinds & !timeout::KEEP_ALIVE
        };
        let due = connection
            .proto
            .deadlines()
            .filter(|&(_, timeout)| bit(timeout) & kinds != 0)
            .min_by_key(|&(at, _)| at);
        let Some((at, timeout)) = due else {
            return Ok((-1.0, 0));
        };
        if at <= now {
            connection.proto.expire(timeout);
        }
        Ok((
            at.saturating_duration_since(now).as_secs_f64() * 1000.0,
            bit(timeout),
        ))
    }
}

fn bit(timeout: proto::Timeout) -> u32 {
    match timeout {
        proto::Timeout::Headers => timeout::HEADERS,
        proto::Timeout::Request => timeout::REQUEST,
        proto::Timeout::KeepAlive => timeout::KEEP_ALIVE,
    }
}
