//! The start line, octet by octet.

use crate::diagnose::Cursor;
use crate::error::{Code, ParseError};
use crate::head::{Parsed, Span, Start};
use crate::limits::{Config, Leniency};
use crate::method::Method;
use crate::url::Url;

/// Where in a start line the input stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Method,
    AfterMethod,
    BeforeTarget,
    Target(Url),
    /// The CR of a request line without a version, and its LF.
    TargetCr,
    TargetLf,
    BeforeProtocol,
    Protocol,
    Slash(Protocol),
    Major,
    Dot,
    Minor,
    AfterRequestVersion,
    RequestLf,
    /// So many octets of HTTP/2's preface have come.
    Preface(usize),
    AfterResponseVersion,
    Status,
    AfterStatus,
    Reason,
    ResponseLf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    Rtsp,
    Ice,
}

const PROTOCOLS: [(&[u8], Protocol); 3] = [
    (b"HTTP", Protocol::Http),
    (b"RTSP", Protocol::Rtsp),
    (b"ICE", Protocol::Ice),
];
const PREFACE: &[u8] = b"\r\n\r\nSM\r\n\r\n";

/// Reads a start line.
#[derive(Clone, Debug)]
pub(crate) struct LineReader {
    at: At,
    /// The first `len` octets of a word that is in a table: a method, a protocol, a status.
    word: [u8; Method::LONGEST + 1],
    len: usize,
}

impl LineReader {
    pub fn request() -> LineReader {
        LineReader {
            at: At::Method,
            word: [0; _],
            len: 0,
        }
    }

    pub fn response() -> LineReader {
        LineReader {
            at: At::Protocol,
            word: [0; _],
            len: 0,
        }
    }

    fn push(&mut self, byte: u8) -> &[u8] {
        self.word[self.len] = byte;
        self.len += 1;
        &self.word[..self.len]
    }

