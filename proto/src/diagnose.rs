//! The cold reader: octet by octet, as llhttp does, with its verdicts, its words and its offsets.
//!
//! It reads what [`strict`](crate::strict) does not vouch for: heads that come in pieces, that are out of the ordinary, or
//! that are wrong; and trailers. It can stop after any octet and go on with the next input, so a slow sender costs no more than
//! a fast one, and what is wrong is found when the first wrong octet comes, not when the head ends.

use crate::connection::Role;
use crate::error::{Code, ParseError};
use crate::fields::FieldReader;
use crate::head::Parsed;
use crate::limits::Config;
use crate::line::LineReader;

/// Input and the place in it.
pub(crate) struct Cursor<'i> {
    pub input: &'i [u8],
    pub index: usize,
    /// Where the piece of text begins that is being read, if one is.
    pub mark: usize,
}

impl Cursor<'_> {
    pub fn peek(&self) -> Option<u8> {
        self.input.get(self.index).copied()
    }

    /// Skips octets while `class` has them.
    pub fn skip_while(&mut self, class: impl Fn(u8) -> bool) {
        let rest = &self.input[self.index..];
        self.index += rest
            .iter()
            .position(|byte| !class(*byte))
            .unwrap_or(rest.len());
    }

    /// Keeps the piece of text that ends here. Too much text fails at `at`.
    pub fn keep(
        &mut self,
        parsed: &mut Parsed,
        at: usize,
        config: &Config,
    ) -> Result<(), ParseError> {
        let piece = &self.input[self.mark..self.index];
        self.mark = self.index;
        parsed.counted += piece.len();
        if parsed.counted >= config.limits.max_head {
            return Err(ParseError::new(Code::HeaderOverflow, "Header overflow", at));
        }
        parsed.text.extend_from_slice(piece);
        Ok(())
    }
}

/// Where in a head or a trailer section the input stands.
#[derive(Clone, Debug)]
pub(crate) enum Reader {
    Line(LineReader),
    Fields(FieldReader),
}

impl Reader {
    /// For a head.
    pub fn head(role: Role) -> Reader {
        Reader::Line(match role {
            Role::Server => LineReader::request(),
            Role::Client => LineReader::response(),
        })
    }

    /// For trailers.
    pub fn trailers() -> Reader {
        Reader::Fields(FieldReader::trailers())
    }

    /// Reads on. `Some`: the section has ended, after as many octets of `input`; `None`: all of it was taken.
    pub fn read(
        &mut self,
        input: &[u8],
        parsed: &mut Parsed,
        config: &Config,
    ) -> Result<Option<usize>, ParseError> {
        let mut cursor = Cursor {
            input,
            index: 0,
            mark: 0,
        };
        if let Reader::Line(line) = self {
            if !line.read(&mut cursor, parsed, config)? {
                return Ok(None);
            }
            *self = Reader::Fields(FieldReader::head());
        }
        let Reader::Fields(fields) = self else {
            return Ok(None);
        };
        Ok(fields
            .read(&mut cursor, parsed, config)?
            .then_some(cursor.index))
    }
}
