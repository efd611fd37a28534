//! The only place that talks to Node-API and libuv.

mod callback;
mod calls;
mod env;
mod exports;
mod uv;
