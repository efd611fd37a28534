//! A connection driven by hand halts behind each head and each end.

use std::time::Instant;

use ferrohttp_proto::{Config, Connection, Event, Role};

/// What comes of `input` until the connection halts; what is left of it.
fn read<'i>(connection: &mut Connection, mut input: &'i [u8]) -> (Vec<&'static str>, &'i [u8]) {
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

fn by_hand(role: Role) -> Connection {
    Connection::by_hand(role, Config::default(), Instant::now())
}

#[test]
fn each_head_and_each_end_halt_until_told_to_go_on() {
    let mut connection = by_hand(Role::Server);
    let input = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.1\r\n\r\n";
    let (names, rest) = read(&mut connection, input);
    assert_eq!(names, ["head"]);
    assert!(rest.starts_with(b"ab"));
    assert!(connection.is_halted());
    assert_eq!(read(&mut connection, rest), (vec![], rest));
    connection.go_on(true);
    let (names, rest) = read(&mut connection, rest);
    assert_eq!(names, ["body", "complete"]);
    assert!(rest.starts_with(b"GET"));
    assert!(connection.is_halted() && connection.is_idle());
    connection.go_on(true);
    assert_eq!(read(&mut connection, rest), (vec!["head"], &b""[..]));
}

#[test]
fn a_head_can_be_told_to_have_no_body() {
    let mut connection = by_hand(Role::Client);
    let input = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHTTP/1.1 204 No\r\n\r\n";
    let (_, rest) = read(&mut connection, input);
    connection.go_on(false);
    let (names, rest) = read(&mut connection, rest);
    assert_eq!(names, ["complete"]);
    connection.go_on(false);
    assert_eq!(read(&mut connection, rest), (vec!["head"], &b""[..]));
}

#[test]
fn responses_come_without_requests_and_none_behind_a_last_one() {
    let mut connection = by_hand(Role::Client);
    let head = b"HTTP/1.1 204 No\r\nConnection: close\r\n\r\n";
    assert_eq!(read(&mut connection, head).0, ["head"]);
    connection.go_on(true);
    assert_eq!(read(&mut connection, b"").0, ["complete"]);
    connection.go_on(true);
    assert_eq!(read(&mut connection, head).0, ["failed"]);
}
