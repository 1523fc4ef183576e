//! The index beside the stores: which documents are not what they should be, and their mending.
//!
//! What is compared is what the index holds, not what it says of itself: a document that was changed past us
//! still has the hash of before.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use domain::ids::ProductId;
use domain::product::Product;
use elasticsearch::http::Method;
use serde_json::{Value, json};
use store::mongo::products;

use crate::checksum;
use crate::client::{BULK_TIMEOUT, Request, SearchClient};
use crate::count;
use crate::document::ProductDocument;
use crate::error::{SearchError, reason};
use crate::projection::{Next, Projection, ProjectionError, within_deadline};
use crate::query::WHOLE;
use crate::readable::{self, Readable};
use crate::vectors::FIELD_PREFIX;

/// Products that are asked for or mended at a time.
const BATCH_SIZE: usize = 500;
/// Documents of one search.
const LIVE_PAGE_SIZE: usize = 1_000;
/// Most documents that are read of one window: it has at most 1,000 products, so the rest is too much anyway.
const LIVE_COUNT_MAX: usize = 20_000;
/// How often a document is written again before it is given up, and the pause between.
const ROUND_COUNT_MAX: u32 = 3;
const ROUND_PAUSE: Duration = Duration::from_millis(200);

/// Products after one and up to another; an open end is the end of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct IdRange {
    pub(crate) after: Option<ProductId>,
    pub(crate) last: Option<ProductId>,
}

/// Ids of products next to each other.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    pub(crate) range: IdRange,
    ids: Vec<ProductId>,
}

impl Ids {
    /// The next `size` after one. The last ones end open.
    pub(crate) async fn scan(
        projection: &Projection,
        after: Option<ProductId>,
        size: usize,
    ) -> Result<Self, ProjectionError> {
        let ids = products::scan_ids(&projection.mongo, after, size).await?;
        let last = ids.last().copied().filter(|_| ids.len() == size);
        Ok(Self { range: IdRange { after, last }, ids })
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        count::of(self.ids.len())
    }
}

/// Products next to each other by id, with the documents that they should have.
pub(crate) struct Window {
    pub(crate) range: IdRange,
    pub(crate) products: Vec<Product>,
    /// In the order of the products.
    pub(crate) documents: Vec<ProductDocument>,
    /// Products that cannot be read: it is not known what their documents should be.
    pub(crate) unreadable: Vec<ProductId>,
    /// How many products there are, with those that cannot be read.
    pub(crate) read: u64,
    /// The last of all of them.
    pub(crate) end: Option<ProductId>,
}

impl Window {
    /// The products that have those ids, as they are now.
    pub(crate) async fn read(projection: &Projection, ids: &Ids) -> Result<Self, ProjectionError> {
        let Readable { products, unreadable } = readable::read(projection, &ids.ids).await?;
        let documents = projection.documents(&products).await?;
        let (range, read, end) = (ids.range, ids.count(), ids.ids.last().copied());
        Ok(Self { range, products, documents, unreadable, read, end })
    }
}

/// How a document differs from what the stores say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// There is none.
    Missing,
    /// Only how often it was sold, which no event tells.
    Popularity,
    /// Anything else.
    Content,
}

/// How what an index holds differs from the document that a product should have.
pub(crate) fn difference(document: &ProductDocument, held: Option<&Value>) -> Option<Difference> {
    let Some(held) = held.and_then(Value::as_object) else {
        return Some(Difference::Missing);
    };
    let expected = serde_json::to_value(document).expect("plain data becomes JSON");
    let expected = expected.as_object().expect("a struct becomes an object");
    let names: BTreeSet<&str> = expected.keys().chain(held.keys()).map(String::as_str).collect();
    // Some engines give vectors back, some do not.
    let is_compared = |name: &str| name != "deleted_at" && !name.starts_with(FIELD_PREFIX);
    let is_different = |name: &&str| is_compared(name) && expected.get(*name) != held.get(*name);
    let mut different = names.into_iter().filter(is_different).peekable();
    different.peek()?;
    let is_popularity = different.all(|name| matches!(name, "popularity" | "content_hash"));
    Some(if is_popularity { Difference::Popularity } else { Difference::Content })
}

