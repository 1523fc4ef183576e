//! The search index: what a document holds, how it is written and how it is asked.
//!
//! The only crate that talks to the search engine (OpenSearch or Elasticsearch). The index is a projection:
//! every document can be built again from the stores, and nothing is kept here that exists only here. Never
//! decides who may search, never answers with anything but ids, scores and facets, and never lets a shopper's
//! text become a query language.

mod batch;
pub mod bulk;
pub mod client;
mod collect;
pub mod consume;
pub mod document;
pub mod error;
pub mod index;
pub mod mapping;
pub mod projection;
pub mod query;
pub mod rebuild;
pub mod settings;
