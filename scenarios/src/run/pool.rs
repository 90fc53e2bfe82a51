//! Much work, several pieces at once.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// Does the work for each of `items`, `jobs` at once. `done` gets what came of it in their order,
/// each as soon as it can.
pub(super) fn in_order<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> R + Sync,
    mut done: impl FnMut(&T, R),
) {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let labour = |sender: mpsc::Sender<(usize, R)>| {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                return;
            };
            if sender.send((at, work(item))).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let workers = jobs.min(items.len());
        let mut started = 0;
        for _ in 0..workers {
            let (labour, sender) = (&labour, sender.clone());
            let worker = thread::Builder::new().spawn_scoped(scope, move || labour(sender));
            started += usize::from(worker.is_ok());
        }
        if started == 0 {
            labour(sender.clone());
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut turn = 0;
        for (at, result) in receiver {
            early.insert(at, result);
            while let Some(result) = early.remove(&turn) {
                if let Some(item) = items.get(turn) {
                    done(item, result);
                }
                turn += 1;
            }
        }
    });
}
