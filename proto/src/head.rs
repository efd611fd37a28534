//! A message head: what is kept of it, and how it is shown.

use std::ops::{BitOr, BitOrAssign};
use std::slice;

use crate::framing::{BodyKind, Outlook};
use crate::method::Method;

/// The head of a message. It borrows from the input, or from the connection when it came in pieces.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The start line without its version.
    pub start: StartLine<'a>,
    /// `(1, 1)` for HTTP/1.1. `(0, 9)` when a request line has none.
    pub version: (u8, u8),
    /// llhttp_should_keep_alive's answer, as of the head: without regard to the request a response answers.
    pub keep_alive: bool,
    /// A request: CONNECT, or Upgrade with `Connection: upgrade`. A response: 101 with the same two fields, or any to CONNECT
    /// (Node hands the socket over whatever the status). The connection is halted until
    /// [`upgrade_verdict`](crate::Connection::upgrade_verdict).
    pub upgrade: bool,
    /// What follows, if this is no upgrade.
    pub body: BodyKind,
    /// There is a Host field.
    pub has_host: bool,
    /// There is an Expect field.
    pub has_expect: bool,
    /// There is a Content-Length field.
    pub has_content_length: bool,
    /// There is a Transfer-Encoding field.
    pub has_transfer_encoding: bool,
    /// The header fields in their order, repeated ones too.
    pub fields: Fields<'a>,
}

/// What a start line says, the version apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// Of a request.
    Request {
        /// One of llhttp's methods.
        method: Method,
        /// The request target, as it stands.
        target: &'a [u8],
    },
    /// Of a response.
    Response {
        /// 0 to 999.
        status: u16,
        /// The reason phrase in latin1, often empty.
        reason: &'a [u8],
    },
}

/// The fields of a head or a trailer section: `(name, value)` in latin1, the value without the white space around it.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    text: &'a [u8],
    spans: slice::Iter<'a, FieldSpan>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.spans
            .next()
            .map(|field| (field.name.of(self.text), field.value.of(self.text)))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// The trailer section of a chunked message; mostly empty.
#[derive(Clone, Debug)]
pub struct Trailers<'a>(Fields<'a>);

impl Trailers<'_> {
    pub(crate) fn none() -> Trailers<'static> {
        Trailers(Fields {
            text: &[],
            spans: [].iter(),
        })
    }
}

impl<'a> Iterator for Trailers<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Trailers<'_> {}

/// A stretch of a head's text. Four bytes each: a head of 4 GiB is refused long before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: u32,
    pub len: u32,
}

impl Span {
    #[inline]
    pub fn new(start: usize, len: usize) -> Span {
        Span {
            start: start as u32,
            len: len as u32,
        }
    }

    #[inline]
    pub fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..][..self.len as usize]
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSpan {
    pub name: Span,
    pub value: Span,
}

/// What the fields of a message have said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u16);

impl Flags {
    pub const CONNECTION_KEEP_ALIVE: Flags = Flags(1);
    pub const CONNECTION_CLOSE: Flags = Flags(1 << 1);
    pub const CONNECTION_UPGRADE: Flags = Flags(1 << 2);
    pub const CHUNKED: Flags = Flags(1 << 3);
    pub const UPGRADE: Flags = Flags(1 << 4);
    pub const CONTENT_LENGTH: Flags = Flags(1 << 5);
    pub const TRANSFER_ENCODING: Flags = Flags(1 << 6);
    pub const HOST: Flags = Flags(1 << 7);
    pub const EXPECT: Flags = Flags(1 << 8);

    #[inline]
    pub const fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    pub fn remove(&mut self, flag: Flags) {
        self.0 &= !flag.0;
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    #[inline]
    fn bitor_assign(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Request(Method),
    Response(u16),
}

/// What is kept of a head while its message is read.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub start: Start,
    pub version: (u8, u8),
    pub flags: Flags,
    pub content_length: u64,
    /// The request target or the reason phrase.
    pub line: Span,
    /// The header fields; once the body has ended, the trailers. The spans point into `text` or, when the head came in one
    /// piece, into that.
    pub fields: Vec<FieldSpan>,
    /// Target or reason, names and values of a head that came in pieces, end to end: nothing else of it is kept, so the limit on
    /// these bounds the memory.
    pub text: Vec<u8>,
    /// Bytes of text in this section so far.
    pub counted: usize,
}

/// What `text` and `fields` may keep allocated between messages, in bytes and fields.
const KEPT_BETWEEN_MESSAGES: (usize, usize) = (4096, 64);

impl Parsed {
    pub fn new() -> Parsed {
        Parsed {
            start: Start::Request(Method::Get),
            version: (1, 1),
            flags: Flags::default(),
            content_length: 0,
            line: Span::default(),
            fields: Vec::new(),
            text: Vec::new(),
            counted: 0,
        }
    }

    #[inline]
    pub fn clear(&mut self) {
        self.flags = Flags::default();
        self.content_length = 0;
        self.clear_fields();
    }

    /// Before a section of fields. An idle connection must not hold on to what one big head needed.
    #[inline]
    pub fn clear_fields(&mut self) {
        self.counted = 0;
        self.text.clear();
        self.fields.clear();
        self.text.shrink_to(KEPT_BETWEEN_MESSAGES.0);
        self.fields.shrink_to(KEPT_BETWEEN_MESSAGES.1);
    }

    pub fn fields<'a>(&'a self, text: &'a [u8]) -> Fields<'a> {
        Fields {
            text,
            spans: self.fields.iter(),
        }
    }

    pub fn trailers<'a>(&'a self, text: &'a [u8]) -> Trailers<'a> {
        Trailers(self.fields(text))
    }

    #[inline]
    pub fn head<'a>(&'a self, text: &'a [u8], outlook: Outlook) -> Head<'a> {
        let line = self.line.of(text);
        Head {
            start: match self.start {
                Start::Request(method) => StartLine::Request {
                    method,
                    target: line,
                },
                Start::Response(status) => StartLine::Response {
                    status,
                    reason: line,
                },
            },
            version: self.version,
            keep_alive: outlook.keep_alive,
            upgrade: outlook.upgrade,
            body: outlook.body,
            has_host: self.flags.has(Flags::HOST),
            has_expect: self.flags.has(Flags::EXPECT),
            has_content_length: self.flags.has(Flags::CONTENT_LENGTH),
            has_transfer_encoding: self.flags.has(Flags::TRANSFER_ENCODING),
            fields: self.fields(text),
        }
    }
}
