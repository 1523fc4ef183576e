//! Pages that are answered from memory are never older than the products in them.

use std::time::Duration;

use serde_json::json;
use support::Scope;
use support::api::{self, Client, Shop, Who};
use support::wait;
use uuid::Uuid;

const VENDOR: Who = Who::Role("vendor");

async fn create(client: &Client, title: &str) -> api::Answer {
    let draft = json!({
        "title": title, "status": "active",
        "variants": [{
            "sku": format!("sku-{}", Uuid::new_v4().simple()),
            "price": {"amount_minor": 100, "currency": "GBP"}
        }]
    });
    client.post(VENDOR, "/products", &Uuid::new_v4().to_string(), &draft).await.expect(201)
}

async fn titles(client: &Client, path: &str) -> Vec<String> {
    let page = client.get(Who::Nobody, path).await.expect(200).body;
    let data = page["data"].as_array().expect("a page").clone();
    let mut titles: Vec<_> =
        data.iter().map(|product| product["title"].as_str().expect("a title").to_owned()).collect();
    titles.sort();
    titles
}

#[tokio::test]
async fn a_writer_reads_what_they_wrote_and_others_soon_do() {
    let scope = Scope::new().await;
    let shop = Shop::start(&scope).await;
    let (first, second) =
        (api::start(api::api_settings(&scope)).await, api::start(api::api_settings(&scope)).await);
    let (client, other) = (Client::new(&first), Client::new(&second));
    let created = create(&client, "One").await;
    wait::until("the other process lists it", Duration::from_secs(10), async || {
        (titles(&other, "/products?limit=100").await == ["One"]).then_some(())
    })
    .await;

    for number in 0..20 {
        assert_eq!(titles(&client, "/products?limit=100").await.len(), number + 1);
        create(&client, "Two").await;
        assert_eq!(
            titles(&client, "/products?limit=100").await.len(),
            number + 2,
            "the new one is there at once"
        );
    }
    let id = created.body["id"].as_str().expect("an id");
    let mut etag = created.header("etag").to_owned();
    for number in 0..20 {
        let title = format!("Changed {number:02}");
        let path = format!("/products/{id}");
        etag = client
            .patch(VENDOR, &path, &etag, &json!({"title": title}))
            .await
            .expect(200)
            .header("etag")
            .to_owned();
        assert!(titles(&client, "/products?limit=100").await.contains(&title), "the change is there at once");
    }
    wait::until("the other process shows the change", Duration::from_secs(10), async || {
        titles(&other, "/products?limit=100").await.contains(&"Changed 19".to_owned()).then_some(())
    })
    .await;
    first.stop().await.expect("stops");
    second.stop().await.expect("stops");
    shop.stop().await;
}

#[tokio::test]
async fn a_page_of_hits_shows_products_as_they_are_and_staff_sees_no_other_page() {
    let scope = Scope::new().await;
    let shop = Shop::start(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let created = create(&client, "Teapot").await;
    wait::until("it is found", Duration::from_secs(20), async || {
        // The engine has no index yet at first.
        let answer = client.get(Who::Nobody, "/search?q=teapot").await;
        (answer.is_of_index() && answer.body["data"][0]["title"] == "Teapot").then_some(())
    })
    .await;
    let path = format!("/products/{}", created.body["id"].as_str().expect("an id"));
    let changed =
        client.patch(VENDOR, &path, created.header("etag"), &json!({"title": "Teapot, blue"})).await;
    assert_eq!(titles(&client, "/search?q=teapot").await, ["Teapot, blue"], "the old title is nowhere");
    client
        .patch(VENDOR, &path, changed.expect(200).header("etag"), &json!({"status": "draft"}))
        .await
        .expect(200);
    assert!(titles(&client, "/search?q=teapot").await.is_empty(), "a draft is not shown");

    let drafts = "/products?status=draft";
    let staff = client.get(VENDOR, drafts).await.expect(200);
    assert_eq!(staff.body["data"].as_array().map(Vec::len), Some(1));
    client.get(Who::Nobody, drafts).await.expect_problem(401, "authentication_required");
    client.get(Who::Role("shopper"), drafts).await.expect_problem(403, "permission_denied");
    let all = client.get(VENDOR, "/products").await.expect(200);
    assert_eq!(all.header("cache-control"), "private, no-cache");
    let public = client.get(Who::Nobody, "/products").await.expect(200);
    assert_eq!(public.header("cache-control"), "public, max-age=0, s-maxage=5");
    assert_eq!(all.body, public.body);
    api.stop().await.expect("stops");
    shop.stop().await;
}

#[tokio::test]
async fn a_page_is_packed_for_who_takes_it() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    for _ in 0..20 {
        create(&client, "A product with the same words as all the others").await;
    }
    // A client that leaves bodies as they come.
    let leaving = reqwest::Client::builder().no_gzip().build().expect("a client");
    let plain = client.get(Who::Nobody, "/products").await.expect(200);
    for _ in 0..2 {
        let packed = leaving.get(format!("http://{}/api/v1/products", api.address));
        let packed = packed.header("accept-encoding", "gzip").send().await.expect("answered");
        assert_eq!(packed.headers()["content-encoding"], "gzip");
        assert!(packed.headers().get_all("vary").iter().any(|value| value == "accept-encoding"));
        let mut unpacked = String::new();
        let bytes = packed.bytes().await.expect("a body");
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut unpacked)
            .expect("gzip");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&unpacked).expect("JSON"), plain.body);
    }
    api.stop().await.expect("stops");
}
