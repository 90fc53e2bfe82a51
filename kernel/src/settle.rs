//! Closing sockets off the critical path: a packet socket's close waits for RCU, some 15 ms.

use std::{
    os::fd::OwnedFd,
    sync::{
        Condvar, Mutex, OnceLock, PoisonError,
        mpsc::{Sender, channel},
    },
    thread,
};

struct Closer {
    queue: Mutex<Sender<Vec<OwnedFd>>>,
}

static CLOSER: OnceLock<Option<Closer>> = OnceLock::new();
static PENDING: Mutex<usize> = Mutex::new(0);
static DONE: Condvar = Condvar::new();

fn start() -> Option<Closer> {
    let (queue, batches) = channel::<Vec<OwnedFd>>();
    let work = move || {
        for batch in batches {
            drop(batch);
            *PENDING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            DONE.notify_all();
        }
    };
    thread::Builder::new()
        .name("closer".into())
        .spawn(work)
        .ok()
        .map(|_| Closer {
            queue: Mutex::new(queue),
        })
}

/// Has the descriptors closed in the background, in this order.
pub(crate) fn hand_over(descriptors: Vec<OwnedFd>) {
    if descriptors.is_empty() {
        return;
    }
    // Without a thread to do it they are closed here and now, which only takes longer.
    if let Some(closer) = CLOSER.get_or_init(start) {
        *PENDING.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let queue = closer.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.send(descriptors).is_err() {
            *PENDING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        }
    }
}

/// Waits until every socket of every [`Kernel`](crate::Kernel) that was dropped is closed.
pub fn settle() {
    let mut pending = PENDING.lock().unwrap_or_else(PoisonError::into_inner);
    while *pending > 0 {
        pending = DONE.wait(pending).unwrap_or_else(PoisonError::into_inner);
    }
}
