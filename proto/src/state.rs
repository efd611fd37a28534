//! The two halves of a connection's state. They are orthogonal: either side may be ahead of the other.

use crate::chunked::Decoder;
use crate::diagnose::Reader;
use crate::framing::Framing;

/// What the next octet of input belongs to.
#[derive(Debug)]
pub(crate) enum Reading {
    /// The next message, of which nothing has come.
    Start,
    /// A head that comes in pieces, or is out of the ordinary.
    Head(Reader),
    /// Nobody knows before the verdict on an upgrade; this is what follows when it is no.
    Verdict(Next),
    /// The same behind the end of a message; `another`: one may follow.
    Ended { another: bool },
    /// Another protocol.
    Tunnel,
    /// A body of which so many bytes are left, at least one.
    Length(u64),
    /// A body that ends with the connection.
    UntilClose,
    /// A chunked body.
    Chunked(Decoder),
    /// The trailers after a chunked body.
    Trailers(Reader),
    /// The message is whole and its end has not been told.
    Whole,
    /// A message whose coding is not to be understood: it fails at its first octet or before.
    Undecodable,
    /// Nothing: the last message has been read.
    Closed,
    /// Nothing: the peer has erred.
    Failed,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Whole,
    Length(u64),
    Chunked,
    UntilClose,
    Undecodable,
}

impl From<Next> for Reading {
    #[inline]
    fn from(next: Next) -> Reading {
        match next {
            Next::Whole => Reading::Whole,
            Next::Length(length) => Reading::Length(length),
            Next::Chunked => Reading::Chunked(Decoder::new()),
            Next::UntilClose => Reading::UntilClose,
            Next::Undecodable => Reading::Undecodable,
        }
    }
}

/// What may be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// The head of a message.
    Start,
    /// The body of a message, or its end. `Length` counts what is left.
    Message(Framing),
    /// Nothing: the last message's end is the connection's.
    Closed,
}
