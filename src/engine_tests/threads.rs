//! The same of connections that I/O threads move the bytes of. Nothing here depends on who comes first, and no test on how fast the machine is.

use super::*;
use crate::engine::threads::MOST_PARTING;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Only so that a test that waits for ever comes to an end.
const PATIENCE: Duration = Duration::from_secs(60);

impl Rig {
    /// A connection of one of two I/O threads, on one end of a socket pair; the other end.
    fn connect_threads(&mut self) -> (u32, UnixStream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_read_timeout(Some(PATIENCE)).unwrap();
        let options = options(transport::THREADS, near.as_raw_fd());
        let slot = self.engine.attach_to_thread(&options, 2).unwrap();
        (slot, near, far)
    }

    /// The same, over TCP; the near end belongs to the caller, as the socket's descriptor to JavaScript.
    fn connect_threads_by_tcp(&mut self) -> (u32, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (near, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_read_timeout(Some(PATIENCE)).unwrap();
        let options = options(transport::THREADS, near.as_raw_fd());
        let slot = self.engine.attach_to_thread(&options, 2).unwrap();
        (slot, near, far)
    }

    /// Pumps until `count` records have come.
    fn wait_for(&mut self, count: usize) -> Vec<Seen> {
        let began = Instant::now();
        let mut seen = Vec::new();
        while seen.len() < count {
            assert!(began.elapsed() < PATIENCE, "only {seen:?}");
            seen.extend(self.pump());
            std::thread::yield_now();
        }
        seen
    }

    /// Pumps for as long as an I/O thread would take to do what it should not.
    fn wait_for_nothing(&mut self) {
        for _ in 0..20 {
            assert_eq!(self.pump(), []);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn generation(&self, slot: u32) -> u32 {
        self.figure(slot, table::GENERATION) as u32
    }

    /// A part of a body from where it lies.
    fn flush_body(&mut self, slot: u32, flags: u32, payload: &[u8]) {
        let written = std::mem::take(&mut self.written);
        let large = Command {
            kind: command::BODY,
            flags,
            slot,
            generation: self.generation(slot),
            a: 0,
            payload,
        };
        self.engine.flush_with(written, &large).unwrap();
    }
}

fn kinds(seen: &[Seen]) -> Vec<u32> {
    seen.iter().map(|(kind, ..)| *kind).collect()
}

#[test]
fn requests_become_records_and_messages_become_bytes() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect_threads();
    far.write_all(REQUEST).unwrap();
    let seen = rig.wait_for(4);
    assert_eq!(
        kinds(&seen),
        [event::HEAD, event::BODY, event::COMPLETE, event::HEAD]
    );
    assert_eq!(seen[1].2, b"abc");
    rig.command(MESSAGE, (slot, 0), HEAD.len() as u32, &message());
    rig.command(MESSAGE, (slot, 0), HEAD.len() as u32, &message());
    rig.flush().unwrap();
    assert_eq!(
        (
            rig.figure(slot, table::SENT),
            rig.figure(slot, table::QUEUED)
        ),
        (2.0, 0.0),
        "little is shown as sent as soon as the I/O thread has it"
    );
    let mut got = vec![0; message().len() * 2];
    far.read_exact(&mut got).unwrap();
    assert_eq!(got, message().repeat(2));
    assert_eq!(rig.figure(slot, table::BYTES_READ), REQUEST.len() as f64);
    assert_eq!(rig.figure(slot, table::BYTES_WRITTEN), got.len() as f64);
}

#[test]
fn what_came_of_two_receives_comes_in_two_batches() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect_threads();
    far.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    far.shutdown(Shutdown::Write).unwrap();
    let mut batches = Vec::new();
    let began = Instant::now();
    while batches.len() < 2 && began.elapsed() < PATIENCE {
        rig.engine.collect();
        rig.engine.run();
        let batch = rig.read();
        if !batch.is_empty() {
            batches.push(batch);
        }
    }
    assert_eq!(kinds(&batches.concat()), [event::HEAD, event::END]);
    assert_eq!((batches[0].len(), batches[1][0].1), (1, slot));
}

#[test]
fn what_the_kernel_does_not_take_is_queued_and_its_mark_told_when_it_went() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect_threads();
    let body = vec![b'x'; 4 << 20];
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    rig.command(
        command::MESSAGE_HEAD | framing::CHUNKED << 8,
        (slot, 0),
        0,
        head,
    );
    rig.flush_body(slot, command::MARK, &body);
    assert_eq!(rig.figure(slot, table::SENT), 0.0);
    assert!(rig.figure(slot, table::QUEUED) > 0.0);
    rig.wait_for_nothing();
    let mut got = vec![0; head.len() + 8 + body.len() + 2];
    far.read_exact(&mut got).unwrap();
    assert!(got == [head, &b"400000\r\n"[..], &body[..], b"\r\n"].concat());
    assert_eq!(rig.wait_for(1), [(event::SENT, slot, Vec::new())]);
    assert_eq!(
        (
            rig.figure(slot, table::SENT),
            rig.figure(slot, table::QUEUED)
        ),
        (1.0, 0.0)
    );
}

