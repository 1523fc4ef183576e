//! Judged evaluation: how well the index answers queries whose right answers are known.

use std::collections::HashMap;

use domain::ids::ProductId;
use domain::judgment::Judgment;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::client::SearchClient;
use crate::error::SearchError;
use crate::query::{self, SearchRequest};
use crate::tuned::Said;
use scores::{Gains, RECALL_DEPTH, Scores, Summary};

pub mod comparison;
pub mod judged_file;
pub mod resolve;
pub mod scores;
pub mod significance;
pub mod table;

/// Searches at once: the engine is also that of the shop.
const CONCURRENCY: usize = 2;

/// A query and what answers it.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedQuery {
    /// What is searched for.
    pub text: String,
    /// The judged products.
    pub gains: Gains,
}

impl JudgedQuery {
    /// The queries of judgments that are in the order of their queries. Several judges of a product count as their
    /// mean.
    pub fn of(judgments: &[Judgment]) -> Vec<Self> {
        let by_query = judgments.chunk_by(|one, next| one.query == next.query);
        let query = |judgments: &[Judgment]| {
            let mut sums: HashMap<ProductId, (f64, f64)> = HashMap::new();
            for judgment in judgments {
                let (sum, count) = sums.entry(judgment.product_id).or_default();
                *sum += f64::from(judgment.grade);
                *count += 1.0;
            }
            let gains = sums.into_iter().map(|(product, (sum, count))| (product, sum / count)).collect();
            Self { text: judgments[0].query.clone(), gains }
        };
        by_query.map(query).collect()
    }
}

/// How one query was answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryScores {
    /// What was searched for.
    pub query: String,
    /// The figures.
    #[serde(flatten)]
    pub scores: Scores,
}

/// How all were answered, in the order of the queries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Means over the queries.
    pub summary: Summary,
    /// Each query; without those that no product has a gain for.
    pub queries: Vec<QueryScores>,
}

/// Asks the index every query as a shopper would. The first search that fails ends it: a figure over a part of the
/// queries cannot be compared.
pub async fn run(
    client: &SearchClient,
    queries: &[JudgedQuery],
    to_request: impl Fn(Said<'_>) -> SearchRequest,
) -> Result<Evaluation, SearchError> {
    let limit = u16::try_from(RECALL_DEPTH).expect("a page holds so many");
    let to_request = |said: Said<'_>| SearchRequest { limit, ..to_request(said) };
    let searches: Vec<_> = queries.iter().map(|judged| score(client, judged, &to_request)).collect();
    let answered: Vec<Option<QueryScores>> =
        stream::iter(searches).buffered(CONCURRENCY).try_collect().await?;
    Ok(Evaluation::of(answered.into_iter().flatten().collect()))
}

impl Evaluation {
    /// With the means over those queries.
    pub fn of(queries: Vec<QueryScores>) -> Self {
        let scores: Vec<_> = queries.iter().map(|query| query.scores).collect();
        Self { summary: Summary::of(&scores), queries }
    }
}

async fn score(
    client: &SearchClient,
    judged: &JudgedQuery,
    to_request: impl Fn(Said<'_>) -> SearchRequest,
) -> Result<Option<QueryScores>, SearchError> {
    let typed = judged.text.as_str();
    let meant = |meant: &str| to_request(Said::corrected(typed, meant));
    let page = query::search_meant(client, &to_request(Said::typed(typed)), meant).await?;
    let ranking: Vec<_> = page.hits.iter().map(|hit| hit.product_id).collect();
    let scores = Scores::of(&ranking, &judged.gains);
    Ok(scores.map(|scores| QueryScores { query: judged.text.clone(), scores }))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn judges_of_one_product_count_as_their_mean() {
        let product = |number: u8| ProductId::new(Timestamp::UNIX_EPOCH, [number; 10]);
        let judgment = |query: &str, number: u8, judge: &str, grade: u8| Judgment {
            query: query.to_owned(),
            product_id: product(number),
            grade,
            judge: judge.to_owned(),
            judged_at: Timestamp::UNIX_EPOCH,
        };
        let judged = [
            judgment("bag", 1, "ann", 3),
            judgment("bag", 1, "ben", 2),
            judgment("bag", 2, "ann", 0),
            judgment("belt", 1, "ann", 1),
        ];
        let queries = JudgedQuery::of(&judged);
        assert_eq!(queries.len(), 2);
        assert_eq!(queries[0].gains, [(product(1), 2.5), (product(2), 0.0)].into());
        assert_eq!((queries[1].text.as_str(), queries[1].gains[&product(1)]), ("belt", 1.0));
        assert!(JudgedQuery::of(&[]).is_empty());
    }
}
