//! What the engine has per JavaScript environment (the main thread, each worker), and how it is taken down with it.

use super::callback::Callback;
use super::uv::{self, AsyncHandle, IdleHandle, PollHandle, Uv};
use crate::engine::Engine;
use napi::sys;
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

/// Rounds of receiving and calling JavaScript before other handles of the loop have their turn.
const ROUNDS: usize = 32;

/// The engine, and the ways between it, libuv and JavaScript.
pub struct Environment {
    pub(crate) engine: RefCell<Engine>,
    callback: Callback,
    handles: RefCell<Option<Handles>>,
}

/// What libuv calls by.
struct Handles {
    /// For the poller's descriptor.
    poll: PollHandle,
    /// Before the loop polls, while there are connections that the poller does not watch, or JavaScript may have gathered answers.
    idle: IdleHandle,
    /// Within the next poll, where there are connections to be received from in it. It costs a write; with the poller's own wake-up libuv finds one
    /// descriptor readable behind another, and a second poll is needed to take it.
    within: AsyncHandle,
}

impl Environment {
    /// Starts an engine on the calling environment.
    ///
    /// # Errors
    /// What Node-API or libuv said.
    pub fn start(
        env: sys::napi_env,
        engine: Engine,
        drain: sys::napi_value,
    ) -> napi::Result<Rc<Self>> {
        let callback = Callback::new(env, drain)?;
        let fd = engine.poll_fd();
        let uv = Uv::find_cached();
        let this = Rc::new(Self {
            engine: RefCell::new(engine),
            callback,
            handles: RefCell::new(None),
        });
        if let Some(uv) = uv {
            let mut event_loop = ptr::null_mut();
            // SAFETY: `env` is the calling environment.
            napi::check_status!(unsafe { sys::napi_get_uv_event_loop(env, &mut event_loop) })?;
            let event_loop = event_loop.cast();
            // SAFETY: the environment's loop runs on this thread.
            let idle = counted(&this, |data| unsafe {
                IdleHandle::new(uv, event_loop, data)
            })?;
            // SAFETY: as above.
            let poll = counted(&this, |data| unsafe {
                PollHandle::start(uv, event_loop, fd, data, on_readable)
            });
            let poll = match poll {
                Ok(poll) => poll,
                Err(error) => {
                    idle.close(freed);
                    return Err(error);
                }
            };
            // SAFETY: as above.
            let within = counted(&this, |data| unsafe {
                AsyncHandle::new(uv, event_loop, data, on_poll)
            });
            match within {
                Ok(within) => {
                    *this.handles.borrow_mut() = Some(Handles { poll, idle, within });
                }
                Err(error) => {
                    poll.close(freed);
                    idle.close(freed);
                    return Err(error);
                }
            }
        }
        let hook = Box::into_raw(Box::new(Rc::clone(&this)));
        // SAFETY: the box is taken back by the hook, which runs once.
        napi::check_status!(unsafe {
            sys::napi_add_async_cleanup_hook(env, Some(on_cleanup), hook.cast(), ptr::null_mut())
        })?;
        Ok(this)
    }

    /// Whether descriptors can be borrowed here.
    pub fn has_local_driver(&self) -> bool {
        self.handles.borrow().is_some()
    }

    /// Whether attached connections keep the process alive.
    pub fn set_referenced(&self, referenced: bool) {
        if let Some(handles) = self.handles.borrow().as_ref() {
            handles.poll.set_referenced(referenced);
        }
    }

    /// Has libuv call before it polls: there are connections that the poller does not watch.
    pub fn look_before_poll(&self) {
        if let Some(handles) = self.handles.borrow().as_ref() {
            handles.idle.start(on_idle);
        }
    }

    /// Has libuv call before it polls, as JavaScript may gather answers until then. Not within a pump, whose end sends them.
    pub fn gather_before_poll(&self, engine: &mut Engine) {
        if !engine.is_pumping
            && let Some(handles) = self.handles.borrow().as_ref()
        {
            engine.events.set_armed(true);
            handles.idle.start(on_idle);
        }
    }

    /// Needs to be called no more before libuv polls, unless something has come up meanwhile.
    fn rest_before_poll(&self, engine: &Engine) {
        if !engine.has_unwatched()
            && !engine.events.is_armed()
            && let Some(handles) = self.handles.borrow().as_ref()
        {
            handles.idle.stop();
        }
    }

