//! Where a message ends (RFC 9112, section 6), in both directions.

use crate::head::{Flags, Parsed, Start};
use crate::limits::Leniency;
use crate::method::Method;

/// How a message that is sent tells its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// Content-Length, in bytes; with `None` the caller vouches for the length.
    Length(Option<u64>),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// The end of the connection.
    UntilClose,
}

/// What kind of response a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A head and what it says about its body.
    Message,
    /// A head only: the request is HEAD.
    Head,
    /// A tunnel: the request is CONNECT.
    Connect,
}

/// How a message that is received tells its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// There is no body.
    None,
    /// As many bytes, at least one.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// All there is until the peer closes.
    UntilClose,
}

/// What follows from a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outlook {
    pub keep_alive: bool,
    pub upgrade: bool,
    pub body: BodyKind,
    /// The body is coded in a way a request's must not be: the head is shown, then the message fails.
    pub undecodable: bool,
    /// An interim response: the one that was asked for is still to come.
    pub interim: bool,
}

/// `expect`: for a response, what the request it answers wanted.
pub(crate) fn outlook(parsed: &Parsed, expect: Expect, leniency: Leniency) -> Outlook {
    let flags = parsed.flags;
    let offers_upgrade = flags.has(Flags::UPGRADE) && flags.has(Flags::CONNECTION_UPGRADE);
    match parsed.start {
        Start::Request(method) => {
            let unfit = flags.has(Flags::TRANSFER_ENCODING) && !flags.has(Flags::CHUNKED);
            let forgiven = leniency.allows(Leniency::CHUNKED_LENGTH)
                || leniency.allows(Leniency::TRANSFER_ENCODING);
            Outlook {
                keep_alive: persists(parsed, false),
                upgrade: offers_upgrade || method == Method::Connect,
                body: coded(parsed).unwrap_or(BodyKind::None),
                undecodable: unfit && !forgiven,
                interim: false,
            }
        }
        Start::Response(status) => {
            let upgrade = (offers_upgrade && status == 101) || expect == Expect::Connect;
            let interim = (100..200).contains(&status) && status != 101 && !upgrade;
            let headless = interim || status == 304 || expect == Expect::Head;
            let lasts = needs_eof(parsed, status);
            Outlook {
                keep_alive: persists(parsed, lasts),
                upgrade,
                body: match coded(parsed) {
                    _ if headless => BodyKind::None,
                    Some(kind) => kind,
                    None if lasts => BodyKind::UntilClose,
                    None => BodyKind::None,
                },
                undecodable: false,
                interim,
            }
        }
    }
}

fn coded(parsed: &Parsed) -> Option<BodyKind> {
    if parsed.flags.has(Flags::CHUNKED) {
        Some(BodyKind::Chunked)
    } else if parsed.flags.has(Flags::TRANSFER_ENCODING) {
        Some(BodyKind::UntilClose)
    } else if parsed.flags.has(Flags::CONTENT_LENGTH) {
        Some(if parsed.content_length == 0 {
            BodyKind::None
        } else {
            BodyKind::Length(parsed.content_length)
        })
    } else {
        None
    }
}

/// llhttp asks this without regard to the request: a response to HEAD without a length "needs" the end of the connection,
/// and Node's client does not keep such a connection.
fn needs_eof(parsed: &Parsed, status: u16) -> bool {
    if (100..200).contains(&status) || status == 204 || status == 304 {
        return false;
    }
    let flags = parsed.flags;
    if flags.has(Flags::TRANSFER_ENCODING) && !flags.has(Flags::CHUNKED) {
        return true;
    }
    !flags.has(Flags::CHUNKED) && !flags.has(Flags::CONTENT_LENGTH)
}

fn persists(parsed: &Parsed, needs_eof: bool) -> bool {
    wishes_to_persist(parsed) && !needs_eof
}

/// What version and Connection say, whatever the framing. Trailers can still change it.
pub(crate) fn wishes_to_persist(parsed: &Parsed) -> bool {
    let (major, minor) = parsed.version;
    if major > 0 && minor > 0 {
        !parsed.flags.has(Flags::CONNECTION_CLOSE)
    } else {
        parsed.flags.has(Flags::CONNECTION_KEEP_ALIVE)
    }
}
