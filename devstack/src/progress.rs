//! What a person sees while something takes time: one moving line on a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is repeated where there is no terminal.
const REPEAT: Duration = Duration::from_secs(15);

/// The progress of one command.
pub struct Progress {
    since: Instant,
    bar: Option<ProgressBar>,
    said: Option<(Instant, String)>,
}

impl Progress {
    /// Begins to count.
    #[must_use]
    pub fn begin() -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} [{elapsed:>4}] {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { since: Instant::now(), bar, said: None }
    }

    /// Shows nothing that moves: for what happens between lines of other programs.
    #[must_use]
    pub fn quiet() -> Self {
        Self { since: Instant::now(), bar: None, said: None }
    }

    /// Says that something is done.
    pub fn done(&mut self, words: &str) {
        let line = format!("[{}] {words}", elapsed(self.since.elapsed()));
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{line}")),
            None => println!("{line}"),
        }
    }

    /// Says what is being waited for; repeated words are kept back for a while where every word stays.
    pub fn waiting(&mut self, words: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(words.to_owned());
            return;
        }
        let now = Instant::now();
        let again = self
            .said
            .as_ref()
            .is_none_or(|(when, said)| said != words && now - *when >= REPEAT / 3 || now - *when >= REPEAT);
        if again {
            println!("[{}] {words}", elapsed(self.since.elapsed()));
            self.said = Some((now, words.to_owned()));
        }
    }

    /// Takes the moving line away.
    pub fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

/// Seconds, and minutes when there are some.
#[must_use]
pub fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{seconds:>3} s")
    } else {
        format!("{} min {:>2} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_shown_when_there_are_some() {
        assert_eq!(elapsed(Duration::from_millis(9_900)), "  9 s");
        assert_eq!(elapsed(Duration::from_secs(125)), "2 min  5 s");
    }
}
