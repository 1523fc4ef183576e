//! What a shopper may be about to type.

use std::time::Duration;

use domain::category::Category;
use domain::ids::CategoryId;
use domain::product::{Product, ProductStatus};
use domain::search_term::{SearchTerm, SearchTerms};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::mongo::categories;
use store::mongo::products::{self, NewProduct};
use store::pg::search_terms::{self, Publication};
use support::api::{self, Client, Who};
use support::search_index::{build, new_name, projection};
use support::{Scope, shop, wait};
use uuid::Uuid;

const SHOPPER: Who = Who::Role("shopper");
/// How soon a process that has begun knows what is searched for.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
const MERCHANDISER: Who = Who::Role("merchandiser");

/// A report in which these terms were searched for and clicked, the first most.
async fn searched_for(scope: &Scope, terms: &[&str]) {
    let term = |(place, term): (usize, &&str)| SearchTerm {
        term: (*term).to_owned(),
        searches: 100 - i64::try_from(place).expect("few"),
        sessions: 50,
        visitors: if *term == "private shirt" { 9 } else { 10 },
        counted: 100,
        without_results: 0,
        clicked: 50,
        reformulated: 0,
        reformulated_to: None,
        reformulated_to_sessions: 0,
        top_product: None,
        sales: 0,
        waited_ms_p95: None,
    };
    let day = jiff::civil::date(2026, 1, 1);
    let terms = terms.iter().enumerate().map(term).collect();
    let report = SearchTerms { from: day, to: day, searches: 1_000, terms };
    let publication =
        Publication { channel: "shop", report: &report, as_of: Timestamp::UNIX_EPOCH, judgments: None };
    search_terms::publish(&mut scope.primary().await, &publication).await.expect("published");
}

async fn suggested(client: &Client, query: &str) -> Value {
    client.get(SHOPPER, &format!("/search/suggest?{query}")).await.expect(200).body
}

fn titles(body: &Value) -> Vec<&str> {
    let products = body["products"].as_array().expect("products");
    products.iter().filter_map(|product| product["title"].as_str()).collect()
}

fn category(path: &str, name: &str) -> Category {
    Category {
        id: CategoryId(Uuid::new_v5(&Uuid::NAMESPACE_OID, path.as_bytes())),
        path: path.to_owned(),
        name: name.to_owned(),
        parent_id: None,
        position: 0,
        attributes: Vec::new(),
        version: 1,
    }
}

fn named(title: &str) -> Product {
    Product { category: None, ..shop::product(title) }
}

#[tokio::test]
async fn what_is_typed_is_completed() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let mut made: Vec<_> =
        ["Navy Shirt", "Linen shirt", "Shirt dress", "Shirt of old", "Bag"].map(named).into();
    made[3].status = ProductStatus::Archived;
    let mut unpriced = named("Shirt without price");
    unpriced.variants[0].price = None;
    made.push(unpriced);
    let new: Vec<NewProduct> =
        made.iter().map(|product| NewProduct::new(product.clone(), shop::changed(product))).collect();
    products::insert_many(&projection.mongo, &new).await.expect("inserted");
    build(&scope, &projection, &new_name(&projection, 0)).await.expect("indexed");
    searched_for(&scope, &["private shirt", "silk shirt", "shirt dress", "shoes"]).await;
    let tree = [category("women", "Women"), category("women/shirts", "Shirts & blouses")];
    categories::insert_missing(&projection.mongo, &tree).await.expect("inserted");
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);

    let body = wait::until("searches are known", KNOWN_WITHIN, async || {
        let body = suggested(&client, "q=SHI").await;
        (body["queries"].as_array().map(Vec::len) == Some(2)).then_some(body)
    })
    .await;
    assert_eq!(body["queries"], json!([{"text": "silk shirt"}, {"text": "shirt dress"}]));
    assert_eq!(body["categories"], json!([{"path": "women/shirts", "names": ["Women", "Shirts & blouses"]}]));
    let mut found = titles(&body);
    found.sort_unstable();
    assert_eq!(found, ["Linen shirt", "Navy Shirt", "Shirt dress"], "only what can be bought");
    let fields: Vec<_> = body["products"][0].as_object().expect("a product").keys().collect();
    assert_eq!(fields, ["brand", "id", "image", "slug", "title"]);
    assert_eq!(titles(&suggested(&client, "q=navy+s").await), ["Navy Shirt"]);
    assert_eq!(titles(&suggested(&client, "q=navy+%26+s").await), ["Navy Shirt"], "signs are no words");
    assert_eq!(titles(&suggested(&client, "q=shi&limit=1").await).len(), 1);
    for nothing in ["", "q=", "q=%20", "q=*%3A*", "q=%F0%9F%91%97", "q=zzz"] {
        let body = suggested(&client, nothing).await;
        assert_eq!(body, json!({"queries": [], "categories": [], "products": []}), "{nothing}");
    }
    for bad in ["q=a&limit=0", "q=a&limit=21", "q=a&limit=x", &format!("q={}", "a".repeat(201))] {
        client.get(SHOPPER, &format!("/search/suggest?{bad}")).await.expect_problem(400, "invalid_field");
    }
    hidden(&client, &made[0]).await;
    api.stop().await.expect("stops");
}

/// What merchandisers hide or keep back is not suggested, as soon as that is live.
async fn hidden(client: &Client, product: &Product) {
    let name = json!({"name": "recall"});
    let draft = client.post(MERCHANDISER, "/merchandising/drafts", "recall", &name).await.expect(201);
    let path = format!("/merchandising/drafts/{}", draft.body["id"].as_str().expect("an id"));
    let hide = json!({"kind": "hide", "products": {"by": "products", "product_ids": [product.id]}});
    let silk = json!({"kind": "query", "matching": "contains", "words": "silk"});
    let rules = json!({"rules": [
        {"name": "recalled", "when": {"kind": "always"}, "actions": [hide]},
        {"name": "no silk", "when": silk, "actions": [{"kind": "unsuggest"}]},
    ]});
    client.patch(MERCHANDISER, &path, "\"v1\"", &rules).await.expect(200);
    let publish = client.request(reqwest::Method::POST, MERCHANDISER, &format!("{path}/publish"));
    api::send(publish.header("if-match", "\"v2\"").json(&json!({}))).await.expect(201);
    assert_eq!(titles(&suggested(client, "q=navy+s").await), [""; 0]);
    assert_eq!(suggested(client, "q=shi&limit=1").await["queries"], json!([{"text": "shirt dress"}]));
}

#[tokio::test]
async fn without_the_engine_what_is_known_is_still_completed() {
    let scope = Scope::new().await;
    searched_for(&scope, &["silk shirt"]).await;
    let mut settings = api::api_settings(&scope);
    settings.search.url = "http://127.0.0.1:9".to_owned();
    let api = api::start(settings).await;
    let client = Client::new(&api);
    wait::until("searches are known", KNOWN_WITHIN, async || {
        let body = suggested(&client, "q=shi").await;
        assert_eq!(body["products"], json!([]));
        (body["queries"] == json!([{"text": "silk shirt"}])).then_some(())
    })
    .await;
    api.stop().await.expect("stops");
}