    /// True: the line has ended. False: all input was taken.
    pub fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        parsed: &mut Parsed,
        config: &Config,
    ) -> Result<bool, ParseError> {
        let lenient = |what| config.leniency.allows(what);
        while let Some(byte) = cursor.peek() {
            let here = cursor.index;
            let after = here + 1;
            let fail = |code, reason, at| Err(ParseError::new(code, reason, at));
            // Whether this octet is taken, rather than looked at again in the next state.
            let mut take = true;
            let next = match self.at {
                At::Method => {
                    if Method::any_begins_with(self.push(byte)) {
                        At::Method
                    } else {
                        let Some(method) = Method::from_bytes(&self.word[..self.len - 1]) else {
                            return fail(Code::InvalidMethod, "Invalid method encountered", here);
                        };
                        parsed.start = Start::Request(method);
                        take = false;
                        At::AfterMethod
                    }
                }
                At::AfterMethod if byte == b' ' => At::BeforeTarget,
                At::AfterMethod => {
                    return fail(Code::InvalidMethod, "Expected space after method", here);
                }
                At::BeforeTarget if byte == b' ' => At::BeforeTarget,
                At::BeforeTarget => {
                    take = false;
                    cursor.mark = here;
                    At::Target(if parsed.start == Start::Request(Method::Connect) {
                        Url::Server
                    } else {
                        Url::Start
                    })
                }
                At::Target(url) => match url.step(byte, here)? {
                    Some(url) => At::Target(url),
                    None => {
                        cursor.keep(parsed, after, config)?;
                        parsed.line = Span::new(0, parsed.text.len());
                        parsed.version = (0, 9);
                        match byte {
                            b' ' => At::BeforeProtocol,
                            b'\r' => {
                                take = false;
                                At::TargetCr
                            }
                            _ if lenient(Leniency::OPTIONAL_CR_BEFORE_LF) => {
                                return self.done(cursor, after);
                            }
                            _ => {
                                return fail(
                                    Code::CrExpected,
                                    "Missing expected CR after request line",
                                    after,
                                );
                            }
                        }
                    }
                },
                At::TargetCr => At::TargetLf,
                At::TargetLf if byte == b'\n' => return self.done(cursor, after),
                At::TargetLf => return fail(Code::InvalidUrl, "Expected CRLF", here),
                At::BeforeProtocol if byte == b' ' => At::BeforeProtocol,
                At::BeforeProtocol => {
                    take = false;
                    self.len = 0;
                    At::Protocol
                }
                At::Protocol => {
                    let word = self.push(byte);
                    match PROTOCOLS.iter().find(|(name, _)| name.starts_with(word)) {
                        Some((name, protocol)) if name.len() == self.len => {
                            check_method(parsed.start, *protocol, after)?;
                            At::Slash(*protocol)
                        }
                        Some(_) => At::Protocol,
                        None => {
                            return fail(
                                Code::InvalidConstant,
                                "Expected HTTP/, RTSP/ or ICE/",
                                here,
                            );
                        }
                    }
                }
                At::Slash(_) if byte == b'/' => At::Major,
                At::Slash(_) => {
                    return fail(Code::InvalidConstant, "Expected HTTP/, RTSP/ or ICE/", here);
                }
                At::Major if byte.is_ascii_digit() => {
                    parsed.version.0 = byte - b'0';
                    At::Dot
                }
                At::Major => return fail(Code::InvalidVersion, "Invalid major version", here),
                At::Dot if byte == b'.' => At::Minor,
                At::Dot => return fail(Code::InvalidVersion, "Expected dot", here),
                At::Minor if byte.is_ascii_digit() => {
                    parsed.version.1 = byte - b'0';
                    let known = matches!(parsed.version, (0, 9) | (1, 0 | 1) | (2, 0));
                    if !known && !lenient(Leniency::VERSION) {
                        return fail(Code::InvalidVersion, "Invalid HTTP version", after);
                    }
                    match parsed.start {
                        Start::Request(Method::Pri) => At::Preface(0),
                        Start::Request(_) => At::AfterRequestVersion,
                        Start::Response(_) => At::AfterResponseVersion,
                    }
                }
                At::Minor => return fail(Code::InvalidVersion, "Invalid minor version", here),
                At::AfterRequestVersion => match byte {
                    b'\r' => At::RequestLf,
                    b'\n' if lenient(Leniency::OPTIONAL_CR_BEFORE_LF) => At::RequestLf,
                    b'\n' => {
                        return fail(Code::InvalidVersion, "Expected CRLF after version", after);
                    }
                    _ => return fail(Code::InvalidVersion, "Expected CRLF after version", here),
                },
                At::RequestLf if byte == b'\n' => return self.done(cursor, after),
                At::RequestLf if lenient(Leniency::OPTIONAL_LF_AFTER_CR) => {
                    return self.done(cursor, here);
                }
                At::RequestLf => return fail(Code::Strict, "Expected CRLF after version", here),
                At::Preface(count) if byte == PREFACE[count] => {
                    if count + 1 == PREFACE.len() {
                        return fail(Code::PausedH2Upgrade, "Pause on PRI/Upgrade", after);
                    }
                    At::Preface(count + 1)
                }
                At::Preface(_) => {
                    return fail(
                        Code::InvalidVersion,
                        "Expected HTTP/2 Connection Preface",
                        here,
                    );
                }
                At::AfterResponseVersion if byte == b' ' => {
                    self.len = 0;
                    At::Status
                }
                At::AfterResponseVersion => {
                    return fail(Code::InvalidVersion, "Expected space after version", here);
                }
                At::Status if byte.is_ascii_digit() => {
                    if self.push(byte - b'0').len() == 3 {
                        let status = self.word[..3]
                            .iter()
                            .fold(0, |status, digit| status * 10 + u16::from(*digit));
                        parsed.start = Start::Response(status);
                        At::AfterStatus
                    } else {
                        At::Status
                    }
                }
                At::Status => return fail(Code::InvalidStatus, "Invalid status code", here),
                At::AfterStatus => match byte {
                    b' ' => {
                        cursor.mark = after;
                        At::Reason
                    }
                    b'\r' => At::ResponseLf,
                    b'\n' if lenient(Leniency::OPTIONAL_CR_BEFORE_LF) => {
                        return self.done(cursor, after);
                    }
                    b'\n' => return fail(Code::InvalidStatus, "Invalid response status", after),
                    _ => return fail(Code::InvalidStatus, "Invalid response status", here),
                },
                At::Reason => match byte {
                    b'\r' | b'\n' => {
                        cursor.keep(parsed, after, config)?;
                        parsed.line = Span::new(0, parsed.text.len());
                        match byte {
                            b'\r' => At::ResponseLf,
                            _ if lenient(Leniency::OPTIONAL_CR_BEFORE_LF) => {
                                return self.done(cursor, after);
                            }
                            _ => {
                                return fail(
                                    Code::CrExpected,
                                    "Missing expected CR after response line",
                                    after,
                                );
                            }
                        }
                    }
                    _ => At::Reason,
                },
                At::ResponseLf if byte == b'\n' => return self.done(cursor, after),
                At::ResponseLf if lenient(Leniency::OPTIONAL_LF_AFTER_CR) => {
                    return self.done(cursor, here);
                }
                At::ResponseLf => return fail(Code::Strict, "Expected LF after CR", here),
            };
            self.at = next;
            if take {
                cursor.index = after;
            }
        }
        if matches!(self.at, At::Target(_) | At::Reason) {
            cursor.keep(parsed, cursor.index, config)?;
        }
        Ok(false)
    }

    fn done(&self, cursor: &mut Cursor<'_>, at: usize) -> Result<bool, ParseError> {
        cursor.index = at;
        Ok(true)
    }
}

fn check_method(start: Start, protocol: Protocol, at: usize) -> Result<(), ParseError> {
    let Start::Request(method) = start else {
        return Ok(());
    };
    let (fits, reason) = match protocol {
        Protocol::Http => (method.is_http(), "Invalid method for HTTP/x.x request"),
        Protocol::Rtsp => (method.is_rtsp(), "Invalid method for RTSP/x.x request"),
        Protocol::Ice => (
            method == Method::Source,
            "Expected SOURCE method for ICE/x.x request",
        ),
    };
    if fits {
        Ok(())
    } else {
        Err(ParseError::new(Code::InvalidConstant, reason, at))
    }
}
