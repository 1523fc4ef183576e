//! Many documents in one request, each guarded by the ticket as its external version.

use std::collections::BTreeMap;

use domain::ids::ProductId;
use elasticsearch::http::Method;
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::{BULK_TIMEOUT, Body, Request, SearchClient};
use crate::count;
use crate::document::ProductDocument;
use crate::error::{SearchError, is_refusal, reason};
use crate::vectors::Vectors;

/// Largest request body that is begun with another document, in bytes.
const BODY_SIZE_MAX: usize = 5 << 20;

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemResult {
    /// It is in the index.
    Indexed,
    /// The index holds a document of a later ticket, which has seen all that this one could: done.
    Superseded,
    /// The engine could not take it now.
    Retryable(String),
    /// The engine will never take it.
    Refused(String),
}

/// A document with what it means, by the name of the field.
#[derive(Serialize)]
struct WithVector<'a> {
    #[serde(flatten)]
    document: &'a ProductDocument,
    #[serde(flatten)]
    vector: BTreeMap<&'a str, Vec<f32>>,
}

/// Writes documents whose facts were all read after `ticket` was taken to the index behind an alias; nothing
/// is written when it points at none. One result per document, in their order.
pub async fn index(
    client: &SearchClient,
    alias: &str,
    ticket: i64,
    documents: &[ProductDocument],
) -> Result<Vec<ItemResult>, SearchError> {
    let mut results = Vec::with_capacity(documents.len());
    let mut lines = Vec::new();
    let mut count = 0;
    let vectors = match client.vectors() {
        Some(vectors) => vectors.of_documents(client, alias, documents).await?,
        None => None,
    };
    let maker = client.vectors().filter(|_| vectors.is_some());
    let mut vectors = vectors.into_iter().flatten();
    for document in documents {
        let id = document.product_id;
        match maker.map(Vectors::field).zip(vectors.next().flatten()) {
            Some(vector) => append(&mut lines, ticket, id, &WithVector { document, vector: [vector].into() }),
            None => append(&mut lines, ticket, id, document),
        }
        count += 1;
        if lines.len() >= BODY_SIZE_MAX {
            results.extend(send(client, alias, std::mem::take(&mut lines), count).await?);
            count = 0;
        }
    }
    if count > 0 {
        results.extend(send(client, alias, lines, count).await?);
    }
    let is_refused = results.iter().any(|result| matches!(result, ItemResult::Refused(_)));
    if let Some(maker) = maker.filter(|_| is_refused)
        && !maker.is_held(client, alias).await?
    {
        return Err(SearchError::unavailable("the alias points at an index without vectors now"));
    }
    Ok(results)
}

/// How many documents an index did not take.
pub(crate) fn not_taken(results: &[ItemResult]) -> u64 {
    let is_not_taken =
        |result: &&ItemResult| matches!(result, ItemResult::Refused(_) | ItemResult::Retryable(_));
    count::of(results.iter().filter(is_not_taken).count())
}

/// Removes the documents of products that no store had when it was asked, after `ticket` was taken. How many were
/// removed: one that a later ticket has written stays, and so does one that the engine could not remove now.
pub async fn remove(
    client: &SearchClient,
    alias: &str,
    ticket: i64,
    products: &[ProductId],
) -> Result<u64, SearchError> {
    if products.is_empty() {
        return Ok(0);
    }
    let mut lines = Vec::new();
    for product in products {
        append_line(&mut lines, &json!({"delete": guarded(*product, ticket)}));
    }
    let body = post(client, alias, lines).await?;
    let is_removed =
        |item: &&Value| item["delete"]["status"].as_u64().is_some_and(|status| (200..300).contains(&status));
    let removed = items(&body)?.iter().filter(is_removed).count();
    Ok(count::of(removed))
}

fn append(lines: &mut Vec<u8>, ticket: i64, product: ProductId, document: &impl Serialize) {
    append_line(lines, &json!({"index": guarded(product, ticket)}));
    append_line(lines, document);
}

/// Which document, and the ticket that must be later than that of the document which is there.
fn guarded(product: ProductId, ticket: i64) -> Value {
    json!({"_id": product, "version": ticket, "version_type": "external"})
}

