//! The life of one server: prepared, started, watched, started again when it died, stopped.

use std::{
    convert::Infallible,
    fs::{self, File},
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    path::Path,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use tokio::{
    process::Child,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::board::Board;
use crate::{
    error::{Result, StackError},
    process::{Mark, kill_group_of, signal_child},
    server::{Launch, Server},
    stack::Stack,
    state::Failure,
};

const FIRST_PROBES: Duration = Duration::from_millis(200);
const PROBES: Duration = Duration::from_secs(5);
const TENDING_DEADLINE: Duration = Duration::from_secs(20);
const SHORTEST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// A process that lived this long died of something new: the back-off begins again.
const LONG_LIFE: Duration = Duration::from_secs(60);
const KILL_DEADLINE: Duration = Duration::from_secs(5);
const LONGEST_LOG_BYTES: u64 = 64 * 1024 * 1024;
const SHOWN_LOG_BYTES: u64 = 16 * 1024;
const SHOWN_LOG_LINES: usize = 30;
/// What the first line of every start begins with.
const START_MARK: &str = "--- ";

/// A process, and how it is to be stopped.
struct Running {
    child: Child,
    /// Its id and that of its group, kept beyond its end.
    pid: u32,
    launch: Launch,
}

pub(super) struct Keeper {
    stack: Arc<Stack>,
    board: Arc<Board>,
    server: Arc<dyn Server>,
    failures: mpsc::Sender<Failure>,
    stop: CancellationToken,
    child: Option<Running>,
    last_answer: String,
}

impl Keeper {
    pub(super) fn new(
        stack: &Arc<Stack>,
        board: &Arc<Board>,
        server: &Arc<dyn Server>,
        failures: mpsc::Sender<Failure>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            stack: Arc::clone(stack),
            board: Arc::clone(board),
            server: Arc::clone(server),
            failures,
            stop,
            child: None,
            last_answer: String::new(),
        }
    }

    /// Lives until it is told to stop; returns when the process is gone.
    pub(super) async fn keep(mut self) {
        let stop = self.stop.clone();
        let failed = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            outcome = self.live() => outcome.err(),
        };
        if let Some(error) = failed {
            let failure = Failure {
                server: self.server.name().to_owned(),
                reason: error.to_string(),
                log: last_lines(&self.stack.folders.log(self.server.name())),
            };
            self.board.doing(self.server.name(), "failed");
            // The supervisor stops everything at the first failure and does not read a second one.
            let _second = self.failures.send(failure).await;
            stop.cancelled().await;
        }
        self.board.doing(self.server.name(), "stopping");
        self.end_child().await;
        self.board.doing(self.server.name(), "stopped");
    }

    /// Fails only when the first start does; after that every death is answered with a new start.
    async fn live(&mut self) -> Result<Infallible> {
        let name = self.server.name().to_owned();
        self.board.wait_for(&self.server.after()).await;
        self.board.doing(&name, "preparing");
        self.within(self.server.preparation_deadline(), self.server.prepare()).await?;
        self.start().await?;
        self.board.reach(&name);
        let mut backoff = SHORTEST_BACKOFF;
        loop {
            let born = Instant::now();
            self.watch().await;
            if born.elapsed() >= LONG_LIFE {
                backoff = SHORTEST_BACKOFF;
            }
            backoff = self.revive(backoff).await;
        }
    }

    /// A step with a deadline.
    async fn within<T>(&self, deadline: Duration, step: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(deadline, step).await.unwrap_or_else(|_| {
            Err(StackError::NotReady {
                server: self.server.name().to_owned(),
                waited: deadline,
                reason: self.last_answer.clone(),
            })
        })
    }

    /// Launches the process and waits until it serves.
    async fn start(&mut self) -> Result<()> {
        let name = self.server.name().to_owned();
        let deadline = Instant::now() + self.server.start_deadline();
        self.spawn(self.server.launch()?)?;
        self.board.doing(&name, "starting");
        self.until_ready(deadline).await?;
        self.board.doing(&name, "setting up");
        let left = deadline.saturating_duration_since(Instant::now()).max(PROBES);
        self.within(left, self.server.after_start()).await?;
        let process = self.mark().map(Mark::with_command_line);
        self.board.update_server(&name, |server| {
            server.process = process;
            server.ready = true;
            "ready".clone_into(&mut server.doing);
        });
        Ok(())
    }

    async fn until_ready(&mut self, deadline: Instant) -> Result<()> {
        loop {
            if let Some(Running { child, .. }) = &mut self.child
                && let Some(status) = child.try_wait().map_err(StackError::io("look after a child"))?
            {
                return Err(StackError::refused(format!("it ended while starting ({status})")));
            }
            match self.server.ready().await {
                Ok(true) => return Ok(()),
                Ok(false) => "it answers that it is not ready".clone_into(&mut self.last_answer),
                Err(error) => self.last_answer = error.to_string(),
            }
            if Instant::now() >= deadline {
                return self.within(Duration::ZERO, std::future::pending()).await;
            }
            sleep(FIRST_PROBES).await;
        }
    }

    /// Returns when the process has died.
    async fn watch(&mut self) {
        let Some(Running { child, .. }) = &mut self.child else {
            return;
        };
        let name = self.server.name();
        let end = tokio::select! {
            end = child.wait() => end,
            never = look_after(&self.stack, &self.board, self.server.as_ref()) => match never {},
        };
        let words = end.map_or_else(|error| error.to_string(), |status| status.to_string());
        self.board.update_server(name, |server| {
            server.process = None;
            server.ready = false;
            server.doing = format!("died ({words})");
        });
        self.end_child().await;
    }

    /// Starts it again, for ever; returns the back-off to begin with the next time.
    async fn revive(&mut self, mut backoff: Duration) -> Duration {
        let name = self.server.name().to_owned();
        loop {
            sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            self.board.doing(&name, "preparing the restart");
            let deadline = self.server.preparation_deadline();
            let outcome = match self.within(deadline, self.server.before_restart()).await {
                Ok(()) => self.start().await,
                Err(error) => Err(error),
            };
            self.board.update_server(&name, |server| server.restarts += 1);
            match outcome {
                Ok(()) => return backoff,
                Err(error) => {
                    eprintln!("{name}: {error}");
                    self.end_child().await;
                    self.board.doing(&name, &format!("restart failed: {error}"));
                }
            }
        }
    }

    fn spawn(&mut self, launch: Launch) -> Result<()> {
        let name = self.server.name().to_owned();
        let log = open_log(&self.stack.folders.log(&name), &launch.program)?;
        let errors = log.try_clone().map_err(StackError::io("share a log file"))?;
        let child = self
            .stack
            .bound_command(&name, &launch)
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors))
            .spawn()
            .map_err(StackError::io(format!("start {}", launch.program.display())))?;
        let pid = child.id().ok_or_else(|| StackError::refused(format!("{name} ended at once")))?;
        self.child = Some(Running { child, pid, launch });
        let process = self.mark();
        self.board.update_server(&name, |server| {
            server.process = process;
            server.started_at = Some(jiff::Timestamp::now());
        });
        Ok(())
    }

    fn mark(&self) -> Option<Mark> {
        self.child.as_ref().and_then(|running| Mark::of(running.pid))
    }

    /// Asks the process to stop, kills it when it does not, and leaves nobody of its group behind.
    async fn end_child(&mut self) {
        let Some(Running { mut child, pid, launch }) = self.child.take() else {
            return;
        };
        // No id any more: its end was seen already, but what it started may have outlived it.
        if child.id().is_some() {
            signal_child(pid, launch.stop_signal);
            let stopped = timeout(launch.stop_grace, child.wait()).await.is_ok();
            kill_group_of(pid);
            if !stopped && timeout(KILL_DEADLINE, child.wait()).await.is_err() {
                eprintln!("{} (pid {pid}) cannot be killed", self.server.name());
            }
        } else {
            kill_group_of(pid);
        }
        self.board.update_server(self.server.name(), |server| {
            server.process = None;
            server.ready = false;
        });
    }
}

