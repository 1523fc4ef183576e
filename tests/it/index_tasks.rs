//! Rebuilds and repairs of the search index that are asked for over HTTP: one of a kind at a time, gone on with by
//! another indexer, refused for all but those who may.

use std::num::NonZeroU32;
use std::time::Duration;

use reqwest::Method;
use search_indexer::index;
use search_indexer::mapping::Analysis;
use search_indexer::projection::Projection;
use search_indexer::rebuild::{self, Plan, Progress};
use search_indexer::tasks;
use serde_json::{Value, json};
use store::pg::advisory_lock::{self, Right};
use store::pg::index_tasks::{self, IndexTaskProgress};
use support::api::{self, Answer, Client, Who, send};
use support::search_index::{add_products, build, by_hand, hits, new_name, projection, remove_indexes};
use support::{Scope, wait};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(60);
const ADMIN: Who = Who::Role("admin");
const TASKS: &str = "/admin/index/tasks";

/// Does something while an indexer does tasks.
async fn with_indexer<T>(scope: &Scope, projection: &Projection, work: impl AsyncFnOnce() -> T) -> T {
    let stop = CancellationToken::new();
    let indexer = Box::pin(tasks::run(projection, &scope.postgres, &stop));
    let work = Box::pin(async {
        let done = work().await;
        stop.cancel();
        done
    });
    tokio::join!(indexer, work).1
}

async fn ask(client: &Client, who: Who, kind: &str, body: &Value) -> Answer {
    send(client.request(Method::POST, who, &format!("/admin/index/{kind}")).json(body)).await
}

/// Where the task of an answer is, without the API's prefix.
fn path(answer: &Answer) -> String {
    answer.header("location").strip_prefix("/api/v1").expect("ours").to_owned()
}

async fn until_ended(client: &Client, path: &str) -> Value {
    wait::until("the task ends", DEADLINE, async || {
        let task = client.get(ADMIN, path).await.expect(200).body;
        (!task["finished_at"].is_null()).then_some(task)
    })
    .await
}

#[tokio::test]
async fn a_rebuild_is_asked_for_once_and_puts_a_new_index_in_use() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    add_products(&projection, 30).await;
    let first = new_name(&projection, 0);
    build(&scope, &projection, &first).await.expect("rebuilt");
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let queued = ask(&client, ADMIN, "rebuild", &json!({"rate": 1000})).await.expect(202);
    let expected = (&json!("queued"), &json!("rebuild"), &json!(1000), &json!("role:admin"));
    let body = &queued.body;
    assert_eq!((&body["status"], &body["kind"], &body["rate"], &body["actor"]), expected);
    let again = ask(&client, ADMIN, "rebuild", &json!({})).await;
    assert_eq!(path(&again), path(&queued), "where the one in the way is");
    again.expect_problem(409, "task_under_way");

    let ended = with_indexer(&scope, &projection, async || until_ended(&client, &path(&queued)).await).await;
    let told =
        [&ended["status"], &ended["phase"], &ended["products"], &ended["different"], &ended["failure"]];
    assert_eq!(told, [&json!("finished"), &json!("compare"), &json!(30), &json!(0), &Value::Null]);
    let aliases = index::aliases(&projection.client).await.expect("aliases");
    assert_eq!(ended["index"], json!(aliases.current));
    assert_eq!(aliases.previous, Some(first));
    assert_eq!(hits(&projection, "shirt").await, 30);
    ask(&client, ADMIN, "rebuild", &json!({})).await.expect(202);
    api.stop().await.expect("stops");
    remove_indexes(&projection.client).await;
}

#[tokio::test]
async fn a_repair_mends_what_was_damaged() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let made = add_products(&projection, 20).await;
    build(&scope, &projection, &new_name(&projection, 0)).await.expect("rebuilt");
    for product in &made[..5] {
        let path = format!("{}/_update/{}?refresh=true", projection.client.alias(), product.id);
        by_hand(Method::POST, &path, &json!({"doc": {"title": "Damaged"}})).await;
    }
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let queued = ask(&client, ADMIN, "repair", &json!({})).await.expect(202);
    let ended = with_indexer(&scope, &projection, async || until_ended(&client, &path(&queued)).await).await;
    let told = [&ended["status"], &ended["phase"], &ended["products"], &ended["different"], &ended["mended"]];
    assert_eq!(told, [&json!("finished"), &json!("compare"), &json!(20), &json!(5), &json!(5)]);
    assert_eq!(hits(&projection, "damaged").await, 0);
    api.stop().await.expect("stops");
    remove_indexes(&projection.client).await;
}

/// An indexer took the task, filled a part of the new index, and died: its lease ends, its index stays.
#[tokio::test]
async fn what_an_indexer_left_is_gone_on_with() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    add_products(&projection, 120).await;
    build(&scope, &projection, &new_name(&projection, 0)).await.expect("rebuilt");
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let queued = ask(&client, ADMIN, "rebuild", &json!({})).await.expect(202);
    let postgres = scope.primary().await;
    let dead = index_tasks::lease(&postgres, 0).await.expect("answered").expect("it waits");
    let left = new_name(&projection, 1);
    let stop = CancellationToken::new();
    let report = |progress| {
        if matches!(progress, Progress::Filled(_)) {
            stop.cancel();
        }
    };
    let plan = Plan { rate: NonZeroU32::new(100), ..Plan::new(&left, Analysis::English) };
    let stopped = Box::pin(rebuild::run(&projection, &scope.postgres, plan, &stop, report)).await;
    stopped.expect_err("stopped");
    let progress = IndexTaskProgress { index: Some(left.clone()), ..IndexTaskProgress::default() };
    assert!(index_tasks::renew(&postgres, &dead, &progress, 0).await.expect("answered"));

    let ended = with_indexer(&scope, &projection, async || until_ended(&client, &path(&queued)).await).await;
    assert_eq!((&ended["status"], &ended["index"]), (&json!("finished"), &json!(left)));
    assert_eq!(hits(&projection, "shirt").await, 100, "a page of them");
    let late = index_tasks::renew(&postgres, &dead, &dead.task.progress, 30_000).await.expect("answered");
    assert!(!late, "the dead one has lost it");
    assert!(index_tasks::lease(&postgres, 0).await.expect("answered").is_none(), "nothing waits");
    api.stop().await.expect("stops");
    remove_indexes(&projection.client).await;
}

