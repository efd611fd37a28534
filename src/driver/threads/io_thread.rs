//! The I/O threads of one JavaScript environment: each a tokio runtime of one thread, with a task for each connection.

use super::descriptor::watch;
use super::mailbox::Mailbox;
use super::shared::{Desk, Shared, Turn};
use super::spares::Spares;
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

/// Bytes received by one system call at most.
const RECEIVE_SIZE: usize = 64 * 1024;

/// How long the peer of a connection that JavaScript has let go of may take to read what was told as sent, which is little: about as long as Linux
/// waits for one that reads nothing.
const PATIENCE: Duration = Duration::from_secs(120);

/// Turns of one connection before the thread's others have theirs.
const TURNS: usize = 4;

/// What JavaScript's thread tells an I/O thread.
pub enum Letter {
    /// A connection is this thread's from now on.
    Arrival(Arc<Shared>),
    /// A connection has something to send, or may receive again, or was taken back.
    Look(Arc<Shared>),
    /// The environment goes down.
    Close,
    /// Handling it panics.
    #[cfg(test)]
    Bomb,
}

/// Where letters for an I/O thread are left.
pub struct Outbox {
    mailbox: Mailbox<Letter>,
    bell: Notify,
    spares: Spares,
}

impl Outbox {
    /// A thread's own.
    pub(super) fn new() -> Self {
        Self {
            mailbox: Mailbox::new(),
            bell: Notify::new(),
            spares: Spares::default(),
        }
    }

    /// Leaves letters, and wakes the thread unless it is awake.
    pub fn post(&self, letters: impl IntoIterator<Item = Letter>) {
        if self.mailbox.post(letters) {
            self.bell.notify_one();
        }
    }

    /// Rings if letters wait: a thread that always has something to do, for one connection or for many, never parks, and would not look.
    fn ring(&self) {
        if self.mailbox.has_letters() {
            self.bell.notify_one();
        }
    }

    /// Memory of bodies that were sent.
    pub fn spares(&self) -> &Spares {
        &self.spares
    }
}

/// The threads, started as they are asked for.
#[derive(Default)]
pub struct IoThreads {
    threads: Vec<IoThread>,
    /// Connections handed out so far: they go round.
    count: usize,
}

struct IoThread {
    outbox: Arc<Outbox>,
    handle: JoinHandle<()>,
}

impl IoThreads {
    /// The thread for the next connection, one of the first `most`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn next(&mut self, most: usize) -> io::Result<Arc<Outbox>> {
        let index = self.count % most.max(1);
        while self.threads.len() <= index {
            self.threads.push(IoThread::start(self.threads.len())?);
        }
        self.count = self.count.wrapping_add(1);
        Ok(Arc::clone(&self.threads[index].outbox))
    }

    /// Ends the threads and waits for them: nothing of theirs runs any more when this returns.
    pub fn stop(&mut self) {
        for thread in &self.threads {
            thread.outbox.post([Letter::Close]);
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked has ended too.
            let _ = thread.handle.join();
        }
    }
}

impl Drop for IoThreads {
    fn drop(&mut self) {
        self.stop();
    }
}

impl IoThread {
    fn start(index: usize) -> io::Result<Self> {
        let outbox = Arc::new(Outbox::new());
        let (parks, unparks) = (Arc::clone(&outbox), Arc::clone(&outbox));
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // With something to take, ringing makes the postman runnable, and the runtime does not sleep.
            .on_thread_park(move || {
                if !parks.mailbox.rest() {
                    parks.bell.notify_one();
                }
            })
            .on_thread_unpark(move || unparks.mailbox.attend())
            .build()?;
        let own = Arc::clone(&outbox);
        let tidied = Arc::clone(&outbox);
        runtime.spawn(async move { tidied.spares.tidy().await });
        let handle = std::thread::Builder::new()
            .name(format!("ferrohttp-io-{index}"))
            .spawn(move || {
                // Spawned, not blocked on itself: waking what a runtime blocks on takes a system call even on its own thread. That the task might
                // have panicked is of no interest: the thread ends either way, which is all that who stops it waits for.
                let _ = runtime.block_on(runtime.spawn(deliver(own)));
            })?;
        Ok(Self { outbox, handle })
    }
}

/// Takes letters until the environment goes down.
async fn deliver(outbox: Arc<Outbox>) {
    let mut letters = Vec::new();
    loop {
        outbox.bell.notified().await;
        outbox.mailbox.take(&mut letters);
        for letter in letters.drain(..) {
            // A panic must neither end the postman, who serves all of the thread's connections, nor lose the letters he has in hand.
            let delivered = catch_unwind(AssertUnwindSafe(|| match &letter {
                Letter::Arrival(shared) => drop(tokio::spawn(serve(Arc::clone(shared)))),
                Letter::Look(shared) => look(shared),
                Letter::Close => {}
                #[cfg(test)]
                Letter::Bomb => panic!("as a test wants it"),
            }));
            match letter {
                Letter::Close => return,
                Letter::Arrival(shared) | Letter::Look(shared) if delivered.is_err() => {
                    shared.fail(&io::ErrorKind::Other.into());
                }
                _ => {}
            }
        }
    }
}

