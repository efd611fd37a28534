//! The least that a server on one thread can do: an epoll loop that finds where requests end and sends bytes made beforehand.
//!
//! No HTTP server: it believes every peer, knows `Content-Length` as the load generators write it, and answers all requests
//! alike. What it costs is what the kernel costs, and little else.

use std::io::{self, ErrorKind, Read, Write};

use ferrohttp_bench_native::{Kind, Spec, start};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const RECEIVED_AT_ONCE: usize = 64 * 1024;

struct Peer {
    socket: TcpStream,
    /// The head of a request, as far as it is here.
    head: Vec<u8>,
    /// What is missing of the request's body.
    missing: usize,
    /// Of the request's body.
    length: usize,
    /// What the kernel has not taken yet, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// How many answers of the spec's fixed bytes follow `out`, and how far the first is.
    fixed: usize,
    fixed_sent: usize,
}

struct Server {
    spec: Spec,
    /// A whole answer, when all are the same.
    fixed: Vec<u8>,
    /// The head of an answer up to the value of its `Content-Length`.
    head: String,
}

impl Server {
    fn new(spec: Spec) -> Self {
        let mut head = String::from("HTTP/1.1 200 OK\r\n");
        for (name, value) in &spec.fields {
            head += &format!("{name}: {value}\r\n");
        }
        // As long as a real one; nobody compares it with the clock.
        head += "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
        head += if spec.close {
            "Connection: close\r\n"
        } else {
            "Connection: keep-alive\r\n"
        };
        let body = if spec.looked_at.is_empty() {
            spec.body.clone()
        } else {
            format!("{} fields", spec.looked_at.len()).into()
        };
        let mut fixed = head.clone().into_bytes();
        if spec.kind == Kind::Streamed {
            fixed.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for piece in body.chunks(RECEIVED_AT_ONCE) {
                fixed.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                fixed.extend_from_slice(piece);
                fixed.extend_from_slice(b"\r\n");
            }
            fixed.extend_from_slice(b"0\r\n\r\n");
        } else {
            fixed.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            fixed.extend_from_slice(&body);
        }
        head += "Content-Length: ";
        Server { spec, fixed, head }
    }

    /// Whether the connection goes on.
    fn receive(&self, peer: &mut Peer, buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            let received = match peer.socket.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            self.take(peer, &buffer[..received]);
            // Less than there was room for: the socket is empty, and edge-triggered readiness tells when it is not.
            if received < buffer.len() {
                break;
            }
        }
        self.send(peer)
    }

    fn take(&self, peer: &mut Peer, mut input: &[u8]) {
        while !input.is_empty() {
            if peer.missing > 0 {
                let taken = input.len().min(peer.missing);
                if self.spec.kind == Kind::Echoed {
                    peer.out.extend_from_slice(&input[..taken]);
                }
                peer.missing -= taken;
                input = &input[taken..];
                if peer.missing == 0 && self.spec.kind == Kind::Counted {
                    self.answer(peer);
                }
                continue;
            }
            if !peer.head.is_empty() {
                let mut joined = std::mem::take(&mut peer.head);
                joined.extend_from_slice(input);
                return self.take(peer, &joined);
            }
            let end = input.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            let Some(end) = end else {
                peer.head.extend_from_slice(input);
                return;
            };
            peer.length = content_length(&input[..end + 4]);
            peer.missing = peer.length;
            input = &input[end + 4..];
            if self.spec.kind != Kind::Counted || peer.length == 0 {
                self.answer(peer);
            }
        }
    }

    /// The whole answer, or its head when the body is the request's.
    fn answer(&self, peer: &mut Peer) {
        match self.spec.kind {
            Kind::Fixed | Kind::Streamed => peer.fixed += 1,
            Kind::Echoed => {
                let _ = write!(peer.out, "{}{}\r\n\r\n", self.head, peer.length);
            }
            Kind::Counted => {
                let body = peer.length.to_string();
                let _ = write!(peer.out, "{}{}\r\n\r\n{body}", self.head, body.len());
            }
        }
    }

    fn send(&self, peer: &mut Peer) -> io::Result<bool> {
        let answered = peer.fixed > 0 || peer.sent < peer.out.len();
        // Several small answers leave in one call.
        if peer.fixed > 1 && self.fixed.len() < RECEIVED_AT_ONCE {
            for _ in 0..peer.fixed {
                peer.out.extend_from_slice(&self.fixed);
            }
            peer.fixed = 0;
        }
        loop {
            let rest = if peer.sent < peer.out.len() {
                &peer.out[peer.sent..]
            } else if peer.fixed > 0 {
                &self.fixed[peer.fixed_sent..]
            } else {
                peer.out.clear();
                peer.sent = 0;
                return Ok(!(self.spec.close && answered));
            };
            let sent = match peer.socket.write(rest) {
                Ok(sent) => sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            if peer.sent < peer.out.len() {
                peer.sent += sent;
            } else {
                peer.fixed_sent += sent;
                if peer.fixed_sent == self.fixed.len() {
                    (peer.fixed, peer.fixed_sent) = (peer.fixed - 1, 0);
                }
            }
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length: ";
    let at = head
        .windows(NAME.len())
        .position(|bytes| bytes.eq_ignore_ascii_case(NAME));
    let digits = at.map_or(&[][..], |at| &head[at + NAME.len()..]);
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, byte| number * 10 + usize::from(byte - b'0'))
}

fn accept(poll: &Poll, listener: &TcpListener, peers: &mut Vec<Option<Peer>>) -> io::Result<()> {
    loop {
        let mut socket = match listener.accept() {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        socket.set_nodelay(true)?;
        let slot = peers.iter().position(Option::is_none).unwrap_or_else(|| {
            peers.push(None);
            peers.len() - 1
        });
        let interests = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut socket, Token(slot), interests)?;
        peers[slot] = Some(Peer {
            socket,
            head: Vec::new(),
            missing: 0,
            length: 0,
            out: Vec::new(),
            sent: 0,
            fixed: 0,
            fixed_sent: 0,
        });
    }
}

fn main() -> io::Result<()> {
    let (spec, listener) = start()?;
    let server = Server::new(spec);
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let mut buffer = vec![0; RECEIVED_AT_ONCE];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                accept(&poll, &listener, &mut peers)?;
                continue;
            }
            let Some(peer) = &mut peers[event.token().0] else {
                continue;
            };
            let goes_on = if event.is_readable() {
                server.receive(peer, &mut buffer)
            } else {
                server.send(peer)
            };
            if !goes_on.unwrap_or(false) {
                peers[event.token().0] = None;
            }
        }
    }
}
