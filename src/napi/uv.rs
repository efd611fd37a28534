//! The few libuv functions the engine needs, looked up in the process that loaded it: Node exports them, and their ABI holds within libuv's
//! major version. Where one is missing there is no local driver, and everything goes through `fed`.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

const UV_ASYNC: c_int = 1;
const UV_IDLE: c_int = 6;
const UV_POLL: c_int = 8;
const UV_READABLE: c_int = 1;

/// Called by libuv with its handle.
pub type PollCallback = unsafe extern "C" fn(*mut c_void, c_int, c_int);
/// Called by libuv with its handle.
pub type AsyncCallback = unsafe extern "C" fn(*mut c_void);
/// Called by libuv with its handle, before it polls.
pub type IdleCallback = unsafe extern "C" fn(*mut c_void);
/// Called by libuv when a handle is closed.
pub type CloseCallback = unsafe extern "C" fn(*mut c_void);

/// The functions.
#[derive(Clone, Copy)]
pub struct Uv {
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    handle_set_data: unsafe extern "C" fn(*mut c_void, *mut c_void),
    handle_get_data: unsafe extern "C" fn(*const c_void) -> *mut c_void,
    poll_init: unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(*mut c_void, c_int, PollCallback) -> c_int,
    async_init: unsafe extern "C" fn(*mut c_void, *mut c_void, AsyncCallback) -> c_int,
    async_send: unsafe extern "C" fn(*mut c_void) -> c_int,
    idle_init: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
    idle_start: unsafe extern "C" fn(*mut c_void, IdleCallback) -> c_int,
    idle_stop: unsafe extern "C" fn(*mut c_void) -> c_int,
    reference: unsafe extern "C" fn(*mut c_void),
    unreference: unsafe extern "C" fn(*mut c_void),
    close: unsafe extern "C" fn(*mut c_void, CloseCallback),
}

/// Looks a symbol up among those of the process.
///
/// # Safety
/// `T` must be the function pointer type of the symbol.
unsafe fn symbol<T: Copy>(name: &CStr) -> Option<T> {
    const { assert!(size_of::<T>() == size_of::<*mut c_void>()) };
    // SAFETY: dlsym reads a NUL-terminated name.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast::<c_char>()) };
    // SAFETY: a non-null address of a symbol whose type the caller vouches for; sizes are equal.
    (!address.is_null()).then(|| unsafe { std::mem::transmute_copy(&address) })
}

impl Uv {
    /// Finds them all, or None; looked up once in a process.
    pub fn find_cached() -> Option<Self> {
        static FOUND: OnceLock<Option<Uv>> = OnceLock::new();
        *FOUND.get_or_init(Self::find)
    }

    fn find() -> Option<Self> {
        // SAFETY: each type is the one that libuv 1.x documents for the name.
        unsafe {
            Some(Self {
                handle_size: symbol(c"uv_handle_size")?,
                handle_set_data: symbol(c"uv_handle_set_data")?,
                handle_get_data: symbol(c"uv_handle_get_data")?,
                poll_init: symbol(c"uv_poll_init")?,
                poll_start: symbol(c"uv_poll_start")?,
                async_init: symbol(c"uv_async_init")?,
                async_send: symbol(c"uv_async_send")?,
                idle_init: symbol(c"uv_idle_init")?,
                idle_start: symbol(c"uv_idle_start")?,
                idle_stop: symbol(c"uv_idle_stop")?,
                reference: symbol(c"uv_ref")?,
                unreference: symbol(c"uv_unref")?,
                close: symbol(c"uv_close")?,
            })
        }
    }
}

/// A handle of libuv's that does not keep its loop alive by itself. Its callbacks find `data` by [`Handle::data`].
struct Handle {
    uv: Uv,
    raw: *mut c_void,
}

impl Handle {
    /// Makes one of a kind.
    ///
    /// # Safety
    /// `init` must initialize a handle of the kind; `data` must be valid until the handle is closed.
    unsafe fn new(
        uv: Uv,
        kind: c_int,
        data: *mut c_void,
        init: impl FnOnce(*mut c_void) -> c_int,
    ) -> Result<Self, c_int> {
        // SAFETY: libuv tells the size; calloc's memory suits any of its handles. After a successful init libuv owns it until the close
        // callback; before, it is freed here.
        unsafe {
            let raw = libc::calloc(1, (uv.handle_size)(kind));
            if raw.is_null() {
                return Err(-libc::ENOMEM);
            }
            let status = init(raw);
            if status != 0 {
                libc::free(raw);
                return Err(status);
            }
            (uv.handle_set_data)(raw, data);
            (uv.unreference)(raw);
            Ok(Self { uv, raw })
        }
    }

