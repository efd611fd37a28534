//! How one thread hands things to another and wakes it no more often than it must.

use super::sync::{AtomicBool, Mutex, MutexGuard, Ordering};

/// A queue with one reader, who sleeps elsewhere: in a poll that a wake-up ends.
///
/// The reader says before it sleeps that it will ([`rest`](Self::rest)) and looks once more. A writer puts its things in and then looks whether the
/// reader is attentive. Why no wake-up is lost: the reader's last look and the writer's entry both hold the lock, so one comes first. If the entry
/// does, the look finds it. If the look does, the reader's `attentive = false`, stored before it took the lock, happens before the writer's look at
/// the flag, made after it gave the lock back; the writer finds `false`, unless another writer has swapped it for `true` meanwhile, who then wakes
/// the reader after this entry was made or before: in the latter case the reader has taken the lock, or will, behind the entry. `tests/mailbox.rs`
/// has loom try all orders.
pub struct Mailbox<T> {
    letters: Mutex<Vec<T>>,
    /// The reader looks without being woken, or has been woken. It is only ever swapped, by the reader too: each swap comes behind another, so that
    /// one order holds for all who look.
    attentive: AtomicBool,
}

impl<T> Mailbox<T> {
    /// An empty one, of a reader that sleeps.
    pub fn new() -> Self {
        Self {
            letters: Mutex::new(Vec::new()),
            attentive: AtomicBool::new(false),
        }
    }

    /// Puts things in. True: the reader sleeps, and the caller is the one who must wake it.
    pub fn post(&self, letters: impl IntoIterator<Item = T>) -> bool {
        self.letters().extend(letters);
        // The lock orders this as told above; the swap has one writer of several wake the reader.
        !self.attentive.swap(true, Ordering::AcqRel)
    }

    /// The reader takes all there is, behind what it has.
    pub fn take(&self, into: &mut Vec<T>) {
        into.append(&mut self.letters());
    }

    /// The same, by a reader that looks no more before it is woken.
    pub fn take_and_rest(&self, into: &mut Vec<T>) {
        self.attentive.swap(false, Ordering::AcqRel);
        self.take(into);
    }

    /// The reader is awake, whoever woke it.
    pub fn attend(&self) {
        self.attentive.swap(true, Ordering::AcqRel);
    }

    /// The reader is about to sleep. False: it must not, for there is something to take.
    pub fn rest(&self) -> bool {
        self.attentive.swap(false, Ordering::AcqRel);
        let has_letters = self.has_letters();
        if has_letters {
            self.attend();
        }
        !has_letters
    }

    /// Whether there is something to take.
    pub fn has_letters(&self) -> bool {
        !self.letters().is_empty()
    }

    fn letters(&self) -> MutexGuard<'_, Vec<T>> {
        // Nothing in here panics while the lock is held.
        self.letters
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
