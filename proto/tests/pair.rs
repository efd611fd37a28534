//! A client and a server against each other, over pipes that cut everything up, under a clock that only the test moves.

#[path = "support/pair.rs"]
mod pair;

use std::time::{Duration, Instant};

use ferrohttp_proto::{
    Config, Connection, Event, Expect, Framing, Method, Role, Timeout, Timeouts,
};
use pair::{Dice, Message, Pair};

const SECOND: Duration = Duration::from_secs(1);

fn random_body(dice: &mut Dice) -> Vec<u8> {
    let len = [0, 1, 15, 16, 1000, 70_000][dice.roll(6)];
    (0..len).map(|_| dice.roll(256) as u8).collect()
}

fn random_request(dice: &mut Dice, number: usize) -> Message {
    let (method, expect) = [
        ("GET", Expect::Message),
        ("HEAD", Expect::Head),
        ("POST", Expect::Message),
    ][dice.roll(3)];
    let mut message = Message::new(&format!("{method} /{number} HTTP/1.1"));
    message.expect = expect;
    if method == "POST" {
        with_body(&mut message, dice);
    }
    message
}

fn with_body(message: &mut Message, dice: &mut Dice) {
    message.body = random_body(dice);
    if dice.roll(2) == 0 {
        message.framing = Framing::Chunked;
        if dice.roll(2) == 0 {
            message.trailers = "X-Sum: 1\r\nX-Other: 2\r\n".into();
        }
    } else {
        message.framing = Framing::Length(Some(message.body.len() as u64));
    }
}

#[test]
fn messages_arrive_whole_and_in_order_however_they_are_cut() {
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let mut pair = Pair::new();
        let mut answered = 0;
        let mut expected_at_client = Vec::new();
        let mut expected_at_server = Vec::new();
        for round in 0..6 {
            for number in 0..=dice.roll(4) {
                let request = random_request(&mut dice, round * 10 + number);
                let piece = 1 + dice.roll(3000);
                pair.client.send(&request, piece, pair.now);
                let trailers = if request.trailers.is_empty() { 0 } else { 2 };
                expected_at_server.push((request.start, request.body, trailers));
            }
            pair.carry(&mut dice);
            assert!(
                !pair.server.connection.is_idle(),
                "requests without an answer"
            );
            while answered < pair.server.methods.len() {
                if dice.roll(4) == 0 {
                    pair.server
                        .out
                        .extend_from_slice(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
                    expected_at_client.push(("103".to_string(), Vec::new(), 0));
                }
                let (status, mut response) = match dice.roll(5) {
                    0 => ("204", Message::new("HTTP/1.1 204 No Content")),
                    1 => ("304", Message::new("HTTP/1.1 304 Not Modified")),
                    _ => ("200", Message::new("HTTP/1.1 200 OK")),
                };
                if status == "200" && pair.server.methods[answered] != Method::Head {
                    with_body(&mut response, &mut dice);
                } else if status == "200" {
                    response.start.push_str("\r\nContent-Length: 1000");
                }
                let piece = 1 + dice.roll(3000);
                pair.server.send(&response, piece, pair.now);
                let trailers = if response.trailers.is_empty() { 0 } else { 2 };
                expected_at_client.push((status.to_string(), response.body, trailers));
                answered += 1;
            }
            pair.carry(&mut dice);
            assert!(pair.server.connection.is_idle(), "seed {seed}");
            assert!(pair.client.connection.is_idle(), "seed {seed}");
        }
        for (end, expected) in [
            (&pair.server, expected_at_server),
            (&pair.client, expected_at_client),
        ] {
            assert!(end.failures.is_empty(), "seed {seed}: {:?}", end.failures);
            assert_eq!(end.received.len(), expected.len(), "seed {seed}");
            for (received, (start, body, trailers)) in end.received.iter().zip(expected) {
                assert_eq!(
                    received.what,
                    start.trim_end_matches(" HTTP/1.1"),
                    "seed {seed}"
                );
                assert_eq!(received.body, body, "seed {seed}: {start}");
                assert_eq!(received.trailers, trailers, "seed {seed}: {start}");
                assert!(received.whole, "seed {seed}: {start}");
            }
        }
    }
}

