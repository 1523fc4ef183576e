//! Log lines on their way to standard output. Whoever logs only appends to memory; a thread of its own writes what has
//! gathered, so that no request waits for a slow reader and many lines cost one write.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// What may wait to be written; lines beyond are dropped and counted.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long lines gather. So much of a log is lost when a process is killed.
const GATHERING: Duration = Duration::from_millis(5);
/// How long the end of a program waits for its last lines: whoever reads them may stand still for ever.
const LAST_LINES_WAIT: Duration = Duration::from_secs(2);

/// Takes lines; cloning shares it.
#[derive(Debug, Clone)]
pub struct LogWriter(Arc<Shared>);

/// Writes the last lines when it is dropped, unless nobody reads them.
#[derive(Debug)]
pub struct Flush {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    came: Condvar,
    is_over: AtomicBool,
}

impl LogWriter {
    /// Begins to write what is logged.
    pub fn start(output: impl Write + Send + 'static) -> io::Result<(Self, Flush)> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("log".to_owned()).spawn(move || of_thread.write_all(output))?;
        Ok((Self(Arc::clone(&shared)), Flush { shared, thread: Some(thread) }))
    }
}

impl Write for LogWriter {
    /// A whole line, or none of it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Under the lock, or it would be lost on a thread that is just about to wait.
        drop(self.shared.lock());
        self.shared.came.notify_all();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let deadline = Instant::now() + LAST_LINES_WAIT;
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::park_timeout(GATHERING);
            }
            // One that is stuck is left to the end of the process.
            if thread.is_finished() {
                // It has nothing to say: a thread that panicked has told so.
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    fn append(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.len() + line.len() > WAITING_BYTES_MAX {
            drop(waiting);
            metrics::counter!("log_lines_dropped_total").increment(1);
            return;
        }
        let is_first = waiting.is_empty();
        waiting.extend_from_slice(line);
        drop(waiting);
        if is_first {
            self.came.notify_one();
        }
    }

    fn write_all(&self, mut output: impl Write) {
        let mut lines = Vec::new();
        loop {
            let is_over = self.gather(&mut lines);
            // Nobody is left to tell that the log cannot be written.
            let _ = output.write_all(&lines).and_then(|()| output.flush());
            lines.clear();
            if is_over {
                return;
            }
        }
    }

    /// Waits for lines, lets more of them come, and takes them all. Whether they are the last.
    fn gather(&self, lines: &mut Vec<u8>) -> bool {
        let is_idle = |waiting: &mut Vec<u8>| waiting.is_empty() && !self.is_over.load(Ordering::SeqCst);
        drop(self.came.wait_while(self.lock(), is_idle).unwrap_or_else(PoisonError::into_inner));
        if !self.is_over.load(Ordering::SeqCst) {
            std::thread::park_timeout(GATHERING);
        }
        let is_over = self.is_over.load(Ordering::SeqCst);
        std::mem::swap(lines, &mut *self.lock());
        is_over
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_whole_and_the_last_ones_are_written_too() {
        let output = Output::default();
        let (writer, flush) = LogWriter::start(output.clone()).expect("a thread");
        std::thread::scope(|scope| {
            for name in ["a", "b", "c"] {
                let mut writer = writer.clone();
                scope.spawn(move || {
                    for number in 0..1_000 {
                        writer.write_all(format!("{name}{number}\n").as_bytes()).expect("taken");
                    }
                });
            }
        });
        drop(flush);
        let text = String::from_utf8(output.0.lock().expect("no panic").clone()).expect("text");
        for name in ["a", "b", "c"] {
            let own: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(name)).collect();
            let expected: Vec<_> = (0..1_000).map(|number| number.to_string()).collect();
            assert_eq!(own, expected, "in their order");
        }
    }

    /// Blocks until it is let go, as a pipe does that nobody reads.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Ends when its sender is dropped.
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_holds_nobody_back() {
        let (let_go, stuck) = mpsc::channel();
        let (mut writer, flush) = LogWriter::start(Stuck(stuck)).expect("a thread");
        let line = vec![b'x'; 1024 * 1024];
        for _ in 0..40 {
            writer.write_all(&line).expect("taken or dropped");
        }
        assert!(writer.0.lock().len() <= WAITING_BYTES_MAX);
        drop(let_go);
        drop(flush);
    }

    #[test]
    fn a_reader_that_stands_still_does_not_hold_up_the_end() {
        let (let_go, stuck) = mpsc::channel();
        let (mut writer, flush) = LogWriter::start(Stuck(stuck)).expect("a thread");
        writer.write_all(b"last\n").expect("taken");
        drop(flush);
        let_go.send(()).expect("it is stuck still");
    }
}
