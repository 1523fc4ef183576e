//! Reviews of a product: approved ones, newest first, page by page, with what they say together.

use bson::{DateTime, Document, doc};
use domain::ids::{ProductId, ReviewId};
use domain::product::{Product, ProductStatus};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use store::mongo::products;
use support::api::{self, Client, Who};
use support::{Scope, shop};
use uuid::Uuid;

fn review(product: ProductId, second: i64, rating: i32, status: &str) -> Document {
    let at = Timestamp::from_second(1_700_000_000 + second).expect("a time");
    let order = (rating > 3).then(|| Uuid::now_v7().to_string());
    doc! {
        "_id": ReviewId::new(at, rand::random()).to_string(), "product_id": product.to_string(),
        "user_id": Uuid::now_v7().to_string(), "order_id": order, "rating": rating,
        "title": format!("number {second}"), "text": "It fits.", "status": status, "helpful_votes": 3,
        "created_at": DateTime::from_millis(at.as_millisecond()),
    }
}

async fn write(scope: &Scope, reviews: Vec<Document>) {
    let client = mongodb::Client::with_uri_str(scope.mongo.url.expose_secret()).await.expect("a client");
    let collection = client.database(&scope.mongo.database).collection::<Document>("reviews");
    collection.insert_many(reviews).await.expect("written");
}

async fn product(scope: &Scope, title: &str, status: ProductStatus) -> Product {
    let product = Product { status, ..shop::product(title) };
    products::insert(&scope.mongo().await, &product, &shop::changed(&product)).await.expect("inserted");
    product
}

fn titles(page: &Value) -> Vec<&str> {
    let reviews = page["data"].as_array().expect("reviews");
    reviews.iter().map(|review| review["title"].as_str().expect("a title")).collect()
}

#[tokio::test]
async fn approved_reviews_are_paged_newest_first_with_their_sum() {
    let scope = Scope::new().await;
    let shirt = product(&scope, "Linen shirt", ProductStatus::Active).await;
    let other = product(&scope, "Wool coat", ProductStatus::Active).await;
    let draft = product(&scope, "Silk scarf", ProductStatus::Draft).await;
    write(
        &scope,
        vec![
            review(shirt.id, 3, 5, "approved"),
            review(shirt.id, 1, 4, "approved"),
            review(shirt.id, 2, 2, "approved"),
            review(shirt.id, 4, 1, "pending"),
            review(shirt.id, 5, 1, "rejected"),
            review(other.id, 6, 1, "approved"),
        ],
    )
    .await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let path = format!("/products/{}/reviews", shirt.id);
    let first = client.get(Who::Nobody, &format!("{path}?limit=2")).await.expect(200);
    assert_eq!(titles(&first.body), ["number 3", "number 2"]);
    assert_eq!(first.header("surrogate-key"), format!("reviews-{}", shirt.id));
    let by_rating = json!([
        {"rating": 5, "count": 1}, {"rating": 4, "count": 1}, {"rating": 3, "count": 0},
        {"rating": 2, "count": 1}, {"rating": 1, "count": 0},
    ]);
    let summary = json!({"average": "3.67", "count": 3, "by_rating": by_rating});
    assert_eq!(first.body["summary"], summary);
    let newest = first.body["data"][0].as_object().expect("a review");
    assert_eq!([&newest["rating"], &newest["helpful_votes"]], [5, 3]);
    assert_eq!([&newest["verified_purchase"], &first.body["data"][1]["verified_purchase"]], [true, false]);
    assert_eq!(newest["created_at"], "2023-11-14T22:13:23Z");
    assert!(!newest.contains_key("user_id"), "who wrote it is not told");

    let cursor = first.body["page"]["next_cursor"].as_str().expect("a second page");
    let second = client.get(Who::Nobody, &format!("{path}?limit=2&cursor={cursor}")).await.expect(200).body;
    assert_eq!((titles(&second), &second["summary"]), (vec!["number 1"], &summary));
    assert!(second["page"]["next_cursor"].is_null());

    let others = format!("/products/{}/reviews?cursor={cursor}", other.id);
    client.get(Who::Nobody, &others).await.expect_problem(400, "invalid_cursor");
    let by_slug =
        client.get(Who::Nobody, &format!("/products/{}/reviews", other.slug)).await.expect(200).body;
    assert_eq!(by_slug["summary"]["average"], "1.00");
    let hidden = format!("/products/{}/reviews", draft.id);
    client.get(Who::Nobody, &hidden).await.expect_problem(404, "not_found");
    let empty = client.get(Who::Role("vendor"), &hidden).await.expect(200);
    assert!(titles(&empty.body).is_empty());
    assert_eq!(empty.body["summary"]["average"], Value::Null);
    assert!(empty.header("cache-control").starts_with("private"));
    let nothing = format!("/products/{}/reviews", Uuid::now_v7());
    client.get(Who::Nobody, &nothing).await.expect_problem(404, "not_found");
    client.get(Who::Nobody, &format!("{path}?limit=0")).await.expect_problem(400, "invalid_field");
    api.stop().await.expect("stops");
}
