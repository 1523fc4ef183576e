//! The tree of categories, whole or from one of them down.

use bson::{Document, doc};
use serde_json::Value;
use support::Scope;
use support::api::{self, Client, Who};

fn id(number: u32) -> String {
    uuid::Uuid::from_u128(number.into()).to_string()
}

fn category(number: u32, path: &str, parent: Option<u32>, position: i32) -> Document {
    doc! {
        "_id": id(number), "path": path, "name": path.to_uppercase(), "parent_id": parent.map(id),
        "position": position, "attributes": [{"name": "colour", "values": ["red", "blue"]}], "version": 1_i64,
    }
}

async fn write(scope: &Scope, categories: Vec<Document>) {
    use secrecy::ExposeSecret;
    let client = mongodb::Client::with_uri_str(scope.mongo.url.expose_secret()).await.expect("a client");
    let collection = client.database(&scope.mongo.database).collection::<Document>("categories");
    collection.insert_many(categories).await.expect("written");
}

/// `path(children)` of a tree.
fn shape(tree: &Value) -> String {
    let one = |category: &Value| {
        format!("{}({})", category["path"].as_str().expect("a path"), shape(&category["children"]))
    };
    tree.as_array().expect("a list").iter().map(one).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_tree_is_read_whole_or_in_parts() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    assert_eq!(client.get(Who::Nobody, "/categories").await.expect(200).body["data"], serde_json::json!([]));
    // A path that only begins alike is not below.
    write(
        &scope,
        vec![
            category(1, "women", None, 1),
            category(2, "men", None, 0),
            category(3, "women/dresses", Some(1), 1),
            category(4, "women/coats", Some(1), 0),
            category(5, "women/dresses/midi", Some(3), 0),
            category(6, "women-plus", None, 2),
        ],
    )
    .await;
    let whole = client.get(Who::Nobody, "/categories").await.expect(200);
    let tree = "men() women(women/coats() women/dresses(women/dresses/midi())) women-plus()";
    assert_eq!(shape(&whole.body["data"]), tree);
    assert_eq!(whole.header("surrogate-key"), "categories");
    assert!(whole.header("cache-control").starts_with("public"));
    let men = &whole.body["data"][0];
    assert_eq!((&men["id"], &men["name"]), (&id(2).into(), &"MEN".into()));
    assert_eq!(men["attributes"], serde_json::json!([{"name": "colour", "values": ["red", "blue"]}]));

    let part = async |parent: &str| {
        let part = client.get(Who::Nobody, &format!("/categories?parent={parent}")).await.expect(200);
        shape(&part.body["data"])
    };
    assert_eq!(part("women").await, "women/coats() women/dresses(women/dresses/midi())");
    assert_eq!(part("women/dresses").await, "women/dresses/midi()");
    assert_eq!(part("men").await, "");
    client.get(Who::Nobody, "/categories?parent=kids").await.expect_problem(404, "not_found");
    client.get(Who::Nobody, "/categories?limit=3").await.expect_problem(400, "invalid_field");
    client.get(Who::Stranger, "/categories").await.expect_problem(401, "authentication_required");
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_tree_that_is_too_large_is_asked_for_in_parts() {
    let scope = Scope::new().await;
    let mut categories = vec![category(1, "all", None, 0), category(2, "few", None, 1)];
    categories.push(category(3, "few/one", Some(2), 0));
    categories.extend((10..1009).map(|number| category(number, &format!("all/c{number}"), Some(1), 0)));
    write(&scope, categories).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    client.get(Who::Nobody, "/categories").await.expect_problem(400, "invalid_field");
    let all = client.get(Who::Nobody, "/categories?parent=all").await.expect(200).body;
    assert_eq!(all["data"].as_array().expect("a list").len(), 999);
    assert_eq!(
        shape(&client.get(Who::Nobody, "/categories?parent=few").await.expect(200).body["data"]),
        "few/one()"
    );
    api.stop().await.expect("stops");
}
