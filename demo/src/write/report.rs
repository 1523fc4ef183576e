//! How far a seed is, and what it wrote in which time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(200);

/// How far a seed is; cloning shares it.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    written: Arc<Mutex<Vec<Written>>>,
}

/// A part that is under way.
#[derive(Debug)]
pub(super) struct Phase<'a> {
    progress: &'a Progress,
    what: &'static str,
    started: Instant,
}

/// A part that was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// Which.
    pub what: &'static str,
    /// Rows, documents or files; all tables of a part together.
    pub rows: usize,
    /// How long it took without the waits for what it needs; parts overlap.
    pub busy: Duration,
}

/// What a seed wrote.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its parts, in the order of their ends.
    pub written: Vec<Written>,
    /// From the beginning to the last commit.
    pub elapsed: Duration,
}

impl Progress {
    /// Shown as a bar of orders on standard error.
    pub fn shown(orders: u32) -> Self {
        let style = ProgressStyle::with_template(
            "{elapsed_precise} [{bar:30}] {human_pos}/{human_len} orders, {per_sec} {msg}",
        )
        .expect("a valid template");
        let bar = ProgressBar::new(orders.into()).with_style(style);
        bar.enable_steady_tick(TICK);
        Self::of(bar)
    }

    /// Shown to nobody.
    pub fn hidden() -> Self {
        Self::of(ProgressBar::hidden())
    }

    fn of(bar: ProgressBar) -> Self {
        Self { bar, started: Instant::now(), written: Arc::default() }
    }

    /// A shop of so many orders was begun before.
    pub(super) fn go_on(&self, orders: u64) {
        self.bar.set_length(orders);
        self.bar.suspend(|| eprintln!("going on with the demonstration of {orders} orders"));
    }

    /// A part begins.
    pub(super) fn begin(&self, what: &'static str) -> Phase<'_> {
        self.bar.set_message(what);
        Phase { progress: self, what, started: Instant::now() }
    }

    /// A day was made.
    pub(super) fn add_day(&self, orders: usize) {
        self.bar.inc(orders.try_into().unwrap_or(u64::MAX));
    }

    /// Everything is written.
    pub(super) fn report(&self) -> Report {
        self.clear();
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Report { written, elapsed: self.started.elapsed() }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Phase<'_> {
    /// The part is written.
    pub(super) fn end(self, rows: usize) {
        let busy = self.started.elapsed();
        self.end_busy(rows, busy);
    }

    /// The part is written, and was busy for so long of that time.
    pub(super) fn end_busy(self, rows: usize, busy: Duration) {
        let written = Written { what: self.what, rows, busy };
        self.progress.written.lock().unwrap_or_else(PoisonError::into_inner).push(written);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "  {:<36} {:>14} {:>9} {:>12}", "what", "rows", "seconds", "rows/s")?;
        for Written { what, rows, busy } in &self.written {
            let rows = *rows as u64;
            let per_second =
                rows.saturating_mul(1_000) / u64::try_from(busy.as_millis()).unwrap_or(u64::MAX).max(1);
            let (rows, seconds) = (HumanCount(rows).to_string(), busy.as_secs_f64());
            writeln!(
                formatter,
                "  {what:<36} {rows:>14} {seconds:>9.1} {:>12}",
                HumanCount(per_second).to_string()
            )?;
        }
        write!(formatter, "  {:.1} s in all; parts overlap", self.elapsed.as_secs_f64())
    }
}
