//! The common case: a whole head in one piece, read by httparse, then held against what llhttp would say.
//!
//! httparse takes some things that llhttp refuses (a bare LF, any token as a method, any octet from 0x80 in a target) and
//! refuses some that llhttp takes. So this pass vouches only for heads which both take in the same way. A head it does not
//! vouch for is not thereby refused: [`diagnose`](crate::diagnose) reads it as llhttp does and has the last word.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Request, Response, Status};

use crate::head::{FieldSpan, Flags, Parsed, Span, Start};
use crate::method::Method;

/// Header fields read without falling back on the slower reader. They live on the stack only while a head is read.
const SLOTS: usize = 64;

/// Reads a request head from the front of `text`. The answer is its length, or `None` where this pass cannot vouch.
pub(crate) fn request(text: &[u8], max_head: usize, parsed: &mut Parsed) -> Option<usize> {
    let mut slots = [const { MaybeUninit::<Header<'_>>::uninit() }; SLOTS];
    let mut request = Request::new(&mut []);
    let status =
        ParserConfig::default().parse_request_with_uninit_headers(&mut request, text, &mut slots);
    let Ok(Status::Complete(len)) = status else {
        return None;
    };
    let target = request.path?.as_bytes();
    // Any visible ASCII may follow a slash or a star; the other forms have a grammar of their own.
    if !matches!(target[0], b'/' | b'*') || !target.is_ascii() {
        return None;
    }
    parsed.start = Start::Request(
        Method::from_bytes(request.method?.as_bytes()).filter(|method| is_plain(*method))?,
    );
    parsed.version = (1, request.version?);
    parsed.line = span_in(text, target);
    fields(&text[..len], max_head, request.headers, parsed).then_some(len)
}

/// The same for a response head.
pub(crate) fn response(text: &[u8], max_head: usize, parsed: &mut Parsed) -> Option<usize> {
    // "HTTP/1.1 200" and the space before the reason.
    const REASON: usize = 13;
    let mut slots = [const { MaybeUninit::<Header<'_>>::uninit() }; SLOTS];
    let mut response = Response::new(&mut []);
    let status =
        ParserConfig::default().parse_response_with_uninit_headers(&mut response, text, &mut slots);
    let Ok(Status::Complete(len)) = status else {
        return None;
    };
    // httparse gives no reason phrase where it has octets from 0x80, so it is cut out here.
    let line_end = match response.headers.first() {
        Some(field) => span_in(text, field.name.as_bytes()).start as usize - 2,
        None => len.checked_sub(4)?,
    };
    parsed.start = Start::Response(response.code?);
    parsed.version = (1, response.version?);
    parsed.line = Span::new(REASON.min(line_end), line_end.saturating_sub(REASON));
    fields(&text[..len], max_head, response.headers, parsed).then_some(len)
}

/// CONNECT has another kind of target; the rest is for RTSP or HTTP/2.
fn is_plain(method: Method) -> bool {
    method.is_http() && !matches!(method, Method::Connect | Method::Pri)
}

fn fields(head: &[u8], max_head: usize, headers: &[Header<'_>], parsed: &mut Parsed) -> bool {
    if head.len() >= max_head || !head.ends_with(b"\r\n\r\n") {
        return false;
    }
    parsed.clear();
    for header in headers {
        let name = span_in(head, header.name.as_bytes());
        // The line before ended in LF; llhttp wants CRLF.
        if head[name.start as usize - 2] != b'\r' || !note(header.name, header.value, parsed) {
            return false;
        }
        parsed.fields.push(FieldSpan {
            name,
            value: span_in(head, header.value),
        });
    }
    true
}

/// Takes note of what a field means for the message. False: the value is none of the plain ones.
#[inline]
fn note(name: &str, value: &[u8], parsed: &mut Parsed) -> bool {
    match name.len() {
        4 if name.eq_ignore_ascii_case("host") => parsed.flags |= Flags::HOST,
        6 if name.eq_ignore_ascii_case("expect") => parsed.flags |= Flags::EXPECT,
        7 if name.eq_ignore_ascii_case("upgrade") && !value.is_empty() => {
            parsed.flags |= Flags::UPGRADE
        }
        10 if name.eq_ignore_ascii_case("connection") => parsed.flags |= connection(value),
        16 if name.eq_ignore_ascii_case("proxy-connection") => parsed.flags |= connection(value),
        14 if name.eq_ignore_ascii_case("content-length") => return content_length(value, parsed),
        17 if name.eq_ignore_ascii_case("transfer-encoding") => {
            return transfer_encoding(value, parsed);
        }
        _ => {}
    }
    true
}

fn connection(value: &[u8]) -> Flags {
    let mut flags = Flags::default();
    for option in value.split(|byte| *byte == b',') {
        let option = option.trim_ascii();
        if option.eq_ignore_ascii_case(b"keep-alive") {
            flags |= Flags::CONNECTION_KEEP_ALIVE;
        } else if option.eq_ignore_ascii_case(b"close") {
            flags |= Flags::CONNECTION_CLOSE;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            flags |= Flags::CONNECTION_UPGRADE;
        }
    }
    flags
}

fn content_length(value: &[u8], parsed: &mut Parsed) -> bool {
    // 19 digits cannot overflow.
    let plain = matches!(value.len(), 1..=19) && value.iter().all(u8::is_ascii_digit);
    if !plain
        || parsed.flags.has(Flags::CONTENT_LENGTH)
        || parsed.flags.has(Flags::TRANSFER_ENCODING)
    {
        return false;
    }
    parsed.flags |= Flags::CONTENT_LENGTH;
    parsed.content_length = value
        .iter()
        .fold(0, |length, digit| length * 10 + u64::from(digit - b'0'));
    true
}

fn transfer_encoding(value: &[u8], parsed: &mut Parsed) -> bool {
    if !value.eq_ignore_ascii_case(b"chunked")
        || parsed.flags.has(Flags::CONTENT_LENGTH)
        || parsed.flags.has(Flags::TRANSFER_ENCODING)
    {
        return false;
    }
    parsed.flags |= Flags::TRANSFER_ENCODING | Flags::CHUNKED;
    true
}

/// Where `part`, which was cut from `text`, lies in it.
#[inline]
fn span_in(text: &[u8], part: &[u8]) -> Span {
    if part.is_empty() {
        return Span::default();
    }
    Span::new(part.as_ptr().addr() - text.as_ptr().addr(), part.len())
}
