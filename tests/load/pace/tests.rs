use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_util::future::join_all;

use super::*;

/// A clock that stands still while anybody can go on, and then jumps to the next one who waits.
#[derive(Default)]
struct Clock {
    now: Cell<Duration>,
    /// The earliest time that somebody waits for.
    next: Cell<Option<Duration>>,
}

impl Clock {
    async fn until(&self, at: Duration) {
        std::future::poll_fn(|_| {
            if self.now.get() >= at {
                return Poll::Ready(());
            }
            self.next.set(Some(self.next.get().map_or(at, |next| next.min(at))));
            Poll::Pending
        })
        .await;
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
        loop {
            // Whoever waits says so in each poll.
            self.next.set(None);
            if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
                return done;
            }
            self.now.set(self.next.get().expect("somebody waits"));
        }
    }
}

struct Simulated<'a> {
    clock: &'a Clock,
    dues: Vec<Duration>,
    next: Cell<usize>,
}

impl Pace for Simulated<'_> {
    async fn next(&self) -> Option<(usize, Duration)> {
        let number = self.next.replace(self.next.get() + 1);
        let due = *self.dues.get(number)?;
        self.clock.until(due).await;
        Some((number, due))
    }

    fn now(&self) -> Duration {
        self.clock.now.get()
    }
}

/// 200 requests a second for 20 s on a server that answers in 1 ms but stands still 1 s in every 5 s.
fn freezing(connections: usize) -> crate::tally::Latency {
    let clock = Clock::default();
    let length = Duration::from_secs(20);
    let pace = Simulated { clock: &clock, dues: dues(200.0, length, false, 1), next: Cell::new(0) };
    let ask = async |_| {
        clock.until(clock.now.get() + Duration::from_millis(1)).await;
        let second = clock.now.get().as_secs();
        if second % 5 == 4 {
            clock.until(Duration::from_secs(second + 1)).await;
        }
        Ok(Answer { status: 200, body_bytes: 0 })
    };
    let tallies = clock.run(join_all((0..connections).map(|_| drive(&pace, ask))));
    let mut sum = Tally::default();
    tallies.iter().for_each(|tally| sum.merge(tally));
    assert_eq!(sum.requests(), 3_999);
    sum.latency()
}

#[test]
fn a_server_that_stalls_is_seen_by_all_who_would_have_come() {
    for connections in [4, 20] {
        let latency = freezing(connections);
        let p90 = latency.curve.iter().find(|(percentile, _)| (*percentile - 90.0).abs() < 0.1);
        let p90 = p90.expect("a point of the curve").1;
        assert!(latency.p50 < 10.0, "{latency:?}");
        assert!((400.0..650.0).contains(&p90), "{latency:?}");
        assert!((900.0..1_050.0).contains(&latency.p99), "{latency:?}");
    }
}

#[test]
fn arrivals_keep_their_rate() {
    let length = Duration::from_secs(100);
    assert_eq!(dues(10.0, length, false, 7).len(), 999);
    let poisson = dues(100.0, length, true, 7);
    assert!((9_500..10_500).contains(&poisson.len()), "{}", poisson.len());
    assert!(poisson.is_sorted());
    assert_eq!(poisson, dues(100.0, length, true, 7), "the same seed");
    assert_ne!(poisson, dues(100.0, length, true, 8));
}

#[tokio::test]
async fn a_real_clock_gives_every_request() {
    let pace = Timed::new(dues(5_000.0, Duration::from_millis(100), false, 1));
    let tally = drive(&pace, async |_| Ok(Answer { status: 200, body_bytes: 1 })).await;
    assert_eq!(tally.requests(), pace.0.dues.len() as u64);
}
