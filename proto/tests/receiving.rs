//! What the order and the places of events promise, beyond their content.

use std::time::Instant;

use ferrohttp_proto::{
    BodyKind, Config, Connection, Event, Expect, Framing, Limits, Role, StartLine,
};

fn server() -> Connection {
    Connection::new(Role::Server, Config::default(), Instant::now())
}

/// The names of the events that come of `input`, and what is left of it.
fn names<'i>(connection: &mut Connection, mut input: &'i [u8]) -> (Vec<&'static str>, &'i [u8]) {
    let mut names = Vec::new();
    while let Some(event) = connection.poll_event(&mut input, Instant::now()) {
        names.push(match event {
            Event::Head(_) => "head",
            Event::Body(_) => "body",
            Event::Complete(_) => "complete",
            Event::Failed(_) => "failed",
        });
    }
    (names, input)
}

#[test]
fn body_data_is_a_slice_of_the_input() {
    let now = Instant::now();
    for (framing, body) in [
        ("Content-Length: 5", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let message = format!("POST / HTTP/1.1\r\n{framing}\r\n\r\n{body}");
        let mut connection = server();
        let mut input = message.as_bytes();
        assert!(matches!(
            connection.poll_event(&mut input, now),
            Some(Event::Head(_))
        ));
        let Some(Event::Body(data)) = connection.poll_event(&mut input, now) else {
            panic!("no body")
        };
        assert_eq!(data, b"hello");
        assert!(message.as_bytes().as_ptr_range().contains(&data.as_ptr()));
    }
}

#[test]
fn a_head_tells_what_matters_about_its_fields() {
    let text = b"PUT /a HTTP/1.1\r\nHOST: a\r\nExpect: 100-continue\r\ncontent-length: 7\r\n\r\n";
    // In one piece, then in two: both ways of reading.
    for cut in [text.len(), 20] {
        let mut connection = server();
        let (first, second) = text.split_at(cut);
        let mut heads = 0;
        for mut piece in [first, second] {
            while let Some(event) = connection.poll_event(&mut piece, Instant::now()) {
                let Event::Head(head) = event else {
                    panic!("{event:?}")
                };
                let StartLine::Request { method, target } = head.start else {
                    panic!("no request")
                };
                assert_eq!((method.as_str(), target), ("PUT", b"/a".as_slice()));
                assert!(
                    head.has_host && head.has_expect && head.has_content_length && head.keep_alive
                );
                assert!(!head.has_transfer_encoding && !head.upgrade);
                assert_eq!(head.body, BodyKind::Length(7));
                assert_eq!(head.fields.len(), 3);
                heads += 1;
            }
        }
        assert_eq!(heads, 1);
    }
}

#[test]
fn a_slow_sender_costs_no_more_than_a_fast_one() {
    // Were every octet to begin a new reading of the head, this would take days.
    let limits = Limits {
        max_head: usize::MAX,
        ..Limits::default()
    };
    let mut connection = Connection::new(
        Role::Server,
        Config {
            limits,
            ..Config::default()
        },
        Instant::now(),
    );
    let head = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(1 << 20));
    let mut heads = 0;
    for octet in head.as_bytes().chunks(1) {
        heads += names(&mut connection, octet)
            .0
            .iter()
            .filter(|name| **name == "head")
            .count();
    }
    assert_eq!(heads, 1);
}

#[test]
fn garbage_is_refused_with_its_first_wrong_octet() {
    let mut connection = server();
    assert_eq!(names(&mut connection, b"B").0, [""; 0]);
    let mut input = b"LAH".as_slice();
    let Some(Event::Failed(error)) = connection.poll_event(&mut input, Instant::now()) else {
        panic!("no failure")
    };
    assert_eq!(error.bytes_parsed, 0);
    assert_eq!(
        error.to_string(),
        "HPE_INVALID_METHOD: Invalid method encountered"
    );
}

#[test]
fn after_a_failure_nothing_is_looked_at() {
    let mut connection = server();
    assert_eq!(names(&mut connection, b"BLAH").0, ["failed"]);
    let (events, left) = names(&mut connection, b"GET / HTTP/1.1\r\n\r\n");
    assert!(events.is_empty());
    assert_eq!(left.len(), 18);
    assert!(connection.handle_eof().is_none());
    assert!(!connection.is_idle());
}

#[test]
fn an_upgrade_halts_until_the_verdict() {
    let upgrade = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\nrest";
    let mut connection = server();
    let (events, left) = names(&mut connection, upgrade);
    assert_eq!(
        (events.as_slice(), left),
        (["head"].as_slice(), b"rest".as_slice())
    );
    assert!(connection.is_halted());
    assert_eq!(names(&mut connection, left).0, [""; 0]);
    connection.upgrade_verdict(true);
    assert_eq!(names(&mut connection, left), (vec![], b"rest".as_slice()));
    assert!(connection.is_halted());
    // A verdict cannot be taken back.
    connection.upgrade_verdict(false);
    assert!(connection.is_halted());
}

#[test]
fn the_end_of_input_is_judged_by_where_it_comes() {
    let ended = |input: &[u8]| {
        let mut connection = server();
        names(&mut connection, input);
        connection.handle_eof().map(|event| match event {
            Event::Failed(error) => error.code.as_str(),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(ended(b""), None);
    assert_eq!(ended(b"\r\n"), None);
    assert_eq!(ended(b"GET / HTTP/1.1\r\n\r\n"), None);
    assert_eq!(ended(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), None);
    assert_eq!(ended(b"G"), Some("HPE_INVALID_EOF_STATE"));
    assert_eq!(
        ended(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n"),
        Some("HPE_INVALID_EOF_STATE")
    );
}

#[test]
fn a_connection_is_idle_between_messages_only() {
    let now = Instant::now();
    let mut connection = server();
    let mut out = Vec::new();
    assert!(connection.is_idle());
    names(&mut connection, b"\r\n");
    assert!(connection.is_idle());
    names(&mut connection, b"GET / ");
    assert!(!connection.is_idle());
    names(&mut connection, b"HTTP/1.1\r\n\r\n");
    assert!(!connection.is_idle());
    connection
        .send_head(b"", Framing::None, Expect::Message, &mut out)
        .unwrap();
    assert!(!connection.is_idle());
    connection.send_end(b"", now, &mut out).unwrap();
    assert!(connection.is_idle());
}

#[test]
fn a_client_is_idle_when_every_request_has_its_final_response() {
    let now = Instant::now();
    let mut connection = Connection::new(Role::Client, Config::default(), now);
    let mut out = Vec::new();
    connection
        .send_head(b"", Framing::None, Expect::Head, &mut out)
        .unwrap();
    connection.send_end(b"", now, &mut out).unwrap();
    assert!(!connection.is_idle());
    names(&mut connection, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(!connection.is_idle());
    names(
        &mut connection,
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    );
    assert!(connection.is_idle());
}
