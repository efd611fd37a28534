//! What JavaScript sees. Each call finds the engine free: JavaScript runs only while no Rust frame holds it.

use super::callback::{attempt, uncaught};
use super::calls::{self, call};
use super::env::Environment;
use crate::engine::deadlines::timeouts;
use crate::engine::{Attach, Engine, Misuse};
use crate::ring::commands::Command;
use crate::ring::layout::transport;
use crate::ring::memory::Memory;
use napi::bindgen_prelude::*;
use napi::sys;
use napi_derive::napi;
use std::cell::{RefCell, RefMut};
use std::io;
use std::ptr::{self, NonNull};
use std::rc::Rc;

/// Wraps the memory of an ArrayBuffer that JavaScript keeps for as long as the engine lives.
fn memory(env: &Env, buffer: &ArrayBuffer<'_>) -> Result<Memory> {
    Ok(pin(env, buffer)?.0)
}

/// Wraps the memory of an ArrayBuffer, which lives until the reference is deleted.
fn pin(env: &Env, buffer: &ArrayBuffer<'_>) -> Result<(Memory, sys::napi_ref)> {
    let (mut data, mut length) = (ptr::null_mut(), 0);
    let mut reference: sys::napi_ref = ptr::null_mut();
    // SAFETY: an ArrayBuffer of the calling environment; the reference made here pins it at most until the environment goes down, before which
    // the engine lets go of it. It is in nobody's hands who would detach it (lib/internal/ring.js exports none; of a slab it makes views that
    // leave its hands when the engine has let go of it).
    unsafe {
        check_status!(sys::napi_get_arraybuffer_info(
            env.raw(),
            buffer.raw(),
            &mut data,
            &mut length
        ))?;
        check_status!(sys::napi_create_reference(
            env.raw(),
            buffer.raw(),
            1,
            &mut reference
        ))?;
        let memory = NonNull::new(data.cast())
            .map_or_else(Memory::empty, |start| Memory::new(start, length));
        Ok((memory, reference))
    }
}

/// Minus the errno, as libuv tells errors.
fn errno(error: io::Error) -> i32 {
    -error.raw_os_error().unwrap_or(libc::EIO)
}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        Self::from_reason(format!("ferrohttp: {misuse}"))
    }
}

/// The engine of one environment, as its functions have it.
pub struct JsEngine {
    env: Env,
    environment: Rc<Environment>,
    /// What pins the slabs, by number.
    slabs: RefCell<Vec<sys::napi_ref>>,
}

/// Starts an engine on the calling environment: an object with a function for each method of [`JsEngine`]. `drain` is called with nothing when there are
/// events to read.
///
/// # Errors
/// What the kernel, Node-API or libuv said.
#[napi(catch_unwind)]
// Not expect: napi's own copy of the attribute would find nothing.
#[cfg_attr(test, allow(dead_code, reason = "a test registers no module"))]
pub fn start_engine<'a>(
    env: &'a Env,
    drain: Function<'_, (), ()>,
    events: ArrayBuffer<'_>,
    commands: ArrayBuffer<'_>,
    table: ArrayBuffer<'_>,
) -> Result<Object<'a>> {
    let engine = Engine::new(
        memory(env, &events)?,
        memory(env, &commands)?,
        memory(env, &table)?,
    )
    .map_err(|error| Error::from_reason(format!("ferrohttp: {error}")))?;
    let engine = Rc::new(JsEngine {
        env: *env,
        environment: Environment::start(env.raw(), engine, drain.raw())?,
        slabs: RefCell::default(),
    });
    calls::functions(env, &engine, CALLS)
}

