//! While the search engine is away shoppers find products all the same, if plainly, and never what must not be shown.

use domain::product::Product;
use reqwest::Method;
use serde_json::{Value, json};
use store::mongo::products::{self, NewProduct};
use support::api::{self, Client, Who, send};
use support::{Scope, shop};

const MERCHANDISER: Who = Who::Role("merchandiser");
const DRAFTS: &str = "/merchandising/drafts";

async fn titles(client: &Client, query: &str) -> (Vec<String>, Value) {
    let answer = client.get(Who::Nobody, &format!("/search?{query}")).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let data = answer.body["data"].as_array().expect("hits");
    let titles = data.iter().filter_map(|hit| hit["title"].as_str().map(str::to_owned)).collect();
    (titles, answer.body)
}

#[tokio::test]
async fn the_store_is_searched_while_the_engine_is_away() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let mut made: Vec<Product> =
        ["Linen shirts", "Linen skirt", "Canvas bag"].iter().map(|title| shop::product(title)).collect();
    made[1].category = Some("apparel/skirts".to_owned());
    let new: Vec<NewProduct> =
        made.iter().map(|product| NewProduct::new(product.clone(), shop::changed(product))).collect();
    products::insert_many(&mongo, &new).await.expect("inserted");
    let mut settings = api::api_settings(&scope);
    // Nobody listens there.
    settings.search.url = "http://127.0.0.1:9".to_owned();
    let api = api::start(settings).await;
    let client = Client::new(&api);

    let (found, answer) = titles(&client, "q=linen+shirt").await;
    assert_eq!(found, ["Linen shirts", "Linen skirt"], "both words come first");
    assert_eq!((&answer["query"]["plainer"], &answer["page"]["next_cursor"]), (&json!(true), &Value::Null));
    assert_eq!(answer["facets"]["brand"], json!([]));
    for (query, expected) in [
        ("q=linen&category=apparel/skirts", vec!["Linen skirt"]),
        ("q=linen+shirt&brand=acme&limit=1", vec!["Linen shirts"]),
        ("q=linen&brand=other", vec![]),
        (
            "q=linen&attr.colour=Blue&price_min=1999&price_max=1999&in_stock=true",
            vec!["Linen shirts", "Linen skirt"],
        ),
        ("q=linen&attr.colour=red", vec![]),
        ("q=linen&price_max=1998", vec![]),
        ("q=linen&rating_min=1", vec![]),
        ("q=-linen+%22canvas", vec!["Canvas bag", "Linen shirts", "Linen skirt"]),
        ("q=!!&category=apparel/skirts", vec!["Linen skirt"]),
        ("q=nothing", vec![]),
    ] {
        let (mut found, _) = titles(&client, query).await;
        if query.starts_with("q=-") || query.contains("attr.colour=Blue") {
            found.sort();
        }
        assert_eq!(found, expected, "{query}");
    }

    let draft = client.post(MERCHANDISER, DRAFTS, "recall", &json!({"name": "recall"})).await.expect(201);
    let path = format!("{DRAFTS}/{}", draft.body["id"].as_str().expect("an id"));
    let hide = json!({"kind": "hide", "products": {"by": "products", "product_ids": [made[0].id]}});
    let rules = json!({"rules": [{"name": "recall", "when": {"kind": "always"}, "actions": [hide]}]});
    let draft = client.patch(MERCHANDISER, &path, draft.header("etag"), &rules).await.expect(200);
    let publish = client.request(Method::POST, MERCHANDISER, &format!("{path}/publish"));
    send(publish.header("if-match", draft.header("etag")).json(&json!({}))).await.expect(201);
    assert_eq!(titles(&client, "q=linen").await.0, ["Linen skirt"]);
    api.stop().await.expect("stops");
}
