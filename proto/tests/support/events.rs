//! Replays input through a connection and writes down what comes out, one line per event.

// Each of the programs that share this file leaves something of it unused.
#![allow(dead_code)]

use std::fmt::Write as _;
use std::time::Instant;

use ferrohttp_proto::{
    Config, Connection, Event, Expect, Framing, Leniency, Limits, Role, StartLine,
};

/// What a piece of input is replayed against.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub role: Role,
    /// Client role: what every request wanted.
    pub expect: Expect,
    /// Client role: how many requests await a response.
    pub awaited: usize,
    pub leniency: Leniency,
    pub limits: Limits,
    /// The verdict on upgrades.
    pub accept: bool,
}

impl Setting {
    pub fn new(role: Role) -> Setting {
        Setting {
            role,
            expect: Expect::Message,
            awaited: 100,
            leniency: Leniency::STRICT,
            limits: Limits::default(),
            accept: true,
        }
    }
}

/// Events as lines. Parts of one body are one line.
#[derive(Default)]
pub struct Log {
    pub lines: Vec<String>,
    body: Vec<u8>,
}

impl Log {
    fn flush(&mut self) {
        if !self.body.is_empty() {
            self.lines.push(format!("body {}", escape(&self.body)));
            self.body.clear();
        }
    }

    /// Writes an event down; `offset` is where its input began.
    pub fn event(&mut self, event: Event<'_>, offset: usize) {
        if let Event::Body(data) = event {
            assert!(!data.is_empty(), "an empty body part");
            return self.body.extend_from_slice(data);
        }
        self.flush();
        match event {
            Event::Body(_) => {}
            Event::Head(head) => {
                let (major, minor) = head.version;
                let mut line = match head.start {
                    StartLine::Request { method, target } => {
                        format!(
                            "head {} {} {major}.{minor}",
                            method.as_str(),
                            escape(target)
                        )
                    }
                    StartLine::Response { status, reason } => {
                        format!("head {status} [{}] {major}.{minor}", escape(reason))
                    }
                };
                for (shown, word) in [(head.keep_alive, " keep-alive"), (head.upgrade, " upgrade")]
                {
                    line.push_str(if shown { word } else { "" });
                }
                self.lines.push(line);
                self.fields("field", head.fields);
            }
            Event::Complete(trailers) => {
                self.fields("trailer", trailers);
                self.lines.push("complete".into());
            }
            Event::Failed(error) => {
                let at = offset + error.bytes_parsed;
                self.lines.push(format!(
                    "failed {} {at} {}",
                    error.code.as_str(),
                    error.reason
                ));
            }
        }
    }

    fn fields<'a>(
        &mut self,
        what: &str,
        fields: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        let count = fields.len();
        let before = self.lines.len();
        for (name, value) in fields {
            self.lines
                .push(format!("{what} {}: {}", escape(name), escape(value)));
        }
        assert_eq!(self.lines.len() - before, count, "the iterator's length");
    }
}

/// Feeds `pieces` one by one, then FIN. Offsets of failures count from the front of the piece, or of all input.
pub fn replay(setting: &Setting, pieces: &[&[u8]], offsets_in_piece: bool) -> Vec<String> {
    let now = Instant::now();
    let config = Config {
        limits: setting.limits,
        leniency: setting.leniency,
    };
    let mut connection = Connection::new(setting.role, config, now);
    if setting.role == Role::Client {
        for _ in 0..setting.awaited {
            let mut out = Vec::new();
            connection
                .send_head(b"", Framing::None, setting.expect, &mut out)
                .unwrap();
            connection.send_end(b"", now, &mut out).unwrap();
        }
    }
    let mut log = Log::default();
    let mut taken = 0;
    let mut rest = 0;
    for piece in pieces {
        let mut input = *piece;
        loop {
            if connection.is_halted() {
                connection.upgrade_verdict(setting.accept);
            }
            let left = input.len();
            let base = if offsets_in_piece { 0 } else { taken };
            let Some(event) = connection.poll_event(&mut input, now) else {
                break;
            };
            let failed = matches!(event, Event::Failed(_));
            log.event(event, base + piece.len() - left);
            if failed {
                return log.lines;
            }
        }
        assert!(input.is_empty() || connection.is_halted(), "input was left");
        taken += piece.len();
        rest += input.len();
    }
    if let Some(event) = connection.handle_eof() {
        log.event(event, 0);
    }
    log.flush();
    if connection.is_halted() {
        log.lines.push(format!("halted {rest}"));
    }
    log.lines
}

/// Where a limit is found to be broken depends on how the input is cut; everything else does not.
pub fn without_offsets_of_limits(mut lines: Vec<String>) -> Vec<String> {
    for line in &mut lines {
        if line.contains("_OVERFLOW ") {
            *line = line
                .split(' ')
                .filter(|word| word.parse::<usize>().is_err())
                .collect::<Vec<_>>()
                .join(" ");
        }
    }
    lines
}

/// The same must come of an input, in whichever two ways it was cut. But a limit is looked at where a name or a value ends or
/// the input is cut, so of an input that breaks a limit and has another fault soon after, either may be found.
pub fn assert_same(one: Vec<String>, other: Vec<String>) {
    let (one, other) = (
        without_offsets_of_limits(one),
        without_offsets_of_limits(other),
    );
    if let ([rest @ .., last], [other_rest @ .., other_last]) = (one.as_slice(), other.as_slice()) {
        let fail = last.starts_with("failed ") && other_last.starts_with("failed ");
        if fail && rest == other_rest && format!("{last}{other_last}").contains("_OVERFLOW ") {
            return;
        }
    }
    assert_eq!(one, other);
}

/// Octets as a line of ASCII.
pub fn escape(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut line, octet| {
        match octet {
            b'\r' => line.push_str("\\r"),
            b'\n' => line.push_str("\\n"),
            b'\t' => line.push_str("\\t"),
            b'\\' => line.push_str("\\\\"),
            b' '..=b'~' => line.push(char::from(*octet)),
            _ => write!(line, "\\x{octet:02x}").unwrap(),
        }
        line
    })
}

/// The reverse of [`escape`].
pub fn unescape(line: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = line.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'\\' => match rest.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'\\') => b'\\',
                Some(b'x') => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("\\{other:?}: no such escape"),
            },
            _ => octet,
        });
    }
    octets
}
