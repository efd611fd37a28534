//! Who moves a connection's bytes.
//!
//! `local` borrows a socket's descriptor and does the I/O on the JavaScript thread; `fed` leaves it to a JavaScript stream. Both drive the same
//! `proto::Connection` and speak the same records. `threads` does the I/O, and the parsing with it, on threads of its own.

pub mod local;
pub mod output;
mod past_cache;
pub mod threads;

use local::LocalSocket;
use output::Output;
use std::io;

/// What comes behind what is being sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// Nothing that is known of.
    Unknown,
    /// FIN, at once: the kernel may keep the end until then, so that both leave in one packet.
    Fin,
}

/// A connection's transport.
pub enum Transport {
    /// A socket that is still connecting: output gathers until it is bound to one of the others.
    Pending,
    /// A borrowed descriptor.
    Local(LocalSocket),
    /// An I/O thread, which sends what is queued and receives by itself.
    Threads,
    /// A JavaScript stream: input is handed in, output is taken.
    Fed,
}

impl Transport {
    /// Receives into `buffer`. `WouldBlock` when there is nothing now, or nothing ever from this side.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Local(socket) => socket.receive(buffer),
            Self::Pending | Self::Threads | Self::Fed => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Notes a receive of `count` bytes into room for `room` in a turn of the event loop. True: the end of the stream, or what broke it, lies behind. libuv
    /// meets that in its loop's next turn, in which a write may meet it first, so it is not received at once.
    pub fn has_end_behind(&mut self, count: usize, room: usize, turn: u32) -> bool {
        match self {
            Self::Local(socket) if 0 < count && count < room => {
                socket.emptied_in = Some(turn);
                socket.hung_up
            }
            _ => false,
        }
    }

    /// Has the next receive tried: it meets the end of the stream, or what broke it.
    pub fn keep_readable(&mut self) {
        if let Self::Local(socket) = self {
            socket.readable = true;
        }
    }

    /// Whether a receive may bring something.
    pub fn is_readable(&self) -> bool {
        matches!(self, Self::Local(socket) if socket.readable)
    }

    /// Sends what is queued, and `tail` behind it without copying it first; what the kernel does not take is queued.
    pub fn send(
        &mut self,
        output: &mut Output,
        tail: &[&[u8]],
        follows: Follows,
    ) -> io::Result<()> {
        match self {
            Self::Local(socket) => socket.send(output, tail, follows),
            Self::Threads => {
                tail.iter().for_each(|part| output.push_for_another(part));
                Ok(())
            }
            Self::Pending | Self::Fed => {
                tail.iter().for_each(|part| output.push(part));
                Ok(())
            }
        }
    }
}
