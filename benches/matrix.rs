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

/// Measures pairs of as many containers in `model`; `ready` is done before each square of them, and
/// not timed. Squares are probed whole, as the first pairs after that cost more than the others.
fn matrix<M>(
    criterion: &mut Criterion,
    who: &str,
    count: usize,
    mut model: M,
    ready: impl Fn(&mut M, &Range<usize>, &Range<usize>) -> Result<(), String>,
    pair: impl Fn(&mut M, usize, usize) -> Result<(), String>,
) {
    let mut squares = endless(count);
    let mut through = |times: u64| {
        let (mut total, mut probed) = (Duration::ZERO, 0);
        while probed < times {
            let Some((from, to)) = squares.next() else {
                break;
            };
            ready(&mut model, &from, &to)?;
            let start = Instant::now();
            for one in from {
                for other in to.clone() {
                    if one != other {
                        pair(&mut model, one, other)?;
                        probed += 1;
                    }
                }
            }
            total += start.elapsed();
        }
        Ok::<_, String>(total.mul_f64(times as f64 / probed as f64))
    };
    criterion.bench_function(&format!("matrix/{who}/{count}"), |bencher| {
        bencher.iter_custom(|times| through(times).unwrap_or_default());
    });
}

fn verdict<D: Dataplane>(model: &mut Planned<D>, from: usize, to: usize) -> Result<(), String> {
    let verdict = model.verdict(&probe(from, to, Payload::Tcp(80)));
    verdict.map(drop).map_err(|why| why.to_string())
}

/// Each of a square with those that it is to know.
fn acquaintances<'a>(
    from: &'a Range<usize>,
    to: &'a Range<usize>,
) -> impl Iterator<Item = (usize, Range<usize>)> {
    [(from, to), (to, from)]
        .into_iter()
        .flat_map(|(these, others)| these.clone().map(|number| (number, others.clone())))
}

fn sim(criterion: &mut Criterion, count: usize) -> Result<(), String> {
    let model = pairs::listening(Sim::new(), count)?;
    matrix(criterion, "sim", count, model, |_, _, _| Ok(()), verdict);
    Ok(())
}

fn bare(criterion: &mut Criterion, count: usize) -> Result<(), String> {
    let words = |error: std::io::Error| error.to_string();
    let mut floor = Floor::unruled().map_err(words)?;
    (0..count)
        .try_for_each(|_| floor.endpoint())
        .map_err(words)?;
    let ready = |floor: &mut Floor, from: &_, to: &_| {
        // New servers, whose queues are empty.
        floor.serve().map_err(words)?;
        acquaintances(from, to)
            .try_for_each(|(number, others)| floor.know(number, others).map_err(words))
    };
    let pair = |floor: &mut Floor, from, to| floor.connect(from, [to]).map_err(words);
    matrix(criterion, "floor", count, floor, ready, pair);
    Ok(())
}

fn kernel(criterion: &mut Criterion, access: &Access, count: usize) -> Result<(), String> {
    let kernel = Kernel::new(access).map_err(|why| why.to_string())?;
    let model = pairs::listening(kernel, count)?;
    let ready = |model: &mut Planned<Kernel>, from: &_, to: &_| {
        acquaintances(from, to).try_for_each(|(number, others)| pairs::know(model, number, others))
    };
    matrix(criterion, "kernel", count, model, ready, verdict);
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
