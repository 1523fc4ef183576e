//! Outbound webhooks. [`fan_out`] makes a delivery of each event for each endpoint that asks for it, once; [`sender`]
//! sends them, in version order per endpoint and aggregate; [`sweep`] drops what nobody is to get any more.
//!
//! The one that reads like the model of a consumer whose effect is recorded with the event's id.

use process::error_chain;
use store::pg::pool::PgPools;
use store::settings::AmqpSettings;
use tokio_util::sync::CancellationToken;

use crate::clock::every;
use crate::webhooks::sender::Sender;

pub mod fan_out;
pub mod request;
pub mod sender;
pub mod sweep;

/// Takes events, sends deliveries and sweeps, until the program stops.
pub async fn run(pools: &PgPools, amqp: &AmqpSettings, sender: &Sender, stop: &CancellationToken) {
    tokio::join!(
        Box::pin(fan_out::run(pools, amqp, stop)),
        Box::pin(sender.run(stop)),
        Box::pin(every(sweep::PERIOD, "webhook_sweep", stop, async || sweep::sweep(pools).await)),
        Box::pin(every(sweep::COUNT_PERIOD, "webhook_count", stop, async || {
            sweep::count_pending(pools).await
        })),
    );
}

/// A line in the log for what will be tried again.
fn log_wait(error: &(dyn std::error::Error + 'static), what: &str) {
    tracing::warn!(error = error_chain::text(error), "{what}");
}
