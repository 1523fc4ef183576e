//! Products that mean what is asked for are found beside those that have its words.

use std::time::Duration;

use domain::ids::ProductId;
use domain::product::{Product, ProductStatus};
use domain::tuning::selector::Selector;
use jiff::Timestamp;
use search_indexer::bulk;
use search_indexer::client::SearchClient;
use search_indexer::error::SearchError;
use search_indexer::index;
use search_indexer::mapping::Analysis;
use search_indexer::projection::Projection;
use search_indexer::query::{Place, Ranking, SearchRequest, Sort, search};
use search_indexer::rebuild::{self, Plan};
use search_indexer::repair;
use search_indexer::settings::{SearchSettings, VectorSettings};
use support::tiny_model::{TinyModel, bytes, floats, graph, model};
use support::{Scope, search_index};
use tokio_util::sync::CancellationToken;

use super::{of, product};

/// The last one is not on sale.
const TITLES: [&str; 6] = ["Red sofa", "Grey settee", "Blue shirt", "Big lamp", "Brown carpet", "Old couch"];
const SOFA: u8 = 0;
const SETTEE: u8 = 1;
const LAMP: u8 = 3;

#[tokio::test]
async fn elasticsearch_finds_what_is_meant() {
    let url = &support::stack().elasticsearch_url;
    what_is_meant_is_found(url).await;
    what_is_built_is_whole(url).await;
}

#[tokio::test]
async fn the_elasticsearch_before_finds_what_is_meant() {
    let url = &support::stack().elasticsearch_8_url;
    what_is_meant_is_found(url).await;
    what_is_built_is_whole(url).await;
}

#[tokio::test]
async fn an_engine_without_vectors_says_so() {
    let model = TinyModel::new();
    let client = client(&support::stack().opensearch_url, &prefix(), Some(&model));
    let refused = index::ensure(&client, Analysis::English, Timestamp::now(), [1; 4]).await;
    let reason = refused.expect_err("there is no such field").to_string();
    assert!(reason.contains("no field for them"), "{reason}");
    assert_eq!(index::aliases(&client).await.expect("asked").current, None);
}

#[test]
fn a_model_that_is_missing_is_an_error_of_the_settings() {
    let settings = settings("http://127.0.0.1:1", "shop", None);
    let vectors = VectorSettings { model: "/nowhere".into(), sha256: "00".into(), weight: 1 };
    let refused = SearchClient::new(&SearchSettings { vectors: Some(vectors), ..settings });
    assert!(matches!(refused, Err(SearchError::NoModel(_))), "{refused:?}");
}

async fn what_is_meant_is_found(url: &str) {
    let (model, prefix) = (TinyModel::new(), prefix());
    let with = client(url, &prefix, Some(&model));
    index::ensure(&with, Analysis::Standard, Timestamp::now(), [1; 4]).await.expect("made");
    let documents: Vec<_> = (0..6).map(|number| of(&furniture(number))).collect();
    let results = bulk::index(&with, with.alias(), 1, &documents).await.expect("answered");
    assert!(results.iter().all(|result| *result == bulk::ItemResult::Indexed), "{results:?}");
    index::refresh(&with, with.alias()).await.expect("refreshed");

    let found = hits(&with, "couch").await;
    let [first, second] = [found[0], found[1]];
    assert_eq!([first.min(second), first.max(second)], [id(SOFA), id(SETTEE)], "no product has the word");
    assert_eq!(found.len(), 5, "all that is on sale, in the order of how near it is");
    assert_eq!(hits(&with, "settee").await[0], id(SETTEE), "the word itself is nearer");
    let ways = hits(&with, "big lamp").await;
    assert_eq!(ways[0], id(LAMP), "words and meaning together");
    check_pages(&with).await;

    let asked = |text: &str| SearchRequest { text: Some(text.into()), limit: 10, ..SearchRequest::default() };
    for request in [
        SearchRequest { sort: Sort::PriceAsc, ..asked("couch") },
        SearchRequest { ranking: Ranking::Plain, ..asked("couch") },
    ] {
        assert!(search(&with, &request).await.expect("answered").hits.is_empty(), "words only");
    }
    the_nearest_are_among_what_is_left(&with).await;
    let without = client(url, &prefix, None);
    assert!(hits(&without, "couch").await.is_empty(), "vectors are off");
    let other = client(url, &prefix, Some(&another_model()));
    assert!(hits(&other, "couch").await.is_empty(), "the index has no vectors of this model");
    let rewritten = bulk::index(&other, other.alias(), 2, &documents).await.expect("answered");
    assert!(rewritten.iter().all(|result| *result == bulk::ItemResult::Indexed), "{rewritten:?}");
    for name in index::aliases(&with).await.expect("aliases").all {
        index::delete(&with, &name).await.expect("deleted");
    }
}