#[test]
fn a_response_without_a_length_ends_with_the_connection() {
    let mut pair = Pair::new();
    let mut dice = Dice::new(1);
    pair.client
        .send(&Message::new("GET / HTTP/1.1"), 1, pair.now);
    pair.carry(&mut dice);
    let mut response = Message::new("HTTP/1.1 200 OK");
    response.framing = Framing::UntilClose;
    response.body = b"all there is".to_vec();
    pair.server.send(&response, 5, pair.now);
    pair.carry(&mut dice);
    assert!(!pair.client.received[0].whole);
    assert!(pair.client.connection.handle_eof().is_some());
    assert!(pair.client.connection.handle_eof().is_none());
    assert_eq!(pair.client.received[0].body, response.body);
}

#[test]
fn a_tunnel_leaves_the_bytes_after_the_heads_alone() {
    let mut pair = Pair::new();
    let mut dice = Dice::new(2);
    let mut request = Message::new("CONNECT a:1 HTTP/1.1");
    request.expect = Expect::Connect;
    pair.client.send(&request, 1, pair.now);
    pair.client.out.extend_from_slice(b"ping");
    pair.carry(&mut dice);
    assert!(pair.server.connection.is_halted());
    pair.server.connection.upgrade_verdict(true);
    pair.server.poll(pair.now);
    assert_eq!(pair.server.untaken(), b"ping");
    pair.server
        .send(&Message::new("HTTP/1.1 200 OK"), 1, pair.now);
    pair.server.out.extend_from_slice(b"pong");
    pair.carry(&mut dice);
    pair.client.connection.upgrade_verdict(true);
    pair.client.poll(pair.now);
    assert_eq!(pair.client.untaken(), b"pong");
    assert!(pair.client.connection.is_halted());
}

#[test]
fn a_refused_upgrade_goes_on_as_a_message() {
    let mut pair = Pair::new();
    let mut dice = Dice::new(3);
    let mut request = Message::new("POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c");
    request.framing = Framing::Length(Some(3));
    request.body = b"abc".to_vec();
    pair.client.send(&request, 1, pair.now);
    pair.carry(&mut dice);
    assert!(pair.server.connection.is_halted());
    assert_eq!(pair.server.untaken(), b"abc");
    pair.server.connection.upgrade_verdict(false);
    pair.server.poll(pair.now);
    assert!(!pair.server.connection.is_halted());
    assert_eq!(pair.server.received[0].body, b"abc");
    assert!(pair.server.received[0].whole);
}

#[test]
fn stray_bytes_on_an_idle_client_connection_are_a_failure() {
    let mut pair = Pair::new();
    let mut dice = Dice::new(4);
    pair.client
        .send(&Message::new("GET / HTTP/1.1"), 1, pair.now);
    pair.carry(&mut dice);
    pair.server
        .send(&Message::new("HTTP/1.1 204 No Content"), 1, pair.now);
    pair.server.out.extend_from_slice(b"\r\n");
    pair.carry(&mut dice);
    assert!(pair.client.connection.is_idle());
    pair.server
        .out
        .extend_from_slice(b"HTTP/1.1 408 Request Timeout\r\n\r\n");
    pair.carry(&mut dice);
    assert_eq!(pair.client.failures, ["HPE_UNSOLICITED_RESPONSE"]);
    assert!(!pair.client.connection.is_idle());
}

fn timed(headers: u64, request: u64, keep_alive: u64) -> Pair {
    let mut pair = Pair::new();
    let seconds = |count: u64| (count > 0).then(|| SECOND * count as u32);
    pair.server.connection.set_timeouts(Timeouts {
        headers: seconds(headers),
        request: seconds(request),
        keep_alive: seconds(keep_alive),
    });
    pair
}

/// What the server's deadlines come to when the clock is moved by so many seconds.
fn after(pair: &mut Pair, seconds: u32) -> Option<Timeout> {
    pair.advance(SECOND * seconds);
    let due = pair
        .server
        .connection
        .poll_timeout()
        .is_some_and(|(deadline, _)| deadline <= pair.now);
    let timeout = pair.server.connection.handle_timeout(pair.now);
    assert_eq!(
        timeout.is_some(),
        due,
        "poll_timeout and handle_timeout agree"
    );
    timeout
}

