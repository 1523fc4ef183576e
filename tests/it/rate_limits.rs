//! A caller who asks too often is told when to come again; nobody else notices.

use support::Scope;
use support::api::{self, Client, Who};

#[tokio::test]
async fn a_limit_is_of_one_caller_and_is_told_in_every_answer() {
    let scope = Scope::new().await;
    let mut settings = api::api_settings(&scope);
    settings.api.rate_limit.anonymous.requests = 3;
    settings.api.rate_limit.staff.requests = 50;
    let api = api::start(settings).await;
    let client = Client::new(&api);

    let first = client.get(Who::Nobody, "/products").await.expect(200);
    assert_eq!(first.header("ratelimit-policy"), "\"anonymous\";q=3;w=60");
    assert_eq!(first.header("ratelimit"), "\"anonymous\";r=2;t=20");
    let missing = client.get(Who::Nobody, "/products/nothing").await.expect_problem(404, "not_found");
    assert_eq!(missing.header("ratelimit"), "\"anonymous\";r=1;t=40");
    client.get(Who::Stranger, "/products").await.expect_problem(401, "authentication_required");

    let refused = client.get(Who::Nobody, "/products").await.expect_problem(429, "rate_limited");
    let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=20).contains(&seconds), "{seconds}");
    assert_eq!(refused.header("ratelimit-policy"), "\"anonymous\";q=3;w=60");
    assert!(refused.header("ratelimit").starts_with("\"anonymous\";r=0;t="));
    assert_eq!(refused.header("cache-control"), "no-store");
    assert!(!refused.header("x-request-id").is_empty());

    let vendor = client.get(Who::Role("vendor"), "/products").await.expect(200);
    assert_eq!(vendor.header("ratelimit-policy"), "\"staff\";q=50;w=60");
    client.get_root("/health/live").await.expect(200);
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn what_a_client_says_of_its_address_does_not_count() {
    let scope = Scope::new().await;
    let mut settings = api::api_settings(&scope);
    settings.api.rate_limit.anonymous.requests = 1;
    let api = api::start(settings.clone()).await;
    let client = Client::new(&api);
    let ask = async |client: &Client, address: &str| {
        let request = client.request(reqwest::Method::GET, Who::Nobody, "/products");
        api::send(request.header("x-forwarded-for", address)).await.status.as_u16()
    };
    assert_eq!([ask(&client, "192.0.2.1").await, ask(&client, "192.0.2.2").await], [200, 429]);
    api.stop().await.expect("stops");

    settings.api.rate_limit.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    let api = api::start(settings).await;
    let client = Client::new(&api);
    let answers = [ask(&client, "192.0.2.1").await, ask(&client, "192.0.2.2").await];
    assert_eq!(answers, [200, 200]);
    assert_eq!(ask(&client, "192.0.2.2").await, 429);
    api.stop().await.expect("stops");
}
