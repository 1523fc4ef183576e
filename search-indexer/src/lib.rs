//! The search index: what a document holds, how it is written and how it is asked.
//!
//! The only crate that talks to the search engine (OpenSearch or Elasticsearch). The index is a projection:
//! every document can be built again from the stores, and nothing is kept here that exists only here. Never
//! decides who may search, never answers with anything but ids, scores and facets, and never lets a shopper's
//! text become a query language.

mod batch;
mod batch_size;
pub mod bulk;
mod checksum;
pub mod client;
pub mod clock;
mod compare;
pub mod consume;
mod count;
pub mod document;
mod english;
pub mod error;
pub mod evaluation;
mod freshness;
pub mod index;
pub mod mapping;
mod pace;
pub mod projection;
pub mod query;
mod readable;
pub mod rebuild;
pub mod repair;
mod rest;
pub mod rollback;
pub mod settings;
mod snapshot;
mod subject;
pub mod suggest;
pub mod sweep;
pub mod tasks;
pub mod tuned;
mod vectors;
