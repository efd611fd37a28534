//! The addon: the engine of ferrohttp, between Node's sockets and its JavaScript classes.
#![warn(missing_docs)]

mod connection;
mod driver;
mod engine;
#[cfg(test)]
mod engine_tests;
mod incoming_message;
mod napi;
mod parser;
mod queue;
mod receiving;
mod ring;
