//! The API starts without its stores, says what is missing, and recovers by itself.

use std::time::Duration;

use secrecy::SecretString;
use support::api::{self, Client, Who};
use support::{Scope, wait};
use tokio::net::TcpListener;

#[tokio::test]
async fn everything_is_there() {
    let scope = Scope::new().await;
    let shop = api::Shop::start(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let ready = wait::until("the API is ready", Duration::from_secs(20), async || {
        let answer = client.get_root("/health/ready").await;
        (answer.status == 200 && answer.body["status"] == "ok").then_some(answer)
    })
    .await;
    let names: Vec<_> =
        ready.body["dependencies"].as_object().expect("dependencies").keys().cloned().collect();
    assert_eq!(
        names,
        ["memcached", "mongo", "postgres_read", "postgres_write", "rabbitmq", "redis", "search"]
    );
    client.get_root("/health/live").await.expect(200);
    api.stop().await.expect("stops");
    shop.stop().await;
}

#[tokio::test]
async fn a_missing_store_is_named_and_found_again() {
    let scope = Scope::new().await;
    // A port that nobody listens on until the forwarder below does.
    let reserved = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = reserved.local_addr().expect("an address");
    drop(reserved);
    let mut settings = api::api_settings(&scope);
    let pgpool = settings.postgres.pgpools[0].clone();
    settings.postgres.pgpools = vec![address.to_string()];
    let api = api::start(settings).await;
    let client = Client::new(&api);
    let answer = client.get_root("/health/ready").await.expect(503);
    assert_ne!(answer.body["dependencies"]["postgres_write"]["status"], "ok");
    assert_eq!(answer.body["dependencies"]["mongo"]["status"], "ok");
    client.get_root("/health/live").await.expect(200);
    let orders = client.get(Who::Role("admin"), "/orders").await.expect_problem(503, "unavailable");
    assert!(orders.header("retry-after").parse::<u32>().is_ok());
    client.get(Who::Nobody, "/products").await.expect(200);
    let forwarder = tokio::spawn(forward(address, pgpool));
    wait::until("the API is ready again", Duration::from_secs(20), async || {
        (client.get_root("/health/ready").await.status == 200).then_some(())
    })
    .await;
    client.get(Who::Role("admin"), "/orders").await.expect(200);
    forwarder.abort();
    api.stop().await.expect("stops");
}

async fn forward(from: std::net::SocketAddr, to: String) {
    let listener = TcpListener::bind(from).await.expect("the port is still free");
    loop {
        let (mut client, _) = listener.accept().await.expect("a connection");
        let to = to.clone();
        tokio::spawn(async move {
            let mut server = tokio::net::TcpStream::connect(to).await.expect("the server answers");
            // Either side may end first.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

#[tokio::test]
async fn mongodb_away_is_a_503_and_an_engine_away_is_degraded() {
    let scope = Scope::new().await;
    let mut settings = api::api_settings(&scope);
    settings.mongo.url = SecretString::from("mongodb://127.0.0.1:1/?replicaSet=none");
    settings.search.url = "http://127.0.0.1:1".to_owned();
    let api = api::start(settings).await;
    let client = Client::new(&api);
    let answer = client.get_root("/health/ready").await.expect(503);
    for name in ["mongo", "search"] {
        assert_ne!(answer.body["dependencies"][name]["status"], "ok");
        let text = answer.body["dependencies"][name].to_string();
        assert!(!text.contains("127.0.0.1"), "no address in an answer: {text}");
    }
    client.get(Who::Nobody, "/products").await.expect_problem(503, "unavailable");
    let search = client.get(Who::Nobody, "/search?q=x").await;
    assert_eq!(search.status, 503);
    search.header("retry-after");
    api.stop().await.expect("stops");
}
