//! One side of one connection.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use crate::chunked::Part;
use crate::diagnose::Reader;
use crate::encode::ChunkHead;
use crate::error::{Code, ParseError, SendError};
use crate::framing::{BodyKind, Expect, Framing, Outlook, outlook, persists_when_whole};
use crate::head::{Head, Parsed, Start, Trailers};
use crate::limits::{Config, Leniency};
use crate::method::Method;
use crate::state::{Next, Reading, Writing};
use crate::strict;
use crate::timeouts::{Timeout, Timeouts, Waiting};

/// Which side of a connection this is: a server reads requests and sends responses, a client the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads requests.
    Server,
    /// Reads responses.
    Client,
}

/// What came out of the input. A message is one `Head`, any number of `Body`, one `Complete`.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A message has begun.
    Head(Head<'a>),
    /// Data of its body, never empty: a slice of the input.
    Body(&'a [u8]),
    /// It is whole. An interim response (1xx) is a message too.
    Complete(Trailers<'a>),
    /// The peer has erred. Nothing more will come.
    Failed(ParseError),
}

/// One side of one HTTP/1.1 connection, without I/O.
///
/// The order of calls: whenever something has been read, [`poll_event`](Self::poll_event) until it returns `None` (with empty
/// input too: the end of a message may be told after its last octet was taken); at the peer's FIN
/// [`handle_eof`](Self::handle_eof). To send a message: [`send_head`](Self::send_head), then
/// [`send_body`](Self::send_body) or [`frame_body`](Self::frame_body) as often as needed, then [`send_end`](Self::send_end);
/// what they append to `out` goes on the wire in that order. Time: whenever [`poll_timeout`](Self::poll_timeout) has passed,
/// [`handle_timeout`](Self::handle_timeout).
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Config,
    reading: Reading,
    writing: Writing,
    parsed: Parsed,
    exchanges: Exchanges,
    timeouts: Timeouts,
    waiting: Waiting,
    /// When something has happened last on a server's connection, while it has answered all that it was asked.
    idle_since: Option<Instant>,
}

/// Requests without their final response.
#[derive(Debug)]
enum Exchanges {
    /// How many have been received.
    Received { unanswered: usize },
    /// What each of those sent wants; `announced`: the last is still to be sent.
    Sent {
        awaited: VecDeque<Expect>,
        announced: bool,
    },
    /// Nobody counts them: each head and each end waits for [`Connection::go_on`].
    ByHand,
}

/// What one look at the input came to. Offsets into the input.
enum Step {
    /// Everything before this is taken, and there is nothing to tell.
    More(usize),
    /// A head, within the input.
    Head(Range<usize>, Outlook),
    /// A head, put together from pieces; the last ends here.
    GatheredHead(usize, Outlook),
    Body(Range<usize>),
    Complete,
    /// The same with trailers, which end here.
    CompleteWithTrailers(usize),
    Failed(ParseError),
}

impl Connection {
    /// A connection that has just been made.
    pub fn new(role: Role, config: Config, now: Instant) -> Self {
        let (exchanges, waiting) = match role {
            Role::Server => (Exchanges::Received { unanswered: 0 }, Waiting::Head(now)),
            Role::Client => (
                Exchanges::Sent {
                    awaited: VecDeque::new(),
                    announced: false,
                },
                Waiting::Nothing,
            ),
        };
        Connection {
            role,
            config,
            reading: Reading::Start,
            writing: Writing::Start,
            parsed: Parsed::new(),
            exchanges,
            timeouts: Timeouts::default(),
            waiting,
            idle_since: None,
        }
    }

    /// A connection that only reads, driven message by message: it halts behind each head and behind each message's end, until
    /// [`go_on`](Self::go_on). A client so made takes any response, whether anything was requested or not.
    pub fn by_hand(role: Role, config: Config, now: Instant) -> Self {
        Connection {
            exchanges: Exchanges::ByHand,
            waiting: Waiting::Nothing,
            ..Self::new(role, config, now)
        }
    }

    // --- input ---------------------------------------------------------------------------------------------------------

    /// Parses from the front of `input`, advances it past what was taken, and returns the next event.
    ///
    /// `None`: all of `input` was taken (a partial head is kept inside), or the connection is halted, finished or failed and
    /// `input` still holds what was not looked at. When it returns `Failed`, `input` is as it was.
    ///
    /// A client that receives anything but empty lines while it awaits no response fails: with `UnsolicitedResponse`, or,
    /// when its first octet shows that it is no response, with what is wrong with it.
    #[inline]
    pub fn poll_event<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        now: Instant,
    ) -> Option<Event<'a>> {
        let all = *input;
        if !all.is_empty() {
            self.stir(now);
        }
        match self.step(all, now) {
            Step::More(taken) => {
                *input = &all[taken..];
                None
            }
            Step::Head(range, outlook) => {
                *input = &all[range.end..];
                Some(Event::Head(self.parsed.head(&all[range], outlook)))
            }
            Step::GatheredHead(taken, outlook) => {
                *input = &all[taken..];
                Some(Event::Head(self.parsed.head(&self.parsed.text, outlook)))
            }
            Step::Body(range) => {
                *input = &all[range.end..];
                Some(Event::Body(&all[range]))
            }
            Step::Complete => Some(Event::Complete(Trailers::none())),
            Step::CompleteWithTrailers(taken) => {
                *input = &all[taken..];
                Some(Event::Complete(self.parsed.trailers(&self.parsed.text)))
            }
            Step::Failed(error) => Some(Event::Failed(error)),
        }
    }

    fn step(&mut self, input: &[u8], now: Instant) -> Step {
        // Where the part of the input begins that has not been taken in this step.
        let mut from = 0;
        loop {
            match &mut self.reading {
                Reading::Start => {
                    from += blank(&input[from..]);
                    if from == input.len() {
                        return Step::More(from);
                    }
                    return self.start(input, from, now);
                }
                Reading::Head(reader) => {
                    match reader.read(&input[from..], &mut self.parsed, &self.config) {
                        Ok(None) => return Step::More(input.len()),
                        Ok(Some(len)) => return Step::GatheredHead(from + len, self.head_ends()),
                        Err(error) => return self.fail(error, from),
                    }
                }
                Reading::Length(left) => {
                    let len = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(input.len());
                    if len == 0 {
                        return Step::More(0);
                    }
                    *left -= len as u64;
                    if *left == 0 {
                        self.reading = Reading::Whole;
                    }
                    return Step::Body(0..len);
                }
                Reading::UntilClose if input.is_empty() => return Step::More(0),
                Reading::UntilClose => return Step::Body(0..input.len()),
                Reading::Chunked(decoder) => match decoder.decode(input, &self.config) {
                    Ok(Part::Data(range)) => return Step::Body(range),
                    Ok(Part::More) => return Step::More(input.len()),
                    Ok(Part::Last(end)) => {
                        self.parsed.clear_fields();
                        self.reading = Reading::Trailers(Reader::trailers());
                        from = end;
                    }
                    Err(error) => return self.fail(error, 0),
                },
                Reading::Trailers(reader) => {
                    match reader.read(&input[from..], &mut self.parsed, &self.config) {
                        Ok(None) => return Step::More(input.len()),
                        Ok(Some(len)) => {
                            self.message_ends(true, now);
                            return Step::CompleteWithTrailers(from + len);
                        }
                        Err(error) => return self.fail(error, from),
                    }
                }
                Reading::Whole => {
                    self.message_ends(false, now);
                    return Step::Complete;
                }
                Reading::Undecodable => return self.fail(UNDECODABLE, 0),
                Reading::Closed => {
                    let blank = blank(input);
                    if blank == input.len()
                        || self.config.leniency.allows(Leniency::DATA_AFTER_CLOSE)
                    {
                        return Step::More(input.len());
                    }
                    let reason = "Data after `Connection: close`";
                    return self.fail(
                        ParseError::new(Code::ClosedConnection, reason, blank + 1),
                        0,
                    );
                }
                Reading::Verdict(_) | Reading::Ended { .. } | Reading::Tunnel | Reading::Failed => {
                    return Step::More(0);
                }
            }
        }
    }

    /// At the first octet of a message.
    #[inline]
    fn start(&mut self, input: &[u8], from: usize, now: Instant) -> Step {
        let text = &input[from..];
        let max_head = self.config.limits.max_head;
        if matches!(&self.exchanges, Exchanges::Sent { awaited, .. } if awaited.is_empty()) {
            let error = self.unsolicited(text);
            return self.fail(error, from);
        }
        if matches!(self.exchanges, Exchanges::Received { .. }) {
            self.waiting = Waiting::Head(now);
        }
        let vouched = match self.role {
            Role::Server => strict::request(text, max_head, &mut self.parsed),
            Role::Client => strict::response(text, max_head, &mut self.parsed),
        };
        if let Some(len) = vouched {
            return Step::Head(from..from + len, self.head_ends());
        }
        self.parsed.clear();
        self.parsed.start = match self.role {
            Role::Server => Start::Request(Method::Get),
            Role::Client => Start::Response(0),
        };
        let mut reader = Reader::head(self.role);
        match reader.read(text, &mut self.parsed, &self.config) {
            Ok(None) => {
                self.reading = Reading::Head(reader);
                Step::More(input.len())
            }
            Ok(Some(len)) => Step::GatheredHead(from + len, self.head_ends()),
            Err(error) => self.fail(error, from),
        }
    }

    /// What is wrong with `text`, where no response is awaited: that, unless its first octet shows that it is none. No more than
    /// that one is looked at: how much more is there depends on how the peer's bytes were cut.
    #[cold]
    fn unsolicited(&mut self, text: &[u8]) -> ParseError {
        self.parsed.clear();
        self.parsed.start = Start::Response(0);
        let first = &text[..text.len().min(1)];
        let known = Reader::head(self.role).read(first, &mut self.parsed, &self.config);
        let unsolicited = "Response without a request";
        known
            .err()
            .unwrap_or(ParseError::new(Code::UnsolicitedResponse, unsolicited, 0))
    }

    /// The head is whole: what is to be read next.
    #[inline]
    fn head_ends(&mut self) -> Outlook {
        let expect = match &mut self.exchanges {
            Exchanges::Received { unanswered } => {
                *unanswered += 1;
                self.idle_since = None;
                if let Waiting::Head(since) = self.waiting {
                    self.waiting = Waiting::Rest(since);
                }
                Expect::Message
            }
            Exchanges::Sent { awaited, .. } => awaited.front().copied().unwrap_or(Expect::Message),
            Exchanges::ByHand => Expect::Message,
        };
        let outlook = outlook(&self.parsed, expect, self.config.leniency);
        if let (Exchanges::Sent { awaited, .. }, false) = (&mut self.exchanges, outlook.interim) {
            awaited.pop_front();
        }
        let next = match outlook.body {
            _ if outlook.undecodable => Next::Undecodable,
            BodyKind::None => Next::Whole,
            BodyKind::Length(length) => Next::Length(length),
            BodyKind::Chunked => Next::Chunked,
            BodyKind::UntilClose => Next::UntilClose,
        };
        self.reading = if outlook.upgrade || matches!(self.exchanges, Exchanges::ByHand) {
            Reading::Verdict(next)
        } else {
            next.into()
        };
        outlook
    }

    /// The message is whole: whether another may follow.
    fn message_ends(&mut self, trailers: bool, now: Instant) {
        let another = persists_when_whole(&self.parsed, trailers)
            || self.config.leniency.allows(Leniency::KEEP_ALIVE);
        self.reading = match (another, &self.exchanges) {
            (_, Exchanges::ByHand) => Reading::Ended { another },
            (true, _) => Reading::Start,
            (false, _) => Reading::Closed,
        };
        if self.role == Role::Server {
            self.waiting = Waiting::Nothing;
            self.rest(now);
        }
    }

    /// All that was asked may be answered: from here on the keep-alive time counts, unless nothing is read any more.
    fn rest(&mut self, now: Instant) {
        if matches!(self.exchanges, Exchanges::Received { unanswered: 0 })
            && !matches!(self.reading, Reading::Tunnel | Reading::Failed)
        {
            self.idle_since = Some(now);
        }
    }

    /// `error` was found in the input from `from`.
    #[cold]
    fn fail(&mut self, error: ParseError, from: usize) -> Step {
        self.reading = Reading::Failed;
        self.waiting = Waiting::Nothing;
        self.idle_since = None;
        Step::Failed(ParseError {
            bytes_parsed: from + error.bytes_parsed,
            ..error
        })
    }

    /// The peer has sent FIN: `Complete` for a body that lasts until then, `Failed` (`HPE_INVALID_EOF_STATE`) inside a message,
    /// `None` between messages.
    pub fn handle_eof(&mut self) -> Option<Event<'static>> {
        let error = match self.reading {
            Reading::Start
            | Reading::Verdict(_)
            | Reading::Ended { .. }
            | Reading::Tunnel
            | Reading::Closed
            | Reading::Failed => return None,
            Reading::UntilClose | Reading::Whole => {
                self.reading = Reading::Closed;
                self.waiting = Waiting::Nothing;
                self.idle_since = None;
                return Some(Event::Complete(Trailers::none()));
            }
            Reading::Undecodable => UNDECODABLE,
            Reading::Head(_) | Reading::Length(_) | Reading::Chunked(_) | Reading::Trailers(_) => {
                ParseError::new(Code::InvalidEofState, "Invalid EOF state", 0)
            }
        };
        self.fail(error, 0);
        Some(Event::Failed(error))
    }

    /// Whether a body is being read that the peer ends by ending the connection.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.reading, Reading::UntilClose)
    }

    /// `now` has come: the deadline that has passed, if one has. Each is told once.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Timeout> {
        let (deadline, timeout) = self.poll_timeout()?;
        if now < deadline {
            return None;
        }
        self.expire(timeout);
        Some(timeout)
    }

    /// Something happens on the connection, if no more than that bytes of the last response have gone: who is idle is idle from here on.
    #[inline]
    pub fn stir(&mut self, now: Instant) {
        if self.idle_since.is_some() {
            self.idle_since = Some(now);
        }
    }

    /// A deadline has been told, and is not told again.
    pub fn expire(&mut self, timeout: Timeout) {
        match timeout {
            Timeout::KeepAlive => self.idle_since = None,
            Timeout::Headers | Timeout::Request => self.waiting = Waiting::Nothing,
        }
    }

    // --- verdicts ------------------------------------------------------------------------------------------------------

    /// After a head with `upgrade`. True: the bytes after it are not HTTP, and `poll_event` returns `None` for ever. False: it
    /// is an ordinary message, with the body its fields tell. Without such a head it does nothing.
    pub fn upgrade_verdict(&mut self, accept: bool) {
        if let Reading::Verdict(next) = self.reading {
            if accept {
                self.reading = Reading::Tunnel;
                self.waiting = Waiting::Nothing;
                self.idle_since = None;
            } else {
                self.reading = next.into();
            }
        }
    }

    /// Reads on behind a head or an end that a connection [`by hand`](Self::by_hand) has halted at. `body`: behind a head, whether the
    /// body its fields tell follows it; a message without one is whole. Anywhere else it does nothing.
    pub fn go_on(&mut self, body: bool) {
        match self.reading {
            Reading::Verdict(next) if body => self.reading = next.into(),
            Reading::Verdict(_) => self.reading = Reading::Whole,
            Reading::Ended { another: true } => self.reading = Reading::Start,
            Reading::Ended { another: false } => self.reading = Reading::Closed,
            _ => {}
        }
    }

    // --- output --------------------------------------------------------------------------------------------------------

    /// The response to the next request may come from now on, before the request itself is sent: a peer that answers early
    /// is no worse than one that answers in time. Client role.
    pub fn expect_response(&mut self, expect: Expect) {
        if let Exchanges::Sent { awaited, announced } = &mut self.exchanges
            && !std::mem::replace(announced, true)
        {
            awaited.push_back(expect);
        }
    }

    /// Begins a message. `head` is the finished text of its head. `expect` (client role) tells what response the request wants,
    /// unless [`expect_response`](Self::expect_response) has told it before.
    ///
    /// # Errors
    /// `MessageOpen`, `Closed`.
    pub fn send_head(
        &mut self,
        head: &[u8],
        framing: Framing,
        expect: Expect,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        match self.writing {
            Writing::Start => {}
            Writing::Message(_) => return Err(SendError::MessageOpen),
            Writing::Closed => return Err(SendError::Closed),
        }
        self.writing = Writing::Message(framing);
        if let Exchanges::Sent { awaited, announced } = &mut self.exchanges
            && !std::mem::take(announced)
        {
            awaited.push_back(expect);
        }
        out.extend_from_slice(head);
        Ok(())
    }

    /// Sends data of the message's body. An empty `chunk` sends nothing: in the chunked coding it would end the message.
    ///
    /// # Errors
    /// `NoMessage`, `NoBody`, `TooLong`, `Closed`.
    pub fn send_body(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        let (before, after) = self.frame_body(chunk.len())?;
        out.reserve(before.len() + chunk.len() + after.len());
        out.extend_from_slice(&before);
        out.extend_from_slice(chunk);
        out.extend_from_slice(after);
        Ok(())
    }

    /// The same without copying the data: what goes before and after `len` bytes of it on the wire.
    ///
    /// # Errors
    /// As [`send_body`](Self::send_body).
    pub fn frame_body(&mut self, len: usize) -> Result<(ChunkHead, &'static [u8]), SendError> {
        let Writing::Message(framing) = &mut self.writing else {
            return Err(self.nothing_open());
        };
        match framing {
            Framing::None if len > 0 => Err(SendError::NoBody),
            Framing::Chunked if len > 0 => Ok((ChunkHead::new(len), b"\r\n")),
            Framing::Length(Some(left)) => {
                let len = len as u64;
                *left = left
                    .checked_sub(len)
                    .ok_or_else(|| SendError::TooLong(len - *left))?;
                Ok((ChunkHead::EMPTY, b""))
            }
            Framing::None | Framing::Chunked | Framing::Length(None) | Framing::UntilClose => {
                Ok((ChunkHead::EMPTY, b""))
            }
        }
    }

    /// Ends the message: the last chunk and the trailers when it is chunked. `trailers`: finished field lines, each with its
    /// CRLF, or nothing.
    ///
    /// # Errors
    /// `NoMessage`, `TooShort`, `NoTrailers`, `Closed`.
    pub fn send_end(
        &mut self,
        trailers: &[u8],
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let Writing::Message(framing) = self.writing else {
            return Err(self.nothing_open());
        };
        match framing {
            Framing::Chunked => {
                out.extend_from_slice(b"0\r\n");
                out.extend_from_slice(trailers);
                out.extend_from_slice(b"\r\n");
            }
            Framing::Length(Some(left)) if left > 0 => return Err(SendError::TooShort(left)),
            _ if !trailers.is_empty() => return Err(SendError::NoTrailers),
            Framing::None | Framing::Length(_) | Framing::UntilClose => {}
        }
        self.writing = if framing == Framing::UntilClose {
            Writing::Closed
        } else {
            Writing::Start
        };
        if let Exchanges::Received { unanswered } = &mut self.exchanges {
            *unanswered = unanswered.saturating_sub(1);
            self.rest(now);
        }
        Ok(())
    }

    fn nothing_open(&self) -> SendError {
        match self.writing {
            Writing::Closed => SendError::Closed,
            Writing::Start | Writing::Message(_) => SendError::NoMessage,
        }
    }

    // --- deadlines -----------------------------------------------------------------------------------------------------

    /// Sets a server's deadlines, also for what it already waits for. A client has none.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, as things stand, and what it would tell.
    pub fn poll_timeout(&self) -> Option<(Instant, Timeout)> {
        self.deadlines().min_by_key(|&(at, _)| at)
    }

    /// The deadlines as things stand, in no order: of each kind one at most.
    pub fn deadlines(&self) -> impl Iterator<Item = (Instant, Timeout)> {
        let of_rest = self
            .idle_since
            .and_then(|since| self.timeouts.of_rest(since));
        self.timeouts
            .of_message(self.waiting)
            .into_iter()
            .chain(of_rest)
    }

    // --- getters -------------------------------------------------------------------------------------------------------

    /// No message has begun in either direction, and none is owed.
    pub fn is_idle(&self) -> bool {
        let settled = match &self.exchanges {
            Exchanges::Received { unanswered } => *unanswered == 0,
            Exchanges::Sent { awaited, .. } => awaited.is_empty(),
            Exchanges::ByHand => true,
        };
        settled
            && self.reads_between_messages()
            && matches!(self.writing, Writing::Start | Writing::Closed)
    }

    /// A verdict is awaited, or an upgrade has been accepted: `poll_event` looks at no input.
    pub fn is_halted(&self) -> bool {
        matches!(
            self.reading,
            Reading::Verdict(_) | Reading::Ended { .. } | Reading::Tunnel
        )
    }

    fn reads_between_messages(&self) -> bool {
        matches!(
            self.reading,
            Reading::Start | Reading::Ended { .. } | Reading::Closed
        )
    }
}

const UNDECODABLE: ParseError = ParseError::new(
    Code::InvalidTransferEncoding,
    "Request has invalid `Transfer-Encoding`",
    0,
);

/// How many octets of empty lines `input` begins with.
#[inline]
fn blank(input: &[u8]) -> usize {
    input
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))
        .unwrap_or(input.len())
}
