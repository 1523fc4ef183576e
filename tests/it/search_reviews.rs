//! What reviews say is found, after what the shop itself says.

use domain::ids::{OrderId, ProductId, ReviewId, UserId};
use domain::product::{Product, Rating};
use domain::review::{Review, ReviewStatus};
use jiff::Timestamp;
use search_indexer::document::REVIEW_COUNT_MAX;
use search_indexer::projection::Projection;
use search_indexer::query::{SearchRequest, Sort, search};
use store::mongo::products::{self, NewProduct};
use store::mongo::reviews;
use support::search_index::{build, new_name, projection};
use support::{Scope, shop};

fn review(product: ProductId, second: u8, text: &str, status: ReviewStatus) -> Review {
    let created_at = Timestamp::from_second(1_700_000_000 + i64::from(second)).expect("a time");
    Review {
        id: ReviewId::new(created_at, [second; 10]),
        product_id: product,
        user_id: UserId::new(created_at, [second; 10]),
        order_id: Some(OrderId::new(created_at, [second; 10])),
        rating: 5,
        title: "Good".to_owned(),
        text: text.to_owned(),
        status,
        helpful_votes: 0,
        created_at,
    }
}

fn rated(title: &str, count: u32) -> Product {
    Product { rating: Rating { average: "5".parse().ok(), count }, ..shop::product(title) }
}

async fn found(projection: &Projection, text: &str, percent: u16) -> Vec<ProductId> {
    let mut request = asked(text);
    request.tuned.weights.reviews = percent;
    ids(projection, &request).await
}

fn asked(text: &str) -> SearchRequest {
    SearchRequest { text: Some(text.to_owned()), limit: 10, ..SearchRequest::default() }
}

async fn ids(projection: &Projection, request: &SearchRequest) -> Vec<ProductId> {
    let page = search(&projection.client, request).await.expect("answered");
    page.hits.iter().map(|hit| hit.product_id).collect()
}

#[tokio::test]
async fn words_of_approved_reviews_are_found_last() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let coat = rated("Rain coat", u32::try_from(REVIEW_COUNT_MAX).expect("few") + 1);
    let [cape, hat, boots] = ["Cape", "Waterproof hat", "Boots"].map(|title| rated(title, 1));
    let new =
        [&coat, &cape, &hat, &boots].map(|product| NewProduct::new(product.clone(), shop::changed(product)));
    products::insert_many(&projection.mongo, &new).await.expect("inserted");
    let mut written = vec![
        review(coat.id, 0, "Itchy.", ReviewStatus::Approved),
        review(coat.id, 1, "Truly waterproof.", ReviewStatus::Approved),
        review(cape.id, 30, "Not waterproof.", ReviewStatus::Pending),
        review(boots.id, 31, "Waterproof, said nobody.", ReviewStatus::Rejected),
    ];
    let most = u8::try_from(REVIEW_COUNT_MAX).expect("few");
    written.extend((2..=most).map(|second| review(coat.id, second, "It fits.", ReviewStatus::Approved)));
    reviews::insert_missing(&projection.mongo, &written).await.expect("inserted");
    build(&scope, &projection, &new_name(&projection, 0)).await.expect("indexed");

    assert_eq!(found(&projection, "waterproof", 100).await, [hat.id, coat.id]);
    assert_eq!(found(&projection, "waterproof rain coat", 100).await[0], coat.id);
    assert_eq!(found(&projection, "waterproof", 0).await, [hat.id], "the shop has taken reviews out");
    let cheapest = SearchRequest { sort: Sort::PriceAsc, ..asked("waterproof") };
    assert_eq!(ids(&projection, &cheapest).await, [hat.id], "it would come between");
    assert!(found(&projection, "itchy", 100).await.is_empty(), "the newest ones count");
}
