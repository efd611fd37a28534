//! The two byte rings and the table that Rust and JavaScript share.

pub mod commands;
pub mod events;
pub mod layout;
pub mod memory;
pub mod records;
pub mod slabs;
pub mod table;