fn deliver(pair: &mut Pair, text: &[u8]) {
    pair.client.out.extend_from_slice(text);
    pair.carry(&mut Dice::new(5));
}

#[test]
fn a_connection_on_which_nothing_comes_is_timed_out_once() {
    let mut pair = timed(10, 20, 5);
    assert_eq!(after(&mut pair, 9), None);
    assert_eq!(after(&mut pair, 1), Some(Timeout::Headers));
    assert_eq!(after(&mut pair, 100), None);
}

#[test]
fn a_slow_head_is_timed_out_from_its_first_byte() {
    let mut pair = timed(10, 20, 5);
    assert_eq!(after(&mut pair, 9), None);
    deliver(&mut pair, b"GET / HTTP/1.1\r\n");
    assert_eq!(after(&mut pair, 9), None);
    deliver(&mut pair, b"Host: a\r\n");
    assert_eq!(after(&mut pair, 1), Some(Timeout::Headers));
}

#[test]
fn empty_lines_begin_no_message() {
    let mut pair = timed(10, 20, 5);
    assert_eq!(after(&mut pair, 9), None);
    deliver(&mut pair, b"\r\n\r\n");
    assert_eq!(after(&mut pair, 1), Some(Timeout::Headers));
}

#[test]
fn a_slow_body_is_timed_out_from_the_first_byte_of_its_message() {
    let mut pair = timed(10, 20, 5);
    deliver(&mut pair, b"POST / HTTP/1.1\r\nContent-Length: 2\r\n");
    assert_eq!(after(&mut pair, 9), None);
    deliver(&mut pair, b"\r\na");
    assert_eq!(after(&mut pair, 10), None);
    assert_eq!(after(&mut pair, 1), Some(Timeout::Request));
}

