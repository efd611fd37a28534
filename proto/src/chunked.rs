//! The chunked coding, inwards: RFC 9112, section 7.1, as strict as llhttp.

use std::ops::Range;

use crate::bytes::{is_quotable, is_token, is_value};
use crate::error::{Code, ParseError};
use crate::limits::{Config, Leniency};

/// Where in a chunk the input stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    FirstDigit,
    Size,
    AfterSize,
    Extensions,
    ExtensionName,
    ExtensionValue,
    Quoted,
    QuotedPair,
    AfterQuoted,
    SizeLf,
    Data,
    DataCr,
    DataLf,
}

/// What [`Decoder::decode`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Data; it and what stands before it are taken.
    Data(Range<usize>),
    /// The last chunk's size line ends here; trailers follow.
    Last(usize),
    /// All input is taken.
    More,
}

/// Takes a chunked body apart, up to its trailers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoder {
    at: At,
    /// The size of the chunk, then what is left of it, in bytes.
    left: u64,
    /// Bytes of this chunk's extensions so far.
    extensions: usize,
}

impl Decoder {
    pub fn new() -> Decoder {
        Decoder {
            at: At::FirstDigit,
            left: 0,
            extensions: 0,
        }
    }

    pub fn decode(&mut self, input: &[u8], config: &Config) -> Result<Part, ParseError> {
        let lenient = |what| config.leniency.allows(what);
        let fail = |code, reason, at| Err(ParseError::new(code, reason, at));
        let strict = |reason, at| Err(ParseError::new(Code::Strict, reason, at));
        let invalid_size = |at| {
            Err(ParseError::new(
                Code::InvalidChunkSize,
                "Invalid character in chunk size",
                at,
            ))
        };
        // Where in `input` the extension's name or value begins that is being read.
        let mut mark = 0;
        let mut index = 0;
        while let Some(&byte) = input.get(index) {
            match self.at {
                At::FirstDigit | At::Size => match char::from(byte).to_digit(16) {
                    Some(digit) => {
                        index += 1;
                        let Some(size) = self.left.checked_mul(16) else {
                            return fail(Code::InvalidChunkSize, "Chunk size overflow", index);
                        };
                        self.left = size + u64::from(digit);
                        self.at = At::Size;
                    }
                    None if self.at == At::FirstDigit => return invalid_size(index),
                    None => self.at = At::AfterSize,
                },
                At::AfterSize => {
                    self.at = match byte {
                        b' ' | b'\t' if lenient(Leniency::SPACES_AFTER_CHUNK_SIZE) => At::AfterSize,
                        b' ' | b'\t' => return invalid_size(index + 1),
                        b'\r' => At::SizeLf,
                        b'\n' if lenient(Leniency::OPTIONAL_CR_BEFORE_LF) => At::SizeLf,
                        b'\n' => {
                            return fail(
                                Code::CrExpected,
                                "Missing expected CR after chunk size",
                                index + 1,
                            );
                        }
                        b';' => At::Extensions,
                        _ => return invalid_size(index),
                    };
                    index += 1;
                }
                At::Extensions => {
                    if matches!(byte, b' ' | b'\r') {
                        return strict("Invalid character in chunk extensions", index + 1);
                    }
                    mark = index;
                    self.at = At::ExtensionName;
                }
                At::ExtensionName | At::ExtensionValue if is_token(byte) => index += 1,
                At::ExtensionValue if byte == b'"' => {
                    index += 1;
                    self.at = At::Quoted;
                }
                At::ExtensionName | At::ExtensionValue => {
                    let name = self.at == At::ExtensionName;
                    // A bare LF is looked at again, any other octet is taken with the span it ends.
                    let end = if byte == b'\n' { index } else { index + 1 };
                    self.count(index - mark, end, config)?;
                    self.at = match byte {
                        b'=' if name => At::ExtensionValue,
                        b';' => At::Extensions,
                        b'\r' => At::SizeLf,
                        b'\n' if lenient(Leniency::OPTIONAL_CR_BEFORE_LF) => At::SizeLf,
                        b'\n' if name => {
                            return fail(
                                Code::CrExpected,
                                "Missing expected CR after chunk extension name",
                                end,
                            );
                        }
                        b'\n' => {
                            return fail(
                                Code::CrExpected,
                                "Missing expected CR after chunk extension value",
                                end,
                            );
                        }
                        _ if name => {
                            return strict("Invalid character in chunk extensions name", end);
                        }
                        _ => return strict("Invalid character in chunk extensions value", end),
                    };
                    index = end;
                    mark = end;
                }
                At::Quoted => {
                    index += 1;
                    match byte {
                        b'"' => {
                            self.count(index - mark, index, config)?;
                            self.at = At::AfterQuoted;
                        }
                        b'\\' => self.at = At::QuotedPair,
                        _ if is_quotable(byte) => {}
                        _ => {
                            self.count(index - 1 - mark, index, config)?;
                            return strict(
                                "Invalid character in chunk extensions quoted value",
                                index,
                            );
                        }
                    }
                }
                At::QuotedPair => {
                    index += 1;
                    if !is_value(byte) {
                        self.count(index - 1 - mark, index, config)?;
                        return strict(
                            "Invalid quoted-pair in chunk extensions quoted value",
                            index,
                        );
                    }
                    self.at = At::Quoted;
                }
                At::AfterQuoted => match byte {
                    b';' => {
                        index += 1;
                        self.at = At::Extensions;
                    }
                    b'\r' => {
                        index += 1;
                        self.at = At::SizeLf;
                    }
                    b'\n' if lenient(Leniency::OPTIONAL_CR_BEFORE_LF) => self.at = At::SizeLf,
                    b'\n' => {
                        return fail(
                            Code::CrExpected,
                            "Missing expected CR after chunk extension value",
                            index,
                        );
                    }
                    _ => return strict("Invalid character in chunk extensions quote value", index),
                },
                At::SizeLf => {
                    if byte == b'\n' {
                        index += 1;
                    } else if !lenient(Leniency::OPTIONAL_LF_AFTER_CR) {
                        return strict("Expected LF after chunk size", index);
                    }
                    self.extensions = 0;
                    if self.left == 0 {
                        return Ok(Part::Last(index));
                    }
                    self.at = At::Data;
                }
                At::Data => {
                    let len = usize::try_from(self.left)
                        .unwrap_or(usize::MAX)
                        .min(input.len() - index);
                    self.left -= len as u64;
                    if self.left == 0 {
                        self.at = At::DataCr;
                    }
                    return Ok(Part::Data(index..index + len));
                }
                At::DataCr if byte == b'\r' => {
                    index += 1;
                    self.at = At::DataLf;
                }
                At::DataCr | At::DataLf => {
                    if byte == b'\n' {
                        index += 1;
                        if self.at == At::DataCr && !lenient(Leniency::OPTIONAL_CR_BEFORE_LF) {
                            return fail(
                                Code::CrExpected,
                                "Missing expected CR after chunk data",
                                index,
                            );
                        }
                    } else if !lenient(Leniency::OPTIONAL_CRLF_AFTER_CHUNK) {
                        return strict("Expected LF after chunk data", index);
                    }
                    self.at = At::FirstDigit;
                }
            }
        }
        if matches!(
            self.at,
            At::ExtensionName | At::ExtensionValue | At::Quoted | At::QuotedPair
        ) {
            self.count(index - mark, index, config)?;
        }
        Ok(Part::More)
    }

    fn count(&mut self, len: usize, at: usize, config: &Config) -> Result<(), ParseError> {
        self.extensions += len;
        if self.extensions > config.limits.max_chunk_extensions {
            return Err(ParseError::new(
                Code::ChunkExtensionsOverflow,
                "Chunk extensions overflow",
                at,
            ));
        }
        Ok(())
    }
}
