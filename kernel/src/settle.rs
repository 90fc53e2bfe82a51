//! Work off the critical path: closing sockets, and making namespaces as new. A packet socket's close
//! waits for RCU, some 15 ms.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use crate::spares;

type Work = Box<dyn FnOnce() + Send>;

struct Background {
    queue: VecDeque<Work>,
    /// How much is in the queue or being done.
    pending: usize,
    threads: usize,
}

static BACKGROUND: Mutex<Background> = Mutex::new(Background {
    queue: VecDeque::new(),
    pending: 0,
    threads: 0,
});
static QUEUED: Condvar = Condvar::new();
static DONE: Condvar = Condvar::new();

/// Closes that wait side by side wait for the same grace period.
const MOST_THREADS: usize = 16;

fn background() -> MutexGuard<'static, Background> {
    BACKGROUND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has something done in the background.
pub(crate) fn later(work: impl FnOnce() + Send + 'static) {
    let mut background = background();
    if background.pending >= background.threads && background.threads < MOST_THREADS {
        let thread = thread::Builder::new()
            .name("background".into())
            .spawn(work_off);
        background.threads += usize::from(thread.is_ok());
    }
    // Without a thread for it, it is done here and now, which only takes longer.
    if background.threads == 0 {
        drop(background);
        return work();
    }
    background.pending += 1;
    background.queue.push_back(Box::new(work));
    QUEUED.notify_one();
}

fn work_off() {
    let mut all = background();
    loop {
        match all.queue.pop_front() {
            Some(work) => {
                drop(all);
                work();
                all = background();
                all.pending -= 1;
                DONE.notify_all();
            }
            None => all = QUEUED.wait(all).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Waits until every socket of every [`Kernel`](crate::Kernel) that was dropped is closed, those of
/// namespaces too that were kept for the next.
///
/// A process that ends without it waits too, and longer: the kernel then closes one after another.
pub fn settle() {
    loop {
        let mut all = background();
        while all.pending > 0 {
            all = DONE.wait(all).unwrap_or_else(PoisonError::into_inner);
        }
        drop(all);
        let spares = spares::take_all();
        if spares.is_empty() {
            return;
        }
        for spare in spares {
            later(move || drop(spare.into_descriptors()));
        }
    }
}