#[test]
fn a_slow_answer_is_nobodys_time_out() {
    let mut pair = timed(10, 20, 5);
    deliver(&mut pair, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(pair.server.connection.poll_timeout(), None);
    assert_eq!(after(&mut pair, 1000), None);
}

#[test]
fn an_idle_connection_is_timed_out_from_the_end_of_its_last_response() {
    let mut pair = timed(10, 20, 5);
    deliver(&mut pair, b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    pair.server
        .send(&Message::new("HTTP/1.1 204 No Content"), 1, pair.now);
    assert_eq!(
        after(&mut pair, 100),
        None,
        "the second request is still to be answered"
    );
    pair.server
        .send(&Message::new("HTTP/1.1 204 No Content"), 1, pair.now);
    assert_eq!(after(&mut pair, 4), None);
    assert_eq!(after(&mut pair, 1), Some(Timeout::KeepAlive));
}

#[test]
fn a_part_of_the_next_head_puts_the_keep_alive_time_off_and_the_whole_of_it_ends_it() {
    let mut pair = timed(10, 20, 5);
    deliver(&mut pair, b"GET / HTTP/1.1\r\n\r\n");
    pair.server
        .send(&Message::new("HTTP/1.1 204 No Content"), 1, pair.now);
    assert_eq!(after(&mut pair, 4), None);
    deliver(&mut pair, b"GET / HTTP/1.1\r\n");
    assert_eq!(after(&mut pair, 4), None);
    deliver(&mut pair, b"\r\n");
    assert_eq!(after(&mut pair, 1000), None);
}

#[test]
fn who_stops_in_the_midst_of_the_next_head_is_idle() {
    let mut pair = timed(10, 20, 5);
    deliver(&mut pair, b"GET / HTTP/1.1\r\n\r\n");
    pair.server
        .send(&Message::new("HTTP/1.1 204 No Content"), 1, pair.now);
    assert_eq!(after(&mut pair, 4), None);
    deliver(&mut pair, b"G");
    assert_eq!(after(&mut pair, 4), None);
    assert_eq!(after(&mut pair, 1), Some(Timeout::KeepAlive));
    assert_eq!(after(&mut pair, 4), None);
    assert_eq!(after(&mut pair, 1), Some(Timeout::Headers));
}

#[test]
fn who_stops_in_the_midst_of_an_answered_request_is_idle() {
    let mut pair = timed(10, 20, 5);
    deliver(&mut pair, b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na");
    pair.server
        .send(&Message::new("HTTP/1.1 204 No Content"), 1, pair.now);
    assert_eq!(after(&mut pair, 4), None);
    deliver(&mut pair, b"b");
    assert_eq!(after(&mut pair, 4), None);
    assert_eq!(after(&mut pair, 1), Some(Timeout::KeepAlive));
    assert_eq!(after(&mut pair, 10), None);
    assert_eq!(after(&mut pair, 1), Some(Timeout::Request));
}

#[test]
fn the_keep_alive_time_begins_anew_where_the_answer_is_slow_to_be_read() {
    let mut pair = timed(10, 20, 5);
    deliver(&mut pair, b"GET / HTTP/1.1\r\n\r\n");
    pair.server.connection.stir(pair.now);
    assert_eq!(
        pair.server.connection.poll_timeout(),
        None,
        "it is not idle"
    );
    pair.server
        .send(&Message::new("HTTP/1.1 204 No Content"), 1, pair.now);
    assert_eq!(after(&mut pair, 4), None);
    pair.server.connection.stir(pair.now);
    assert_eq!(after(&mut pair, 4), None);
    assert_eq!(after(&mut pair, 1), Some(Timeout::KeepAlive));
}

#[test]
fn deadlines_given_the_wrong_way_round_are_swapped() {
    let mut pair = timed(20, 10, 0);
    deliver(&mut pair, b"POST / HTTP/1.1\r\n");
    assert_eq!(after(&mut pair, 9), None);
    deliver(&mut pair, b"Content-Length: 2\r\n\r\n");
    assert_eq!(after(&mut pair, 10), None);
    assert_eq!(after(&mut pair, 1), Some(Timeout::Request));
}

#[test]
fn the_requests_deadline_holds_for_its_head_too() {
    let mut pair = timed(0, 10, 0);
    deliver(&mut pair, b"POST / HTTP/1.1\r\n");
    assert_eq!(after(&mut pair, 10), Some(Timeout::Request));
}

#[test]
fn an_accepted_upgrade_has_no_deadlines() {
    let mut pair = timed(10, 20, 5);
    deliver(
        &mut pair,
        b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
    );
    pair.server.connection.upgrade_verdict(true);
    assert_eq!(after(&mut pair, 1000), None);
}

#[test]
fn a_response_that_was_announced_may_come_before_its_request_is_sent() {
    let mut client = Connection::new(Role::Client, Config::default(), Instant::now());
    client.expect_response(Expect::Head);
    let mut input = &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"[..];
    let now = Instant::now();
    assert!(matches!(
        client.poll_event(&mut input, now),
        Some(Event::Head(_))
    ));
    assert!(
        matches!(client.poll_event(&mut input, now), Some(Event::Complete(_))),
        "a response to HEAD"
    );
    let mut out = Vec::new();
    client
        .send_head(
            b"HEAD / HTTP/1.1\r\n\r\n",
            Framing::None,
            Expect::Head,
            &mut out,
        )
        .unwrap();
    client.send_end(b"", now, &mut out).unwrap();
    assert!(
        client.is_idle(),
        "the request that was announced owes no second response"
    );
}

#[test]
fn what_an_unsolicited_response_fails_with_does_not_depend_on_how_it_is_cut() {
    for (text, code) in [
        (&b"HTTP/1.1 x\r\n"[..], "HPE_UNSOLICITED_RESPONSE"),
        (b"\x02 HTTP/0.\0", "HPE_INVALID_CONSTANT"),
    ] {
        for cut in 1..=text.len() {
            let mut client = Connection::new(Role::Client, Config::default(), Instant::now());
            let mut input = &text[..cut];
            let event = client.poll_event(&mut input, Instant::now());
            let Some(Event::Failed(error)) = event else {
                panic!("{event:?}")
            };
            assert_eq!(error.code.as_str(), code, "{cut} octets of {text:?}");
        }
    }
}
