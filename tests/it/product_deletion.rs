//! A product that is deleted is gone for everybody, and its names are free.

use std::collections::HashSet;
use std::time::Duration;

use bson::{Document, doc};
use domain::ids::VariantId;
use domain::product::{Product, Variant};
use futures_util::TryStreamExt;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use store::mongo::audit::newest_prices;
use store::mongo::connection::Mongo;
use store::mongo::products::{self, Inserted};
use support::api::{self, Answer, Client, Shop, Who, send};
use support::{Scope, shop, wait};
use uuid::Uuid;

const VENDOR: Who = Who::Role("vendor");
/// Shorter than the life of a cached product, so that only hearing of the deletion can be the reason for it.
const HEARD_DEADLINE: Duration = Duration::from_secs(5);

fn draft() -> Value {
    let variant = json!({"sku": "SHIRT-M", "price": {"amount_minor": 1999, "currency": "GBP"}});
    json!({"title": "Blue shirt", "slug": "blue-shirt", "status": "active", "variants": [variant]})
}

async fn create(client: &Client) -> (String, Answer) {
    let made = client.post(VENDOR, "/products", &Uuid::new_v4().to_string(), &draft()).await.expect(201);
    (format!("/products/{}", made.body["id"].as_str().expect("an id")), made)
}

async fn delete(client: &Client, who: Who, path: &str, etag: &str) -> Answer {
    send(client.request(Method::DELETE, who, path).header("if-match", etag)).await
}

async fn collection(scope: &Scope, name: &str) -> mongodb::Collection<Document> {
    let client = mongodb::Client::with_uri_str(scope.mongo.url.expose_secret()).await.expect("a client");
    client.database(&scope.mongo.database).collection(name)
}

/// Type and version of every event of products, in the order of their making.
async fn events(scope: &Scope) -> Vec<(String, i64)> {
    let outbox = collection(scope, "outbox").await;
    let found = outbox.find(doc! {"aggregate_kind": "product"}).sort(doc! {"aggregate_version": 1});
    let found: Vec<_> = found.await.expect("a cursor").try_collect().await.expect("documents");
    let told = |event: &Document| {
        let name = event.get_str("event_type").expect("a type").to_owned();
        (name, event.get_i64("aggregate_version").expect("a version"))
    };
    found.iter().map(told).collect()
}

