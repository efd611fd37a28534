//! HTTP/1.1 without I/O: bytes and time come in, events and bytes go out.
//!
//! A [`Connection`] is one side of one connection. It owns no socket and no clock: its owner hands it what was read and what
//! time it is, and writes what it returns. What it accepts and refuses, and the codes it refuses with, are llhttp's.
#![forbid(unsafe_code)]

mod bytes;
mod chunked;
mod connection;
mod diagnose;
mod encode;
mod error;
mod fields;
mod framing;
mod head;
mod limits;
mod line;
mod method;
mod state;
mod strict;
mod timeouts;
mod url;

pub use connection::{Connection, Event, Role};
pub use encode::ChunkHead;
pub use error::{Code, ParseError, SendError};
pub use framing::{BodyKind, Expect, Framing};
pub use head::{Fields, Head, StartLine, Trailers};
pub use limits::{Config, Leniency, Limits};
pub use method::Method;
pub use timeouts::{Timeout, Timeouts};
