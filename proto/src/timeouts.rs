//! A server's deadlines.

use std::time::{Duration, Instant};

/// How long a server waits; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From a message's first byte (the first message: from the connection's start) to the end of its head.
    pub headers: Option<Duration>,
    /// The same to the end of the message.
    pub request: Option<Duration>,
    /// From the last thing that has happened, once all requests received are answered, until the next one's head is whole: also in the midst of
    /// that head, and of a body that nobody has waited for.
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

/// What a server connection waits for of a message, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// For a message's head.
    Head(Instant),
    /// For the rest of a message; since its beginning.
    Rest(Instant),
    /// For nothing that has a deadline.
    Nothing,
}

impl Timeouts {
    /// The deadline of what is waited for.
    pub(crate) fn of_message(&self, waiting: Waiting) -> Option<(Instant, Timeout)> {
        // Node takes the longer of the two for the request's when they are given the wrong way round.
        let (headers, request) = match (self.headers, self.request) {
            (Some(headers), Some(request)) if headers > request => (Some(request), Some(headers)),
            as_given => as_given,
        };
        match waiting {
            Waiting::Head(since) => from(since, headers, Timeout::Headers)
                .or_else(|| from(since, request, Timeout::Request)),
            Waiting::Rest(since) => from(since, request, Timeout::Request),
            Waiting::Nothing => None,
        }
    }

    /// The deadline of who has been idle `since` then.
    pub(crate) fn of_rest(&self, since: Instant) -> Option<(Instant, Timeout)> {
        from(since, self.keep_alive, Timeout::KeepAlive)
    }
}

fn from(since: Instant, after: Option<Duration>, timeout: Timeout) -> Option<(Instant, Timeout)> {
    Some((since.checked_add(after?)?, timeout))
}
