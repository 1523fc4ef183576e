//! Catalogues over HTTP: queued, imported by the worker, told row by row, and not lost by a crash.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use store::mongo::products;
use store::pg::catalogue_imports;
use support::api::{self, Answer, Client, Who, send};
use support::{Scope, wait};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const WAIT: Duration = Duration::from_secs(30);
const PATH: &str = "/catalogue/imports";
const ADMIN: Who = Who::Role("admin");
const CSV: &str = "external_id,title,brand,category,sku,price,currency\n\
                   1,Cup,Acme,home/cups,CUP-1,2.50,EUR\n\
                   2,Plate,,home/plates,PLATE-2,,\n\
                   3,,Acme,,NONE-3,1,EUR\n";

fn post(
    client: &Client,
    who: Who,
    query: &str,
    media_type: &str,
    body: impl Into<reqwest::Body>,
) -> RequestBuilder {
    let request = client.request(Method::POST, who, &format!("{PATH}{query}"));
    request
        .header("content-type", media_type)
        .header("idempotency-key", Uuid::new_v4().to_string())
        .body(body)
}

async fn csv(client: &Client, query: &str, key: &str, prefer: &str, body: &'static str) -> Answer {
    let request = client.request(Method::POST, ADMIN, &format!("{PATH}{query}"));
    let request = request.header("content-type", "text/csv").header("idempotency-key", key);
    send(request.header("prefer", prefer).body(body)).await
}

fn rows(import: &Value) -> [i64; 5] {
    ["read", "added", "changed", "unchanged", "refused"]
        .map(|name| import["rows"][name].as_i64().expect("a number"))
}

/// Does something while a worker runs.
async fn with_worker<T>(scope: &Scope, work: impl Future<Output = T>) -> T {
    let (pools, mongo, stop) = (scope.pools(), scope.mongo().await, CancellationToken::new());
    let worker = ingest::products::upload::run(&pools, &scope.postgres, &mongo, &stop);
    let work = async {
        let done = work.await;
        stop.cancel();
        done
    };
    tokio::join!(worker, work).1
}

#[tokio::test]
async fn a_catalogue_is_imported_and_told_row_by_row() {
    let scope = Scope::new().await;
    let running = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&running);
    with_worker(&scope, async {
        let dry = csv(&client, "?dry_run=true", "dry", "wait=30", CSV).await.expect(201);
        assert_eq!((dry.body["status"].as_str(), rows(&dry.body)), (Some("finished"), [3, 2, 0, 0, 1]));
        assert_eq!(dry.header("preference-applied"), "wait=30");
        assert!(products::scan(&scope.mongo().await, None, 10).await.expect("read").is_empty());

        let first = csv(&client, "", "real", "wait=30", CSV).await.expect(201);
        assert_eq!(rows(&first.body), [3, 2, 0, 0, 1]);
        let path = first.header("location").strip_prefix("/api/v1").expect("ours").to_owned();
        assert_eq!(client.get(ADMIN, &path).await.expect(200).body, first.body);
        let repeat = csv(&client, "", "real", "wait=30", CSV).await.expect(201);
        assert_eq!(repeat.body, first.body);
        for (query, body) in [("", "external_id,title\n9,Other\n"), ("?dry_run=true", CSV)] {
            csv(&client, query, "real", "", body).await.expect_problem(422, "idempotency_key_reused");
        }

        let page = client.get(ADMIN, &format!("{path}/report?limit=2")).await.expect(200).body;
        assert_eq!(page["data"][0], serde_json::json!({"line": 2, "id": "1", "outcome": "added"}));
        let cursor = page["page"]["next_cursor"].as_str().expect("another page");
        let last = client.get(ADMIN, &format!("{path}/report?limit=2&cursor={cursor}")).await.expect(200).body;
        assert_eq!((&last["data"][0]["line"], &last["data"][0]["code"]), (&4.into(), &"required".into()));
        assert_eq!(last["page"]["next_cursor"], Value::Null);

        let ndjson = "{\"external_id\": \"1\", \"title\": \"Cup\", \"brand\": \"Acme\", \"category\": \"home/cups\", \
                      \"variants\": [{\"sku\": \"CUP-1\", \"price\": {\"amount_minor\": 300, \
                      \"currency\": \"EUR\"}}]}\n";
        let packed = zstd::encode_all(ndjson.as_bytes(), 3).expect("in memory");
        let request = post(&client, ADMIN, "", "application/x-ndjson", packed);
        let changed = send(request.header("content-encoding", "zstd").header("prefer", "wait=30")).await.expect(201);
        assert_eq!(rows(&changed.body), [1, 0, 1, 0, 0]);
        let path = changed.header("location").strip_prefix("/api/v1").expect("ours").to_owned();
        let told = client.get(ADMIN, &format!("{path}/report")).await.expect(200).body;
        let change = serde_json::json!({"field": "variants[CUP-1].price", "old": "250 EUR", "new": "300 EUR"});
        assert_eq!(told["data"][0]["changes"], serde_json::json!([change]));
    })
    .await;
    let chunks = "SELECT count(*) FROM catalogue_import_chunks";
    let left: i64 = scope.primary().await.query_one(chunks, &[]).await.expect("counts").get(0);
    assert_eq!(left, 0, "uploads are dropped with their runs");
    running.stop().await.expect("stops");
}

