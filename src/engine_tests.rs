//! The engine on real descriptors, without JavaScript: the test plays its part on the rings.

mod threads;

use crate::driver::local::tests::is_readable;
use crate::engine::deadlines::timeouts;
use crate::engine::{Attach, Engine, Misuse};
use crate::ring::commands::Command;
use crate::ring::layout::{command, event, framing, record, ring, role, table, transport};
use crate::ring::memory::{Memory, tests::leaked_twice};
use ferrohttp_proto::Timeouts;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

const REQUEST: &[u8] = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\n";

/// An engine and the JavaScript side of its rings.
struct Rig {
    engine: Engine,
    events: Memory,
    commands: Memory,
    table: Memory,
    written: usize,
}

/// What was read from the event ring: kind without flags, slot, payload.
type Seen = (u32, u32, Vec<u8>);

impl Rig {
    fn new() -> Self {
        let (events, own_events) = leaked_twice(1 << 20);
        let (commands, own_commands) = leaked_twice(1 << 16);
        let (figures, own_table) = leaked_twice(64 * 8 * table::STRIDE as usize);
        let engine = Engine::new(own_events, own_commands, own_table).unwrap();
        Self {
            engine,
            events,
            commands,
            table: figures,
            written: 0,
        }
    }

    /// A connection on one end of a socket pair; the other end.
    fn connect(&mut self) -> (u32, UnixStream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let slot = self
            .engine
            .attach(&options(transport::LOCAL, near.as_raw_fd()))
            .unwrap();
        (slot, near, far)
    }

    /// A turn of the event loop.
    fn pump(&mut self) -> Vec<Seen> {
        self.begin_poll();
        self.run()
    }

    /// Its poll, as far as the engine asks the kernel.
    fn begin_poll(&mut self) {
        let has_due = self.engine.before_poll();
        self.engine.collect();
        if has_due {
            self.engine.receive_due();
        }
    }

    /// A turn of the event loop in which libuv calls for new connections, and behind that for the poller: what either brought.
    fn pump_new_first(&mut self) -> (Vec<Seen>, Vec<Seen>) {
        assert!(self.engine.before_poll());
        self.engine.receive_due();
        let new = self.run();
        self.engine.collect();
        (new, self.run())
    }

    /// Whether libuv would call for the poller's descriptor.
    fn is_woken(&self) -> bool {
        is_readable(self.engine.poll_fd())
    }

    fn run(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            let worked = self.engine.run();
            let read = self.read();
            if !worked && read.is_empty() {
                return seen;
            }
            seen.extend(read);
        }
    }

    fn read(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        let (mut at, tail) = (
            self.events.word(ring::HEAD as usize) as usize,
            self.events.word(ring::TAIL as usize) as usize,
        );
        while at < tail {
            let word = |index: u32| self.events.word(at / 4 + index as usize);
            let length = word(record::LENGTH) as usize;
            let payload = self.events.bytes()[at + 24..at + 24 + length].to_vec();
            seen.push((word(record::KIND) & 0xff, word(record::SLOT), payload));
            at += (24 + length).div_ceil(8) * 8;
        }
        self.events.set_word(ring::HEAD as usize, at as u32);
        seen
    }

    fn command(&mut self, kind: u32, (slot, generation): (u32, u32), a: u32, payload: &[u8]) {
        let mut bytes = Vec::new();
        for word in [kind, slot, generation, payload.len() as u32, a, 0] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(payload);
        bytes.resize(bytes.len().div_ceil(8) * 8, 0);
        self.commands.bytes_mut()[self.written..self.written + bytes.len()].copy_from_slice(&bytes);
        self.written += bytes.len();
    }

    fn flush(&mut self) -> Result<(), Misuse> {
        let written = std::mem::take(&mut self.written);
        self.engine.flush(written, false)
    }

    /// The same at the end of a batch, behind which those who wait are told.
    fn flush_and_tell(&mut self) {
        let written = std::mem::take(&mut self.written);
        self.engine.flush(written, true).unwrap();
    }

    fn figure(&self, slot: u32, field: u32) -> f64 {
        let at = (slot * table::STRIDE + field) as usize * 8;
        f64::from_ne_bytes(self.table.bytes()[at..at + 8].try_into().unwrap())
    }
}

fn options(transport: u32, fd: i32) -> Attach {
    Attach {
        role: role::SERVER,
        transport,
        fd,
        max_head: 0,
        leniency: 0,
        timeouts: Timeouts::default(),
    }
}

