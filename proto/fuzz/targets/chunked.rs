//! A chunked body: any octets, however cut; and what this crate codes, it decodes.
#![no_main]

#[path = "../../tests/support/events.rs"]
mod events;
mod setting;

use std::time::Instant;

use events::{Setting, assert_same, escape, replay};
use ferrohttp_proto::{Config, Connection, Expect, Framing, Role};
use libfuzzer_sys::fuzz_target;
use setting::{AnySetting, cut};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

fuzz_target!(|case: (AnySetting, Vec<u8>, &[u8])| {
    let (any, cuts, octets) = case;
    let setting = Setting {
        role: Role::Server,
        ..Setting::from(any)
    };
    let input = [HEAD, octets].concat();
    let whole = replay(&setting, &[&input], false);
    let mut pieces = vec![HEAD];
    pieces.extend(cut(octets, &cuts));
    assert_same(whole, replay(&setting, &pieces, false));

    let now = Instant::now();
    let mut sender = Connection::new(Role::Client, Config::default(), now);
    let mut wire = Vec::new();
    sender
        .send_head(HEAD, Framing::Chunked, Expect::Message, &mut wire)
        .unwrap();
    for piece in cut(octets, &cuts) {
        sender.send_body(piece, &mut wire).unwrap();
    }
    sender.send_end(b"A: b\r\n", now, &mut wire).unwrap();
    let lines = replay(&Setting::new(Role::Server), &[&wire], false);
    let body = (!octets.is_empty()).then(|| format!("body {}", escape(octets)));
    let after_head = body
        .into_iter()
        .chain(["trailer A: b".into(), "complete".into()]);
    assert!(lines.into_iter().skip(2).eq(after_head));
});