/// Ids of documents with their content hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lines(BTreeMap<String, String>);

impl Lines {
    /// Of documents as they should be.
    pub(crate) fn of(documents: &[ProductDocument]) -> Self {
        let line =
            |document: &ProductDocument| (document.product_id.to_string(), document.content_hash.clone());
        Self(documents.iter().map(line).collect())
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// SHA-256 of the lines, sorted by id.
    pub(crate) fn checksum(&self) -> String {
        let text: String = self.0.iter().map(|(id, hash)| format!("{id} {hash}\n")).collect();
        checksum::of(text.as_bytes())
    }

    /// Ids that only one of both has, or with another hash.
    pub(crate) fn unequal<'a>(&'a self, other: &'a Self) -> BTreeSet<&'a str> {
        self.ids().chain(other.ids()).filter(|id| self.0.get(*id) != other.0.get(*id)).collect()
    }
}

/// The id of a product, if the text is one as we write it.
pub(crate) fn product_id(text: &str) -> Option<ProductId> {
    text.parse().ok().filter(|id: &ProductId| id.to_string() == text)
}

/// One index beside the stores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comparer<'a> {
    pub(crate) projection: &'a Projection,
    /// The index, or the alias of one.
    pub(crate) index: &'a str,
}

impl Comparer<'_> {
    /// Ids and hashes of the documents of a range that searches see: those that are not marked as gone.
    pub(crate) async fn live(&self, range: IdRange) -> Result<Lines, SearchError> {
        let hash = |_: &str, source: Value| source["content_hash"].as_str().unwrap_or_default().to_owned();
        Ok(Lines(self.live_as(range, &json!(["content_hash"]), hash).await?))
    }

    /// What is made of the ids and some fields (`true`: all) of the documents of a range that searches see, whatever
    /// they hold.
    pub(crate) async fn live_as<T>(
        &self,
        range: IdRange,
        fields: &Value,
        make: impl Fn(&str, Value) -> T,
    ) -> Result<BTreeMap<String, T>, SearchError> {
        let mut live = BTreeMap::new();
        let mut position = None;
        loop {
            let hits = self.live_page(range, fields, position).await?;
            position = hits.last().filter(|_| hits.len() == LIVE_PAGE_SIZE).map(|last| last["sort"].clone());
            for mut hit in hits {
                let source = hit.get_mut("_source").map(Value::take).unwrap_or_default();
                let id = hit["_id"].as_str();
                let id = id.ok_or_else(|| SearchError::Malformed("a hit without id".to_owned()))?;
                live.insert(id.to_owned(), make(id, source));
            }
            if position.is_none() || live.len() >= LIVE_COUNT_MAX {
                return Ok(live);
            }
        }
    }

    async fn live_page(
        &self,
        range: IdRange,
        fields: &Value,
        position: Option<Value>,
    ) -> Result<Vec<Value>, SearchError> {
        let mut body = json!({
            "query": live_query(range),
            "sort": [{"product_id": "asc"}],
            "size": LIVE_PAGE_SIZE,
            "track_total_hits": false,
            "_source": fields,
        });
        if let Some(position) = position {
            body["search_after"] = position;
        }
        let request = Request::json(Method::Post, format!("{}/_search", self.index), body);
        let request = Request { query: &WHOLE, timeout: BULK_TIMEOUT, ..request };
        let mut answer = self.projection.client.send(request).await?;
        match answer.pointer_mut("/hits/hits").map(Value::take) {
            Some(Value::Array(hits)) => Ok(hits),
            _ => Err(SearchError::Malformed("no hits".to_owned())),
        }
    }

    /// What the index holds of those products, also what is marked as gone or was written a moment ago.
    async fn held(&self, products: &[ProductId]) -> Result<HashMap<ProductId, Value>, SearchError> {
        let mut held = HashMap::with_capacity(products.len());
        for some in products.chunks(BATCH_SIZE) {
            held.extend(sources(&self.projection.client, self.index, some).await?);
        }
        Ok(held)
    }

    /// Those of the products whose document is not what the stores say now. One that cannot be read is left as it is.
    pub(crate) async fn different(&self, products: &[ProductId]) -> Result<Vec<ProductId>, ProjectionError> {
        Ok(self.unequal(products).await?.into_keys().collect())
    }

    async fn unequal(&self, products: &[ProductId]) -> Result<Unequal, ProjectionError> {
        let mut unequal = Unequal::new();
        for some in products.chunks(BATCH_SIZE) {
            unequal.extend(within_deadline(Box::pin(self.unequal_now(some))).await?);
        }
        Ok(unequal)
    }

    /// The index first: what it got in between is what the stores say, or older.
    async fn unequal_now(&self, products: &[ProductId]) -> Result<Unequal, ProjectionError> {
        let held = self.held(products).await?;
        let Readable { products: found, unreadable } = readable::read(self.projection, products).await?;
        let unreadable: HashSet<ProductId> = unreadable.into_iter().collect();
        let documents = self.projection.documents(&found).await?;
        let expected: HashMap<ProductId, &ProductDocument> =
            documents.iter().map(|document| (document.product_id, document)).collect();
        let is_different = |id: &ProductId| match (expected.get(id), held.get(id)) {
            (Some(document), held) => difference(document, held).is_some(),
            (None, Some(held)) => held["deleted"] != true,
            (None, None) => false,
        };
        let is_known = |id: &ProductId| !unreadable.contains(id);
        let asked = |id: ProductId| (id, expected.get(&id).map(|document| document.content_hash.clone()));
        Ok(products.iter().copied().filter(is_known).filter(is_different).map(asked).collect())
    }

    /// Writes the documents of those products again, as a consumer would, to every index that is written to.
    /// Gives back those that differ still, but for those that change all the time: their events bring them.
    pub(crate) async fn mend(&self, mut products: Vec<ProductId>) -> Result<Vec<ProductId>, ProjectionError> {
        let next = if self.index == self.projection.client.alias() { Next::Counted } else { Next::Needed };
        let mut before = Unequal::new();
        for round in 0..ROUND_COUNT_MAX {
            if products.is_empty() {
                break;
            }
            if round > 0 {
                tokio::time::sleep(ROUND_PAUSE).await;
            }
            for some in products.chunks(BATCH_SIZE) {
                Box::pin(self.projection.project_as(some, next)).await?;
            }
            let now = self.unequal(&products).await?;
            let is_last = round + 1 == ROUND_COUNT_MAX;
            products = if is_last { unchanged(&before, &now) } else { now.keys().copied().collect() };
            before = now;
        }
        Ok(products)
    }
}