/// The methods that JavaScript calls, and which arguments they take.
const CALLS: &[(&str, calls::Callback)] = &[
    call!(uncaught(0)),
    call!(attempt(0)),
    call!(has_local_driver()),
    call!(attach(0, 1, 2, 3, 4, 5, 6, 7)),
    call!(attach_to_thread(0, 1, 2, 3, 4, 5, 6, 7)),
    call!(bind_to_thread(0, 1, 2)),
    call!(send_now(0)),
    call!(send_all_now()),
    call!(reset(0)),
    call!(drop_output(0)),
    call!(lend_slab(0, 1)),
    call!(grow_table(0)),
    call!(bind(0, 1)),
    call!(unbind(0)),
    call!(release(0)),
    call!(take_unread(0)),
    call!(take_output(0)),
    call!(send_error(0)),
    call!(take_large()),
    call!(feed(0, 1)),
    call!(finish(0)),
    call!(set_aside(0)),
    call!(open_parser(0, 1, 2)),
    call!(parse(0, 1)),
    call!(go_on(0, 1)),
    call!(finish_parser(0)),
    call!(take_large_aside()),
    call!(flush(0, 1)),
    call!(flush_with(0, 1, 2, 3, 4)),
    call!(run()),
    call!(put_off(0, 1, 2)),
    call!(ends_with_connection(0)),
    call!(is_idle(0)),
    call!(set_timeouts(0, 1, 2, 3)),
    call!(check_timeout(0, 1)),
    call!(set_referenced(0)),
    call!(is_quiet(0, 1)),
    call!(stats()),
];

