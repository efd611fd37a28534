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

    /// Calls it. It tells of what it throws itself, by [`uncaught`]; that it throws all the same only says to Node that it has failed, behind
    /// which no ticks are run at once.
    pub fn call(&self) {
        self.in_scope(|env| {
            let (mut function, mut receiver, mut result) =
                (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
            // SAFETY: called on the environment's thread from its loop, within an open handle scope.
            unsafe {
                sys::napi_get_reference_value(env, self.function, &mut function);
                sys::napi_get_global(env, &mut receiver);
                let status = sys::napi_make_callback(
                    env,
                    ptr::null_mut(),
                    receiver,
                    function,
                    0,
                    ptr::null(),
                    &mut result,
                );
                let mut told = ptr::null_mut();
                if status == sys::Status::napi_pending_exception {
                    sys::napi_get_and_clear_last_exception(env, &mut told);
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

/// Has `error` go to `'uncaughtException'`, as from any callback of Node's. Called while the callback runs yet: Node empties its stack of async ids then,
/// which a tick that threw has left with its own on top, and would find it corrupt where the callback ends.
///
/// # Errors
/// What Node-API said.
pub fn uncaught(env: sys::napi_env, error: sys::napi_value) -> napi::Result<()> {
    // SAFETY: both are of the calling environment, the value in its open handle scope.
    napi::check_status!(unsafe { sys::napi_fatal_exception(env, error) })
}
