//! Pictures: kept for ever by whoever asked, harmless when opened, and nothing else of the disk.

use bytes::Bytes;
use store::objects::Objects;
use support::Scope;
use support::api::{self, Client, Who};

const KEY: &str = "0123456789abcdef0123456789abcdef.svg";
const PICTURE: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>";

#[tokio::test]
async fn a_picture_is_served_once_and_for_all() {
    let scope = Scope::new().await;
    let objects = Objects::open(&scope.objects).await.expect("a folder");
    assert!(objects.put(KEY, Bytes::from_static(PICTURE.as_bytes())).await.expect("put"));
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let picture = client.get_root(&format!("/media/{KEY}")).await.expect(200);
    assert_eq!(picture.body, PICTURE);
    for (name, value) in [
        ("content-type", "image/svg+xml"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("etag", "\"0123456789abcdef0123456789abcdef\""),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(picture.header(name), value);
    }
    let http = reqwest::Client::new();
    let address = format!("http://{}/media/{KEY}", api.address);
    let weak = format!("W/{}", picture.header("etag"));
    for (known, status) in [(picture.header("etag"), 304), (&weak, 304), ("*", 304), ("\"a\", \"b\"", 200)] {
        let again = api::send(http.get(&address).header("if-none-match", known)).await;
        assert_eq!(again.status.as_u16(), status, "{known}");
    }
    let head = http.head(&address).send().await.expect("answers");
    assert_eq!((head.status().as_u16(), head.text().await.expect("no body")), (200, String::new()));
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn what_is_no_picture_is_not_found() {
    let scope = Scope::new().await;
    let objects = Objects::open(&scope.objects).await.expect("a folder");
    for key in ["secret.txt", "0123456789abcdef0123456789abcdef.png"] {
        objects.put(key, Bytes::from_static(b"secret")).await.expect("put");
    }
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    for key in [
        KEY,
        "secret.txt",
        "0123456789abcdef0123456789abcdef.png",
        "0123456789ABCDEF0123456789ABCDEF.svg",
        "..%2f..%2fetc%2fpasswd",
        "%00.svg",
    ] {
        client.get_root(&format!("/media/{key}")).await.expect_problem(404, "not_found");
    }
    api.stop().await.expect("stops");

    let mut settings = api::api_settings(&scope);
    settings.objects = None;
    let without = api::start(settings).await;
    Client::new(&without).get_root(&format!("/media/{KEY}")).await.expect_problem(404, "not_found");
    assert_eq!(Client::new(&without).get(Who::Nobody, "/products").await.status, 200);
    without.stop().await.expect("stops");
}
