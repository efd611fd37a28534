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
    parsed.clear();
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
    parsed.clear();
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
    for header in headers {
        let field = FieldSpan {
            name: span_in(head, header.name.as_bytes()),
            value: span_in(head, header.value),
        };
        // The line before this one ended in LF; llhttp wants CRLF.
        if head[field.name.start as usize - 2] != b'\r' {
            return false;
        }
        let after = head
            .get((field.value.start + field.value.len) as usize)
            .copied();
        if !note(header.name, header.value, after, parsed) {
            return false;
        }
        parsed.fields.push(field);
    }
    true
}

/// Takes note of what a field means for the message. False: the value is none of the plain ones. `after`: the octet after it.
#[inline]
fn note(name: &str, value: &[u8], after: Option<u8>, parsed: &mut Parsed) -> bool {
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
            return transfer_encoding(value, after, parsed);
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

fn transfer_encoding(value: &[u8], after: Option<u8>, parsed: &mut Parsed) -> bool {
    // To llhttp, chunked with a tab after it is another coding.
    if after != Some(b'\r')
        || !value.eq_ignore_ascii_case(b"chunked")
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

#[cfg(test)]
mod tests {
    use super::{request, response};
    use crate::connection::Role;
    use crate::diagnose::Reader;
    use crate::head::{Parsed, Start};
    use crate::limits::Config;
    use crate::method::Method;

    type Fields = Vec<(Vec<u8>, Vec<u8>)>;

    /// All that is kept of a head, with its text.
    fn kept(parsed: &Parsed, text: &[u8]) -> (String, Fields) {
        let line = String::from_utf8_lossy(parsed.line.of(text));
        let Parsed {
            start,
            version,
            flags,
            content_length,
            ..
        } = parsed;
        let fields = parsed
            .fields(text)
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect();
        (
            format!("{start:?} {line} {version:?} {flags:?} {content_length}"),
            fields,
        )
    }

    /// What the cold reader keeps of the same head.
    fn cold(role: Role, text: &[u8]) -> Option<(String, Fields)> {
        let mut parsed = Parsed::new();
        if role == Role::Client {
            parsed.start = Start::Response(0);
        }
        let end = Reader::head(role).read(text, &mut parsed, &Config::default());
        (end == Ok(Some(text.len()))).then(|| kept(&parsed, &parsed.text))
    }

    #[test]
    fn vouched_for_heads_read_the_same_in_both_ways() {
        let requests = [
            "GET / HTTP/1.1\r\n\r\n",
            "OPTIONS * HTTP/1.0\r\nHost:\r\n\r\n",
            "QUERY /a?b#c?d HTTP/1.1\r\nA: b \t\r\nExpect: x\r\nHost: c\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 0012 \r\nConnection: a, Close ,upgrade\r\nUpgrade: h2c\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding:chunked\r\nProxy-Connection: keep-alive,\r\n\r\n",
        ];
        for text in requests {
            let mut parsed = Parsed::new();
            assert_eq!(
                request(text.as_bytes(), 1000, &mut parsed),
                Some(text.len()),
                "{text}"
            );
            assert_eq!(
                Some(kept(&parsed, text.as_bytes())),
                cold(Role::Server, text.as_bytes()),
                "{text}"
            );
        }
        for text in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 304\r\nA: b\r\n\r\n",
            "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 999 caf\u{e9}\r\nTransfer-Encoding: CHUNKED\r\n\r\n",
        ] {
            let mut parsed = Parsed::new();
            assert_eq!(
                response(text.as_bytes(), 1000, &mut parsed),
                Some(text.len()),
                "{text}"
            );
            assert_eq!(
                Some(kept(&parsed, text.as_bytes())),
                cold(Role::Client, text.as_bytes()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_llhttp_may_see_otherwise_is_left_to_the_cold_reader() {
        for text in [
            "GET / HTTP/1.1\n\r\n",
            "GET / HTTP/1.1\r\n\n",
            "GET / HTTP/1.1\r\nA: b\n\r\n",
            "GET / HTTP/1.1\nA: b\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n\n",
            "FOO / HTTP/1.1\r\n\r\n",
            "PLAY / HTTP/1.1\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\n\r\n",
            "GET /\u{e9} HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length:\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\t\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b",
        ] {
            assert_eq!(
                request(text.as_bytes(), 1000, &mut Parsed::new()),
                None,
                "{text}"
            );
        }
        let long = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
        assert_eq!(
            request(long.as_bytes(), long.len(), &mut Parsed::new()),
            None
        );
    }

    #[test]
    fn every_ordinary_method_is_vouched_for() {
        for method in Method::ALL
            .iter()
            .filter(|method| super::is_plain(**method))
        {
            let text = format!("{} / HTTP/1.1\r\n\r\n", method.as_str());
            let mut parsed = Parsed::new();
            assert_eq!(
                request(text.as_bytes(), 1000, &mut parsed),
                Some(text.len())
            );
            assert_eq!(parsed.start, Start::Request(*method));
        }
    }
}
