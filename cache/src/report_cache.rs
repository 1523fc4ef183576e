//! Answers of reports, ready to be sent. Reports change when a run publishes, every quarter of an hour, so an answer
//! that is some seconds old is as good; memory is bounded.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use moka::sync::Cache;

use crate::tier::count;

/// Memory for answers in this process.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
const LIFETIME: Duration = Duration::from_secs(10);
const ANSWER_BYTES: usize = 512;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportAnswer {
    /// What it is.
    pub body: Bytes,
    /// Its entity tag, quoted.
    pub etag: String,
    /// Whether there are more rows.
    pub has_more: bool,
    /// When the report was counted.
    pub as_of: Option<Timestamp>,
    /// Whose days are counted.
    pub time_zone: String,
}

/// The cache; cloning shares it.
#[derive(Debug, Clone)]
pub struct ReportCache(Cache<String, Arc<ReportAnswer>>);

impl Default for ReportCache {
    fn default() -> Self {
        let weight = |key: &String, answer: &Arc<ReportAnswer>| {
            u32::try_from(key.len() + answer.body.len() + ANSWER_BYTES).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(BYTES_MAX).weigher(weight).time_to_live(LIFETIME).build())
    }
}

impl ReportCache {
    /// The answer to a question, as it was asked.
    pub fn get(&self, question: &str) -> Option<Arc<ReportAnswer>> {
        let answer = self.0.get(question);
        count("report", "moka", if answer.is_some() { "hit" } else { "miss" });
        answer
    }

    /// The same for who has asked before: no figure counts it.
    pub fn peek(&self, question: &str) -> Option<Arc<ReportAnswer>> {
        self.0.get(question)
    }

    /// Keeps an answer.
    pub fn keep(&self, question: &str, answer: &Arc<ReportAnswer>) {
        self.0.insert(question.to_owned(), Arc::clone(answer));
    }
}
