//! Request targets, by llhttp's grammar.

use crate::bytes::{is_path, is_userinfo};
use crate::error::{Code, ParseError};

/// Where in a request target the input stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Url {
    Start,
    Scheme,
    FirstSlash,
    SecondSlash,
    Server,
    ServerAfterAt,
    Path,
    Query,
    Fragment,
}

impl Url {
    /// Where the octet at `index` leads, or `None` when it is the SP, CR or LF that ends the target.
    pub fn step(self, byte: u8, index: usize) -> Result<Option<Url>, ParseError> {
        let fail = |reason, at| Err(ParseError::new(Code::InvalidUrl, reason, at));
        if matches!(byte, b'\t' | b'\x0c') && self != Url::SecondSlash {
            return fail("Invalid characters in url", index + 1);
        }
        let ends = matches!(byte, b' ' | b'\r' | b'\n');
        if ends && matches!(self, Url::Start | Url::Scheme | Url::FirstSlash) {
            return fail("Invalid characters in url", index + 1);
        }
        Ok(Some(match self {
            Url::Start => match byte {
                b'/' | b'*' => Url::Path,
                _ if byte.is_ascii_alphabetic() => Url::Scheme,
                _ => return fail("Unexpected start char in url", index),
            },
            Url::Scheme => match byte {
                b':' => Url::FirstSlash,
                _ if byte.is_ascii_alphabetic() => Url::Scheme,
                _ => return fail("Unexpected char in url schema", index),
            },
            Url::FirstSlash if byte == b'/' => Url::SecondSlash,
            Url::SecondSlash if byte == b'/' => Url::Server,
            Url::FirstSlash | Url::SecondSlash => {
                return fail("Unexpected char in url schema", index);
            }
            Url::Server | Url::ServerAfterAt => match byte {
                b'/' => Url::Path,
                b'?' => Url::Query,
                b'@' if self == Url::ServerAfterAt => return fail("Double @ in url", index + 1),
                b'@' => Url::ServerAfterAt,
                b'[' | b']' => Url::Server,
                _ if is_userinfo(byte) => Url::Server,
                _ if ends => return Ok(None),
                _ => return fail("Unexpected char in url server", index),
            },
            Url::Path => match byte {
                b'?' => Url::Query,
                b'#' => Url::Fragment,
                _ if is_path(byte) => Url::Path,
                _ if ends => return Ok(None),
                _ => return fail("Invalid char in url path", index),
            },
            Url::Query => match byte {
                b'#' => Url::Fragment,
                b'?' => Url::Query,
                _ if is_path(byte) => Url::Query,
                _ if ends => return Ok(None),
                _ => return fail("Invalid char in url query", index),
            },
            Url::Fragment => match byte {
                b'?' | b'#' => Url::Fragment,
                _ if is_path(byte) => Url::Fragment,
                _ if ends => return Ok(None),
                _ => return fail("Invalid char in url fragment start", index),
            },
        }))
    }
}
