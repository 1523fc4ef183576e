//! How far an import is, and the bar that shows it.

use std::time::Duration;

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(200);

/// Where an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Rows are read and staged.
    Reading,
    /// The staged lines are merged.
    Merging,
}

/// How far an import is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Where it stands.
    pub phase: Phase,
    /// Bytes of the file as it lies on disk, read so far.
    pub read_bytes: u64,
    /// All of them.
    pub size_bytes: u64,
    /// Rows read so far.
    pub rows_read: u64,
    /// Of them refused.
    pub rows_refused: u64,
    /// Since the start.
    pub elapsed: Duration,
}

/// A bar of an import that has not begun.
pub(crate) fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{elapsed_precise} [{bar:30}] {binary_bytes}/{binary_total_bytes} {msg}",
    )
    .expect("a valid template");
    let bar = ProgressBar::new(0).with_style(style);
    bar.enable_steady_tick(TICK);
    bar
}

pub(crate) fn show(bar: &ProgressBar, progress: Progress) {
    let Progress { phase, read_bytes, size_bytes, rows_read, rows_refused, elapsed } = progress;
    bar.set_length(size_bytes);
    let rows = format!("{} rows, {rows_refused} refused", HumanCount(rows_read));
    match phase {
        Phase::Reading => {
            bar.set_position(read_bytes);
            bar.set_message(rows);
        }
        Phase::Merging => {
            bar.set_position(size_bytes);
            bar.set_message(format!("{rows}; read in {}, merging", HumanDuration(elapsed)));
        }
    }
}
