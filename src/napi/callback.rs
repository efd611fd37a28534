//! The one call from Rust into JavaScript.

use napi::sys;
use std::ffi::{c_char, c_void};
use std::ptr;

/// A JavaScript function that is called from libuv's callbacks, as Node calls its own: ticks and microtasks are drained behind it.
pub struct Callback {
    env: sys::napi_env,
    function: sys::napi_ref,
    receiver: sys::napi_ref,
    context: sys::napi_async_context,
}

impl Callback {
    /// Keeps `function`. It and the async context live as long as the environment, which frees them.
    ///
    /// # Errors
    /// What Node-API said.
    pub fn new(env: sys::napi_env, function: sys::napi_value, name: &str) -> napi::Result<Self> {
        let mut this = Self {
            env,
            function: ptr::null_mut(),
            receiver: ptr::null_mut(),
            context: ptr::null_mut(),
        };
        let (mut receiver, mut label) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: all values belong to the calling environment and its open handle scope.
        unsafe {
            napi::check_status!(sys::napi_create_reference(
                env,
                function,
                1,
                &mut this.function
            ))?;
            napi::check_status!(sys::napi_create_object(env, &mut receiver))?;
            napi::check_status!(sys::napi_create_reference(
                env,
                receiver,
                1,
                &mut this.receiver
            ))?;
            napi::check_status!(sys::napi_create_string_utf8(
                env,
                name.as_ptr().cast::<c_char>(),
                name.len() as isize,
                &mut label
            ))?;
            napi::check_status!(sys::napi_async_init(
                env,
                receiver,
                label,
                &mut this.context
            ))?;
        }
        Ok(this)
    }

    /// Calls it. What it throws goes to `'uncaughtException'`, as from any callback of Node's.
    pub fn call(&self) {
        let env = self.env;
        // SAFETY: called on the environment's thread from its loop; every value is made within the scope that is closed below.
        unsafe {
            let mut scope = ptr::null_mut();
            if sys::napi_open_handle_scope(env, &mut scope) != sys::Status::napi_ok {
                return;
            }
            let (mut function, mut receiver, mut result) =
                (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
            sys::napi_get_reference_value(env, self.function, &mut function);
            sys::napi_get_reference_value(env, self.receiver, &mut receiver);
            let status = sys::napi_make_callback(
                env,
                self.context,
                receiver,
                function,
                0,
                ptr::null(),
                &mut result,
            );
            if status == sys::Status::napi_pending_exception {
                let mut error = ptr::null_mut();
                if sys::napi_get_and_clear_last_exception(env, &mut error) == sys::Status::napi_ok {
                    sys::napi_fatal_exception(env, error);
                }
            }
            sys::napi_close_handle_scope(env, scope);
        }
    }

    /// Raises an uncaught exception with this message.
    pub fn throw(&self, message: &str) {
        let env = self.env;
        // SAFETY: as in `call`.
        unsafe {
            let mut scope: *mut c_void = ptr::null_mut();
            if sys::napi_open_handle_scope(env, (&raw mut scope).cast()) != sys::Status::napi_ok {
                return;
            }
            let (mut text, mut error) = (ptr::null_mut(), ptr::null_mut());
            sys::napi_create_string_utf8(
                env,
                message.as_ptr().cast::<c_char>(),
                message.len() as isize,
                &mut text,
            );
            sys::napi_create_error(env, ptr::null_mut(), text, &mut error);
            sys::napi_fatal_exception(env, error);
            sys::napi_close_handle_scope(env, scope.cast());
        }
    }
}
