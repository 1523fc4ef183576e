//! An index that was damaged past the events is found out and mended.

use std::time::Duration;

use domain::event::event_type;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use search_indexer::clock;
use search_indexer::query::{SearchRequest, search};
use search_indexer::repair::{self, Repaired};
use serde_json::json;
use store::mongo::{newest_changes, outbox, products};
use support::search_index::{
    add_products, build, by_hand, hits, new_name, projection, remove_indexes, unknown_id,
};
use support::{Scope, shop, stack, wait};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(60);

/// Removes documents or changes them, in turns, so that their own hashes still say that all is well: another title,
/// a mark of deletion, the id of another product.
async fn damage(alias: &str, ids: &[String]) {
    let update = |id: &String, field: &str, value: &serde_json::Value| {
        format!("{}\n{}\n", json!({"update": {"_id": id}}), json!({"doc": {field: value}}))
    };
    let lines = ids.iter().enumerate().map(|(number, id)| match number % 4 {
        0 => format!("{}\n", json!({"delete": {"_id": id}})),
        1 => update(id, "title", &json!("Damaged")),
        2 => update(id, "deleted", &json!(true)),
        _ => update(id, "product_id", &json!(unknown_id())),
    });
    let url = format!("{}/{alias}/_bulk?refresh=true", stack().opensearch_url);
    let request = reqwest::Client::new().post(url).header("content-type", "application/x-ndjson");
    let answer = request.body(lines.collect::<String>()).send().await.expect("answered");
    let answer: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!(answer["errors"], false, "{answer}");
}

#[tokio::test]
async fn one_pass_mends_two_hundred_documents() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let client = &projection.client;
    // More than two windows of the repair, and pages of a rebuild.
    let made = [add_products(&projection, 600).await, add_products(&projection, 600).await].concat();
    build(&scope, &projection, &new_name(&projection, 1)).await.expect("rebuilt");
    let ids: Vec<String> = made.iter().step_by(6).map(|product| product.id.to_string()).collect();
    damage(client.alias(), &ids).await;
    assert_eq!(hits(&projection, "damaged").await, 50);

    let pass = repair::pass(&projection, Duration::ZERO).await.expect("compared");
    assert_eq!(pass, Repaired { products: 1_200, different: 200, mended: 200 });
    assert_eq!(hits(&projection, "damaged").await, 0);
    let asked = SearchRequest { limit: 1, ..SearchRequest::default() };
    let page = search(client, &asked).await.expect("answered");
    assert_eq!(page.facets.brand.iter().map(|brand| brand.count).sum::<u64>(), 1_200);
    let again = repair::pass(&projection, Duration::ZERO).await.expect("compared");
    assert_eq!(again, Repaired { products: 1_200, different: 0, mended: 0 });
    remove_indexes(client).await;
}

#[tokio::test]
async fn documents_of_no_product_are_not_found_any_more() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let client = &projection.client;
    add_products(&projection, 3).await;
    build(&scope, &projection, &new_name(&projection, 1)).await.expect("rebuilt");
    let stranger = |id: &str| {
        json!({
            "product_id": id, "title": "Stranger", "status": "active", "deleted": false, "brand": "Strange"
        })
    };
    let unknown = unknown_id().to_string();
    for id in [unknown.as_str(), "0-before-all", "zz-after-all"] {
        by_hand(Method::PUT, &format!("{}/_doc/{id}?refresh=true", client.alias()), &stranger(id)).await;
    }
    let nameless = json!({"title": "Stranger", "status": "active"});
    by_hand(Method::PUT, &format!("{}/_doc/nameless?refresh=true", client.alias()), &nameless).await;

    let pass = repair::pass(&projection, Duration::ZERO).await.expect("compared");
    assert_eq!(pass, Repaired { products: 3, different: 4, mended: 4 });
    assert_eq!(hits(&projection, "stranger").await, 0);
    assert_eq!(hits(&projection, "shirt").await, 3);
    let again = repair::pass(&projection, Duration::ZERO).await.expect("compared");
    assert_eq!(again, Repaired { products: 3, different: 0, mended: 0 });
    remove_indexes(client).await;
}

#[tokio::test]
async fn a_deletion_whose_event_was_lost_is_mended() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let made = add_products(&projection, 2).await;
    build(&scope, &projection, &new_name(&projection, 1)).await.expect("rebuilt");
    let deleted = products::delete(&projection.mongo, &made[0], &shop::deleted(&made[0])).await;
    assert!(deleted.expect("answered"));
    assert_eq!(hits(&projection, "shirt").await, 2);
    let pass = repair::pass(&projection, Duration::ZERO).await.expect("compared");
    assert_eq!(pass, Repaired { products: 1, different: 1, mended: 1 });
    assert_eq!(hits(&projection, "shirt").await, 1);
    remove_indexes(&projection.client).await;
}

#[tokio::test]
async fn the_daemon_repairs_over_and_over() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let client = &projection.client;
    let made = add_products(&projection, 4).await;
    build(&scope, &projection, &new_name(&projection, 1)).await.expect("rebuilt");
    let stop = CancellationToken::new();
    let daemon = clock::run(&projection, &scope.postgres, Duration::from_secs(1), &stop);
    let check = async {
        for ids in made.chunks(2) {
            let ids: Vec<String> = ids.iter().map(|product| product.id.to_string()).collect();
            damage(client.alias(), &ids).await;
            wait::until("both documents are mended", DEADLINE, async || {
                let is_mended =
                    hits(&projection, "damaged").await == 0 && hits(&projection, "shirt").await == 4;
                is_mended.then_some(())
            })
            .await;
        }
        stop.cancel();
    };
    tokio::join!(Box::pin(daemon), Box::pin(check));
    remove_indexes(client).await;
}

#[tokio::test]
async fn the_newest_changes_are_known_before_and_after_they_are_sent() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let product = shop::product("Fresh shirt");
    let event = shop::changed(&product);
    assert_eq!(event.data.event_type(), event_type::PRODUCT_CHANGED);
    products::insert(&mongo, &product, &event).await.expect("inserted");
    let minute = SignedDuration::from_secs(60);
    let known = async |since: Timestamp| {
        let changes = newest_changes::read(&mongo, since).await.expect("answered");
        changes.into_iter().map(|change| (change.product_id, change.version)).collect::<Vec<_>>()
    };
    assert_eq!(known(Timestamp::now() + minute).await, [(product.id, 1)], "whenever it was made");
    outbox::mark_sent(&mongo, &[event.id.to_string()]).await.expect("marked");
    assert_eq!(known(Timestamp::now() - minute).await, [(product.id, 1)]);
    assert!(known(Timestamp::now() + minute).await.is_empty(), "it was sent before");
}
