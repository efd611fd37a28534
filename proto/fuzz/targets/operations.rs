//! Any sequence of calls: no panic, no endless loop, and the order of events holds.
#![no_main]

use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use ferrohttp_proto::{
    Config, Connection, Event, Expect, Framing, Leniency, Limits, Role, Timeouts,
};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Operation<'a> {
    Input(&'a [u8]),
    Eof,
    Wait(u16),
    Verdict(bool),
    SendHead(u8, u16, u8),
    SendBody(u8),
    FrameBody(u32),
    SendEnd(bool),
    SetTimeouts(Option<u8>, Option<u8>, Option<u8>),
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Due {
    Head,
    BodyOrEnd,
    Nothing,
}

fn check(due: Due, event: &Event<'_>) -> Due {
    match (due, event) {
        (Due::Head, Event::Head(_)) => Due::BodyOrEnd,
        (Due::BodyOrEnd, Event::Body(data)) if !data.is_empty() => Due::BodyOrEnd,
        (Due::BodyOrEnd, Event::Complete(_)) => Due::Head,
        (Due::Head | Due::BodyOrEnd, Event::Failed(_)) => Due::Nothing,
        _ => panic!("{event:?} when {due:?} was due"),
    }
}

fuzz_target!(|case: (bool, u16, u16, Vec<Operation<'_>>)| {
    let (client, max_head, leniency, operations) = case;
    let role = if client { Role::Client } else { Role::Server };
    let limits = Limits {
        max_head: usize::from(max_head),
        ..Limits::default()
    };
    let mut now = Instant::now();
    let mut connection = Connection::new(
        role,
        Config {
            limits,
            leniency: Leniency::from_bits(leniency),
        },
        now,
    );
    let mut due = Due::Head;
    let mut left = Vec::new();
    let mut out = Vec::new();
    for operation in operations {
        match operation {
            Operation::Input(octets) => {
                left.extend_from_slice(octets);
                let mut input = left.as_slice();
                // Every event but the end of a message takes input.
                for _ in 0..2 * left.len() + 3 {
                    let before = input;
                    let Some(event) = connection.poll_event(&mut input, now) else {
                        break;
                    };
                    due = check(due, &event);
                    assert!(before.ends_with(input));
                    if let Event::Failed(error) = event {
                        assert!(error.bytes_parsed <= before.len());
                    }
                }
                assert!(connection.poll_event(&mut input, now).is_none());
                left = input.to_vec();
                assert!(left.is_empty() || connection.is_halted() || due == Due::Nothing);
            }
            Operation::Eof => {
                if let Some(event) = connection.handle_eof() {
                    due = check(due, &event);
                }
            }
            Operation::Wait(milliseconds) => {
                now += Duration::from_millis(u64::from(milliseconds));
                let passed = connection
                    .poll_timeout()
                    .is_some_and(|(deadline, _)| deadline <= now);
                assert_eq!(connection.handle_timeout(now).is_some(), passed);
            }
            Operation::Verdict(accept) => connection.upgrade_verdict(accept),
            Operation::SendHead(framing, length, expect) => {
                let framing = match framing % 5 {
                    0 => Framing::None,
                    1 => Framing::Length(Some(u64::from(length))),
                    2 => Framing::Length(None),
                    3 => Framing::Chunked,
                    _ => Framing::UntilClose,
                };
                let expect =
                    [Expect::Message, Expect::Head, Expect::Connect][usize::from(expect) % 3];
                let _ = connection.send_head(b"", framing, expect, &mut out);
            }
            Operation::SendBody(length) => {
                let _ = connection.send_body(&vec![0; usize::from(length)], &mut out);
            }
            Operation::FrameBody(length) => {
                let _ = connection.frame_body(length as usize);
            }
            Operation::SendEnd(trailers) => {
                let _ =
                    connection.send_end(if trailers { b"A: b\r\n" } else { b"" }, now, &mut out);
            }
            Operation::SetTimeouts(headers, request, keep_alive) => {
                let seconds =
                    |count: Option<u8>| count.map(|count| Duration::from_secs(u64::from(count)));
                connection.set_timeouts(Timeouts {
                    headers: seconds(headers),
                    request: seconds(request),
                    keep_alive: seconds(keep_alive),
                });
            }
        }
    }
});
