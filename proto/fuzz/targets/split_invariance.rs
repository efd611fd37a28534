//! However the input is cut, the same events come of it.
#![no_main]

#[path = "../../tests/support/events.rs"]
mod events;
mod setting;

use events::{Setting, assert_same, replay};
use libfuzzer_sys::fuzz_target;
use setting::{AnySetting, cut};

fuzz_target!(|case: (AnySetting, Vec<u8>, &[u8])| {
    let (setting, cuts, input) = (Setting::from(case.0), case.1, case.2);
    let whole = replay(&setting, &[input], false);
    let pieces = replay(&setting, &cut(input, &cuts), false);
    assert_same(whole, pieces);
});
