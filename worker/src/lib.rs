//! What happens after the reply: jobs on a clock. Answers no request.

pub mod partitions;