#[test]
#[cfg(target_os = "linux")]
fn what_the_kernel_has_room_for_is_shown_as_sent_and_more_is_not() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect_threads_by_tcp();
    rig.pump();
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    rig.command(
        command::MESSAGE_HEAD | framing::CHUNKED << 8,
        (slot, 0),
        0,
        head,
    );
    rig.flush().unwrap();
    let shared = rig.engine.shared(slot).unwrap();
    // While the I/O thread is kept from sending.
    let io = shared.io();
    let room = shared.room();
    assert!(room > 128 * 1024, "{room} are not more than the credit");
    let [fits, does_not] = [room * 3 / 4, room / 2].map(|length| vec![b'x'; length]);
    rig.flush_body(slot, command::MARK, &fits);
    let stand = |rig: &Rig| {
        (
            rig.figure(slot, table::SENT),
            rig.figure(slot, table::QUEUED),
        )
    };
    assert_eq!(stand(&rig), (1.0, 0.0));
    rig.flush_body(slot, command::MARK, &does_not);
    assert_eq!(rig.figure(slot, table::SENT), 1.0);
    assert!(rig.figure(slot, table::QUEUED) > 0.0);
    drop(io);
    let chunk = |body: &[u8]| [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat();
    let sent = [head.to_vec(), chunk(&fits), chunk(&does_not)].concat();
    let mut got = vec![0; sent.len()];
    far.read_exact(&mut got).unwrap();
    assert!(got == sent);
    assert_eq!(rig.wait_for(1), [(event::SENT, slot, Vec::new())]);
    assert_eq!(stand(&rig), (2.0, 0.0));
}

#[test]
fn what_comes_behind_a_queue_that_was_taken_is_sent() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect_threads();
    rig.pump();
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    rig.command(
        command::MESSAGE_HEAD | framing::CHUNKED << 8,
        (slot, 0),
        0,
        head,
    );
    let body = vec![b'x'; 4 << 20];
    rig.flush_body(slot, 0, &body);
    // Until the kernel takes no more.
    rig.engine.send_now(slot);
    let taken = rig.engine.take_output(slot).unwrap();
    assert!(!taken.is_empty());
    let mut got = vec![0; head.len() + 8 + body.len() + 2 - taken.len()];
    far.read_exact(&mut got).unwrap();
    rig.wait_for_nothing();
    rig.command(command::RAW, (slot, 0), 0, b"behind");
    rig.flush().unwrap();
    let mut got = [0; 6];
    far.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"behind");
}

#[test]
fn a_paused_connection_tells_nothing_and_goes_on_where_it_was() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect_threads();
    rig.command(command::PAUSE, (slot, 0), 0, b"");
    rig.flush().unwrap();
    far.write_all(REQUEST).unwrap();
    rig.wait_for_nothing();
    rig.command(command::RESUME, (slot, 0), 0, b"");
    rig.flush().unwrap();
    assert_eq!(rig.wait_for(4).len(), 4);
}