#[tokio::test]
async fn a_client_may_wait_longer_than_other_answers_take() {
    let scope = Scope::new().await;
    let running = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&running);
    let waited = csv(&client, "", "waits", "wait=15", CSV).await.expect(202);
    assert_eq!(
        (waited.body["status"].as_str(), waited.header("preference-applied")),
        (Some("queued"), "wait=15")
    );
    let path = waited.header("location").strip_prefix("/api/v1").expect("ours").to_owned();
    assert_eq!(client.get(ADMIN, &path).await.expect(200).body, waited.body);
    running.stop().await.expect("stops");
}

#[tokio::test]
async fn what_cannot_be_an_import_is_a_problem() {
    let scope = Scope::new().await;
    let running = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&running);
    let refused = async |who, query: &str, media_type: &str, body: &'static str| {
        send(post(&client, who, query, media_type, body)).await
    };
    refused(Who::Nobody, "", "text/csv", CSV).await.expect_problem(401, "authentication_required");
    refused(Who::Role("shopper"), "", "text/csv", CSV).await.expect_problem(403, "permission_denied");
    refused(ADMIN, "", "application/json", "{}").await.expect_problem(415, "unsupported_media_type");
    refused(ADMIN, "?map=nowhere", "text/csv", CSV).await.expect_problem(400, "invalid_field");
    refused(ADMIN, "?dry_run=perhaps", "text/csv", CSV).await.expect_problem(400, "invalid_field");
    refused(ADMIN, "", "text/csv", "").await.expect_problem(400, "malformed_body");
    let encoded = post(&client, ADMIN, "", "text/csv", CSV).header("content-encoding", "br");
    send(encoded).await.expect_problem(415, "unsupported_media_type");
    let keyless = client.request(Method::POST, ADMIN, PATH).header("content-type", "text/csv").body(CSV);
    send(keyless).await.expect_problem(400, "idempotency_key_required");
    client.get(ADMIN, &format!("{PATH}/{}", Uuid::nil())).await.expect_problem(404, "not_found");
    client.get(ADMIN, &format!("{PATH}/x/report")).await.expect_problem(404, "not_found");
    client.get(Who::Role("shopper"), &format!("{PATH}/x")).await.expect_problem(403, "permission_denied");
    let waiting = csv(&client, "", "waits", "", CSV).await.expect(202);
    assert_eq!(waiting.body["status"], "queued");
    running.stop().await.expect("stops");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_fails_with_a_reason() {
    let scope = Scope::new().await;
    let running = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&running);
    with_worker(&scope, async {
        let header = csv(&client, "", "header", "wait=30", "colour,size\nred,M\n").await.expect(201);
        assert_eq!(header.body["status"], "failed");
        assert!(
            header.body["failure"].as_str().expect("a reason").contains("external_id"),
            "{}",
            header.body
        );
        let whole = zstd::encode_all(CSV.as_bytes(), 3).expect("in memory");
        let cut = post(&client, ADMIN, "", "text/csv", whole[..whole.len() - 4].to_vec());
        let cut = send(cut.header("prefer", "wait=30")).await.expect(201);
        assert_eq!(cut.body["status"], "failed");
        assert!(cut.body["failure"].as_str().expect("a reason").contains("zstd file is cut"), "{}", cut.body);
    })
    .await;
    running.stop().await.expect("stops");
}

#[tokio::test]
async fn an_import_whose_worker_died_goes_on_with_the_next() {
    let scope = Scope::new().await;
    let running = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&running);
    let text = (0..12_000)
        .fold("external_id,title,sku\n".to_owned(), |text, id| text + &format!("{id},Thing {id},T-{id}\n"));
    let queued = send(post(&client, ADMIN, "", "text/csv", text)).await.expect(202);
    let path = queued.header("location").strip_prefix("/api/v1").expect("ours").to_owned();
    let (pools, mongo, stop) = (scope.pools(), scope.mongo().await, CancellationToken::new());
    {
        // Dropped in the middle, as by a crash: nothing is given back.
        let dying = ingest::products::upload::run(&pools, &scope.postgres, &mongo, &stop);
        let begun = wait::until("a checkpoint", WAIT, async || {
            let import = client.get(ADMIN, &path).await.expect(200).body;
            (rows(&import)[0] > 0).then_some(())
        });
        tokio::select! {
            () = dying => unreachable!("nobody stops it"),
            () = begun => {}
        }
    }
    let taken = catalogue_imports::lease(&**pools.write().await.expect("a connection"), 1_000).await;
    assert_eq!(taken.expect("asked"), None, "the lease of the dead one still holds");
    let expire = "UPDATE catalogue_imports SET leased_until = '-infinity'";
    scope.primary().await.batch_execute(expire).await.expect("expired");
    let ended = with_worker(&scope, async {
        wait::until("the import has ended", WAIT, async || {
            let import = client.get(ADMIN, &path).await.expect(200).body;
            import["finished_at"].is_string().then_some(import)
        })
        .await
    })
    .await;
    assert_eq!((ended["status"].as_str(), rows(&ended)), (Some("finished"), [12_000, 12_000, 0, 0, 0]));
    assert_eq!(ended["entries_left_out"], 2_000);
    assert_eq!(store::mongo::outbox::backlog(&mongo).await.expect("a count"), 12_000);
    let entries = "SELECT count(*), max(number) FROM catalogue_import_entries";
    let row = scope.primary().await.query_one(entries, &[]).await.expect("counts");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (10_000, 10_000));
    running.stop().await.expect("stops");
}