/// Sends what there is to send at once; the rest is for the connection's task.
fn look(shared: &Shared) {
    let mut io = shared.io();
    if shared.send(&mut io) {
        io.wake_task();
    }
}

async fn serve(shared: Arc<Shared>) {
    match watch(Arc::clone(&shared)) {
        Ok(fd) => Task { fd, patience: None }.await,
        Err(error) => shared.fail(&error),
    }
}

/// Moves one connection's bytes until it is taken back.
struct Task {
    fd: AsyncFd<Arc<Shared>>,
    /// Of a connection that JavaScript has let go of.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.poll_unguarded(context)));
        polled.unwrap_or_else(|_| {
            // What it had drafted is nobody's.
            DESK.set(Desk::new(RECEIVE_SIZE));
            self.fd.get_ref().fail(&io::ErrorKind::Other.into());
            Poll::Ready(())
        })
    }
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::new(Desk::new(RECEIVE_SIZE));
}

impl Task {
    fn poll_unguarded(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.fd.get_ref().outbox().ring();
        let mut turns = 0;
        loop {
            let turn = DESK.with_borrow_mut(|desk| {
                self.fd.get_ref().turn(context.waker(), desk, |receive| {
                    self.receive(context, receive)
                })
            });
            match turn {
                Turn::Over => return Poll::Ready(()),
                Turn::Part => {
                    let patience = self
                        .patience
                        .get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
                    if patience.as_mut().poll(context).is_ready() {
                        self.fd.get_ref().give_up();
                        return Poll::Ready(());
                    }
                    ready!(self.wait_for_room(context));
                }
                Turn::Rest(wait) => {
                    if wait.writable {
                        ready!(self.wait_for_room(context));
                        continue;
                    }
                    return Poll::Pending;
                }
                Turn::More => {
                    turns += 1;
                    if turns >= TURNS {
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Receives when there may be something. None: there is nothing, and the task will be woken when there is.
    fn receive(
        &self,
        context: &mut Context<'_>,
        receive: &mut dyn FnMut() -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        loop {
            let mut guard = match self.fd.poll_read_ready(context) {
                Poll::Pending => return None,
                Poll::Ready(Err(error)) => return Some(Err(error)),
                Poll::Ready(Ok(guard)) => guard,
            };
            let received = receive();
            match &received {
                // With edges, a short read is the end of what is there; an end of the stream behind it stays in the readiness.
                Ok(count) if (1..RECEIVE_SIZE).contains(count) => guard.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    guard.clear_ready();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                _ => {}
            }
            return Some(received);
        }
    }

    /// The kernel has just refused to take more: until it says otherwise.
    fn wait_for_room(&self, context: &mut Context<'_>) -> Poll<()> {
        // What is known of it is from before; anew it can only be told by the runtime, which has not run since.
        if let Ok(mut guard) = ready!(self.fd.poll_write_ready(context)) {
            guard.clear_ready();
        }
        // Still ready: the connection is broken, which the next send will tell.
        self.fd.poll_write_ready(context).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Waker;

    #[test]
    fn a_letter_whose_handling_panics_loses_none_of_those_behind_it() {
        let mut threads = IoThreads::default();
        let outbox = threads.next(1).unwrap();
        // All three are taken at once.
        outbox.post([Letter::Bomb, Letter::Bomb, Letter::Close]);
        let (ended, has_ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            threads.stop();
            let _ = ended.send(());
        });
        let patience = Duration::from_secs(60);
        assert!(has_ended.recv_timeout(patience).is_ok(), "stop() waits");
    }

    #[test]
    fn whichever_connection_is_busy_the_thread_looks_for_letters() {
        let outbox = Arc::new(Outbox::new());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (shared, _far) = Shared::for_test(Arc::clone(&outbox));
            let fd = watch(shared).unwrap();
            let mut task = pin!(Task { fd, patience: None });
            let mut context = Context::from_waker(Waker::noop());
            outbox.mailbox.attend();
            outbox.post([Letter::Close]);
            let mut rung = pin!(outbox.bell.notified());
            assert!(rung.as_mut().poll(&mut context).is_pending());
            // One turn that finds nothing to do.
            assert!(task.as_mut().poll(&mut context).is_pending());
            assert!(rung.as_mut().poll(&mut context).is_ready());
        });
    }

    #[test]
    fn a_thread_that_never_parks_rings_for_letters_itself() {
        let outbox = Outbox::new();
        let mut context = Context::from_waker(Waker::noop());
        outbox.ring();
        let mut rung = pin!(outbox.bell.notified());
        assert!(rung.as_mut().poll(&mut context).is_pending(), "for none");
        outbox.mailbox.attend();
        outbox.post([Letter::Close]);
        assert!(rung.as_mut().poll(&mut context).is_pending(), "it is awake");
        outbox.ring();
        assert!(rung.as_mut().poll(&mut context).is_ready());
    }
}
