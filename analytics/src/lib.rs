//! What the shop's numbers are: an extract of order lines to Parquet by day, reports as pure functions over
//! frames, and their publication.
//!
//! Reads orders from a standby only, at one snapshot, and writes nothing but the lake, `report_*`, and what follows
//! from behaviour events: judgments by clicks, and how experiments stand and end. Sums
//! are of integers and checked: no float, and no number that does not fit.

pub mod click_judgments;
pub mod count;
pub mod experiment_counts;
pub mod experiment_report;
pub mod extract;
pub mod lake;
pub mod measure;
pub mod publication;
pub mod publish;
pub mod quality;
pub mod reconcile;
pub mod reports;
pub mod run;
pub mod search_report;
pub mod search_terms;
pub mod serve;
pub mod snapshot;
