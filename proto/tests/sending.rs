//! What is sent, and what is refused to be sent.

use std::time::Instant;

use ferrohttp_proto::{Config, Connection, Expect, Framing, Role, SendError};

fn begun(framing: Framing) -> (Connection, Vec<u8>) {
    let mut connection = Connection::new(Role::Server, Config::default(), Instant::now());
    let mut out = Vec::new();
    connection
        .send_head(b"head\r\n\r\n", framing, Expect::Message, &mut out)
        .unwrap();
    (connection, out)
}

fn end(connection: &mut Connection, trailers: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
    connection.send_end(trailers, Instant::now(), out)
}

#[test]
fn a_chunked_message_is_chunked() {
    let (mut connection, mut out) = begun(Framing::Chunked);
    connection.send_body(b"hello", &mut out).unwrap();
    connection.send_body(b"", &mut out).unwrap();
    connection.send_body(&[b'x'; 26], &mut out).unwrap();
    end(&mut connection, b"A: b\r\n", &mut out).unwrap();
    let expected = format!(
        "head\r\n\r\n5\r\nhello\r\n1a\r\n{}\r\n0\r\nA: b\r\n\r\n",
        "x".repeat(26)
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn other_messages_go_as_they_are() {
    for framing in [
        Framing::Length(Some(5)),
        Framing::Length(None),
        Framing::UntilClose,
    ] {
        let (mut connection, mut out) = begun(framing);
        let (before, after) = connection.frame_body(5).unwrap();
        assert!(before.is_empty() && after.is_empty());
        end(&mut connection, b"", &mut out).unwrap();
        assert_eq!(out, b"head\r\n\r\n");
    }
}

#[test]
fn a_length_is_kept_to() {
    let (mut connection, mut out) = begun(Framing::Length(Some(5)));
    connection.send_body(b"abc", &mut out).unwrap();
    assert_eq!(
        end(&mut connection, b"", &mut out),
        Err(SendError::TooShort(2))
    );
    assert_eq!(
        connection.send_body(b"defg", &mut out),
        Err(SendError::TooLong(2))
    );
    connection.send_body(b"de", &mut out).unwrap();
    assert_eq!(
        connection.send_body(b"f", &mut out),
        Err(SendError::TooLong(1))
    );
    end(&mut connection, b"", &mut out).unwrap();
    assert_eq!(out, b"head\r\n\r\nabcde");
}

#[test]
fn a_message_without_a_body_gets_none() {
    let (mut connection, mut out) = begun(Framing::None);
    connection.send_body(b"", &mut out).unwrap();
    assert_eq!(connection.send_body(b"a", &mut out), Err(SendError::NoBody));
    end(&mut connection, b"", &mut out).unwrap();
    assert_eq!(out, b"head\r\n\r\n");
}

#[test]
fn only_a_chunked_message_has_trailers() {
    let (mut connection, mut out) = begun(Framing::Length(None));
    assert_eq!(
        end(&mut connection, b"A: b\r\n", &mut out),
        Err(SendError::NoTrailers)
    );
    assert_eq!(out, b"head\r\n\r\n");
}

#[test]
fn one_message_at_a_time() {
    let (mut connection, mut out) = begun(Framing::None);
    let again = connection.send_head(b"head\r\n\r\n", Framing::None, Expect::Message, &mut out);
    assert_eq!(again, Err(SendError::MessageOpen));
    end(&mut connection, b"", &mut out).unwrap();
    assert_eq!(
        end(&mut connection, b"", &mut out),
        Err(SendError::NoMessage)
    );
    assert_eq!(
        connection.send_body(b"a", &mut out),
        Err(SendError::NoMessage)
    );
    connection
        .send_head(b"head\r\n\r\n", Framing::None, Expect::Message, &mut out)
        .unwrap();
    assert_eq!(out, b"head\r\n\r\nhead\r\n\r\n");
}

#[test]
fn nothing_follows_a_message_that_ends_with_the_connection() {
    let (mut connection, mut out) = begun(Framing::UntilClose);
    end(&mut connection, b"", &mut out).unwrap();
    let again = connection.send_head(b"head\r\n\r\n", Framing::None, Expect::Message, &mut out);
    assert_eq!(again, Err(SendError::Closed));
    assert_eq!(connection.send_body(b"a", &mut out), Err(SendError::Closed));
    assert_eq!(end(&mut connection, b"", &mut out), Err(SendError::Closed));
}