#[tokio::test]
async fn a_deletion_needs_the_present_version_and_frees_slug_and_skus() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let (path, made) = create(&client).await;
    let etag = made.header("etag");
    delete(&client, Who::Nobody, &path, etag).await.expect_problem(401, "authentication_required");
    for role in ["analyst", "merchandiser", "shopper"] {
        delete(&client, Who::Role(role), &path, etag).await.expect_problem(403, "permission_denied");
    }
    let unconditional = client.request(Method::DELETE, VENDOR, &path);
    send(unconditional).await.expect_problem(428, "precondition_required");
    delete(&client, VENDOR, &path, "\"v7\"").await.expect_problem(412, "precondition_failed");
    let nobodys = format!("/products/{}", Uuid::new_v4());
    delete(&client, VENDOR, &nobodys, etag).await.expect_problem(404, "not_found");
    assert_eq!(client.get(Who::Nobody, "/products").await.expect(200).body["data"][0]["slug"], "blue-shirt");
    client.get(Who::Nobody, "/products/blue-shirt").await.expect(200);

    let gone = delete(&client, VENDOR, "/products/blue-shirt", etag).await.expect(204);
    assert_eq!(gone.body, Value::Null);
    for path in [path.as_str(), "/products/blue-shirt", &format!("{path}/reviews")] {
        client.get(VENDOR, path).await.expect_problem(404, "not_found");
    }
    delete(&client, VENDOR, &path, etag).await.expect_problem(404, "not_found");
    client.patch(VENDOR, &path, etag, &json!({"title": "x"})).await.expect_problem(404, "not_found");
    for who in [Who::Nobody, VENDOR] {
        assert_eq!(client.get(who, "/products").await.expect(200).body["data"], json!([]));
    }
    assert_eq!(
        events(&scope).await,
        [("product.changed.v1".to_owned(), 1), ("product.deleted.v1".to_owned(), 2)]
    );
    // A second product of the same names, and a second deletion.
    let (second, made) = create(&client).await;
    assert_ne!(second, path);
    client.get(Who::Nobody, "/products/blue-shirt").await.expect(200);
    delete(&client, VENDOR, &second, made.header("etag")).await.expect(204);
    create(&client).await;
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_tag_is_of_no_later_product_with_the_same_slug() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let (_, first) = create(&client).await;
    let path = "/products/blue-shirt";
    delete(&client, VENDOR, path, first.header("etag")).await.expect(204);
    let (_, second) = create(&client).await;
    assert_eq!((&first.body["version"], &second.body["version"]), (&json!(1), &json!(1)));
    assert_ne!(first.header("etag"), second.header("etag"));
    for (made, status) in [(&first, 200), (&second, 304)] {
        let known = client.request(Method::GET, VENDOR, path).header("if-none-match", made.header("etag"));
        send(known).await.expect(status);
    }
    let change = json!({"title": "Red shirt"});
    let changed = client.patch(VENDOR, path, first.header("etag"), &change).await;
    changed.expect_problem(412, "precondition_failed");
    delete(&client, VENDOR, path, first.header("etag")).await.expect_problem(412, "precondition_failed");
    client.patch(VENDOR, path, second.header("etag"), &change).await.expect(200);
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_deletion_and_a_change_at_once_are_one_of_them() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let product = shop::product("Blue shirt");
    products::insert(&mongo, &product, &shop::changed(&product)).await.expect("inserted");
    let mut changed = product.clone();
    (changed.version, changed.title) = (2, "Red shirt".to_owned());
    let (event, end) = (shop::changed(&changed), shop::deleted(&product));
    let (is_changed, is_deleted) = tokio::join!(
        products::replace(&mongo, &product, &changed, &event),
        products::delete(&mongo, &product, &end)
    );
    let (is_changed, is_deleted) = (is_changed.expect("asked"), is_deleted.expect("asked"));
    assert_ne!(is_changed, is_deleted);
    let found = products::find(&mongo, product.id).await.expect("asked");
    assert_eq!(found.map(|product| product.title), is_changed.then(|| "Red shirt".to_owned()));
    assert_eq!(events(&scope).await.len(), 2);
}

#[tokio::test]
async fn versions_of_a_product_that_comes_back_go_on() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let product = shop::product("Blue shirt");
    assert_eq!(
        products::insert(&mongo, &product, &shop::changed(&product)).await.expect("inserted"),
        Inserted::New
    );
    assert!(products::delete(&mongo, &product, &shop::deleted(&product)).await.expect("deleted"));
    assert!(!products::delete(&mongo, &product, &shop::deleted(&product)).await.expect("it is gone"));
    let back = products::insert(&mongo, &product, &shop::changed(&product)).await.expect("inserted");
    let Inserted::Returned(back) = back else { panic!("{back:?}") };
    assert_eq!(back.version, 3);
    let stored = products::find(&mongo, product.id).await.expect("asked").expect("it is back");
    assert_eq!((stored.version, &stored.variants), (3, &product.variants));
    let repeat = products::insert(&mongo, &product, &shop::changed(&product)).await.expect("asked");
    assert_eq!(repeat, Inserted::Existing(Box::new(stored.clone())));
    assert!(products::delete(&mongo, &stored, &shop::deleted(&stored)).await.expect("deleted again"));
    let versions: Vec<_> = events(&scope).await.into_iter().map(|(_, version)| version).collect();
    assert_eq!(versions, [1, 2, 3, 4]);
}

/// The product with variants of these SKUs, each with an id of its place, as an import makes them.
fn with_skus(product: &Product, skus: &[&str]) -> Product {
    let variant = |(place, sku): (usize, &&str)| Variant {
        id: VariantId(Uuid::new_v5(&product.id.0, place.to_string().as_bytes())),
        sku: (*sku).to_owned(),
        ..product.variants[0].clone()
    };
    Product { variants: skus.iter().enumerate().map(variant).collect(), ..product.clone() }
}

