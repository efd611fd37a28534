//! Who moves a connection's bytes.
//!
//! `local` borrows a socket's descriptor and does the I/O on the JavaScript thread; `fed` leaves it to a JavaScript stream. Both drive the same
//! `proto::Connection` and speak the same records. (`threads`, I/O on threads of its own, will be a third.)

pub mod local;
pub mod output;

use local::LocalSocket;
use output::Output;
use std::io;

/// A connection's transport.
pub enum Transport {
    /// A socket that is still connecting: output gathers until it is bound to one of the others.
    Pending,
    /// A borrowed descriptor.
    Local(LocalSocket),
    /// A JavaScript stream: input is handed in, output is taken.
    Fed,
}

impl Transport {
    /// Receives into `buffer`. `WouldBlock` when there is nothing now, or nothing ever from this side.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Local(socket) => socket.receive(buffer),
            Self::Pending | Self::Fed => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Whether a receive may bring something.
    pub fn is_readable(&self) -> bool {
        matches!(self, Self::Local(socket) if socket.readable)
    }

    /// Sends what is queued, and `tail` behind it without copying it first; what the kernel does not take is queued.
    pub fn send(&mut self, output: &mut Output, tail: &[&[u8]]) -> io::Result<()> {
        match self {
            Self::Local(socket) => socket.send(output, tail),
            Self::Pending | Self::Fed => {
                tail.iter().for_each(|part| output.push(part));
                Ok(())
            }
        }
    }
}
