//! The present moment.

use jiff::Timestamp;

/// Now, as exact as PostgreSQL keeps it.
pub fn present() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).expect("within the calendar")
}
