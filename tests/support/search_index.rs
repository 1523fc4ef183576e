//! The search index of a test: built from its stores, changed as a consumer would, and damaged by hand.

use std::time::Duration;

use domain::ids::ProductId;
use domain::product::Product;
use jiff::Timestamp;
use rand::random;
use reqwest::Method;
use search_indexer::bulk::ItemResult;
use search_indexer::client::SearchClient;
use search_indexer::index;
use search_indexer::mapping::Analysis;
use search_indexer::projection::Projection;
use search_indexer::query::{SearchRequest, search};
use search_indexer::rebuild::{self, Plan, RebuildError, Rebuilt};
use serde_json::Value;
use store::mongo::products::{self, NewProduct};
use tokio_util::sync::CancellationToken;

use crate::{Scope, api, shop, stack, wait};

const DEADLINE: Duration = Duration::from_secs(60);

/// The stores and the engine of a scope.
pub async fn projection(scope: &Scope) -> Projection {
    let client = SearchClient::new(&api::search_settings(scope)).expect("valid settings");
    Projection { client, pools: scope.pools(), mongo: scope.mongo().await }
}

/// A name for a new index, later than those of lower numbers.
pub fn new_name(projection: &Projection, number: u8) -> String {
    let second = jiff::SignedDuration::from_secs(number.into());
    index::new_name(projection.client.alias(), Timestamp::now() + second, [number; 4])
}

/// A rebuild from begin to end.
pub async fn build(scope: &Scope, projection: &Projection, name: &str) -> Result<Rebuilt, RebuildError> {
    let stop = CancellationToken::new();
    let plan = Plan::new(name, Analysis::English);
    Box::pin(rebuild::run(projection, &scope.postgres, plan, &stop, |_| {})).await
}

/// Products of the store, at most 1,000, which no index knows yet.
pub async fn add_products(projection: &Projection, count: usize) -> Vec<Product> {
    let made: Vec<Product> = (0..count).map(|number| shop::product(&format!("Shirt {number}"))).collect();
    let new: Vec<NewProduct> =
        made.iter().map(|product| NewProduct::new(product.clone(), shop::changed(product))).collect();
    products::insert_many(&projection.mongo, &new).await.expect("inserted");
    made
}

/// Gives a product another title and writes it to the index as a consumer would. Its next version.
pub async fn retitle(projection: &Projection, product: &Product, title: &str) -> Product {
    let changed = Product {
        title: title.to_owned(),
        version: product.version + 1,
        updated_at: Timestamp::now(),
        ..product.clone()
    };
    let replaced = products::replace(&projection.mongo, product, &changed, &shop::changed(&changed)).await;
    assert!(replaced.expect("answered"), "nobody else changes it");
    project(projection, product.id).await;
    changed
}

/// What a consumer does with the event of a product's change: until every index has it.
pub async fn project(projection: &Projection, product: ProductId) {
    wait::until("the change is written", DEADLINE, async || {
        // Asked again while the aliases change, as a consumer does.
        let results = match Box::pin(projection.project(&[product])).await {
            Err(error) if error.is_unavailable() => return None,
            results => results.expect("answered"),
        };
        matches!(results[..], [ItemResult::Indexed | ItemResult::Superseded]).then_some(())
    })
    .await;
}

/// How many products a search for a text finds, at most 100, of all that was written until now.
pub async fn hits(projection: &Projection, text: &str) -> usize {
    let client = &projection.client;
    index::refresh(client, client.alias()).await.expect("refreshed");
    let asked = SearchRequest { text: Some(text.to_owned()), limit: 100, ..SearchRequest::default() };
    search(client, &asked).await.expect("answered").hits.len()
}

/// A request past our client: what a person with a shell could do to the index.
pub async fn by_hand(method: Method, path: &str, body: &Value) {
    let request = reqwest::Client::new().request(method, format!("{}/{path}", stack().opensearch_url));
    let answer = request.json(body).send().await.expect("answered");
    let (status, text) = (answer.status(), answer.text().await.expect("text"));
    assert!(status.is_success(), "{path}: {status}: {text}");
}

/// Removes every index of a client.
pub async fn remove_indexes(client: &SearchClient) {
    for name in index::aliases(client).await.expect("aliases").all {
        index::delete(client, &name).await.expect("deleted");
    }
}

/// A random id that no store knows.
pub fn unknown_id() -> ProductId {
    ProductId::new(Timestamp::now(), random())
}
