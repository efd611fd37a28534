//! A server's deadlines.

use std::time::{Duration, Instant};

/// How long a server waits; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From a message's first byte (the first message: from the connection's start) to the end of its head.
    pub headers: Option<Duration>,
    /// The same to the end of the message.
    pub request: Option<Duration>,
    /// From the end of a response to the next message's first byte, while nothing else is going on.
    pub keep_alive: Option<Duration>,
}

/// Which deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// [`Timeouts::headers`]
    Headers,
    /// [`Timeouts::request`]
    Request,
    /// [`Timeouts::keep_alive`]
    KeepAlive,
}

/// What a server connection waits for, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// For a message's head.
    Head(Instant),
    /// For the rest of a message; since its beginning.
    Rest(Instant),
    /// For the next message.
    Next(Instant),
    /// For nothing that has a deadline.
    Nothing,
}

impl Timeouts {
    /// The earliest deadline.
    pub(crate) fn next(&self, waiting: Waiting) -> Option<(Instant, Timeout)> {
        // Node takes the longer of the two for the request's when they are given the wrong way round.
        let (headers, request) = match (self.headers, self.request) {
            (Some(headers), Some(request)) if headers > request => (Some(request), Some(headers)),
            as_given => as_given,
        };
        let from = |since: Instant, after: Option<Duration>, timeout| {
            Some((since.checked_add(after?)?, timeout))
        };
        match waiting {
            Waiting::Head(since) => from(since, headers, Timeout::Headers)
                .or_else(|| from(since, request, Timeout::Request)),
            Waiting::Rest(since) => from(since, request, Timeout::Request),
            Waiting::Next(since) => from(since, self.keep_alive, Timeout::KeepAlive),
            Waiting::Nothing => None,
        }
    }
}