    fn close(self, closed: CloseCallback) {
        // SAFETY: the handle lives until here; libuv accepts one close, and self is consumed.
        unsafe { (self.uv.close)(self.raw, closed) }
    }
}

/// The data of a handle that libuv passed to a callback.
///
/// # Safety
/// `raw` must be a handle made here and not yet freed.
pub unsafe fn data(uv: &Uv, raw: *const c_void) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { (uv.handle_get_data)(raw) }
}

/// A `uv_poll_t` that watches one descriptor for readability.
pub struct PollHandle(Handle);

impl PollHandle {
    /// Starts watching `fd` on `event_loop`, unreferenced; `callback` finds `data` by [`data`].
    ///
    /// # Safety
    /// `event_loop` must be the calling thread's `uv_loop_t`; `data` must be valid until the handle is closed.
    pub unsafe fn start(
        uv: Uv,
        event_loop: *mut c_void,
        fd: c_int,
        data: *mut c_void,
        callback: PollCallback,
    ) -> Result<Self, c_int> {
        // SAFETY: the caller's promises; the handle is one for polling, and initialized when it is started.
        unsafe {
            let init = |raw| (uv.poll_init)(event_loop, raw, fd);
            let handle = Handle::new(uv, UV_POLL, data, init)?;
            (uv.poll_start)(handle.raw, UV_READABLE, callback);
            Ok(Self(handle))
        }
    }

    /// Whether the handle keeps its loop alive.
    pub fn set_referenced(&self, referenced: bool) {
        let Handle { uv, raw } = &self.0;
        // SAFETY: the handle lives until `close`, which consumes self.
        unsafe {
            if referenced {
                (uv.reference)(*raw)
            } else {
                (uv.unreference)(*raw)
            }
        }
    }

    /// Closes the handle; `closed` is called by the loop, later, and must free it with `libc::free`.
    pub fn close(self, closed: CloseCallback) {
        self.0.close(closed);
    }
}

/// A `uv_idle_t`: while it is started the loop calls it before each poll, which does not wait then.
pub struct IdleHandle(Handle);

impl IdleHandle {
    /// Makes one that is not started.
    ///
    /// # Safety
    /// As of [`PollHandle::start`].
    pub unsafe fn new(uv: Uv, event_loop: *mut c_void, data: *mut c_void) -> Result<Self, c_int> {
        // SAFETY: the caller's promises; the handle is an idle one.
        unsafe { Handle::new(uv, UV_IDLE, data, |raw| (uv.idle_init)(event_loop, raw)).map(Self) }
    }

    /// Starts it, unless it is already.
    pub fn start(&self, callback: IdleCallback) {
        // SAFETY: the handle lives until `close`, which consumes self.
        unsafe { (self.0.uv.idle_start)(self.0.raw, callback) };
    }

    /// Stops it.
    pub fn stop(&self) {
        // SAFETY: as above.
        unsafe { (self.0.uv.idle_stop)(self.0.raw) };
    }

    /// As [`PollHandle::close`].
    pub fn close(self, closed: CloseCallback) {
        self.0.close(closed);
    }
}

/// A `uv_async_t`: libuv calls once within the poll that follows a request for it.
pub struct AsyncHandle(Handle);

impl AsyncHandle {
    /// Makes one.
    ///
    /// # Safety
    /// As of [`PollHandle::start`].
    pub unsafe fn new(
        uv: Uv,
        event_loop: *mut c_void,
        data: *mut c_void,
        callback: AsyncCallback,
    ) -> Result<Self, c_int> {
        // SAFETY: the caller's promises; the handle is an async one.
        unsafe {
            let init = |raw| (uv.async_init)(event_loop, raw, callback);
            Handle::new(uv, UV_ASYNC, data, init).map(Self)
        }
    }

    /// Asks for the call.
    pub fn send(&self) {
        // SAFETY: the handle lives until `close`, which consumes self.
        unsafe { (self.0.uv.async_send)(self.0.raw) };
    }

    /// As [`PollHandle::close`].
    pub fn close(self, closed: CloseCallback) {
        self.0.close(closed);
    }
}
