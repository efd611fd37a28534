//! The one call from Rust into JavaScript.

use napi::sys;
use std::ffi::c_char;
use std::ptr;

/// A JavaScript function that is called from libuv's callbacks.
///
/// It is called as Node calls its own, by `napi_make_callback`, and without ids of its own: whatever Node calls back within it (a Blob's reader, a
/// stream over another stream) then finds that it is not the outermost callback, and leaves the ticks alone.
pub struct Callback {
    env: sys::napi_env,
    function: sys::napi_ref,
}

impl Callback {
    /// Keeps `function` for as long as the environment lives, which frees it.
    ///
    /// # Errors
    /// What Node-API said.
    pub fn new(env: sys::napi_env, function: sys::napi_value) -> napi::Result<Self> {
        let mut reference = ptr::null_mut();
        // SAFETY: a value of the calling environment, in its open handle scope.
        napi::check_status!(unsafe {
            sys::napi_create_reference(env, function, 1, &mut reference)
        })?;
        Ok(Self {
            env,
            function: reference,
        })
    }

    /// Calls it. What is thrown within it [`uncaught`] or [`attempt`] has told; that it throws `undefined` then only says to Node that it has failed,
    /// behind which no ticks are run at once. Anything else was thrown around it, and is told here.
    pub fn call(&self) {
        self.in_scope(|env| {
            let (mut function, mut receiver, mut result) =
                (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
            // SAFETY: called on the environment's thread from its loop, within an open handle scope.
            unsafe {
                sys::napi_get_reference_value(env, self.function, &mut function);
                // It is what JavaScript runs on as its resource, and where Node looks for a domain: a new one each time, so that nothing which
                // is left on it is found again.
                sys::napi_create_object(env, &mut receiver);
                let status = sys::napi_make_callback(
                    env,
                    ptr::null_mut(),
                    receiver,
                    function,
                    0,
                    ptr::null(),
                    &mut result,
                );
                if let Some(error) = taken_exception(env, status)
                    && !is_undefined(env, error)
                {
                    sys::napi_fatal_exception(env, error);
                }
            }
        });
    }

    /// Whether JavaScript runs here yet: it does not in a thread that is being terminated, nor when the environment goes down. Asked by a conversion
    /// that runs none, and is refused as a call would be.
    pub fn is_callable(&self) -> bool {
        let mut status = sys::Status::napi_cannot_run_js;
        self.in_scope(|env| {
            let (mut undefined, mut result) = (ptr::null_mut(), ptr::null_mut());
            // SAFETY: as in `call`.
            unsafe {
                sys::napi_get_undefined(env, &mut undefined);
                status = sys::napi_coerce_to_bool(env, undefined, &mut result);
            }
        });
        status == sys::Status::napi_ok
    }

    /// Raises an uncaught exception with this message.
    pub fn throw(&self, message: &str) {
        self.in_scope(|env| {
            let (mut text, mut error) = (ptr::null_mut(), ptr::null_mut());
            // SAFETY: as in `call`; the message is read by its length.
            unsafe {
                sys::napi_create_string_utf8(
                    env,
                    message.as_ptr().cast::<c_char>(),
                    message.len() as isize,
                    &mut text,
                );
                sys::napi_create_error(env, ptr::null_mut(), text, &mut error);
                sys::napi_fatal_exception(env, error);
            }
        });
    }

    fn in_scope(&self, work: impl FnOnce(sys::napi_env)) {
        let mut scope = ptr::null_mut();
        // SAFETY: called on the environment's thread; the scope is closed below. Opening fails when the environment is going down.
        unsafe {
            if sys::napi_open_handle_scope(self.env, &mut scope) == sys::Status::napi_ok {
                work(self.env);
                sys::napi_close_handle_scope(self.env, scope);
            }
        }
    }
}

/// Has `error` go to `'uncaughtException'`, as from any callback of Node's. Called within the callback: Node empties its stack of async ids then, which a
/// tick that threw has left with its own on top, and would find it corrupt where the callback ends.
///
/// # Errors
/// What Node-API said.
pub fn uncaught(env: sys::napi_env, error: sys::napi_value) -> napi::Result<()> {
    // SAFETY: both are of the calling environment, the value in its open handle scope.
    napi::check_status!(unsafe { sys::napi_fatal_exception(env, error) })
}

/// Calls `function`, and does the same with what it throws; false when it threw. From here, not from a `catch` in JavaScript: V8, which aborts for what
/// nobody catches if it is asked to, would take all of it for caught.
///
/// # Errors
/// What Node-API said.
pub fn attempt(env: sys::napi_env, function: sys::napi_value) -> napi::Result<bool> {
    let (mut receiver, mut result) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: both are of the calling environment, the value in its open handle scope.
    unsafe {
        sys::napi_get_undefined(env, &mut receiver);
        let status = sys::napi_call_function(env, receiver, function, 0, ptr::null(), &mut result);
        if let Some(error) = taken_exception(env, status) {
            // Refused where JavaScript runs no more.
            sys::napi_fatal_exception(env, error);
            return Ok(false);
        }
        napi::check_status!(status)?;
    }
    Ok(true)
}

/// The exception that a call has left with this status, which is pending no longer.
///
/// # Safety
/// `env` must be the calling environment, with an open handle scope.
unsafe fn taken_exception(env: sys::napi_env, status: sys::napi_status) -> Option<sys::napi_value> {
    if status != sys::Status::napi_pending_exception {
        return None;
    }
    let mut error = ptr::null_mut();
    // SAFETY: as the caller promises.
    let taken = unsafe { sys::napi_get_and_clear_last_exception(env, &mut error) };
    (taken == sys::Status::napi_ok).then_some(error)
}

/// # Safety
/// As for [`taken_exception`]; `value` must be of its scope.
unsafe fn is_undefined(env: sys::napi_env, value: sys::napi_value) -> bool {
    let mut kind = sys::ValueType::napi_object;
    // SAFETY: as the caller promises.
    unsafe { sys::napi_typeof(env, value, &mut kind) };
    kind == sys::ValueType::napi_undefined
}
