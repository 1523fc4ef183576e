//! Removes the marks of products that are gone, when nothing late can come any more.
//!
//! # Why no product is lost
//! A removal is a write like any other ([`crate::projection`]): a ticket, then the facts, then the engine compares. A
//! product that had come back by then keeps its document, and one that comes back later has a later ticket.
//!
//! # Why no product comes back
//! The engine forgets the version of what was removed after a minute. Whoever could still write what the product was
//! before began before the mark was made, and a bulk ends within its deadline, long before the mark is removed.

use std::collections::HashSet;

use domain::ids::ProductId;
use elasticsearch::http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::mongo::products;

use crate::bulk;
use crate::client::{Request, SearchClient};
use crate::error::SearchError;
use crate::projection::{Projection, ProjectionError, within_deadline};
use crate::query::WHOLE;
use crate::readable::{self, Readable};

/// How long a mark is kept.
const AGE_MIN: SignedDuration = SignedDuration::from_hours(1);
/// Marks looked at in one go, and most goes of one run: the next run goes on.
const PAGE_SIZE: usize = products::BATCH_MAX;
const PAGE_COUNT_MAX: usize = 10;

/// Removes the marks that were made an hour before `now` or earlier, at most 10,000. Returns how many.
pub async fn run(projection: &Projection, now: Timestamp) -> Result<u64, ProjectionError> {
    let (mut removed, mut after) = (0, None);
    for _ in 0..PAGE_COUNT_MAX {
        let page = within_deadline(sweep_page(projection, now - AGE_MIN, after)).await?;
        removed += page.removed;
        metrics::counter!("search_marks_swept_total").increment(page.removed);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(removed)
}

struct Page {
    removed: u64,
    /// The last mark, when more may follow.
    next: Option<ProductId>,
}

async fn sweep_page(
    projection: &Projection,
    before: Timestamp,
    after: Option<ProductId>,
) -> Result<Page, ProjectionError> {
    let client = &projection.client;
    let ticket = projection.ticket().await?;
    let marks = marks(client, before, after).await?;
    let Readable { products, unreadable } = readable::read(projection, &marks).await?;
    let found: HashSet<ProductId> = products.iter().map(|product| product.id).chain(unreadable).collect();
    let gone: Vec<ProductId> = marks.iter().copied().filter(|id| !found.contains(id)).collect();
    let removed = bulk::remove(client, client.alias(), ticket, &gone).await?;
    Ok(Page { removed, next: marks.last().copied().filter(|_| marks.len() == PAGE_SIZE) })
}

/// Marks that were made before a time, after one, by id.
async fn marks(
    client: &SearchClient,
    before: Timestamp,
    after: Option<ProductId>,
) -> Result<Vec<ProductId>, SearchError> {
    let mut body = json!({
        "query": {"bool": {"filter": [
            {"term": {"deleted": true}},
            {"range": {"deleted_at": {"lt": before}}},
        ]}},
        "sort": [{"product_id": "asc"}],
        "size": PAGE_SIZE,
        "_source": false,
        "track_total_hits": false,
    });
    if let Some(after) = after {
        body["search_after"] = json!([after]);
    }
    let request = Request::json(Method::Post, format!("{}/_search", client.alias()), body);
    read_marks(&client.send(Request { query: &WHOLE, ..request }).await?)
}

fn read_marks(body: &Value) -> Result<Vec<ProductId>, SearchError> {
    let malformed = || SearchError::Malformed("no hits, or one without a product's id".to_owned());
    let hits = body["hits"]["hits"].as_array().ok_or_else(malformed)?;
    let id = |hit: &Value| hit["_id"].as_str()?.parse::<ProductId>().ok();
    hits.iter().map(id).collect::<Option<_>>().ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_or_nothing_is_removed() {
        let id = ProductId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let body = |hits: Value| json!({"hits": {"hits": hits}});
        assert_eq!(read_marks(&body(json!([{"_id": id}]))).expect("well-formed"), [id]);
        assert!(read_marks(&body(json!([]))).expect("well-formed").is_empty());
        assert!(read_marks(&body(json!([{"_id": id}, {"_id": "x"}]))).is_err());
        assert!(read_marks(&json!({})).is_err());
    }
}
