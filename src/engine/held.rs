//! What a slot holds: a connection of this thread's own, or one that it shares with an I/O thread.

use crate::connection::Connection;
use crate::driver::threads::{Shared, StateGuard};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A connection, wherever it lives.
#[expect(
    clippy::large_enum_variant,
    reason = "few slots hold the small one; a box would cost each of the others an allocation"
)]
pub enum Held {
    /// Nobody else's.
    Own(Connection),
    /// Shared with an I/O thread.
    Shared(Arc<Shared>),
}

/// A connection while it is worked on; a shared one is locked.
pub enum Access<'a> {
    /// Nobody else's.
    Own(&'a mut Connection),
    /// Shared with an I/O thread.
    Shared(StateGuard<'a>),
}

impl Held {
    /// The connection, to work on.
    pub fn access(&mut self) -> Access<'_> {
        match self {
            Self::Own(connection) => Access::Own(connection),
            Self::Shared(shared) => Access::Shared(shared.state()),
        }
    }
}

impl Deref for Access<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Own(connection) => connection,
            Self::Shared(guard) => guard,
        }
    }
}

impl DerefMut for Access<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        match self {
            Self::Own(connection) => connection,
            Self::Shared(guard) => guard,
        }
    }
}