impl JsEngine {
    fn engine(&self) -> Result<RefMut<'_, Engine>> {
        let mut engine = self
            .environment
            .engine
            .try_borrow_mut()
            .map_err(|_| Error::from_reason("ferrohttp: the engine is busy"))?;
        engine.stats.calls_in += 1;
        Ok(engine)
    }

    /// Has what `drain` was thrown go to `'uncaughtException'`.
    fn uncaught(&self, error: Unknown<'_>) -> Result<()> {
        uncaught(self.env.raw(), error.raw())
    }

    /// Calls `work`, within `drain`, and has what it throws go to `'uncaughtException'`; false when it threw.
    fn attempt(&self, work: Unknown<'_>) -> Result<bool> {
        self.engine()?;
        attempt(self.env.raw(), work.raw())
    }

    /// Whether descriptors can be borrowed on this platform.
    fn has_local_driver(&self) -> Result<bool> {
        Ok(self.environment.has_local_driver())
    }

    /// Takes over a connection; its slot, or minus the errno of what went wrong. Deadlines in milliseconds, 0 for none.
    #[expect(
        clippy::too_many_arguments,
        reason = "an object would cost a call for each of its properties"
    )]
    fn attach(
        &self,
        role: u32,
        transport: u32,
        fd: i32,
        max_head: u32,
        leniency: u32,
        headers: f64,
        request: f64,
        keep_alive: f64,
    ) -> Result<i32> {
        let mut engine = self.engine()?;
        let attached = engine.attach(&Attach {
            role,
            transport,
            fd,
            max_head,
            leniency,
            timeouts: timeouts(headers, request, keep_alive),
        });
        if engine.has_unwatched() {
            self.environment.look_before_poll();
        }
        Ok(attached.map_or_else(errno, |slot| slot as i32))
    }

    /// The same for one of the first `threads` I/O threads.
    #[expect(
        clippy::too_many_arguments,
        reason = "an object would cost a call for each of its properties"
    )]
    fn attach_to_thread(
        &self,
        role: u32,
        fd: i32,
        max_head: u32,
        leniency: u32,
        headers: f64,
        request: f64,
        keep_alive: f64,
        threads: u32,
    ) -> Result<i32> {
        let options = Attach {
            role,
            transport: transport::THREADS,
            fd,
            max_head,
            leniency,
            timeouts: timeouts(headers, request, keep_alive),
        };
        let attached = self.engine()?.attach_to_thread(&options, threads as usize);
        Ok(attached.map_or_else(errno, |slot| slot as i32))
    }

    /// Binds a pending connection to its connected socket, for one of the first `threads` I/O threads; 0, or minus the errno.
    fn bind_to_thread(&self, slot: u32, fd: i32, threads: u32) -> Result<i32> {
        let bound = self.engine()?.bind_to_thread(slot, fd, threads as usize);
        Ok(bound.map_or_else(errno, |()| 0))
    }

    /// Sends what is queued of an I/O thread's connection on this thread, before something happens to its socket.
    fn send_now(&self, slot: u32) -> Result<()> {
        self.engine()?.send_now(slot);
        Ok(())
    }

    /// The same for all connections, before the process exits: those whose peers read slowly are waited for, but not for long.
    fn send_all_now(&self) -> Result<()> {
        self.engine()?.send_all_now();
        Ok(())
    }

    /// Resets an I/O thread's connection.
    fn reset(&self, slot: u32) -> Result<()> {
        self.engine()?.reset(slot);
        Ok(())
    }

    /// Drops what is queued of an I/O thread's connection, before its descriptor goes to another process.
    fn drop_output(&self, slot: u32) -> Result<()> {
        self.engine()?.drop_output(slot);
        Ok(())
    }

    /// Lends memory to receive into, in the place of the slab that had this number, which a record has given away. True: more are
    /// needed.
    fn lend_slab(&self, number: u32, slab: ArrayBuffer<'_>) -> Result<bool> {
        // Before there is a reference that a busy engine would leave behind.
        let engine = self.engine()?;
        let (memory, reference) = pin(&self.env, &slab)?;
        let needs_more = engine.lend_slab(number, memory);
        let mut slabs = self.slabs.borrow_mut();
        let number = number as usize;
        if number >= slabs.len() {
            slabs.resize(number + 1, ptr::null_mut());
        }
        let last = std::mem::replace(&mut slabs[number], reference);
        if !last.is_null() {
            // SAFETY: made by `pin` in this environment, and deleted once: it has just been replaced. The engine has let go of its slab.
            check_status!(unsafe { sys::napi_delete_reference(self.env.raw(), last) })?;
        }
        Ok(needs_more)
    }

    /// Moves the table to a larger ArrayBuffer.
    fn grow_table(&self, table: ArrayBuffer<'_>) -> Result<()> {
        let table = memory(&self.env, &table)?;
        self.engine()?.grow_table(table);
        Ok(())
    }

    /// Binds a pending connection to its connected socket; 0, or minus the errno.
    fn bind(&self, slot: u32, fd: i32) -> Result<i32> {
        Ok(self.engine()?.bind(slot, fd).map_or_else(errno, |()| 0))
    }

    /// Turns a connection to the fed transport.
    fn unbind(&self, slot: u32) -> Result<()> {
        Ok(self.engine()?.unbind(slot)?)
    }

    /// Forgets a connection.
    fn release(&self, slot: u32) -> Result<()> {
        Ok(self.engine()?.release(slot)?)
    }

    /// What was received and not parsed.
    fn take_unread(&self, slot: u32) -> Result<Buffer> {
        Ok(self.engine()?.take_unread(slot)?.into())
    }

    /// What waits to be sent.
    fn take_output(&self, slot: u32) -> Result<Buffer> {
        Ok(self.engine()?.take_output(slot)?.into())
    }

    /// Why sending has failed: an errno, 0: it has not.
    fn send_error(&self, slot: u32) -> Result<i32> {
        Ok(self.engine()?.send_error(slot)?.unwrap_or(0))
    }

    /// The oldest out-of-line payload.
    fn take_large(&self) -> Result<Buffer> {
        let payload = self.engine()?.events.take_large();
        payload
            .map(Buffer::from)
            .ok_or_else(|| Error::from_reason("ferrohttp: no payload is out of line"))
    }

    /// Parses bytes that a stream brought; the events lie in the ring when it returns.
    fn feed(&self, slot: u32, bytes: BufferSlice<'_>) -> Result<()> {
        Ok(self.engine()?.feed(slot, &bytes)?)
    }

    /// The peer has ended its side; the events lie in the ring when it returns. False: what came before has filled it; once more when it was read.
    fn finish(&self, slot: u32) -> Result<bool> {
        Ok(self.engine()?.finish(slot)?)
    }

    /// Where parsers driven by hand write their events.
    fn set_aside(&self, events: ArrayBuffer<'_>) -> Result<()> {
        let events = memory(&self.env, &events)?;
        self.engine()?.set_aside(events);
        Ok(())
    }

    /// Makes a parser driven by hand; its slot. `lenient_flags`: llhttp's.
    fn open_parser(&self, role: u32, max_head: u32, lenient_flags: u32) -> Result<u32> {
        Ok(self.engine()?.open_parser(role, max_head, lenient_flags))
    }

    /// Parses up to the next halt; how many bytes are left over.
    fn parse(&self, slot: u32, bytes: BufferSlice<'_>) -> Result<u32> {
        Ok(self.engine()?.parse(slot, &bytes)?)
    }

    /// Goes on behind a halt of a parser.
    fn go_on(&self, slot: u32, body: bool) -> Result<()> {
        Ok(self.engine()?.go_on(slot, body)?)
    }

    /// There is no more input for a parser.
    fn finish_parser(&self, slot: u32) -> Result<()> {
        Ok(self.engine()?.finish_parser(slot)?)
    }

    /// The oldest out-of-line payload of parsers' events.
    fn take_large_aside(&self) -> Result<Buffer> {
        let payload = self.engine()?.aside.take_large();
        payload
            .map(Buffer::from)
            .ok_or_else(|| Error::from_reason("ferrohttp: no payload is out of line"))
    }

    /// Applies `length` bytes of commands and sends. `is_told`: whoever waits for that is told at once.
    fn flush(&self, length: u32, is_told: bool) -> Result<()> {
        let mut engine = self.engine()?;
        let flushed = engine.flush(length as usize, is_told);
        self.environment.gather_before_poll(&mut engine);
        Ok(flushed?)
    }

    /// As `flush`, then one command whose payload lies in `payload`, not in the ring.
    fn flush_with(
        &self,
        length: u32,
        kind_and_flags: u32,
        slot: u32,
        generation: u32,
        payload: BufferSlice<'_>,
    ) -> Result<()> {
        let large = Command {
            kind: kind_and_flags & 0xff,
            flags: kind_and_flags >> 8,
            slot,
            generation,
            a: 0,
            payload: &payload,
        };
        Ok(self.engine()?.flush_with(length as usize, &large)?)
    }

    /// Parses what waits for room in the ring or for a resume.
    fn run(&self) -> Result<()> {
        self.engine()?.run();
        Ok(())
    }

    /// The connection's record of that kind, END or IO_ERROR, which JavaScript has just read, is told again in the event loop's next turn.
    fn put_off(&self, slot: u32, kind: u32, a: u32) -> Result<()> {
        self.engine()?.put_off(slot, kind, a);
        Ok(())
    }

    /// Whether a body is being read that the peer ends by ending the connection.
    fn ends_with_connection(&self, slot: u32) -> Result<bool> {
        Ok(self.engine()?.ends_with_connection(slot)?)
    }

    /// Whether no message has begun in either direction.
    fn is_idle(&self, slot: u32) -> Result<bool> {
        Ok(self.engine()?.is_idle(slot)?)
    }

    /// Deadlines in milliseconds, 0 for none.
    fn set_timeouts(&self, slot: u32, headers: f64, request: f64, keep_alive: f64) -> Result<()> {
        Ok(self
            .engine()?
            .set_timeouts(slot, timeouts(headers, request, keep_alive))?)
    }

    /// `[ms, kind]` of the deadline, if it is of one of `kinds`: 0 ms when it has passed, negative when there is none.
    fn check_timeout(&self, slot: u32, kinds: u32) -> Result<Vec<f64>> {
        let (ms, kind) = self.engine()?.check_timeout(slot, kinds)?;
        Ok(vec![ms, kind.into()])
    }

    /// Whether attached connections keep the process alive.
    fn set_referenced(&self, referenced: bool) -> Result<()> {
        self.environment.set_referenced(referenced);
        Ok(())
    }

    /// Whether nothing has come on a socket's descriptor that JavaScript was not told of: no byte, no FIN, no reset. `slot`: its connection's, or -1.
    fn is_quiet(&self, fd: i32, slot: i32) -> Result<bool> {
        Ok(self.engine()?.is_quiet(fd, slot))
    }

    /// Counters: calls into the addon, calls into JavaScript, receives, sends.
    fn stats(&self) -> Result<Vec<f64>> {
        let engine = self.engine()?;
        let stats = &engine.stats;
        Ok(
            [stats.calls_in, stats.calls_out, stats.receives, stats.sends]
                .map(|count| count as f64)
                .to_vec(),
        )
    }
}