/// An indexer put the new index in use and died before it could say so: another rebuild would remove the one of before.
#[tokio::test]
async fn what_is_in_use_already_is_not_made_again() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    add_products(&projection, 10).await;
    let [first, second] = [0, 1].map(|number| new_name(&projection, number));
    build(&scope, &projection, &first).await.expect("rebuilt");
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let queued = ask(&client, ADMIN, "rebuild", &json!({})).await.expect(202);
    let postgres = scope.primary().await;
    let dead = index_tasks::lease(&postgres, 30_000).await.expect("answered").expect("it waits");
    build(&scope, &projection, &second).await.expect("rebuilt");
    let progress = IndexTaskProgress { index: Some(second.clone()), ..IndexTaskProgress::default() };
    assert!(index_tasks::renew(&postgres, &dead, &progress, 0).await.expect("answered"));

    let ended = with_indexer(&scope, &projection, async || until_ended(&client, &path(&queued)).await).await;
    assert_eq!((&ended["status"], &ended["index"]), (&json!("finished"), &json!(second)));
    let aliases = index::aliases(&projection.client).await.expect("aliases");
    assert_eq!((aliases.current, aliases.previous), (Some(second), Some(first)));
    api.stop().await.expect("stops");
    remove_indexes(&projection.client).await;
}

/// While somebody else rebuilds, a task waits and says for what.
#[tokio::test]
async fn a_task_that_waits_says_for_what() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    build(&scope, &projection, &new_name(&projection, 0)).await.expect("rebuilt");
    let holder = scope.primary().await;
    let right = Right::RebuildIndex(projection.client.alias());
    assert!(advisory_lock::take(&holder, right).await.expect("asked"));
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let path = path(&ask(&client, ADMIN, "rebuild", &json!({})).await.expect(202));
    let waiting = with_indexer(&scope, &projection, async || {
        wait::until("it waits", DEADLINE, async || {
            let task = client.get(ADMIN, &path).await.expect(200).body;
            task["waiting_for"].is_string().then_some(task)
        })
        .await
    })
    .await;
    assert_eq!((&waiting["status"], &waiting["failure"]), (&json!("running"), &Value::Null));
    assert!(waiting["waiting_for"].as_str().is_some_and(|reason| reason.starts_with("another rebuild")));
    drop(holder);
    let ended = with_indexer(&scope, &projection, async || until_ended(&client, &path).await).await;
    assert_eq!((&ended["status"], &ended["waiting_for"]), (&json!("finished"), &Value::Null));
    api.stop().await.expect("stops");
    remove_indexes(&projection.client).await;
}

#[tokio::test]
async fn tasks_are_listed_and_refused_to_others() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    for kind in ["rebuild", "repair"] {
        ask(&client, Who::Nobody, kind, &json!({})).await.expect_problem(401, "authentication_required");
        for role in ["vendor", "analyst", "merchandiser", "shopper"] {
            ask(&client, Who::Role(role), kind, &json!({})).await.expect_problem(403, "permission_denied");
        }
    }
    let wrong =
        [json!({"rate": 0}), json!({"rate": 1_000_001}), json!({"rate": "fast"}), json!({"speed": 1})];
    for body in wrong {
        ask(&client, ADMIN, "rebuild", &body).await.expect_problem(400, "invalid_field");
    }
    assert_eq!(client.get(ADMIN, TASKS).await.expect(200).body["data"], json!([]));

    let rebuild = path(&ask(&client, ADMIN, "rebuild", &json!({})).await.expect(202));
    let repair = path(&ask(&client, ADMIN, "repair", &json!({})).await.expect(202));
    let first = client.get(ADMIN, &format!("{TASKS}?limit=1")).await.expect(200).body;
    let cursor = first["page"]["next_cursor"].as_str().expect("another page");
    let second = client.get(ADMIN, &format!("{TASKS}?limit=1&cursor={cursor}")).await.expect(200).body;
    let kinds = [&first, &second].map(|page| page["data"][0]["kind"].as_str().expect("a kind").to_owned());
    assert_eq!(
        (kinds, &second["page"]["next_cursor"]),
        (["repair", "rebuild"].map(str::to_owned), &Value::Null)
    );
    for unknown in [format!("{TASKS}/47"), format!("{TASKS}/{}", uuid::Uuid::max())] {
        client.get(ADMIN, &unknown).await.expect_problem(404, "not_found");
    }
    for path in [TASKS, &rebuild, &repair] {
        client.get(Who::Nobody, path).await.expect_problem(401, "authentication_required");
        client.get(Who::Role("vendor"), path).await.expect_problem(403, "permission_denied");
    }
    api.stop().await.expect("stops");
}