/// Sixty sofas that are not to be shown are nearer than the settee.
async fn the_nearest_are_among_what_is_left(client: &SearchClient) {
    let sofa = |number: u8| Product { brand: Some("Puma".to_owned()), ..named("Sofa", number) };
    let documents: Vec<_> = (10..70).map(|number| of(&sofa(number))).collect();
    bulk::index(client, client.alias(), 3, &documents).await.expect("answered");
    index::refresh(client, client.alias()).await.expect("refreshed");
    let asked = SearchRequest { text: Some("couch".into()), limit: 100, ..SearchRequest::default() };
    let mut hiding = asked.clone();
    hiding.tuned.hidden = vec![Selector::Brand { brand: "Puma".to_owned() }];
    let cheap = SearchRequest { price_max_minor: Some(600), ..asked };
    for (request, what) in [(hiding, "hidden by a merchandiser"), (cheap, "too dear for the shopper")] {
        let page = search(client, &request).await.expect("answered");
        let found: Vec<_> = page.hits.iter().map(|hit| hit.product_id).collect();
        assert_eq!(found.len(), 5, "sofas are {what}");
        assert!([id(SOFA), id(SETTEE)].contains(&found[0]), "{what}");
    }
}

/// Engines differ in whether they give vectors back.
async fn what_is_built_is_whole(url: &str) {
    let (model, scope) = (TinyModel::new(), Scope::new().await);
    let settings = settings(url, &scope.prefix, Some(&model));
    let client = SearchClient::new(&settings).expect("settings are valid");
    let projection = Projection { client, ..search_index::projection(&scope).await };
    search_index::add_products(&projection, 3).await;
    let name = search_index::new_name(&projection, 1);
    let (plan, stop) = (Plan::new(&name, Analysis::Standard), CancellationToken::new());
    let built = Box::pin(rebuild::run(&projection, &scope.postgres, plan, &stop, |_| {})).await;
    assert_eq!(built.expect("built").verified.different, 0);
    let repaired = Box::pin(repair::pass(&projection, Duration::ZERO)).await.expect("compared");
    assert_eq!((repaired.products, repaired.different), (3, 0));
    assert_eq!(hits(&projection.client, "tee").await.len(), 3, "a shirt is one");
    for name in index::aliases(&projection.client).await.expect("aliases").all {
        index::delete(&projection.client, &name).await.expect("deleted");
    }
}

async fn check_pages(client: &SearchClient) {
    let whole = hits(client, "couch").await;
    let mut paged = Vec::new();
    let mut place: Option<Place> = None;
    while paged.len() < whole.len() {
        let asked = SearchRequest { text: Some("couch".into()), limit: 2, place, ..SearchRequest::default() };
        let page = search(client, &asked).await.expect("answered");
        paged.extend(page.hits.iter().map(|hit| hit.product_id));
        place = page.next;
        assert_eq!(place.is_some(), paged.len() < whole.len());
    }
    assert_eq!(paged, whole);
}

async fn hits(client: &SearchClient, text: &str) -> Vec<ProductId> {
    let asked = SearchRequest { text: Some(text.to_owned()), limit: 10, ..SearchRequest::default() };
    let page = search(client, &asked).await.expect("answered");
    page.hits.into_iter().map(|hit| hit.product_id).collect()
}

fn id(number: u8) -> ProductId {
    product(number + 1).id
}

fn furniture(number: u8) -> Product {
    let status = if number == 5 { ProductStatus::Archived } else { ProductStatus::Active };
    Product { status, ..named(TITLES[usize::from(number)], number) }
}

fn named(title: &str, number: u8) -> Product {
    let (title, description, attributes) = (title.to_owned(), String::new(), [].into());
    Product { title, description, brand: None, category: None, attributes, ..product(number + 1) }
}

/// The same shape with other numbers.
fn another_model() -> TinyModel {
    let tiny = TinyModel::new();
    let mut changed = model();
    graph(&mut changed).initializer.push(floats("unused", vec![1], &[1.0]));
    tiny.write("model.onnx", &bytes(&changed));
    tiny
}

fn prefix() -> String {
    format!("vectors-{}", uuid::Uuid::new_v4().simple())
}

fn client(url: &str, prefix: &str, model: Option<&TinyModel>) -> SearchClient {
    SearchClient::new(&settings(url, prefix, model)).expect("settings are valid")
}

fn settings(url: &str, prefix: &str, model: Option<&TinyModel>) -> SearchSettings {
    let vectors = model.map(|model| VectorSettings {
        model: model.path().to_owned(),
        sha256: model.sha256(),
        weight: 10,
    });
    SearchSettings { url: url.to_owned(), index_prefix: prefix.to_owned(), vectors }
}