    /// libuv is about to poll.
    fn before_poll(&self) -> std::thread::Result<()> {
        guarded(&self.engine, || {
            let has_unwatched = {
                let mut engine = self.engine.borrow_mut();
                engine.events.set_armed(false);
                engine.has_unwatched()
            };
            // Where JavaScript runs no more, sockets are closed without a word, and a descriptor to be watched may be another's.
            if has_unwatched && !self.callback.is_callable() {
                self.engine.borrow_mut().close();
            }
            self.send_gathered();
            let mut engine = self.engine.borrow_mut();
            if engine.before_poll()
                && let Some(handles) = self.handles.borrow().as_ref()
            {
                handles.within.send();
            }
            self.rest_before_poll(&engine);
        })
    }

    /// libuv polls: new connections are received from.
    fn within_poll(&self) -> std::thread::Result<()> {
        guarded(&self.engine, || {
            // As before the poll: it may have been ended since.
            if self.callback.is_callable() {
                self.pump(Engine::receive_due);
            } else {
                self.engine.borrow_mut().close();
            }
        })
    }

    /// Has JavaScript send what it has gathered.
    fn send_gathered(&self) {
        {
            let mut engine = self.engine.borrow_mut();
            if !engine.events.is_gathered() {
                return;
            }
            engine.is_pumping = true;
        }
        self.call();
        let mut engine = self.engine.borrow_mut();
        engine.is_pumping = false;
        if engine.has_backlog() || engine.events.is_pending() {
            engine.wake();
        }
    }

    /// Has JavaScript handle what `collect` finds ready, batch by batch.
    fn pump(&self, collect: impl FnOnce(&mut Engine)) {
        let has_backlog = {
            let mut engine = self.engine.borrow_mut();
            engine.is_pumping = true;
            engine.has_backlog() || engine.events.is_gathered()
        };
        // A thread that is being terminated closes its sockets without a word: what is queued may be another's descriptor by now.
        if has_backlog && !self.call() {
            return;
        }
        {
            let mut engine = self.engine.borrow_mut();
            engine.events.rewind();
            collect(&mut engine);
        }
        for _ in 0..ROUNDS {
            if !self.turn() {
                break;
            }
        }
        let mut engine = self.engine.borrow_mut();
        engine.is_pumping = false;
        if engine.has_backlog() {
            engine.wake();
        }
    }

    /// One batch. False when there is no work left, or nobody to do it.
    fn turn(&self) -> bool {
        let (worked, is_pending) = {
            let mut engine = self.engine.borrow_mut();
            (engine.run(), engine.events.is_pending())
        };
        if !is_pending {
            return worked;
        }
        self.call() && (worked || self.engine.borrow().events.is_pending())
    }

    /// Calls JavaScript. False when none runs any more, as in a thread that is being terminated: the engine lets go of everything then,
    /// before Node closes the sockets.
    fn call(&self) -> bool {
        let batches = {
            let mut engine = self.engine.borrow_mut();
            engine.stats.calls_out += 1;
            engine.events.batches()
        };
        self.callback.call();
        let mut engine = self.engine.borrow_mut();
        let has_run = engine.events.batches() != batches;
        if !has_run {
            engine.close();
        }
        has_run
    }
}

/// Runs a pump, which may panic: what is flushed from then on has to wake the loop by itself again, and what waits has it called again.
fn guarded(engine: &RefCell<Engine>, pump: impl FnOnce()) -> std::thread::Result<()> {
    let pumped = catch_unwind(AssertUnwindSafe(pump));
    if pumped.is_err()
        && let Ok(mut engine) = engine.try_borrow_mut()
    {
        engine.recover();
    }
    pumped
}

/// Makes a handle that counts the environment, which is given back when the handle is closed.
fn counted<T>(
    environment: &Rc<Environment>,
    make: impl FnOnce(*mut c_void) -> Result<T, c_int>,
) -> napi::Result<T> {
    let data = Rc::into_raw(Rc::clone(environment));
    make(data.cast_mut().cast()).map_err(|status| {
        // SAFETY: the count made above, which nobody else holds now.
        drop(unsafe { Rc::from_raw(data) });
        napi::Error::from_reason(format!("libuv: {status}"))
    })
}

