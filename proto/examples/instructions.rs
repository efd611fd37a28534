//! The same messages over and over, for counting what one costs: `valgrind --tool=callgrind` over `instructions CASE COUNT`, for
//! two counts; the difference is the messages' alone. `bench/counts.js` does that and knows what it came to before.
//!
//! Without a case it lists them.

use std::hint::black_box;
use std::time::Instant;

use ferrohttp_proto::{Config, Connection, Event, Expect, Framing, Role};

const HELLO: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// What a browser behind a proxy sends.
const FIELDS: &[u8] = b"GET /a/page?with=query HTTP/1.1\r\n\
    Host: 127.0.0.1:8080\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Cache-Control: max-age=0\r\n\
    Cookie: session=6f1b0a7c9d2e4f38; theme=dark; consent=1\r\n\
    DNT: 1\r\n\
    Referer: http://127.0.0.1/previous/page?with=query\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    X-Forwarded-For: 192.0.2.17\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Content-Type: text/plain\r\n\
    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
    Connection: keep-alive\r\n\
    Keep-Alive: timeout=5\r\n\
    Content-Length: 13\r\n\r\n\
    Hello, world!";

/// Does a case's work for one message.
type Case = Box<dyn FnMut()>;

/// Feeds `input`, in pieces of `size` bytes, to a connection that lives as long as the case, and answers each request.
fn receiving(role: Role, input: Vec<u8>, size: usize) -> Case {
    let now = Instant::now();
    let mut connection = Connection::new(role, Config::default(), now);
    let mut out = Vec::new();
    Box::new(move || {
        if role == Role::Client {
            connection.expect_response(Expect::Message);
            let framing = Framing::None;
            out.clear();
            connection
                .send_head(HELLO, framing, Expect::Message, &mut out)
                .and_then(|()| connection.send_end(b"", now, &mut out))
                .expect("a request can be sent");
        }
        let mut whole = 0;
        for mut piece in input.chunks(size) {
            while let Some(event) = connection.poll_event(&mut piece, now) {
                match event {
                    Event::Failed(error) => panic!("{error}"),
                    Event::Complete(_) => whole += 1,
                    event => drop(black_box(event)),
                }
            }
        }
        assert!(whole > 0, "the input is no message");
        if role == Role::Server {
            for _ in 0..whole {
                out.clear();
                sent(
                    &mut connection,
                    now,
                    Framing::Length(Some(13)),
                    13,
                    1,
                    &mut out,
                );
            }
        }
    })
}

/// Answers, over and over, with `pieces` parts of `size` bytes.
fn sending(framing: Framing, size: usize, pieces: usize) -> Case {
    let now = Instant::now();
    let mut connection = Connection::new(Role::Server, Config::default(), now);
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        sent(&mut connection, now, framing, size, pieces, &mut out);
        black_box(&out);
    })
}

fn sent(
    connection: &mut Connection,
    now: Instant,
    framing: Framing,
    size: usize,
    pieces: usize,
    out: &mut Vec<u8>,
) {
    const DATA: [u8; 1024] = [b'x'; 1024];
    let head = &RESPONSE[..RESPONSE.len() - 13];
    let mut send = || {
        connection.send_head(head, framing, Expect::Message, out)?;
        for _ in 0..pieces {
            connection.send_body(&DATA[..size], out)?;
        }
        connection.send_end(b"", now, out)
    };
    send().expect("what is sent is well framed");
}

fn with_length(size: usize) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: {size}\r\n\r\n");
    [head.as_bytes(), &vec![b'x'; size]].concat()
}

fn chunked(size: usize, chunks: usize) -> Vec<u8> {
    let mut text = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..chunks {
        text.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        text.resize(text.len() + size, b'x');
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"0\r\n\r\n");
    text
}

/// A case's name, and what makes it. Those that receive are answered with 13 bytes.
type Named = (&'static str, fn() -> Case);

const CASES: &[Named] = &[
    ("hello request", || {
        receiving(Role::Server, HELLO.to_vec(), usize::MAX)
    }),
    ("16 pipelined requests", || {
        receiving(Role::Server, HELLO.repeat(16), usize::MAX)
    }),
    ("request with 12 fields", || {
        receiving(Role::Server, FIELDS.to_vec(), usize::MAX)
    }),
    ("request with 12 fields, 16 bytes at a time", || {
        receiving(Role::Server, FIELDS.to_vec(), 16)
    }),
    ("request with a body of 1 KiB", || {
        receiving(Role::Server, with_length(1024), usize::MAX)
    }),
    ("request with 8 chunks of 128 bytes", || {
        receiving(Role::Server, chunked(128, 8), usize::MAX)
    }),
    ("response", || {
        receiving(Role::Client, RESPONSE.to_vec(), usize::MAX)
    }),
    ("sent response", || {
        sending(Framing::Length(Some(13)), 13, 1)
    }),
    ("sent response of 8 chunks", || {
        sending(Framing::Chunked, 128, 8)
    }),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, count] = &arguments[..] else {
        for (name, _) in CASES {
            println!("{name}");
        }
        return;
    };
    let (_, case) = CASES
        .iter()
        .find(|(known, _)| known == name)
        .expect("CASE is one of those listed");
    let mut case = case();
    for _ in 0..count.parse().expect("COUNT is a number") {
        case();
    }
}
