//! Ctrl-C and SIGTERM, as a token that whatever is at work can wait for.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Result, StackError};

/// From now on Ctrl-C and SIGTERM do not end this program, but cancel the token.
///
/// # Errors
/// When the system refuses.
pub fn listen() -> Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StackError::io("listen to SIGINT"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(StackError::io("listen to SIGTERM"))?;
    let token = CancellationToken::new();
    let heard = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        heard.cancel();
    });
    Ok(token)
}

/// The outcome of `work`, which is dropped when `interrupted` comes first: for what leaves nothing behind.
///
/// # Errors
/// That of `work`, or [`StackError::Interrupted`].
pub async fn unless<T>(interrupted: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        () = interrupted.cancelled() => Err(StackError::Interrupted),
        outcome = work => outcome,
    }
}