/// Brings a deleted product back and gives what is stored.
async fn bring_back(mongo: &Mongo, product: &Product) -> Product {
    let inserted = products::insert(mongo, product, &shop::changed(product)).await.expect("inserted");
    let Inserted::Returned(back) = inserted else { panic!("{inserted:?}") };
    let stored = products::find(mongo, product.id).await.expect("asked").expect("it is back");
    assert_eq!((stored.version, &stored.variants), (back.version, &back.variants));
    stored
}

fn variant_ids(product: &Product) -> Vec<VariantId> {
    product.variants.iter().map(|variant| variant.id).collect()
}

#[tokio::test]
async fn variants_that_come_back_are_known_by_their_skus() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let product = with_skus(&shop::product("Blue shirt"), &["A", "B"]);
    let (a, b) = (product.variants[0].id, product.variants[1].id);
    products::insert(&mongo, &product, &shop::changed(&product)).await.expect("inserted");
    assert!(products::delete(&mongo, &product, &shop::deleted(&product)).await.expect("deleted"));
    let back = bring_back(&mongo, &with_skus(&product, &["B"])).await;
    assert_eq!(variant_ids(&back), [b], "B has not become A");
    assert!(products::delete(&mongo, &back, &shop::deleted(&back)).await.expect("deleted again"));
    let back = bring_back(&mongo, &with_skus(&product, &["C", "B", "A"])).await;
    let c = VariantId::of_sku(product.id, "C");
    assert_eq!(variant_ids(&back), [c, b, a], "A is known from the first deletion");
    let priced = newest_prices(&mongo, &[product.id]).await.expect("prices");
    assert_eq!(priced.into_keys().collect::<HashSet<_>>(), HashSet::from([a, b, c]));
    let versions: Vec<_> = events(&scope).await.into_iter().map(|(_, version)| version).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_deletion_goes_on_after_every_one_before() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let product = shop::product("Blue shirt");
    products::insert(&mongo, &product, &shop::changed(&product)).await.expect("inserted");
    assert!(products::delete(&mongo, &product, &shop::deleted(&product)).await.expect("deleted"));
    let back = bring_back(&mongo, &product).await;
    // As if the products, and not what is kept of deleted ones, had been restored from a backup.
    let change = doc! {"$set": {"version": 9_i64}};
    let kept = collection(&scope, "deleted_products").await.update_one(doc! {}, change).await;
    assert_eq!(kept.expect("changed").modified_count, 1, "it is kept beside the product");
    assert!(products::delete(&mongo, &back, &shop::deleted(&back)).await.expect("deleted again"));
    assert_eq!(events(&scope).await.pop(), Some(("product.deleted.v1".to_owned(), 10)));
    assert_eq!(bring_back(&mongo, &product).await.version, 11);
}

#[tokio::test]
async fn a_deletion_is_heard_by_every_process() {
    let scope = Scope::new().await;
    let programs = Shop::start(&scope).await;
    let (here, there) =
        (api::start(api::api_settings(&scope)).await, api::start(api::api_settings(&scope)).await);
    let (client, other) = (Client::new(&here), Client::new(&there));
    wait::until("changes are heard", Duration::from_secs(20), async || {
        let answer = other.get_root("/health/ready").await;
        (answer.body["dependencies"]["rabbitmq"]["status"] == "ok").then_some(())
    })
    .await;
    let (path, made) = create(&client).await;
    other.get(Who::Nobody, &path).await.expect(200);
    other.get(Who::Nobody, "/products").await.expect(200);
    delete(&client, VENDOR, &path, made.header("etag")).await.expect(204);
    client.get(Who::Nobody, &path).await.expect_problem(404, "not_found");
    wait::until("the deletion is heard", HEARD_DEADLINE, async || {
        let (product, list) =
            (other.get(Who::Nobody, &path).await, other.get(Who::Nobody, "/products").await);
        (product.status == 404 && list.body["data"] == json!([])).then_some(())
    })
    .await;
    here.stop().await.expect("stops");
    there.stop().await.expect("stops");
    programs.stop().await;
}