/// Asks a server again and again whether it serves, and puts right what it can from outside.
async fn look_after(stack: &Stack, board: &Board, server: &dyn Server) -> Infallible {
    loop {
        sleep(PROBES).await;
        let answer = server.ready().await;
        let ready = matches!(answer, Ok(true));
        board.update_server(server.name(), |state| {
            state.ready = ready;
            state.doing = match answer {
                Ok(true) => "ready".to_owned(),
                Ok(false) => "not ready".to_owned(),
                Err(error) => format!("not ready: {error}"),
            };
        });
        shorten_log(&stack.folders.log(server.name()));
        if ready && let Ok(Err(error)) = timeout(TENDING_DEADLINE, server.tend()).await {
            eprintln!("{}: {error}", server.name());
        }
    }
}

fn open_log(path: &Path, program: &Path) -> Result<File> {
    let mut log =
        File::options().create(true).append(true).open(path).map_err(StackError::path("open", path))?;
    writeln!(log, "{START_MARK}{} starts {}", jiff::Timestamp::now(), program.display())
        .map_err(StackError::path("write", path))?;
    Ok(log)
}

/// Keeps one older piece of a log that has grown too long. The writer appends, so it goes on at the new end.
fn shorten_log(path: &Path) {
    let too_long = fs::metadata(path).is_ok_and(|metadata| metadata.len() > LONGEST_LOG_BYTES);
    if !too_long {
        return;
    }
    let shortened = fs::copy(path, path.with_extension("log.1"))
        .and_then(|_| File::options().write(true).open(path))
        .and_then(|file| file.set_len(0));
    if let Err(error) = shortened {
        eprintln!("shorten {}: {error}", path.display());
    }
}

/// The last lines of a log since the last start, of a bounded piece at its end.
pub(super) fn last_lines(path: &Path) -> Vec<String> {
    let Ok(mut file) = File::open(path) else {
        return Vec::new();
    };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    if file.seek(SeekFrom::Start(length.saturating_sub(SHOWN_LOG_BYTES))).is_err() {
        return Vec::new();
    }
    let lines: Vec<String> = BufReader::new(file)
        .split(b'\n')
        .map_while(std::result::Result::ok)
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .collect();
    let start = lines.iter().rposition(|line| line.starts_with(START_MARK)).unwrap_or(0);
    lines[start.max(lines.len().saturating_sub(SHOWN_LOG_LINES))..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_log_are_shown() {
        let path = std::env::temp_dir().join(format!("entrepot-log-{}", std::process::id()));
        let text: String = (0..5_000).map(|number| format!("line {number}\n")).collect();
        fs::write(&path, text).unwrap();
        let lines = last_lines(&path);
        assert_eq!(lines.len(), SHOWN_LOG_LINES);
        assert_eq!(lines.last().unwrap(), "line 4999");
        fs::write(&path, "an older run\n--- starts\nboom\n").unwrap();
        assert_eq!(last_lines(&path), ["--- starts", "boom"]);
        fs::remove_file(&path).unwrap();
        assert!(last_lines(&path).is_empty());
    }
}
