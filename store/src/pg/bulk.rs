//! Bulk loading of whole facts by COPY, straight into the primary: the demonstration shop's, or another shop's on
//! its way to this one. Rows are encoded away from the connection, then sent as they are.

pub mod copy;
pub mod ledger;
pub mod month;
pub mod orders;
pub mod seed;
pub mod users;
