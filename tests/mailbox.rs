//! loom tries every order in which two writers and the reader of a mailbox can come: a wake-up that is lost leaves the reader waiting for ever, which
//! loom tells.

#[path = "../src/driver/threads/mailbox.rs"]
mod mailbox;

mod sync {
    pub use loom::sync::atomic::{AtomicBool, Ordering};
    pub use loom::sync::{Mutex, MutexGuard};
}

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use mailbox::Mailbox;

/// What a reader sleeps in: a wake-up ends it, also one that came before it.
#[derive(Default)]
struct Poll {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Poll {
    fn wake(&self) {
        *self.is_woken.lock().unwrap() = true;
        self.woken.notify_one();
    }

    fn sleep(&self) {
        let mut is_woken = self.is_woken.lock().unwrap();
        while !std::mem::take(&mut *is_woken) {
            is_woken = self.woken.wait(is_woken).unwrap();
        }
    }
}

struct Line {
    mailbox: Mailbox<usize>,
    poll: Poll,
}

impl Line {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            mailbox: Mailbox::new(),
            poll: Poll::default(),
        })
    }

    fn post(&self, letter: usize) {
        if self.mailbox.post([letter]) {
            self.poll.wake();
        }
    }
}

/// All orders with at most three preemptions; all there are take seven minutes, with `LOOM_MAX_PREEMPTIONS` set to 9.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(run);
}

#[test]
fn a_reader_that_looks_before_it_sleeps_gets_every_letter() {
    model(|| {
        let line = Line::new();
        let writers = [1, 2].map(|letter| {
            let line = Arc::clone(&line);
            thread::spawn(move || line.post(letter))
        });
        // As an I/O thread: it takes only when rung for, and parks between.
        let mut got = Vec::new();
        while got.len() < 2 {
            if line.mailbox.rest() {
                line.poll.sleep();
            }
            line.mailbox.attend();
            line.mailbox.take(&mut got);
        }
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
    });
}

#[test]
fn a_reader_that_is_woken_for_whatever_is_new_gets_every_letter() {
    model(|| {
        let line = Line::new();
        let writers = [1, 2].map(|letter| {
            let line = Arc::clone(&line);
            thread::spawn(move || line.post(letter))
        });
        // As JavaScript's thread.
        let mut got = Vec::new();
        while got.len() < 2 {
            line.poll.sleep();
            line.mailbox.take_and_rest(&mut got);
        }
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
    });
}

/// A connection's records as `Shared` hands them over: told once, until they are fetched.
#[derive(Default)]
struct Pending {
    records: usize,
    is_told: bool,
}

#[test]
fn records_put_behind_others_are_fetched_with_them_or_told_anew() {
    model(|| {
        let line = Line::new();
        let pending = Arc::new(Mutex::new(Pending::default()));
        let parser = {
            let (line, pending) = (Arc::clone(&line), Arc::clone(&pending));
            thread::spawn(move || {
                for _ in 0..3 {
                    let tells = {
                        let mut pending = pending.lock().unwrap();
                        pending.records += 1;
                        !std::mem::replace(&mut pending.is_told, true)
                    };
                    if tells {
                        line.post(0);
                    }
                }
            })
        };
        let (mut told, mut fetched) = (Vec::new(), 0);
        while fetched < 3 {
            line.poll.sleep();
            line.mailbox.take_and_rest(&mut told);
            for _ in told.drain(..) {
                let mut pending = pending.lock().unwrap();
                pending.is_told = false;
                fetched += std::mem::take(&mut pending.records);
            }
        }
        parser.join().unwrap();
        assert_eq!(fetched, 3);
    });
}
