//! Pages of a list, one after the other.

use domain::ids::ProductId;
use domain::money::{Currency, Money};
use search_indexer::bulk;
use search_indexer::client::SearchClient;
use search_indexer::index;
use search_indexer::query::{Hit, Place, SearchRequest, Sort, search};
use serde_json::json;

use super::{PRODUCT_COUNT, of, product, request};

pub(super) async fn have_no_gap_and_no_repeat(client: &SearchClient) {
    for sort in
        [Sort::Relevance, Sort::Newest, Sort::PriceAsc, Sort::PriceDesc, Sort::Rating, Sort::BestSelling]
    {
        for text in [None, Some("navy shirt".to_owned())] {
            let whole = SearchRequest { sort, text, limit: 100, ..request() };
            let at_once = search(client, &whole).await.expect("answered").hits;
            assert_eq!(at_once.len(), usize::from(PRODUCT_COUNT));
            assert_eq!(in_pages(client, &whole, 4).await, at_once, "{sort:?}");
            check_order(sort, &at_once);
        }
    }
}

pub(super) async fn in_pages(client: &SearchClient, whole: &SearchRequest, limit: u16) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    let mut place = None;
    loop {
        let asked = SearchRequest { limit, place, ..whole.clone() };
        let page = search(client, &asked).await.expect("answered");
        hits.extend(page.hits);
        assert!(hits.len() <= usize::from(PRODUCT_COUNT), "no page twice");
        place = page.next;
        if place.is_none() {
            return hits;
        }
    }
}

fn check_order(sort: Sort, hits: &[Hit]) {
    let numbers: Vec<ProductId> = hits.iter().map(|hit| hit.product_id).collect();
    let expected: Vec<u8> = match sort {
        Sort::Relevance | Sort::Rating | Sort::BestSelling => return,
        Sort::Newest => (0..PRODUCT_COUNT).rev().collect(),
        Sort::PriceAsc => (1..PRODUCT_COUNT).chain([0]).collect(),
        Sort::PriceDesc => (1..PRODUCT_COUNT).rev().chain([0]).collect(),
    };
    let expected: Vec<ProductId> = expected.into_iter().map(|number| product(number).id).collect();
    assert_eq!(numbers, expected, "{sort:?}");
}

/// What comes to stand before a page that was read is not left out, and what is dearer now is not shown twice.
pub(super) async fn go_on_as_the_list_was(client: &SearchClient, url: &str, name: &str) {
    let whole = SearchRequest { sort: Sort::PriceAsc, limit: 100, ..request() };
    let before = ids(&search(client, &whole).await.expect("answered").hits);
    let page = async |place: Option<Place>| {
        let asked = SearchRequest { limit: 10, place, ..whole.clone() };
        search(client, &asked).await.expect("answered")
    };
    let first = page(None).await;
    let second = page(first.next.clone()).await;
    let change = async |ticket: i64, prices: [i64; 2]| {
        let changed = [24, 2].into_iter().zip(prices).map(|(number, amount_minor)| {
            let mut product = product(number);
            product.variants[0].price = Some(Money { amount_minor, currency: Currency::GBP });
            of(&product)
        });
        let changed: Vec<_> = changed.collect();
        bulk::index(client, client.alias(), ticket, &changed).await.expect("answered");
        index::refresh(client, name).await.expect("refreshed");
    };
    change(41, [1, 9_999]).await;
    let third = page(second.next.clone()).await;
    let in_pages = [&first.hits, &second.hits, &third.hits].map(|hits| ids(hits)).concat();
    assert_eq!(in_pages, before);
    assert_ne!(
        ids(&search(client, &whole).await.expect("answered").hits),
        before,
        "a new list is another one"
    );

    end_snapshot(url, second.next.as_ref().expect("more")).await;
    let third = page(second.next).await;
    let last = ids(&third.hits);
    assert_eq!(last, [21, 22, 23, 2, 0].map(|number| product(number).id), "it goes on as the index is");
    change(42, [2_400, 200]).await;
}

fn ids(hits: &[Hit]) -> Vec<ProductId> {
    hits.iter().map(|hit| hit.product_id).collect()
}

/// Either engine knows one of the ways.
async fn end_snapshot(url: &str, place: &Place) {
    let place = serde_json::to_value(place).expect("JSON");
    let name = place["snapshot"].as_str().expect("pages after the first are of a snapshot");
    let client = reqwest::Client::new();
    let mut ended = 0;
    for (path, body) in [("_pit", json!({"id": name})), ("_search/point_in_time", json!({"pit_id": [name]}))]
    {
        let answer = client.delete(format!("{url}/{path}")).json(&body).send().await.expect("answered");
        ended += u8::from(answer.status().is_success());
    }
    assert_eq!(ended, 1);
}
