//! Stock, and the ledger that says why there is as much.

pub mod adjust;
pub mod get;
pub mod ledger;