const MESSAGE: u32 = command::MESSAGE | (framing::LENGTH | command::MARK) << 8;
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";

fn message() -> Vec<u8> {
    [HEAD, b"ok"].concat()
}

#[test]
fn requests_become_records_and_messages_become_bytes() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    far.write_all(REQUEST).unwrap();
    let seen = rig.pump();
    let kinds: Vec<u32> = seen.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(
        kinds,
        [event::HEAD, event::BODY, event::COMPLETE, event::HEAD],
        "the second message is complete with its head"
    );
    assert_eq!(seen[0].2, b"/aHost\nx\nContent-Length\n3");
    assert_eq!(seen[1].2, b"abc");
    rig.command(MESSAGE, (slot, 0), HEAD.len() as u32, &message());
    rig.command(MESSAGE, (slot, 0), HEAD.len() as u32, &message());
    rig.flush().unwrap();
    let mut got = vec![0; message().len() * 2];
    far.read_exact(&mut got).unwrap();
    assert_eq!(got, message().repeat(2));
    assert_eq!(rig.figure(slot, table::SENT), 2.0);
    assert_eq!(rig.figure(slot, table::BYTES_READ), REQUEST.len() as f64);
    assert_eq!(rig.figure(slot, table::BYTES_WRITTEN), got.len() as f64);
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_new_connection_is_received_from_in_the_next_poll_and_watched_when_it_stays() {
    let mut rig = Rig::new();
    let (_, _near, mut far) = rig.connect();
    far.write_all(GET).unwrap();
    rig.engine.collect();
    assert_eq!(rig.run(), [], "the poll that it was accepted in goes on");
    rig.engine.before_poll();
    assert_eq!(rig.run(), []);
    assert_eq!(rig.pump().len(), 1);
    assert_eq!(rig.pump(), []);
    assert!(!rig.engine.has_unwatched());
    far.write_all(GET).unwrap();
    assert_eq!(rig.pump().len(), 1, "the poller tells of it");
    let (_, _near, mut late) = rig.connect();
    assert_eq!(rig.pump(), []);
    late.write_all(GET).unwrap();
    assert_eq!(rig.pump().len(), 1);
}

#[test]
fn fin_never_goes_before_what_was_written_ahead_of_it() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    rig.pump();
    let last = MESSAGE | command::LAST << 8;
    rig.command(last, (slot, 0), HEAD.len() as u32, &message());
    rig.command(command::SHUTDOWN, (slot, 0), 0, b"");
    rig.flush_and_tell();
    let mut got = Vec::new();
    far.read_to_end(&mut got).unwrap();
    assert_eq!(got, message());
}

#[test]
fn fin_waits_for_what_the_kernel_does_not_take() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    rig.pump();
    let large = vec![b'x'; 32 * 1024];
    let mut written = 0;
    while rig.figure(slot, table::QUEUED) == 0.0 {
        rig.command(command::RAW, (slot, 0), 0, &large);
        rig.flush().unwrap();
        written += large.len();
    }
    rig.command(command::SHUTDOWN, (slot, 0), 0, b"");
    rig.flush().unwrap();
    let mut got = vec![0; written];
    let mut at = 0;
    while at < written {
        at += far.read(&mut got[at..]).unwrap();
        rig.pump();
    }
    assert_eq!(far.read(&mut [0]).unwrap(), 0);
    assert!(got.iter().all(|octet| *octet == b'x'));
}

#[test]
fn an_engine_that_was_closed_receives_from_nobody() {
    let mut rig = Rig::new();
    let (_, mut near, mut far) = rig.connect();
    far.write_all(GET).unwrap();
    rig.engine.before_poll();
    rig.engine.close();
    rig.engine.receive_due();
    rig.engine.run();
    assert!(!rig.engine.has_unwatched());
    near.read_exact(&mut [0; GET.len()]).unwrap();
}