/// Products whose document is not what the stores say, with the hash of what they say; `None`: it is to be gone.
type Unequal = BTreeMap<ProductId, Option<String>>;

/// Those of which the stores said the same a round ago.
fn unchanged(before: &Unequal, now: &Unequal) -> Vec<ProductId> {
    now.iter().filter(|(id, asked)| before.get(*id) == Some(*asked)).map(|(id, _)| *id).collect()
}

/// A document without the field is nobody's: it belongs to the window that ends open.
fn live_query(range: IdRange) -> Value {
    let mut bounds = json!({});
    if let Some(after) = range.after {
        bounds["gt"] = json!(after);
    }
    if let Some(last) = range.last {
        bounds["lte"] = json!(last);
    }
    let in_range = match range {
        IdRange { after: None, last: None } => json!({"match_all": {}}),
        _ => json!({"range": {"product_id": bounds}}),
    };
    let without_id = json!({"bool": {"must_not": {"exists": {"field": "product_id"}}}});
    let should = if range.last.is_none() { vec![in_range, without_id] } else { vec![in_range] };
    json!({"bool": {
        "filter": {"bool": {"should": should, "minimum_should_match": 1}},
        "must_not": {"term": {"deleted": true}},
    }})
}

async fn sources(
    client: &SearchClient,
    index: &str,
    products: &[ProductId],
) -> Result<Vec<(ProductId, Value)>, SearchError> {
    let request = Request::json(Method::Post, format!("{index}/_mget"), json!({"ids": products}));
    let mut body = client.send(Request { timeout: BULK_TIMEOUT, ..request }).await?;
    let Some(Value::Array(documents)) = body.get_mut("docs").map(Value::take) else {
        return Err(SearchError::Malformed("no docs".to_owned()));
    };
    if let Some(failed) = documents.iter().find(|document| document.get("error").is_some()) {
        return Err(SearchError::unavailable(reason(failed)));
    }
    let source = |mut document: Value| {
        let id = document["_id"].as_str()?.parse().ok()?;
        let source = document.get_mut("_source")?.take();
        Some((id, source))
    };
    Ok(documents.into_iter().filter_map(source).collect())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn id(number: u8) -> ProductId {
        ProductId::new(Timestamp::UNIX_EPOCH, [number; 10])
    }

    #[test]
    fn what_changes_between_two_looks_is_not_named() {
        let hash = |text: &str| Some(text.to_owned());
        let before = Unequal::from([(id(1), hash("a")), (id(2), hash("b")), (id(3), None)]);
        let now = Unequal::from([(id(1), hash("a")), (id(2), hash("c")), (id(3), None), (id(4), hash("d"))]);
        assert_eq!(unchanged(&before, &now), [id(1), id(3)]);
    }

    fn document(number: u8) -> ProductDocument {
        ProductDocument::gone(id(number), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn every_field_is_compared_but_the_time_of_a_mark() {
        let document = document(1);
        let held = |field: &str, value: Value| {
            let mut held = serde_json::to_value(&document).expect("JSON");
            held[field] = value;
            difference(&document, Some(&held))
        };
        assert_eq!(difference(&document, None), Some(Difference::Missing));
        assert_eq!(held("title", json!("")), None);
        assert_eq!(held("deleted_at", json!("2026-01-01T00:00:00Z")), None);
        assert_eq!(held("popularity", json!(9)), Some(Difference::Popularity));
        assert_eq!(held("title", json!("Changed past us")), Some(Difference::Content));
        assert_eq!(held("stranger", json!(null)), Some(Difference::Content));
    }

    #[test]
    fn a_checksum_follows_ids_and_hashes() {
        let [first, second] = [document(1), document(2)];
        let lines = Lines::of(&[first.clone(), second.clone()]);
        let turned = Lines::of(&[second.clone(), first.clone()]);
        assert_eq!(lines.checksum(), turned.checksum());
        assert!(lines.unequal(&turned).is_empty());
        let other = Lines::of(&[first, ProductDocument { content_hash: "other".to_owned(), ..second }]);
        assert_ne!(lines.checksum(), other.checksum());
        assert_eq!(lines.unequal(&other).into_iter().collect::<Vec<_>>(), [id(2).to_string()]);
        let fewer = Lines::of(&[document(1)]);
        assert_eq!(fewer.unequal(&lines).into_iter().collect::<Vec<_>>(), [id(2).to_string()]);
        assert_ne!(fewer.checksum(), Lines::default().checksum());
    }

    #[test]
    fn windows_leave_nothing_between_them() {
        let all = live_query(IdRange::default());
        assert_eq!(all["bool"]["filter"]["bool"]["should"][0], json!({"match_all": {}}));
        let bounds = |range| live_query(range)["bool"]["filter"]["bool"]["should"].clone();
        let inner = bounds(IdRange { after: Some(id(1)), last: Some(id(2)) });
        assert_eq!(inner, json!([{"range": {"product_id": {"gt": id(1), "lte": id(2)}}}]));
        let last = bounds(IdRange { after: Some(id(2)), last: None });
        assert_eq!(last[0], json!({"range": {"product_id": {"gt": id(2)}}}));
        assert_eq!(last.as_array().map(Vec::len), Some(2), "and those without an id");
    }

    #[test]
    fn only_our_own_writing_of_an_id_is_one() {
        let text = id(0xab).to_string();
        assert_eq!(product_id(&text), Some(id(0xab)));
        assert_eq!(product_id(&text.to_uppercase()), None);
        assert_eq!(product_id("stranger"), None);
    }
}