#[test]
fn a_connection_whose_records_are_not_fetched_is_not_read_without_bound() {
    let mut rig = Rig::new();
    let (slot, _near, far) = rig.connect_threads();
    rig.pump();
    far.set_nonblocking(true).unwrap();
    let requests = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let mut written = 0;
    let mut tries = 0;
    while tries < 100 {
        match (&far).write(&requests[written % 27..]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
        assert!(written < 64 << 20, "everything is read");
    }
    assert!(written > 0);
    far.shutdown(Shutdown::Write).unwrap();
    let mut heads = 0;
    let began = Instant::now();
    'all: loop {
        for (kind, of, _) in rig.pump() {
            assert_eq!(of, slot);
            if kind == event::END {
                break 'all;
            }
            heads += usize::from(kind == event::HEAD);
        }
        assert!(began.elapsed() < PATIENCE);
    }
    assert_eq!(heads, written / 27, "none was lost");
}

#[test]
fn the_end_and_a_reset_are_told_once() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect_threads();
    far.write_all(b"GET / HT").unwrap();
    drop(far);
    let told = [event::STIR, event::END].map(|kind| (kind, slot, Vec::new()));
    assert_eq!(rig.wait_for(2), told);
    rig.command(command::RAW, (slot, 0), 0, b"into the void");
    rig.flush().unwrap();
    assert_eq!(kinds(&rig.wait_for(1)), [event::IO_ERROR]);
    rig.wait_for_nothing();
}

#[test]
fn a_connection_that_is_taken_back_keeps_its_records_and_what_was_not_parsed() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect_threads();
    far.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\nrest")
        .unwrap();
    assert_eq!(rig.wait_for(1).len(), 1);
    rig.command(command::UPGRADE, (slot, 0), 1, b"");
    rig.command(command::RAW, (slot, 0), 0, b"HTTP/1.1 101 Y\r\n\r\n");
    rig.flush().unwrap();
    assert_eq!(rig.engine.take_unread(slot).unwrap(), b"rest");
    assert_eq!(rig.engine.take_output(slot).unwrap(), b"", "it was sent");
    let mut got = [0; 18];
    far.read_exact(&mut got).unwrap();
    far.write_all(b"of another protocol").unwrap();
    rig.wait_for_nothing();
    rig.engine.release(slot).unwrap();
}