#[test]
fn a_new_connection_that_is_answered_and_shut_down_is_watched_a_turn_later_if_it_is_not_closed() {
    let last = MESSAGE | command::LAST << 8;
    let mut rig = Rig::new();
    let mut ends = Vec::new();
    for _ in 0..2 {
        let (slot, near, mut far) = rig.connect();
        far.write_all(GET).unwrap();
        ends.push((slot, near, far));
    }
    rig.begin_poll();
    assert_eq!(rig.run().len(), 2);
    for (slot, ..) in &ends {
        rig.command(last, (*slot, 0), HEAD.len() as u32, &message());
    }
    rig.flush_and_tell();
    for (slot, _, far) in &mut ends {
        assert_eq!(rig.figure(*slot, table::SENT), 1.0);
        rig.command(command::SHUTDOWN, (*slot, 0), 0, b"");
        rig.flush().unwrap();
        let mut got = Vec::new();
        far.read_to_end(&mut got).unwrap();
        assert_eq!(got, message());
    }
    assert!(rig.engine.has_unwatched(), "both may be closed yet");
    rig.engine.release(ends[0].0).unwrap();
    assert_eq!(rig.pump(), []);
    assert!(!rig.engine.has_unwatched());
    let (slot, _near, far) = ends.pop().unwrap();
    drop(far);
    assert_eq!(rig.pump(), [(event::END, slot, Vec::new())]);
}

#[test]
fn the_end_comes_behind_what_the_ring_had_no_room_for() {
    let mut rig = Rig::new();
    let slot = rig.engine.attach(&options(transport::FED, -1)).unwrap();
    let count = 40_000;
    let mut requests = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(count);
    requests.extend_from_slice(b"GET / HT");
    rig.engine.feed(slot, &requests).unwrap();
    let mut seen = Vec::new();
    while !rig.engine.finish(slot).unwrap() {
        seen.extend(rig.read());
    }
    seen.extend(rig.read());
    let last = seen.pop().map(|(kind, ..)| kind);
    assert_eq!((seen.len(), last), (count, Some(event::PARSE_ERROR)));
    assert!(seen.iter().all(|(kind, ..)| *kind == event::HEAD));
}

#[test]
fn an_end_that_somebody_else_tells_waits_for_nothing_that_the_kernel_holds() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";
    far.write_all(&[&head[..], &[b'x'; 90_000]].concat())
        .unwrap();
    rig.begin_poll();
    rig.engine.run();
    rig.read();
    assert!(rig.engine.finish(slot).unwrap());
    let last = rig.read().pop().map(|(kind, ..)| kind);
    assert_eq!(last, Some(event::PARSE_ERROR));
}

#[test]
fn commands_for_a_connection_that_has_gone_are_dropped_and_its_slot_is_another_s() {
    let mut rig = Rig::new();
    let (slot, near, mut far) = rig.connect();
    far.write_all(REQUEST).unwrap();
    rig.engine.release(slot).unwrap();
    assert_eq!(
        rig.pump(),
        [],
        "nothing is read from a descriptor that was given back"
    );
    assert_eq!(rig.engine.release(slot), Err(Misuse::NoConnection));
    let (again, _near, mut second) = rig.connect();
    assert_eq!(again, slot);
    rig.command(MESSAGE, (slot, 0), HEAD.len() as u32, &message());
    rig.command(MESSAGE, (slot, 1), HEAD.len() as u32, b"short");
    rig.command(command::RAW, (slot, 1), 0, b"raw");
    assert!(
        matches!(rig.flush(), Err(Misuse::Record(_))),
        "a wrong record is told, the next one applied"
    );
    let mut got = [0; 3];
    second.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"raw");
    drop(near);
}

#[test]
fn what_the_kernel_does_not_take_is_queued_and_its_mark_told_when_it_went() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    let body = vec![b'x'; 4 << 20];
    rig.command(
        command::MESSAGE_HEAD | framing::CHUNKED << 8,
        (slot, 0),
        0,
        b"HTTP/1.1 200 OK\r\n\r\n",
    );
    let written = std::mem::take(&mut rig.written);
    let large = Command {
        kind: command::BODY,
        flags: command::MARK,
        slot,
        generation: 0,
        a: 0,
        payload: &body,
    };
    rig.engine.flush_with(written, &large).unwrap();
    assert_eq!(rig.figure(slot, table::SENT), 0.0);
    assert!(rig.figure(slot, table::QUEUED) > 0.0);
    far.set_nonblocking(true).unwrap();
    let (mut got, mut seen, mut part) = (Vec::new(), Vec::new(), vec![0; 1 << 20]);
    while seen.is_empty() {
        while let Ok(count) = far.read(&mut part) {
            got.extend_from_slice(&part[..count]);
        }
        seen = rig.pump();
    }
    assert_eq!(seen, [(event::SENT, slot, Vec::new())]);
    while let Ok(count) = far.read(&mut part) {
        got.extend_from_slice(&part[..count]);
    }
    let expected = [b"HTTP/1.1 200 OK\r\n\r\n400000\r\n", &body[..], b"\r\n"].concat();
    assert!(got == expected);
    assert_eq!(
        (
            rig.figure(slot, table::SENT),
            rig.figure(slot, table::QUEUED)
        ),
        (1.0, 0.0)
    );
}

