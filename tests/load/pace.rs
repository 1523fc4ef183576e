//! When requests are sent. With a rate each one is due at a time of its own, whatever became of those before,
//! and its latency counts from then: a server that stalls is seen by everybody who would have come meanwhile.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Semaphore;

use crate::connection::{Answer, AskError};
use crate::tally::Tally;

/// Most requests of one phase with a rate.
pub const DUE_COUNT_MAX: usize = 5_000_000;

/// The times at which requests are due, from the start of the phase.
///
/// Poisson arrivals, as those of people who know nothing of each other, or evenly spaced ones.
pub fn dues(rate: f64, length: Duration, is_poisson: bool, seed: u64) -> Vec<Duration> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut gaps = 0.0;
    let mut dues = Vec::new();
    while dues.len() < DUE_COUNT_MAX {
        gaps += if is_poisson { -(1.0 - random.random::<f64>()).ln() } else { 1.0 };
        let at = gaps / rate;
        if at >= length.as_secs_f64() {
            break;
        }
        dues.push(Duration::from_secs_f64(at));
    }
    dues
}

/// Where a connection learns which request is the next, and what the time is.
pub trait Pace {
    /// Waits until the next request is due: its number and when it was due. `None`: there are no more.
    fn next(&self) -> impl Future<Output = Option<(usize, Duration)>>;

    /// Time since the phase began.
    fn now(&self) -> Duration;
}

/// One connection's share of a phase: request after request, each timed from when it was due.
pub async fn drive(pace: &impl Pace, mut ask: impl AsyncFnMut(usize) -> Result<Answer, AskError>) -> Tally {
    let mut tally = Tally::default();
    while let Some((number, due)) = pace.next().await {
        let answered = ask(number).await;
        tally.add(&answered, pace.now().saturating_sub(due));
    }
    tally
}

/// As fast as each connection can, for a time: for throughput.
#[derive(Debug)]
pub struct Saturating {
    began: Instant,
    length: Duration,
    next: Cell<usize>,
}

impl Saturating {
    /// Begins now, with the request of that number.
    pub fn new(length: Duration, first: usize) -> Self {
        Self { began: Instant::now(), length, next: Cell::new(first) }
    }
}

impl Pace for Saturating {
    async fn next(&self) -> Option<(usize, Duration)> {
        let now = self.now();
        (now < self.length).then(|| (self.next.replace(self.next.get() + 1), now))
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Each request when it is due. The times come from a thread of their own: a runtime's timers are only exact
/// to the millisecond.
#[derive(Debug, Clone)]
pub struct Timed(Rc<Due>);

#[derive(Debug)]
struct Due {
    began: Instant,
    dues: Vec<Duration>,
    next: Cell<usize>,
    due: std::sync::Arc<Semaphore>,
    clock: RefCell<Option<std::thread::JoinHandle<()>>>,
}

impl Timed {
    /// Begins now.
    pub fn new(dues: Vec<Duration>) -> Self {
        let (began, due) = (Instant::now(), std::sync::Arc::new(Semaphore::new(0)));
        let (times, permits) = (dues.clone(), std::sync::Arc::clone(&due));
        let clock = std::thread::spawn(move || {
            for at in times {
                while let Some(rest) = at.checked_sub(began.elapsed()).filter(|rest| !rest.is_zero()) {
                    std::thread::park_timeout(rest);
                }
                permits.add_permits(1);
            }
            permits.close();
        });
        Self(Rc::new(Due { began, dues, next: Cell::new(0), due, clock: RefCell::new(Some(clock)) }))
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if let Some(clock) = self.clock.take() {
            clock.thread().unpark();
        }
    }
}

impl Pace for Timed {
    async fn next(&self) -> Option<(usize, Duration)> {
        // Once closed, what is still due is taken without waiting.
        if let Ok(permit) = self.0.due.acquire().await {
            permit.forget();
        }
        let number = self.0.next.replace(self.0.next.get() + 1);
        Some((number, *self.0.dues.get(number)?))
    }

    fn now(&self) -> Duration {
        self.0.began.elapsed()
    }
}

#[cfg(test)]
mod tests;
