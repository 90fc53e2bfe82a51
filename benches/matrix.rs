//! TCP probes from every container to every other, who know each other's hardware addresses: how
//! long one takes. In the simulator, and on the kernel where it is to be had, beside a bare connect.

use std::{
    iter::repeat,
    ops::Range,
    time::{Duration, Instant},
};

use criterion::Criterion;
use netparity_benches::{floor::Floor, pairs, probe, skip, squares};
use netparity_core::{
    model::{Dataplane, NetworkModel, Planned},
    probe::Payload,
};
use netparity_kernel::{Access, Kernel};
use netparity_sim::Sim;

const COUNTS: [usize; 3] = [10, 100, 1000];

/// Squares of containers, again and again, so that there is no end of pairs.
type Squares = Box<dyn Iterator<Item = (Range<usize>, Range<usize>)>>;

fn endless(count: usize) -> Squares {
    Box::new(repeat(()).flat_map(move |()| squares(count)))
}

/// Probes as many pairs; `ready` is done before each square, and not timed.
fn through(
    squares: &mut Squares,
    times: u64,
    mut ready: impl FnMut(&Range<usize>, &Range<usize>) -> Result<(), String>,
    mut pair: impl FnMut(usize, usize) -> Result<(), String>,
) -> Result<Duration, String> {
    let (mut total, mut left) = (Duration::ZERO, times);
    while left > 0 {
        let Some((from, to)) = squares.next() else {
            break;
        };
        ready(&from, &to)?;
        let start = Instant::now();
        for one in from {
            for other in to.clone() {
                if one != other && left > 0 {
                    pair(one, other)?;
                    left -= 1;
                }
            }
        }
        total += start.elapsed();
    }
    Ok(total)
}

fn verdict<D: Dataplane>(model: &mut Planned<D>, from: usize, to: usize) -> Result<(), String> {
    let verdict = model.verdict(&probe(from, to, Payload::Tcp(80)));
    verdict.map(drop).map_err(|why| why.to_string())
}

fn sim(criterion: &mut Criterion, count: usize) -> Result<(), String> {
    let mut model = pairs::listening(Sim::new(), count)?;
    let mut squares = endless(count);
    let id = format!("matrix/sim/{count}");
    criterion.bench_function(&id, |bencher| {
        bencher.iter_custom(|times| {
            let probed = through(
                &mut squares,
                times,
                |_, _| Ok(()),
                |from, to| verdict(&mut model, from, to),
            );
            probed.unwrap_or_default()
        });
    });
    Ok(())
}

fn bare(criterion: &mut Criterion, count: usize) -> Result<(), String> {
    let words = |error: std::io::Error| error.to_string();
    let mut floor = Floor::unruled().map_err(words)?;
    (0..count)
        .try_for_each(|_| floor.endpoint())
        .map_err(words)?;
    let mut squares = endless(count);
    let floor = std::cell::RefCell::new(floor);
    let id = format!("matrix/floor/{count}");
    criterion.bench_function(&id, |bencher| {
        bencher.iter_custom(|times| {
            let probed = through(
                &mut squares,
                times,
                |from, to| {
                    // New servers, whose queues are empty.
                    floor.borrow_mut().serve().map_err(words)?;
                    let floor = floor.borrow();
                    for (these, others) in [(from, to), (to, from)] {
                        for number in these.clone() {
                            floor.know(number, others.clone()).map_err(words)?;
                        }
                    }
                    Ok(())
                },
                |from, to| floor.borrow().connect(from, [to]).map_err(words),
            );
            probed.unwrap_or_default()
        });
    });
    Ok(())
}

fn kernel(criterion: &mut Criterion, access: &Access, count: usize) -> Result<(), String> {
    let kernel = Kernel::new(access).map_err(|why| why.to_string())?;
    let model = std::cell::RefCell::new(pairs::listening(kernel, count)?);
    let mut squares = endless(count);
    let id = format!("matrix/kernel/{count}");
    criterion.bench_function(&id, |bencher| {
        bencher.iter_custom(|times| {
            let probed = through(
                &mut squares,
                times,
                |from, to| {
                    let mut model = model.borrow_mut();
                    for (these, others) in [(from, to), (to, from)] {
                        for number in these.clone() {
                            pairs::know(&mut model, number, others.clone())?;
                        }
                    }
                    Ok(())
                },
                |from, to| verdict(&mut model.borrow_mut(), from, to),
            );
            probed.unwrap_or_default()
        });
    });
    Ok(())
}

// The user namespace has to be entered before the first thread starts.
fn main() {
    let access = netparity_kernel::enter();
    let mut criterion = Criterion::default().configure_from_args();
    for count in COUNTS {
        if let Err(why) = sim(&mut criterion, count) {
            skip("matrix/sim", &why);
        }
        let on_linux = match &access {
            Ok(access) => {
                bare(&mut criterion, count).and_then(|()| kernel(&mut criterion, access, count))
            }
            Err(missing) => Err(missing.to_string()),
        };
        if let Err(why) = on_linux {
            skip("matrix/kernel", &why);
        }
    }
    criterion.final_summary();
    netparity_kernel::settle();
}
