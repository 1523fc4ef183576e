//! What the words of a search name of the catalogue.

use std::time::Duration;

use domain::category::{AttributeDefinition, Category};
use domain::ids::CategoryId;
use domain::product::Product;
use serde_json::{Value, json};
use store::mongo::categories;
use store::mongo::products::{self, NewProduct};
use support::api::{self, Client, Who};
use support::search_index::{build, new_name, projection};
use support::{Scope, shop, wait};
use uuid::Uuid;

const SHOPPER: Who = Who::Role("shopper");
/// How soon a process that has begun knows the categories.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

fn category(path: &str, name: &str, colours: &[&str]) -> Category {
    let values = colours.iter().map(|colour| (*colour).to_owned()).collect();
    Category {
        id: CategoryId(Uuid::new_v5(&Uuid::NAMESPACE_OID, path.as_bytes())),
        path: path.to_owned(),
        name: name.to_owned(),
        parent_id: None,
        position: 0,
        attributes: vec![AttributeDefinition { name: "colour".to_owned(), values }],
        version: 1,
    }
}

#[tokio::test]
async fn what_a_search_names_is_told_and_counts() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    // Both have the words; one is what they name.
    let said = Product { category: None, ..shop::product("Navy jumpers") };
    let meant = Product {
        category: Some("women/knitwear".to_owned()),
        attributes: [("colour".to_owned(), "navy".to_owned())].into(),
        description: "A jumper.".to_owned(),
        ..shop::product("Navy jumpers")
    };
    let new = [&said, &meant].map(|product| NewProduct::new(product.clone(), shop::changed(product)));
    products::insert_many(&projection.mongo, &new).await.expect("inserted");
    build(&scope, &projection, &new_name(&projection, 0)).await.expect("indexed");
    let tree = [
        category("women", "Women", &[]),
        category("women/knitwear", "Jumpers & Cardigans", &["Navy", "Red"]),
    ];
    categories::insert_missing(&projection.mongo, &tree).await.expect("inserted");
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let searched = async |words: &str| -> Value {
        client.get(SHOPPER, &format!("/search?q={words}")).await.expect(200).body
    };
    let body = wait::until("the categories are known", KNOWN_WITHIN, async || {
        let body = searched("navy+jumper").await;
        body["query"].get("intent").is_some().then_some(body)
    })
    .await;
    let intent = json!({
        "categories": ["women/knitwear"],
        "attributes": [{"name": "colour", "value": "Navy"}],
    });
    assert_eq!(body["query"]["intent"], intent);
    assert_eq!(body["data"][0]["id"], json!(meant.id));
    let scores = [0, 1].map(|place| body["data"][place]["score"].as_f64().expect("a score"));
    assert!(scores[0] > 1.4 * scores[1], "{scores:?}");
    let corrected = searched("navy+jumpr").await;
    assert_eq!(
        (&corrected["query"]["corrected"], &corrected["query"]["intent"]),
        (&json!("navy jumper"), &intent)
    );
    assert_eq!(corrected["data"][0]["id"], json!(meant.id), "what is meant counts");
    let others = searched("red+women's+cardigans").await["query"]["intent"].clone();
    assert_eq!(others["attributes"], json!([{"name": "colour", "value": "Red"}]));
    assert_eq!(others["categories"], json!(["women/knitwear"]));
    assert_eq!(searched("teapot").await["query"].get("intent"), None);
    api.stop().await.expect("stops");
}
