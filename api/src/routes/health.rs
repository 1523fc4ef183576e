//! Whether the process lives and can work.

pub mod live;
pub mod ready;
