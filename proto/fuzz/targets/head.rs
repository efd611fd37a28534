//! A head that comes whole is read by httparse, one that comes in pieces by the cold reader: they must agree.
#![no_main]

#[path = "../../tests/support/events.rs"]
mod events;
mod setting;

use events::{Setting, assert_same, replay};
use libfuzzer_sys::fuzz_target;
use setting::AnySetting;

fuzz_target!(|case: (AnySetting, &[u8])| {
    let (setting, input) = (Setting::from(case.0), case.1);
    let whole = replay(&setting, &[input], false);
    let first = input
        .iter()
        .take_while(|octet| matches!(octet, b'\r' | b'\n'))
        .count()
        + 1;
    let (first, rest) = input.split_at(first.min(input.len()));
    let apart = replay(&setting, &[first, rest], false);
    assert_same(whole, apart);
});
