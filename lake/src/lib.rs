//! Parquet: the lake of behaviour events, files by channel and day, each placed whole by a rename; and a report as a
//! file.
//!
//! It owns the columns of an event and the layout of the folders. It computes no report and asks no store.

pub mod behaviour;
mod columns;
pub mod event_ids;
pub mod landing;
mod ownership;
pub mod report_file;