#[test]
fn the_records_of_a_connection_that_turns_to_fed_come_before_what_it_is_fed() {
    let mut rig = Rig::new();
    let (slot, near, mut far) = rig.connect_threads();
    rig.pump();
    far.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nabcd")
        .unwrap();
    // Until it was received: only the descriptor can tell.
    let began = Instant::now();
    let mut peeked = [0; 1];
    let near = std::net::TcpStream::from(std::os::fd::OwnedFd::from(near));
    while near.peek(&mut peeked).is_ok_and(|count| count > 0) {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    rig.engine.unbind(slot).unwrap();
    rig.engine.feed(slot, b"efgh").unwrap();
    let seen = rig.wait_for(4);
    assert_eq!(
        kinds(&seen),
        [event::HEAD, event::BODY, event::BODY, event::COMPLETE]
    );
    assert_eq!(
        (&seen[1].2[..], &seen[2].2[..]),
        (&b"abcd"[..], &b"efgh"[..])
    );
}

#[test]
fn a_connection_that_is_let_go_has_sent_what_was_shown_as_sent_and_its_descriptor_is_closed() {
    let mut rig = Rig::new();
    for _ in 0..50 {
        let (slot, near, mut far) = rig.connect_threads();
        let generation = rig.generation(slot);
        rig.command(MESSAGE, (slot, generation), HEAD.len() as u32, &message());
        rig.flush().unwrap();
        rig.engine.release(slot).unwrap();
        drop(near);
        let mut got = Vec::new();
        far.read_to_end(&mut got).unwrap();
        assert_eq!(got, message());
    }
}

/// Bytes that were shown as sent when the kernel takes no more, while nobody reads: some of them are not with it.
fn fill(rig: &mut Rig, slot: u32) -> usize {
    let generation = rig.generation(slot);
    let shared = rig.engine.shared(slot).unwrap();
    let part = vec![b'x'; 30_000];
    while rig.figure(slot, table::QUEUED) == 0.0 {
        // While the I/O thread is kept from sending, all of it is shown as sent: else it might know already that the kernel takes no more.
        let io = shared.io();
        rig.command(command::RAW, (slot, generation), 0, &part);
        rig.flush().unwrap();
        drop(io);
        rig.engine.send_now(slot);
    }
    rig.figure(slot, table::BYTES_WRITTEN) as usize
}

#[test]
fn what_was_shown_as_sent_is_sent_after_the_end_to_who_reads_late() {
    for hears_of_it in [true, false] {
        let mut rig = Rig::new();
        let (slot, near, mut far) = rig.connect_threads();
        if hears_of_it {
            rig.pump();
        }
        let shown = fill(&mut rig, slot);
        rig.engine.release(slot).unwrap();
        drop(near);
        let mut got = Vec::new();
        far.read_to_end(&mut got).unwrap();
        assert!(got.len() >= shown, "{} of {shown}", got.len());
    }
}

#[test]
fn what_was_shown_as_sent_is_not_shown_as_queued_again() {
    let mut rig = Rig::new();
    let (slot, _near, _far) = rig.connect_threads();
    rig.pump();
    let id = (slot, rig.generation(slot));
    let part = vec![b'x'; 30_000];
    let mut given = 0.0;
    while rig.figure(slot, table::QUEUED) == 0.0 {
        rig.command(command::RAW, id, 0, &part);
        rig.flush().unwrap();
        given += part.len() as f64;
        let told = rig.figure(slot, table::QUEUED) + rig.figure(slot, table::BYTES_WRITTEN);
        assert_eq!(told, given);
    }
}

#[test]
fn peers_that_never_read_do_not_use_up_the_descriptors() {
    let mut rig = Rig::new();
    let mut peers = Vec::new();
    for _ in 0..=MOST_PARTING {
        let (slot, near, far) = rig.connect_threads();
        rig.pump();
        let shown = fill(&mut rig, slot);
        rig.engine.release(slot).unwrap();
        drop(near);
        peers.push((far, shown));
    }
    let received = |(far, shown): &mut (UnixStream, usize)| {
        let mut got = Vec::new();
        far.read_to_end(&mut got).unwrap();
        (got.len(), *shown)
    };
    let (got, shown) = received(&mut peers[0]);
    assert!(got < shown, "the oldest gave up: {got} of {shown}");
    for peer in &mut peers[1..] {
        let (got, shown) = received(peer);
        assert!(got >= shown, "{got} of {shown}");
    }
}

#[test]
fn a_peer_that_does_not_get_what_was_shown_as_sent_is_reset() {
    for ends in [true, false] {
        let mut rig = Rig::new();
        let (slot, near, mut far) = rig.connect_threads_by_tcp();
        rig.pump();
        let mut shown = fill(&mut rig, slot);
        // TCP finds more room, as its windows grow, until its timers have nothing left to tell.
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(20));
            rig.engine.send_now(slot);
            shown = fill(&mut rig, slot);
        }
        rig.engine.release(slot).unwrap();
        drop(near);
        let mut others = Vec::new();
        if ends {
            rig.engine.grant(Duration::ZERO);
            rig.engine.close();
        } else {
            for _ in 0..MOST_PARTING {
                let (slot, _near, far) = rig.connect_threads();
                rig.pump();
                fill(&mut rig, slot);
                rig.engine.release(slot).unwrap();
                others.push(far);
            }
        }
        let mut got = Vec::new();
        let error = far.read_to_end(&mut got).map_err(|error| error.kind());
        assert_eq!(error, Err(io::ErrorKind::ConnectionReset), "{ends}");
        assert!(got.len() < shown);
    }
}

#[test]
fn what_was_shown_as_sent_is_waited_for_at_the_end_but_not_for_ever() {
    let mut rig = Rig::new();
    let (slot, _near, mut far) = rig.connect_threads();
    let (parting, near, mut other) = rig.connect_threads();
    rig.pump();
    let shown = [fill(&mut rig, slot), fill(&mut rig, parting)];
    rig.engine.release(parting).unwrap();
    drop(near);
    rig.engine.send_all_now();
    rig.engine.grant(PATIENCE);
    let readers = [far.try_clone().unwrap(), other.try_clone().unwrap()].map(|mut far| {
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            far.read(&mut buffer).unwrap()
        })
    });
    rig.engine.send_all_now();
    let read = readers.map(|reader| reader.join().unwrap());
    rig.engine.close();
    for (far, (read, shown)) in [
        (&mut far, (read[0], shown[0])),
        (&mut other, (read[1], shown[1])),
    ] {
        far.set_nonblocking(true).unwrap();
        let mut got = Vec::new();
        let _ = far.read_to_end(&mut got);
        assert!(
            read + got.len() >= shown,
            "{read} and {} of {shown}",
            got.len()
        );
    }
}

