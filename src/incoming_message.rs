//! How a head crosses: one latin1 text that JavaScript cuts lazily.
//!
//! The request target or reason phrase comes first, then the fields as `name\nvalue\nname\nvalue`: no field may hold a line feed, so that
//! one `split('\n')` gives `rawHeaders`.

use crate::ring::events::Header;
use crate::ring::layout::{event, head};
use ferrohttp_proto::{BodyKind, Head, StartLine, Trailers};

/// The record's header for `message`.
pub fn header(message: &Head<'_>, slot: u32, generation: u32) -> Header {
    let mut flags =
        (u32::from(message.version.0) << 8 | u32::from(message.version.1)) << head::VERSION_SHIFT;
    for (is_set, flag) in [
        (message.keep_alive, head::KEEP_ALIVE),
        (message.upgrade, head::UPGRADE),
        (message.has_expect, head::EXPECT),
        (message.has_host, head::HOST),
        (has_body(message), head::BODY),
        (message.has_content_length, head::CONTENT_LENGTH),
        (message.has_transfer_encoding, head::TRANSFER_ENCODING),
    ] {
        if is_set {
            flags |= flag;
        }
    }
    let (code, text) = start(message);
    Header {
        kind: event::HEAD,
        flags,
        slot,
        generation,
        a: code,
        b: text.len() as u32,
    }
}

/// Whether BODY or COMPLETE records follow.
pub fn has_body(message: &Head<'_>) -> bool {
    !matches!(message.body, BodyKind::None | BodyKind::Length(0))
}

/// The payload's bytes, in pieces.
fn write(message: &Head<'_>, put: impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
    let (_, text) = start(message);
    let mut put = put;
    put(text)?;
    write_fields(message.fields.clone(), put)
}

/// Writes the payload into `free`; None when it does not fit.
pub fn encode(message: &Head<'_>, free: &mut [u8]) -> Option<usize> {
    into_slice(free, |put| write(message, put))
}

/// The payload on the heap.
pub fn encode_large(message: &Head<'_>) -> Vec<u8> {
    into_vec(|put| write(message, put))
}

/// Writes trailers into `free`, as fields are; None when they do not fit.
pub fn encode_trailers(trailers: &Trailers<'_>, free: &mut [u8]) -> Option<usize> {
    into_slice(free, |put| write_fields(trailers.clone(), put))
}

/// Trailers on the heap.
pub fn encode_trailers_large(trailers: &Trailers<'_>) -> Vec<u8> {
    into_vec(|put| write_fields(trailers.clone(), put))
}

fn start<'a>(message: &Head<'a>) -> (u32, &'a [u8]) {
    match message.start {
        StartLine::Request { method, target } => (method as u32, target),
        StartLine::Response { status, reason } => (u32::from(status), reason),
    }
}

fn write_fields<'a>(
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    mut put: impl FnMut(&[u8]) -> Option<()>,
) -> Option<()> {
    for (index, (name, value)) in fields.enumerate() {
        if index > 0 {
            put(b"\n")?;
        }
        put(name)?;
        put(b"\n")?;
        if value.contains(&b'\n') {
            // A folded value, which only a lenient parser lets through: the fold is a space to its reader (RFC 9112, 5.2).
            for part in value.split(|byte| *byte == b'\n') {
                put(part)?;
            }
        } else {
            put(value)?;
        }
    }
    Some(())
}

fn into_slice(
    free: &mut [u8],
    write: impl FnOnce(&mut dyn FnMut(&[u8]) -> Option<()>) -> Option<()>,
) -> Option<usize> {
    let mut at = 0;
    write(&mut |part| {
        free.get_mut(at..at + part.len())?.copy_from_slice(part);
        at += part.len();
        Some(())
    })?;
    Some(at)
}

fn into_vec(write: impl FnOnce(&mut dyn FnMut(&[u8]) -> Option<()>) -> Option<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut |part| {
        bytes.extend_from_slice(part);
        Some(())
    });
    bytes
}
