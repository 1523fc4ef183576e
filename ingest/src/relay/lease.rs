//! How long a relay may send for others: long enough for a slow broker, short enough that one that died is followed
//! within ten seconds.

use std::time::{Duration, Instant};

use store::amqp::publisher::PUBLISH_TIMEOUT;

/// How long a lease lasts unless it is renewed.
pub const LENGTH: Duration = Duration::from_secs(8);
/// How often one that is held is renewed, and one that is not is asked for.
pub const RENEWAL: Duration = Duration::from_secs(2);

const _: () = assert!(LENGTH.as_millis() > RENEWAL.as_millis() + PUBLISH_TIMEOUT.as_millis());
const _: () = assert!(LENGTH.as_millis() + RENEWAL.as_millis() <= 10_000);

/// The length in milliseconds, as the stores want it.
pub fn length_ms() -> i64 {
    i64::try_from(LENGTH.as_millis()).expect("some seconds")
}

/// Until when a publish may begin under a lease that was asked for at `leased_at`: it ends before the lease does.
pub fn publish_until(leased_at: Instant) -> Instant {
    leased_at + LENGTH - PUBLISH_TIMEOUT
}
