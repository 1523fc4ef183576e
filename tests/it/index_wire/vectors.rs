//! Products that mean what is asked for are found beside those that have its words.

use domain::ids::ProductId;
use domain::product::{Product, ProductStatus};
use jiff::Timestamp;
use search_indexer::bulk;
use search_indexer::client::SearchClient;
use search_indexer::error::SearchError;
use search_indexer::index;
use search_indexer::mapping::Analysis;
use search_indexer::query::{Place, Ranking, SearchRequest, Sort, search};
use search_indexer::settings::{SearchSettings, VectorSettings};
use support::tiny_model::{TinyModel, bytes, floats, graph, model};

use super::{of, product};

/// The last one is not on sale.
const TITLES: [&str; 6] = ["Red sofa", "Grey settee", "Blue shirt", "Big lamp", "Brown carpet", "Old couch"];
const SOFA: u8 = 0;
const SETTEE: u8 = 1;
const LAMP: u8 = 3;

#[tokio::test]
async fn elasticsearch_finds_what_is_meant() {
    what_is_meant_is_found(&support::stack().elasticsearch_url).await;
}

#[tokio::test]
async fn the_elasticsearch_before_finds_what_is_meant() {
    what_is_meant_is_found(&support::stack().elasticsearch_8_url).await;
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
    assert_eq!(hits(&with, "big couch").await.iter().filter(|found| **found == id(LAMP)).count(), 1);
    check_pages(&with).await;

    let asked = |text: &str| SearchRequest { text: Some(text.into()), limit: 10, ..SearchRequest::default() };
    for request in [
        SearchRequest { sort: Sort::PriceAsc, ..asked("couch") },
        SearchRequest { ranking: Ranking::Plain, ..asked("couch") },
    ] {
        assert!(search(&with, &request).await.expect("answered").hits.is_empty(), "words only");
    }
    let unbuyable = SearchRequest { buyable: Some(false), ..asked("couch") };
    assert!(search(&with, &unbuyable).await.expect("answered").hits.is_empty(), "filters hold");

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
    let description = String::new();
    let (title, brand, category) = (TITLES[usize::from(number)].to_owned(), None, None);
    Product { title, description, brand, category, status, attributes: [].into(), ..product(number + 1) }
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
