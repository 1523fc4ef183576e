//! The shape of the stores, versioned: SQL files for PostgreSQL, command files for MongoDB, and their runners.
//!
//! A file that has been released is never edited: a change is a new file. Holds no statement that serves a request.

pub mod mongo;
pub mod pg;
