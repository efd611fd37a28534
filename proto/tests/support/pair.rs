//! A client and a server connection, the pipes between them, and a clock, none of them real.

use std::time::{Duration, Instant};

use ferrohttp_proto::{Config, Connection, Event, Expect, Framing, Method, Role, StartLine};

/// A small generator of numbers that look random (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// 0 to `sides` - 1.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }
}

/// A message as its receiver saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The method and target, or the status.
    pub what: String,
    pub body: Vec<u8>,
    pub trailers: usize,
    pub whole: bool,
}

/// A connection, what it has been sent, and what it wants to send.
pub struct End {
    pub connection: Connection,
    pub out: Vec<u8>,
    inbox: Vec<u8>,
    pub received: Vec<Received>,
    pub methods: Vec<Method>,
    pub failures: Vec<&'static str>,
}

impl End {
    fn new(role: Role, now: Instant) -> End {
        End {
            connection: Connection::new(role, Config::default(), now),
            out: Vec::new(),
            inbox: Vec::new(),
            received: Vec::new(),
            methods: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Takes all events there are.
    pub fn poll(&mut self, now: Instant) {
        let inbox = std::mem::take(&mut self.inbox);
        let mut input = inbox.as_slice();
        while let Some(event) = self.connection.poll_event(&mut input, now) {
            match event {
                Event::Head(head) => {
                    let what = match head.start {
                        StartLine::Request { method, target } => {
                            self.methods.push(method);
                            format!("{} {}", method.as_str(), String::from_utf8_lossy(target))
                        }
                        StartLine::Response { status, .. } => status.to_string(),
                    };
                    self.received.push(Received {
                        what,
                        ..Received::default()
                    });
                }
                Event::Body(data) => self
                    .received
                    .last_mut()
                    .unwrap()
                    .body
                    .extend_from_slice(data),
                Event::Complete(trailers) => {
                    let message = self.received.last_mut().unwrap();
                    message.trailers = trailers.len();
                    message.whole = true;
                }
                Event::Failed(error) => self.failures.push(error.code.as_str()),
            }
        }
        self.inbox = input.to_vec();
    }

    /// What came and was not taken.
    pub fn untaken(&self) -> &[u8] {
        &self.inbox
    }

    /// Sends a whole message; the body in pieces of `piece` bytes.
    pub fn send(&mut self, message: &Message, piece: usize, now: Instant) {
        let Message {
            start,
            framing,
            expect,
            body,
            trailers,
        } = message;
        let field = match framing {
            Framing::None | Framing::UntilClose => String::new(),
            Framing::Length(_) => format!("Content-Length: {}\r\n", body.len()),
            Framing::Chunked => "Transfer-Encoding: chunked\r\n".into(),
        };
        let head = format!("{start}\r\n{field}\r\n");
        self.connection
            .send_head(head.as_bytes(), *framing, *expect, &mut self.out)
            .unwrap();
        for part in body.chunks(piece.max(1)) {
            self.connection.send_body(part, &mut self.out).unwrap();
        }
        self.connection
            .send_end(trailers.as_bytes(), now, &mut self.out)
            .unwrap();
    }
}

/// A message to send.
pub struct Message {
    pub start: String,
    pub framing: Framing,
    pub expect: Expect,
    pub body: Vec<u8>,
    pub trailers: String,
}

impl Message {
    pub fn new(start: &str) -> Message {
        Message {
            start: start.into(),
            framing: Framing::None,
            expect: Expect::Message,
            body: Vec::new(),
            trailers: String::new(),
        }
    }
}

/// Both ends and the time.
pub struct Pair {
    pub client: End,
    pub server: End,
    pub now: Instant,
}

impl Pair {
    pub fn new() -> Pair {
        let now = Instant::now();
        Pair {
            client: End::new(Role::Client, now),
            server: End::new(Role::Server, now),
            now,
        }
    }

    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    /// Carries everything over in fragments, both ways in turns.
    pub fn carry(&mut self, dice: &mut Dice) {
        while !self.client.out.is_empty() || !self.server.out.is_empty() {
            let toward_server = dice.roll(2) == 0;
            let (from, to) = match toward_server {
                true => (&mut self.client, &mut self.server),
                false => (&mut self.server, &mut self.client),
            };
            let longest = [1, 3, 17, 400, 5000][dice.roll(5)];
            let count = (1 + dice.roll(longest)).min(from.out.len());
            to.inbox.extend(from.out.drain(..count));
            to.poll(self.now);
        }
    }
}