fn append_line(lines: &mut Vec<u8>, line: &impl Serialize) {
    serde_json::to_writer(&mut *lines, line).expect("plain data becomes JSON");
    lines.push(b'\n');
}

async fn send(
    client: &SearchClient,
    alias: &str,
    lines: Vec<u8>,
    count: usize,
) -> Result<Vec<ItemResult>, SearchError> {
    let results = read_results(&post(client, alias, lines).await?)?;
    if results.len() == count {
        Ok(results)
    } else {
        Err(SearchError::Malformed(format!("{} results for {count} documents", results.len())))
    }
}

async fn post(client: &SearchClient, alias: &str, lines: Vec<u8>) -> Result<Value, SearchError> {
    // Without it a bulk to an index that is gone would make one, without our mapping.
    let query = [("require_alias", "true")];
    let request = Request::new(Method::Post, format!("{alias}/_bulk"));
    let request = Request { query: &query, body: Body::Lines(lines), timeout: BULK_TIMEOUT, ..request };
    client.send(request).await
}

fn read_results(body: &Value) -> Result<Vec<ItemResult>, SearchError> {
    items(body)?.iter().map(|item| read_result(&item["index"])).collect()
}

fn items(body: &Value) -> Result<&Vec<Value>, SearchError> {
    body["items"].as_array().ok_or_else(|| SearchError::Malformed("no items".to_owned()))
}

fn read_result(item: &Value) -> Result<ItemResult, SearchError> {
    let status = item["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.ok_or_else(|| SearchError::Malformed("an item without status".to_owned()))?;
    Ok(match status {
        200..=299 => ItemResult::Indexed,
        409 => ItemResult::Superseded,
        status if is_refusal(status) => ItemResult::Refused(format!("{status}: {}", reason(item))),
        status => ItemResult::Retryable(format!("{status}: {}", reason(item))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_result() {
        let item = |status: u16| json!({"index": {"status": status, "error": {"reason": "why"}}});
        let body =
            json!({"items": [item(200), item(201), item(409), item(400), item(404), item(429), item(503)]});
        let retryable = |status: u16| ItemResult::Retryable(format!("{status}: why"));
        assert_eq!(
            read_results(&body).expect("well-formed"),
            [
                ItemResult::Indexed,
                ItemResult::Indexed,
                ItemResult::Superseded,
                ItemResult::Refused("400: why".to_owned()),
                retryable(404),
                retryable(429),
                retryable(503),
            ]
        );
        assert!(read_results(&json!({"items": [{"index": {}}]})).is_err());
        assert!(read_results(&json!({})).is_err());
    }

    #[test]
    fn what_is_there_already_was_taken() {
        let [refused, retryable] =
            [ItemResult::Refused, ItemResult::Retryable].map(|of| of("why".to_owned()));
        assert_eq!(not_taken(&[ItemResult::Indexed, ItemResult::Superseded, refused, retryable]), 2);
    }

    #[test]
    fn what_a_document_means_is_one_of_its_fields() {
        let id = ProductId::new(jiff::Timestamp::UNIX_EPOCH, [0; 10]);
        let document = &ProductDocument::gone(id, jiff::Timestamp::UNIX_EPOCH);
        let alone = serde_json::to_value(document).expect("JSON");
        let vector = [("vector_ab", vec![0.5, -0.5])].into();
        let mut with = serde_json::to_value(WithVector { document, vector }).expect("JSON");
        let vector = with.as_object_mut().and_then(|fields| fields.remove("vector_ab"));
        assert_eq!((vector, with), (Some(json!([0.5, -0.5])), alone));
    }

    #[test]
    fn a_document_is_two_lines_with_its_ticket() {
        let mut lines = Vec::new();
        let id = ProductId::new(jiff::Timestamp::UNIX_EPOCH, [0; 10]);
        append(&mut lines, 7, id, &ProductDocument::gone(id, jiff::Timestamp::UNIX_EPOCH));
        let text = String::from_utf8(lines).expect("UTF-8");
        let (action, document) = text.split_once('\n').expect("two lines");
        let action: Value = serde_json::from_str(action).expect("JSON");
        assert_eq!(action["index"]["version"], 7);
        assert_eq!(action["index"]["version_type"], "external");
        assert!(document.ends_with("}\n"));
    }
}