#[test]
fn that_sending_failed_is_told_though_its_connection_is_paused_before_it_is_fetched() {
    let mut rig = Rig::new();
    let (slot, _near, far) = rig.connect_threads();
    rig.pump();
    fill(&mut rig, slot);
    far.shutdown(Shutdown::Read).unwrap();
    // The kernel tells who watches a socket pair nothing of this, while it has no room: it has to be tried.
    rig.engine.send_now(slot);
    let id = (slot, rig.generation(slot));
    rig.command(command::PAUSE, id, 0, b"");
    rig.flush().unwrap();
    assert_eq!(kinds(&rig.wait_for(1)), [event::IO_ERROR]);
}

#[test]
fn a_reset_connection_keeps_nothing_to_send() {
    let mut rig = Rig::new();
    let (slot, near, mut far) = rig.connect_threads();
    rig.pump();
    let shown = fill(&mut rig, slot);
    rig.engine.reset(slot);
    rig.engine.release(slot).unwrap();
    drop(near);
    let mut got = Vec::new();
    far.read_to_end(&mut got).unwrap();
    assert!(got.len() < shown, "{} of {shown}", got.len());
}

#[test]
fn a_reset_does_not_wait_for_the_last_descriptor() {
    let mut rig = Rig::new();
    let (slot, near, mut far) = rig.connect_threads_by_tcp();
    (&near).write_all(b"sent").unwrap();
    rig.engine.reset(slot);
    let mut got = [0; 8];
    assert_eq!(far.read(&mut got).unwrap(), 4);
    let failed = far.read(&mut got).unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn an_engine_that_is_taken_down_ends_its_threads_with_connections_open() {
    let mut rig = Rig::new();
    let kept: Vec<_> = (0..10).map(|_| rig.connect_threads()).collect();
    rig.pump();
    rig.engine.close();
    for (_, near, mut far) in kept {
        drop(near);
        assert_eq!(far.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn connections_that_were_told_of_are_fetched_though_the_one_before_them_panicked() {
    let mut rig = Rig::new();
    let (broken, _near, mut far) = rig.connect_threads();
    let (slot, _other_near, mut other_far) = rig.connect_threads();
    rig.pump();
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    far.write_all(request).unwrap();
    let both_are_told = |rig: &mut Rig| {
        let shared = [broken, slot].map(|slot| rig.engine.shared(slot).unwrap());
        shared.iter().all(|shared| shared.state().bytes_read > 0)
    };
    // In this order, as each has a thread of its own.
    let began = Instant::now();
    while rig.engine.shared(broken).unwrap().state().bytes_read == 0 {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    other_far.write_all(request).unwrap();
    while !both_are_told(&mut rig) {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    rig.engine.collect();
    // Whoever has a connection taken back behind the engine's back has it panic.
    let _ = rig.engine.shared(broken).unwrap().take_back();
    let pumped = catch_unwind(AssertUnwindSafe(|| rig.engine.run()));
    assert!(pumped.is_err());
    rig.engine.recover();
    assert!(rig.engine.has_backlog(), "nobody would tell of them again");
    rig.engine.release(broken).unwrap();
    rig.engine.run();
    assert_eq!(rig.read(), [(event::HEAD, slot, b"/Host\nx".to_vec())]);
}

#[test]
fn an_end_that_was_put_off_is_not_told_of_a_connection_that_was_handed_back_meanwhile() {
    let mut rig = Rig::new();
    let (kept, _near, _far) = rig.connect_threads();
    let (fed, _other_near, _other_far) = rig.connect_threads();
    let (gone, _third_near, _third_far) = rig.connect_threads();
    rig.pump();
    for slot in [kept, fed, gone] {
        rig.engine.put_off(slot, event::END, 0);
    }
    rig.engine.unbind(fed).unwrap();
    rig.engine.release(gone).unwrap();
    assert_eq!(rig.wait_for(1), [(event::END, kept, Vec::new())]);
    rig.wait_for_nothing();
}