/// The environment of a handle that libuv calls with, counted once more.
///
/// # Safety
/// `handle` must be one of an environment's, not yet freed.
unsafe fn environment_of(handle: *mut c_void) -> Option<Rc<Environment>> {
    let uv = Uv::find_cached()?;
    // SAFETY: the handle was made with a counted Rc<Environment>, which it holds until it is closed.
    unsafe {
        let data = uv::data(&uv, handle).cast::<Environment>();
        Rc::increment_strong_count(data);
        Some(Rc::from_raw(data))
    }
}

/// A panic must not cross libuv's frames: it becomes an uncaught exception.
fn tell_panic(environment: &Environment, pumped: std::thread::Result<()>) {
    if pumped.is_err() {
        environment
            .callback
            .throw("ferrohttp: the engine panicked; its connections are lost");
    }
}

/// libuv's call: the poller's descriptor is readable.
unsafe extern "C" fn on_readable(handle: *mut c_void, _status: c_int, _events: c_int) {
    // SAFETY: libuv calls with the handle that it was started with.
    if let Some(environment) = unsafe { environment_of(handle) } {
        let pumped = guarded(&environment.engine, || environment.pump(Engine::collect));
        tell_panic(&environment, pumped);
    }
}

/// libuv's call, which was asked for before this poll.
unsafe extern "C" fn on_poll(handle: *mut c_void) {
    // SAFETY: as above.
    if let Some(environment) = unsafe { environment_of(handle) } {
        let pumped = environment.within_poll();
        tell_panic(&environment, pumped);
    }
}

/// libuv's call: it is about to poll.
unsafe extern "C" fn on_idle(handle: *mut c_void) {
    // SAFETY: as above.
    if let Some(environment) = unsafe { environment_of(handle) } {
        let pumped = environment.before_poll();
        tell_panic(&environment, pumped);
    }
}

/// Node's call: the environment goes down.
unsafe extern "C" fn on_cleanup(hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: the box made in `start`, given to this one call.
    let environment = unsafe { Box::from_raw(data.cast::<Rc<Environment>>()) };
    if let Ok(mut engine) = environment.engine.try_borrow_mut() {
        engine.close();
    }
    let handles = environment.handles.borrow_mut().take();
    match handles {
        Some(Handles { poll, idle, within }) => {
            CLEANUP.with_borrow_mut(|hooks| hooks.push(hook));
            // libuv tells of the last one first.
            poll.close(closed);
            idle.close(freed);
            within.close(freed);
        }
        // SAFETY: the handle that Node passed, removed once.
        None => unsafe {
            sys::napi_remove_async_cleanup_hook(hook);
        },
    }
}

thread_local! {
    /// The hooks whose handle is closing; Node waits for them.
    static CLEANUP: RefCell<Vec<sys::napi_async_cleanup_hook_handle>> = const { RefCell::new(Vec::new()) };
}

/// libuv's call: a handle is closed.
unsafe extern "C" fn freed(handle: *mut c_void) {
    if let Some(uv) = Uv::find_cached() {
        // SAFETY: the handle's count of the Rc ends here, and its memory, which was taken from calloc.
        unsafe {
            drop(Rc::from_raw(uv::data(&uv, handle).cast::<Environment>()));
            libc::free(handle);
        }
    }
}

/// libuv's call: the handle that Node waits for is closed, in the same turn of the loop as the other.
unsafe extern "C" fn closed(handle: *mut c_void) {
    // SAFETY: libuv calls with the handle that was closed.
    unsafe { freed(handle) };
    if let Some(hook) = CLEANUP.with_borrow_mut(Vec::pop) {
        // SAFETY: a handle that Node passed and that was not removed yet.
        unsafe { sys::napi_remove_async_cleanup_hook(hook) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::local::tests::is_readable;
    use crate::ring::events::{Header, Records};
    use crate::ring::layout::event;
    use crate::ring::memory::tests::leaked;

    #[test]
    fn after_a_panic_records_and_flushes_wake_the_loop_again() {
        let engine = Engine::new(leaked(1 << 16), leaked(1 << 10), leaked(1 << 10)).unwrap();
        let engine = RefCell::new(engine);
        let is_woken = |engine: &RefCell<Engine>| is_readable(engine.borrow().poll_fd());
        let panicked = guarded(&engine, || {
            engine.borrow_mut().is_pumping = true;
            panic!("as a test wants it");
        });
        assert!(panicked.is_err() && !is_woken(&engine));
        let header = Header::bare(event::SENT, (0, 0));
        engine.borrow_mut().events.push_bare(header);
        engine.borrow_mut().flush(0, false).unwrap();
        assert!(is_woken(&engine));
    }
}
