//! How JavaScript calls the engine: functions of Node-API's own, each of which has the engine as its data.
//!
//! No class of napi-rs's: for each call of a method it unwraps the instance, compares its type's tag, a BigInt under a private symbol, and enters
//! the arguments that it borrows into a table under a lock, which takes 0.7 to 0.8 µs where a call like these takes 0.1.

use super::exports::JsEngine;
use napi::bindgen_prelude::*;
use napi::{JsError, sys};
use std::ffi::{CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

/// Arguments that a call takes at most.
const MOST: usize = 8;

/// What Node-API calls.
pub type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

/// What a call was given.
pub struct Given {
    env: sys::napi_env,
    /// `undefined` behind the last.
    values: [sys::napi_value; MOST],
}

impl Given {
    /// One argument.
    ///
    /// # Errors
    /// When it is of another type.
    ///
    /// # Safety
    /// What is taken must not outlive the call, and its bytes no call into JavaScript.
    pub unsafe fn take<T: FromNapiValue>(&self, at: usize) -> Result<T> {
        // SAFETY: a value of the environment that is calling, in its open handle scope.
        unsafe { T::from_napi_value(self.env, self.values[at]) }
    }
}

/// The entry of a method: `call!(flush(0, 1))` is its name, and what calls it with the first two arguments.
macro_rules! call {
    ($method:ident($($at:literal),*)) => {{
        unsafe extern "C" fn called(
            env: napi::sys::napi_env,
            info: napi::sys::napi_callback_info,
        ) -> napi::sys::napi_value {
            // SAFETY: only `functions` makes functions of it. The methods keep nothing of what they are given, and none that is given bytes calls JavaScript.
            unsafe {
                $crate::napi::calls::answer(env, info, |engine, _given| {
                    engine.$method($(_given.take($at)?),*)
                })
            }
        }
        (stringify!($method), called as $crate::napi::calls::Callback)
    }};
}
pub(super) use call;

/// Answers a call: what it returns goes to JavaScript, an error or a panic is thrown there.
///
/// # Safety
/// To be called by Node-API with what it gave, for a function of [`functions`].
pub unsafe fn answer<T: ToNapiValue>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    call: impl FnOnce(&JsEngine, &Given) -> Result<T>,
) -> sys::napi_value {
    let mut given = Given {
        env,
        values: [ptr::null_mut(); MOST],
    };
    let mut count = MOST;
    let mut data = ptr::null_mut();
    let called = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: Node-API's own values; it writes as many values as there is room for. The data is the function's count of the engine,
        // which lasts at least until the call begins; from then on there is one of its own.
        unsafe {
            check_status!(sys::napi_get_cb_info(
                env,
                info,
                &mut count,
                given.values.as_mut_ptr(),
                ptr::null_mut(),
                &mut data,
            ))?;
            let data = data.cast_const().cast::<JsEngine>();
            Rc::increment_strong_count(data);
            let engine = Rc::from_raw(data);
            let answer = call(&engine, &given)?;
            T::to_napi_value(env, answer)
        }
    }));
    called
        .unwrap_or_else(|_| Err(Error::from_reason("ferrohttp: the engine panicked")))
        .unwrap_or_else(|error| {
            // SAFETY: the calling environment.
            unsafe { JsError::from(error).throw_into(env) };
            ptr::null_mut()
        })
}

/// An object with a function for each of `calls`, by its name in JavaScript, each of which counts the engine.
///
/// # Errors
/// What Node-API said.
pub fn functions<'a>(
    env: &Env,
    engine: &Rc<JsEngine>,
    calls: &[(&str, Callback)],
) -> Result<Object<'a>> {
    let mut object = ptr::null_mut();
    // SAFETY: the calling environment. Each function's data is a count of the engine, which is given back once, when the function is garbage or the
    // environment goes down, or here when there is no function.
    unsafe {
        check_status!(sys::napi_create_object(env.raw(), &mut object))?;
        for &(method, callback) in calls {
            let name = CString::new(camel_case(method))?;
            let data = Rc::into_raw(Rc::clone(engine)).cast_mut().cast();
            let mut function = ptr::null_mut();
            let made = check_status!(sys::napi_create_function(
                env.raw(),
                name.as_ptr(),
                -1,
                Some(callback),
                data,
                &mut function,
            ))
            .and_then(|()| {
                check_status!(sys::napi_add_finalizer(
                    env.raw(),
                    function,
                    data,
                    Some(give_back),
                    ptr::null_mut(),
                    ptr::null_mut(),
                ))
            });
            if made.is_err() {
                drop(Rc::from_raw(data.cast::<JsEngine>()));
            }
            made?;
            check_status!(sys::napi_set_named_property(
                env.raw(),
                object,
                name.as_ptr(),
                function
            ))?;
        }
        Object::from_napi_value(env.raw(), object)
    }
}

/// Node-API's call: a function is garbage, or its environment goes down.
unsafe extern "C" fn give_back(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the function's count, made by `functions`.
    drop(unsafe { Rc::from_raw(data.cast::<JsEngine>()) });
}

/// A method's name as it is written in JavaScript.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        text += &first.to_ascii_uppercase();
        text += rest;
    }
    text
}
