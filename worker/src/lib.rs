//! What happens after the reply: jobs on a clock. Answers no request.

pub mod audit;
pub mod clock;
pub mod dead_letters;
pub mod expiry;
pub mod partitions;
pub mod popularity;
pub mod store_gauges;
pub mod webhooks;
