//! Bad input is a problem document, never a 5xx and never a surprise.

use reqwest::Method;
use serde_json::{Value, json};
use support::Scope;
use support::api::{self, Client, Who, send};

const VENDOR: Who = Who::Role("vendor");

fn post(client: &Client, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    let request = client.request(Method::POST, VENDOR, "/products").header("idempotency-key", "k");
    request.header("content-type", "application/json").body(body)
}

#[tokio::test]
async fn bodies_have_limits() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    send(post(&client, vec![b' '; 1_100_000])).await.expect_problem(413, "body_too_large");
    send(post(&client, "[".repeat(40))).await.expect(400);
    let long = json!({"title": "x", "variants": vec![json!({"sku": "s"}); 1_001]});
    send(post(&client, long.to_string())).await.expect(400);
    send(post(&client, "{\"title\": ")).await.expect(400);
    let unknown = send(post(&client, r#"{"title": "x", "variants": [{"sku": "s"}], "role": "admin"}"#)).await;
    assert!(unknown.body.to_string().contains("role"), "{}", unknown.body);
    unknown.expect(400);
    let text = client.request(Method::POST, VENDOR, "/products").header("idempotency-key", "k");
    send(text.header("content-type", "text/plain").body("{}")).await.expect(415);
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn addresses_have_limits() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    client.get(Who::Nobody, &format!("/search?q={}", "x".repeat(2_100))).await.expect(431);
    client.get(Who::Nobody, "/nothing").await.expect_problem(404, "not_found");
    let answer = send(client.request(Method::DELETE, VENDOR, "/products")).await;
    assert_eq!(answer.header("allow"), "GET, HEAD, POST");
    answer.expect_problem(405, "method_not_allowed");
    for query in ["price_min=a", "sort=best", "limit=-1", "cursor=%00", "q=a&q=b", "sort=newest&colour=red"] {
        let answer = client.get(Who::Nobody, &format!("/search?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
    }
    for query in [
        "from=2011-01-01",
        "from=x&to=2011-01-02",
        "from=2011-01-03&to=2011-01-02",
        "from=1800-01-01&to=2011-01-01",
        "from=1969-12-31&to=1970-01-01",
        "from=-0001-01-01&to=-0001-01-02",
        "from=9999-12-31&to=10000-01-01",
    ] {
        let answer =
            client.get(Who::Role("analyst"), &format!("/analytics/daily-sales?channel=shop&{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
    }
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_report_without_a_row_still_names_its_columns() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let path = "/analytics/daily-sales?from=1970-01-01&to=1970-01-02&format=csv";
    let answer = Client::new(&api).get(Who::Role("analyst"), path).await.expect(200);
    let text = answer.body.as_str().expect("a text");
    assert!(text.starts_with("date,currency,orders,") && text.lines().count() == 1, "{text}");
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn an_api_that_is_not_ready_says_when_to_ask_again() {
    let scope = Scope::new().await;
    let mut settings = api::api_settings(&scope);
    settings.mongo.url = "mongodb://127.0.0.1:1/?replicaSet=none".to_owned().into();
    let api = api::start(settings).await;
    let answer = Client::new(&api).get_root("/health/ready").await.expect(503);
    assert!(answer.header("retry-after").parse::<u32>().is_ok());
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_request_id_goes_through() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let request =
        client.request(Method::GET, Who::Nobody, "/products/none").header("x-request-id", "my-id-7");
    let answer = send(request).await.expect(404);
    assert_eq!(answer.header("x-request-id"), "my-id-7");
    assert_eq!(answer.body["request_id"], "my-id-7");
    let made = client.get(Who::Nobody, "/products").await.expect(200);
    assert!(made.header("x-request-id").len() >= 16);
    assert_eq!(made.header("x-content-type-options"), "nosniff");
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn the_committed_openapi_document_is_the_served_one() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let served = Client::new(&api).get(Who::Nobody, "/openapi.json").await.expect(200).body;
    let file = support::files::checkout().join("api/openapi.json");
    let committed: Value =
        serde_json::from_str(&std::fs::read_to_string(file).expect("a file")).expect("JSON");
    assert!(
        served == committed,
        "run: target/debug/api --print-openapi > api/openapi.json, and read the difference"
    );
    assert!(served["openapi"].as_str().expect("a version").starts_with("3.1"));
    api.stop().await.expect("stops");
}