#[test]
fn a_paused_connection_is_not_read_and_goes_on_where_it_was() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    rig.command(command::PAUSE, (slot, 0), 0, b"");
    rig.flush().unwrap();
    far.write_all(REQUEST).unwrap();
    assert_eq!(rig.pump(), []);
    rig.command(command::RESUME, (slot, 0), 0, b"");
    rig.flush().unwrap();
    assert_eq!(rig.pump().len(), 4);
}

#[test]
fn the_end_and_a_reset_are_told_once() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    far.write_all(b"GET / HT").unwrap();
    drop(far);
    for kind in [event::STIR, event::END] {
        assert_eq!(rig.pump(), [(kind, slot, Vec::new())]);
    }
    assert_eq!(rig.pump(), []);
    rig.command(command::RAW, (slot, 0), 0, b"into the void");
    rig.flush().unwrap();
    assert_eq!(
        rig.read().first().map(|(kind, ..)| *kind),
        Some(event::IO_ERROR),
        "EPIPE, and no signal"
    );
}

#[test]
fn an_end_behind_bytes_is_met_in_the_next_turn_and_not_by_whoever_was_handed_back() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    let (fed, _other_near, mut other_far) = rig.connect();
    rig.pump();
    for peer in [&mut far, &mut other_far] {
        peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        peer.shutdown(std::net::Shutdown::Both).unwrap();
    }
    let heads = rig.pump();
    assert!(heads.iter().all(|(kind, ..)| *kind == event::HEAD));
    assert_eq!(heads.len(), 2);
    rig.engine.unbind(fed).unwrap();
    assert_eq!(rig.pump(), [(event::END, slot, Vec::new())]);
    assert_eq!(rig.pump(), []);
}

#[test]
fn an_end_behind_what_a_new_connection_brings_waits_for_the_next_turn() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    far.write_all(GET).unwrap();
    far.shutdown(std::net::Shutdown::Write).unwrap();
    let (new, rest) = rig.pump_new_first();
    assert_eq!((new.len(), new[0].0), (1, event::HEAD));
    assert_eq!(rest, []);
    assert_eq!(rig.pump(), [(event::END, slot, Vec::new())]);
}

#[test]
fn an_end_that_is_put_off_before_the_poller_is_asked_waits_for_the_next_turn() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    rig.pump();
    rig.command(command::PAUSE, (slot, 0), 0, b"");
    rig.flush().unwrap();
    far.write_all(GET).unwrap();
    far.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(rig.pump(), [], "the poller has told of the end");
    rig.command(command::RESUME, (slot, 0), 0, b"");
    rig.flush().unwrap();
    let _other = rig.connect();
    let (new, rest) = rig.pump_new_first();
    assert_eq!((new.len(), new[0].0), (1, event::HEAD));
    assert_eq!(rest, []);
    assert!(rig.is_woken());
    assert_eq!(rig.pump(), [(event::END, slot, Vec::new())]);
}

#[test]
fn an_end_that_comes_between_two_calls_of_a_poll_waits_for_the_next_turn() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    rig.pump();
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n";
    far.write_all(&[&head[..], &[b'x'; 90_000]].concat())
        .unwrap();
    rig.begin_poll();
    rig.engine.run();
    rig.read();
    // The rest of it waits for another turn, as of a connection that has had all its rounds.
    let _other = rig.connect();
    assert!(rig.engine.before_poll());
    rig.engine.receive_due();
    let last = rig.run().pop().map(|(kind, ..)| kind);
    assert_eq!(last, Some(event::COMPLETE));
    far.shutdown(std::net::Shutdown::Write).unwrap();
    rig.engine.collect();
    assert_eq!(rig.run(), []);
    assert!(rig.is_woken());
    assert_eq!(rig.pump(), [(event::END, slot, Vec::new())]);
}

#[test]
fn a_full_ring_delays_and_loses_nothing() {
    let mut rig = Rig::new();
    let (slot, _near, far) = rig.connect();
    let sent = 200_000;
    let writer = std::thread::spawn(move || {
        let mut far = far;
        far.write_all(&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(sent))
            .unwrap();
        far
    });
    let mut heads = 0;
    while heads < sent {
        heads += rig
            .pump()
            .iter()
            .filter(|(kind, of, _)| (*kind, *of) == (event::HEAD, slot))
            .count();
    }
    assert_eq!(heads, sent);
    drop(writer.join().unwrap());
}

