//! The layout of the records that cross the boundary, written once.
//!
//! `lib/internal/layout.js` is rendered from this file by `cargo test` with `UPDATE_LAYOUT=1`; without it the test fails when the two differ.

/// Defines each group as a module of `u32` constants and lists all of them for [`render`].
macro_rules! layout {
    ($($(#[$group_doc:meta])* $module:ident $js:literal { $($(#[$doc:meta])* $name:ident = $value:expr;)* })*) => {
        $($(#[$group_doc])* #[allow(dead_code, reason = "some are for JavaScript only")] pub mod $module { $($(#[$doc])* pub const $name: u32 = $value;)* })*
        /// Every group: its JavaScript name and its constants, in order.
        #[cfg(test)]
        const GROUPS: &[(&str, &[(&str, u32)])] = &[$(($js, &[$((stringify!($name), $module::$name)),*])),*];
    };
}

layout! {
    /// A record's header, in 32-bit words of native byte order; the payload follows, padded to `ALIGN` bytes.
    record "RECORD" {
        /// Kind in the low 8 bits, flags above.
        KIND = 0;
        /// The connection's slot.
        SLOT = 1;
        /// The slot's generation: a record for another generation is stale.
        GENERATION = 2;
        /// Bytes of payload.
        LENGTH = 3;
        /// First operand; its meaning goes with the kind.
        A = 4;
        /// Second operand.
        B = 5;
        /// Words in a header.
        WORDS = 6;
        /// Bytes that a record's size is rounded up to.
        ALIGN = 8;
    }
    /// Word indices at the start of the event ring; records begin at `START` (bytes).
    ring "RING" {
        /// Byte offset behind the last record (written by Rust).
        TAIL = 0;
        /// Byte offset of the next record to read (written by JavaScript, reset by Rust when the ring is empty).
        HEAD = 1;
        /// Connections that wait for another turn of the loop (written by Rust).
        BACKLOG = 2;
        /// Counts the batches that JavaScript began: a call that does not move it ran no JavaScript.
        BATCHES = 3;
        /// Counts the turns of the event loop in which readiness was collected (written by Rust).
        TURN = 4;
        /// 1: before the loop polls, JavaScript is called if there is something gathered (written by Rust).
        ARMED = 5;
        /// 1: answers of this turn lie in the command ring, to be sent together before the loop polls (written by JavaScript).
        GATHERED = 6;
        /// Byte offset of the first record.
        START = 32;
    }
    /// Kinds of event records.
    event "EVENT" {
        /// A message head. Flags: [`head`]. A: method's index or status code. B: characters of target or reason in the payload.
        HEAD = 1;
        /// A part of a body.
        BODY = 2;
        /// The message is complete; the payload holds the trailers as `name\nvalue\n…`.
        COMPLETE = 3;
        /// The bytes are not HTTP. A: bytes parsed. B: length of `code\nreason` in the payload; the packet follows.
        PARSE_ERROR = 4;
        /// The peer has sent FIN.
        END = 5;
        /// A system call failed. A: errno. Flags: [`call`].
        IO_ERROR = 6;
        /// Marks were reached (see the table's SENT) by a send that did not finish at once.
        SENT = 7;
        /// JavaScript sent a message as no message can be sent; the payload says why.
        MISUSE = 8;
        /// Bytes were received of which there is nothing to tell yet, as the beginning of a head: the peer is not silent.
        STIR = 9;
        /// Flag, in any kind: the payload is not here but taken with `takeLarge()`.
        OUT_OF_LINE = 0x0080_0000;
        /// Flag of a BODY: the part lies in a slab, which is JavaScript's now. A: the slab's number, and below `SLAB_SHIFT` bits the offset in it.
        /// B: bytes.
        IN_SLAB = 0x0040_0000;
        /// See `IN_SLAB`.
        SLAB_SHIFT = 16;
    }
    /// Flags of a HEAD event, above the kind's 8 bits.
    head "HEAD" {
        /// The connection persists after this message, as far as the peer's head tells.
        KEEP_ALIVE = 1;
        /// CONNECT, an upgrade request, 101, or 2xx to CONNECT: halted until the verdict.
        UPGRADE = 2;
        /// There is an Expect field.
        EXPECT = 4;
        /// There is a Host field.
        HOST = 8;
        /// BODY and COMPLETE records follow; without it, the message is complete.
        BODY = 16;
        /// There is a Content-Length field.
        CONTENT_LENGTH = 32;
        /// There is a Transfer-Encoding field.
        TRANSFER_ENCODING = 64;
        /// Above it: `major << 8 | minor` of the version.
        VERSION_SHIFT = 8;
    }
    /// Kinds of command records.
    command "COMMAND" {
        /// A message head (payload). Flags: framing, expect.
        MESSAGE_HEAD = 1;
        /// A part of the body.
        BODY = 2;
        /// The end; the payload holds trailer lines.
        END = 3;
        /// Head and whole body: A is the head's length in the payload.
        MESSAGE = 4;
        /// Bytes outside any message.
        RAW = 5;
        /// Stop reading. A: how many bytes of what comes meanwhile are held.
        PAUSE = 6;
        /// Go on reading.
        RESUME = 7;
        /// The verdict on an upgrade; A is 1 to accept.
        UPGRADE = 8;
        /// The response to the next request may come from now on. Flags: expect.
        EXPECT = 9;
        /// The message has ended, and so it was written through the socket: nothing goes out.
        ENDED = 10;
        /// FIN behind what was sent before.
        SHUTDOWN = 11;
        /// Flag, above the kind's 8 bits: count it in the table's SENT when its bytes are with the kernel.
        MARK = 0x80;
        /// Flag: the connection ends with it. The kernel may keep it for the FIN that follows, so that both leave in one packet.
        LAST = 0x40;
        /// Framing's place among the flags.
        FRAMING_SHIFT = 0;
        /// Expectation's place among the flags.
        EXPECT_SHIFT = 2;
        /// Mask of either, once shifted.
        CHOICE_MASK = 3;
    }
    /// How the body of an outgoing message is delimited.
    framing "FRAMING" {
        /// There is none.
        NONE = 0;
        /// Content-Length.
        LENGTH = 1;
        /// The chunked coding.
        CHUNKED = 2;
        /// The end of the connection.
        UNTIL_CLOSE = 3;
    }
    /// What response an outgoing request asks for.
    expect "EXPECT" {
        /// An ordinary one.
        MESSAGE = 0;
        /// One to HEAD: no body whatever its head says.
        HEAD = 1;
        /// One to CONNECT: 2xx opens a tunnel.
        CONNECT = 2;
    }
    /// The per-slot table of 64-bit floats: fields of a row.
    table "TABLE" {
        /// Bytes queued and not yet with the kernel.
        QUEUED = 0;
        /// Marks reached since the connection was attached.
        SENT = 1;
        /// Bytes received.
        BYTES_READ = 2;
        /// Bytes sent.
        BYTES_WRITTEN = 3;
        /// The slot's generation.
        GENERATION = 4;
        /// Fields in a row.
        STRIDE = 5;
    }
    /// Who a connection's bytes are moved by, as `attach` takes it.
    transport "TRANSPORT" {
        /// Not yet connected: output gathers.
        PENDING = 0;
        /// A borrowed descriptor.
        LOCAL = 1;
        /// A JavaScript stream.
        FED = 2;
        /// A descriptor that an I/O thread works on.
        THREADS = 3;
    }
    /// Roles.
    role "ROLE" {
        /// Requests come in.
        SERVER = 0;
        /// Responses come in.
        CLIENT = 1;
    }
    /// Deadlines, as bits.
    timeout "TIMEOUT" {
        /// The head is late.
        HEADERS = 1;
        /// The request is late.
        REQUEST = 2;
        /// Idle for too long.
        KEEP_ALIVE = 4;
    }
    /// Which system call has failed, in an IO_ERROR's flags.
    call "CALL" {
        /// A receive.
        READ = 0;
        /// Of what was written just now.
        WRITE = 1;
        /// Of what the kernel has refused before: where the bytes are read, too, libuv meets the read's failure first, and cancels such a write.
        WRITE_UNDER_WAY = 2;
    }
}

/// Bytes a record with `length` bytes of payload takes.
pub const fn record_size(length: usize) -> usize {
    let align = record::ALIGN as usize;
    (record::WORDS as usize * 4 + length).div_ceil(align) * align
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// The JavaScript module with the same constants.
    fn render() -> String {
        let mut js = String::from(
            "'use strict';\n\n// Rendered from src/ring/layout.rs: UPDATE_LAYOUT=1 cargo test layout\n\nmodule.exports = {\n",
        );
        for (group, constants) in GROUPS {
            writeln!(js, "  {group}: {{").unwrap();
            for (name, value) in *constants {
                writeln!(js, "    {name}: {value},").unwrap();
            }
            js.push_str("  },\n");
        }
        js.push_str("};\n");
        js
    }

    #[test]
    fn javascript_constants_are_those_of_rust() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/lib/internal/layout.js");
        let rendered = render();
        if std::env::var_os("UPDATE_LAYOUT").is_some() {
            std::fs::write(path, &rendered).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap_or_default(),
            rendered,
            "run UPDATE_LAYOUT=1 cargo test layout"
        );
    }

    #[test]
    fn records_are_rounded_up_to_their_alignment() {
        assert_eq!(record_size(0), 24);
        assert_eq!(record_size(1), 32);
        assert_eq!(record_size(8), 32);
    }
}
