//! What a panic in the midst of a batch leaves.

use super::Engine;
use crate::ring::events::{Header, Records, VIEW_MIN};
use crate::ring::layout::{event, table};
use crate::ring::memory::Memory;
use crate::ring::memory::tests::{leaked, leaked_twice};

fn engine_in_a_batch() -> Engine {
    engine_in_a_batch_with(leaked(64 * 1024))
}

fn engine_in_a_batch_with(slab: Memory) -> Engine {
    let table = leaked(64 * 8 * table::STRIDE as usize);
    let mut engine = Engine::new(leaked(1 << 20), leaked(1 << 16), table).unwrap();
    engine.lend_slab(3, slab);
    engine.slab = engine.slabs.take();
    engine.events.begin_slab(engine.slab.as_mut().unwrap());
    engine.is_pumping = true;
    engine
}

#[test]
fn a_slab_that_a_record_refers_to_is_not_received_into_again() {
    let mut engine = engine_in_a_batch();
    let part = &engine.slab.as_mut().unwrap().bytes()[..VIEW_MIN];
    engine
        .events
        .push_body(Header::bare(event::BODY, (0, 0)), part);
    engine.recover();
    assert!(engine.slab.is_none(), "JavaScript has it");
    assert!(engine.slabs.take().is_none());
    assert!(!engine.is_pumping);
}

#[test]
fn a_slab_that_no_record_refers_to_is_received_into_again() {
    let mut engine = engine_in_a_batch();
    engine.recover();
    assert_eq!(engine.slab.as_ref().map(|slab| slab.number()), Some(3));
}

#[test]
fn others_bytes_in_a_slab_that_javascript_has_are_cleared() {
    let (memory, theirs) = leaked_twice(64 * 1024);
    let mut engine = engine_in_a_batch_with(memory);
    engine.slab.as_mut().unwrap().bytes().fill(7);
    engine.received = VIEW_MIN + 5;
    let part = &engine.slab.as_mut().unwrap().bytes()[5..VIEW_MIN + 5];
    engine
        .events
        .push_body(Header::bare(event::BODY, (0, 0)), part);
    engine.recover();
    let (received, rest) = theirs.bytes().split_at(VIEW_MIN + 5);
    assert!(received.iter().all(|&byte| byte == 7));
    assert!(rest.iter().all(|&byte| byte == 0));
}
