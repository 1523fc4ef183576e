//! Graceful stop: one token that every loop of a program watches.

use tokio_util::sync::CancellationToken;

/// A token that SIGTERM or SIGINT cancels. Call it once, from the runtime.
pub fn signal() -> CancellationToken {
    let token = CancellationToken::new();
    let watched = token.clone();
    tokio::spawn(async move {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .expect("a handler of SIGTERM can be installed");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("stopping");
        watched.cancel();
    });
    token
}
