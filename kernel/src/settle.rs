//! Closing sockets off the critical path: a packet socket's close waits for RCU, some 15 ms.

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// Descriptors that wait to be closed, together, in their order.
type Batch = Vec<OwnedFd>;

struct Closing {
    queue: VecDeque<Batch>,
    /// How many batches are in the queue or being closed.
    pending: usize,
    threads: usize,
}

static CLOSING: Mutex<Closing> = Mutex::new(Closing {
    queue: VecDeque::new(),
    pending: 0,
    threads: 0,
});
static QUEUED: Condvar = Condvar::new();
static CLOSED: Condvar = Condvar::new();

/// Closes that wait side by side wait for the same grace period.
const MOST_THREADS: usize = 16;

fn closing() -> MutexGuard<'static, Closing> {
    CLOSING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the descriptors closed in the background.
pub(crate) fn hand_over(batch: Batch) {
    let mut closing = closing();
    if closing.pending >= closing.threads && closing.threads < MOST_THREADS {
        let closer = thread::Builder::new()
            .name("closer".into())
            .spawn(close_all);
        closing.threads += usize::from(closer.is_ok());
    }
    // Without a thread to do it they are closed here and now, which only takes longer.
    if closing.threads > 0 {
        closing.pending += 1;
        closing.queue.push_back(batch);
        QUEUED.notify_one();
    }
}

fn close_all() {
    let mut all = closing();
    loop {
        match all.queue.pop_front() {
            Some(batch) => {
                drop(all);
                drop(batch);
                all = closing();
                all.pending -= 1;
                CLOSED.notify_all();
            }
            None => all = QUEUED.wait(all).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Waits until every socket of every [`Kernel`](crate::Kernel) that was dropped is closed.
///
/// A process that ends without it waits too, and longer: the kernel then closes one after another.
pub fn settle() {
    let mut all = closing();
    while all.pending > 0 {
        all = CLOSED.wait(all).unwrap_or_else(PoisonError::into_inner);
    }
}
