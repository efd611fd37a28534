//! The only place that talks to Node-API and libuv.

mod callback;
mod env;
mod exports;
mod uv;