#[test]
fn a_fed_connection_takes_bytes_and_gives_bytes() {
    let mut rig = Rig::new();
    let slot = rig.engine.attach(&options(transport::FED, -1)).unwrap();
    rig.engine.feed(slot, &REQUEST[..20]).unwrap();
    rig.engine.feed(slot, &REQUEST[20..]).unwrap();
    assert_eq!(rig.read().len(), 4);
    rig.command(MESSAGE, (slot, 0), HEAD.len() as u32, &message());
    rig.flush().unwrap();
    assert_eq!(rig.figure(slot, table::SENT), 0.0);
    assert_eq!(rig.engine.take_output(slot).unwrap(), message());
    assert_eq!(rig.figure(slot, table::SENT), 1.0);
}

#[test]
fn an_upgrade_halts_until_the_verdict_and_leaves_the_rest_unread() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    far.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\nrest")
        .unwrap();
    assert_eq!(rig.pump().len(), 1);
    rig.command(command::UPGRADE, (slot, 0), 1, b"");
    rig.flush().unwrap();
    assert_eq!(rig.pump(), []);
    assert_eq!(rig.engine.take_unread(slot).unwrap(), b"rest");
}

#[test]
fn a_head_that_no_ring_holds_is_sent_all_the_same() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    let head = [
        b"HTTP/1.1 200 OK\r\nX: ",
        &b"y".repeat(100_000)[..],
        b"\r\n\r\n",
    ]
    .concat();
    let large = Command {
        kind: command::MESSAGE_HEAD,
        flags: framing::NONE,
        slot,
        generation: 0,
        a: 0,
        payload: &head,
    };
    rig.engine.flush_with(0, &large).unwrap();
    let mut got = vec![0; head.len()];
    far.read_exact(&mut got).unwrap();
    assert!(got == head);
}

#[test]
fn a_message_that_went_another_way_counts_and_sends_nothing() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect();
    far.write_all(REQUEST).unwrap();
    rig.pump();
    let chunked = framing::CHUNKED << (8 + command::FRAMING_SHIFT);
    rig.command(command::MESSAGE_HEAD | chunked, (slot, 0), 0, b"");
    rig.command(command::ENDED, (slot, 0), 0, b"");
    rig.command(MESSAGE, (slot, 0), HEAD.len() as u32, &message());
    rig.flush().unwrap();
    assert!(rig.read().is_empty());
    assert!(
        rig.engine.is_idle(slot).unwrap(),
        "both requests are answered"
    );
    let mut got = vec![0; message().len()];
    far.read_exact(&mut got).unwrap();
    assert_eq!(got, message());
    assert_eq!(rig.figure(slot, table::BYTES_WRITTEN), got.len() as f64);
}

#[test]
fn a_message_that_cannot_be_is_told_to_its_own_connection() {
    let mut rig = Rig::new();
    let (first, _near, _far) = rig.connect();
    let (second, _near_too, mut far) = rig.connect();
    rig.command(command::BODY, (first, 0), 0, b"without a head");
    rig.command(MESSAGE, (second, 0), HEAD.len() as u32, &message());
    rig.flush().unwrap();
    let seen = rig.read();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].0, seen[0].1), (event::MISUSE, first));
    let mut got = vec![0; message().len()];
    far.read_exact(&mut got).unwrap();
    assert_eq!(got, message());
}

#[test]
fn a_deadline_beyond_all_time_never_passes() {
    let mut rig = Rig::new();
    let (slot, _near, _far) = rig.connect();
    for never in [f64::MAX, f64::INFINITY, f64::NAN, -1.0, 0.0] {
        let timeouts = timeouts(never, never, never);
        rig.engine.set_timeouts(slot, timeouts).unwrap();
        assert_eq!(rig.engine.check_timeout(slot, 7).unwrap().0, -1.0);
    }
}

#[test]
fn a_closed_engine_has_let_go_of_every_descriptor() {
    let mut rig = Rig::new();
    let (_slot, near, mut far) = rig.connect();
    far.write_all(REQUEST).unwrap();
    rig.engine.collect();
    rig.engine.close();
    assert!(!rig.engine.run());
    let mut all = vec![0; REQUEST.len()];
    (&near).read_exact(&mut all).unwrap();
    assert_eq!(all, REQUEST, "nothing was received for it");
}
