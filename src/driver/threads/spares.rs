//! Memory of large bodies that were sent, for those to come: new memory costs a fault for each page, which is more than the copy into it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// How long memory must have lain unneeded to be given back.
const REST: Duration = Duration::from_secs(1);

/// How many pieces are looked at for one that fits: those that came last, which may still be in the cache.
const MOST_LOOKS: usize = 64;

/// Memory that is not in use. There is never more than was in use at a time within the last [`REST`], and what is not needed for as long goes.
#[derive(Default)]
pub struct Spares {
    shelf: Mutex<Shelf>,
    /// There is something to be given back one day.
    filled: Notify,
}

#[derive(Default)]
struct Shelf {
    /// The last one came last.
    pieces: Vec<Vec<u8>>,
    /// The fewest there were since the last sweep: so many more than were needed.
    least: usize,
}

impl Spares {
    /// Keeps memory for later.
    pub fn keep(&self, spare: Vec<u8>) {
        let mut shelf = self.shelf();
        shelf.pieces.push(spare);
        let is_first = shelf.pieces.len() == 1;
        drop(shelf);
        if is_first {
            self.filled.notify_one();
        }
    }

    /// Memory for `length` bytes, and not for many times as many.
    pub fn take(&self, length: usize) -> Option<Vec<u8>> {
        let mut shelf = self.shelf();
        let fits = |spare: &Vec<u8>| (length..=4 * length).contains(&spare.capacity());
        let newest = shelf.pieces.len().saturating_sub(MOST_LOOKS);
        let found = newest + shelf.pieces[newest..].iter().rposition(fits)?;
        let taken = shelf.pieces.remove(found);
        shelf.least = shelf.least.min(shelf.pieces.len());
        Some(taken)
    }

    /// Gives back what was not needed since the last time; false: nothing is left.
    fn sweep(&self) -> bool {
        let mut shelf = self.shelf();
        let least = shelf.least;
        let unneeded: Vec<_> = shelf.pieces.drain(..least).collect();
        shelf.least = shelf.pieces.len();
        let is_left = shelf.least > 0;
        // Giving back a lot takes its time, which nobody is to wait for.
        drop(shelf);
        drop(unneeded);
        is_left
    }

    /// Sweeps as often as there is something to sweep. Never ends.
    pub async fn tidy(&self) {
        loop {
            self.filled.notified().await;
            sleep(REST).await;
            while self.sweep() {
                sleep(REST).await;
            }
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(size: usize) -> Vec<u8> {
        Vec::with_capacity(size)
    }

    #[test]
    fn memory_that_fits_is_taken_the_last_first() {
        let spares = Spares::default();
        for size in [1000, 3000, 5000] {
            spares.keep(piece(size));
        }
        let take = |length| spares.take(length).map(|piece| piece.capacity());
        assert_eq!(take(6000), None);
        assert_eq!(take(1000), Some(3000), "5000 are too many");
        assert_eq!(take(1000), Some(1000));
        assert_eq!(take(1000), None);
        assert_eq!(take(5000), Some(5000));
    }

    #[test]
    fn what_was_not_needed_between_two_sweeps_is_given_back() {
        let spares = Spares::default();
        assert!(!spares.sweep());
        for _ in 0..3 {
            spares.keep(piece(100));
        }
        assert!(spares.sweep(), "they have only come");
        // One is needed, and comes back.
        let taken = spares.take(100).unwrap();
        spares.keep(taken);
        assert!(spares.sweep());
        assert_eq!(spares.shelf().pieces.len(), 1);
        assert!(!spares.sweep());
        assert!(spares.take(100).is_none());
    }

    #[test]
    fn a_rest_is_enough_to_give_all_back_and_it_begins_anew() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let spares = std::sync::Arc::new(Spares::default());
            let own = std::sync::Arc::clone(&spares);
            tokio::spawn(async move { own.tidy().await });
            for _ in 0..2 {
                spares.keep(piece(100));
                while !spares.shelf().pieces.is_empty() {
                    sleep(Duration::from_millis(10)).await;
                }
            }
        });
    }
}
