use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;

use super::*;

fn cache() -> ProductCache {
    let settings = CacheSettings { prefix: "test".into() };
    // Nothing listens there: the shared tier is down.
    let memcached = MemcachedSettings { address: "127.0.0.1:1".into() };
    ProductCache::new(&settings, &memcached).expect("valid settings")
}

fn product(version: i64) -> Product {
    let json = serde_json::json!({
        "id": id(), "external_id": null, "slug": "s", "title": "T", "description": "", "brand": null,
        "category": null, "attributes": {}, "images": [], "variants": [],
        "rating": {"average": null, "count": 0}, "status": "active", "version": version,
        "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z"
    });
    serde_json::from_value(json).expect("a product")
}

fn id() -> ProductId {
    ProductId::new(Timestamp::UNIX_EPOCH, [7; 10])
}

async fn get(cache: &ProductCache, stored: &AtomicI64, loads: &AtomicUsize) -> i64 {
    let load = || async {
        loads.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Infallible>(Some(product(stored.load(Ordering::SeqCst))))
    };
    cache.get_or_load(id(), load).await.expect("loads").expect("is there").version
}

#[tokio::test]
async fn a_change_is_never_hidden_and_a_bypassed_cache_keeps_nothing() {
    let (cache, stored, loads) = (cache(), AtomicI64::new(1), AtomicUsize::new(0));
    assert_eq!(get(&cache, &stored, &loads).await, 1);
    assert_eq!(get(&cache, &stored, &loads).await, 1);
    assert_eq!(loads.load(Ordering::SeqCst), 2, "bypassed before the first subscription");

    cache.listen_from(Timestamp::now());
    get(&cache, &stored, &loads).await;
    get(&cache, &stored, &loads).await;
    assert_eq!(loads.load(Ordering::SeqCst), 3, "the second is a hit");

    stored.store(2, Ordering::SeqCst);
    cache.invalidate(id(), 2, Timestamp::now()).await;
    assert_eq!(get(&cache, &stored, &loads).await, 2);

    stored.store(3, Ordering::SeqCst);
    cache.bypass();
    assert_eq!(get(&cache, &stored, &loads).await, 3);
    stored.store(4, Ordering::SeqCst);
    cache.listen_from(Timestamp::now());
    assert_eq!(get(&cache, &stored, &loads).await, 4);
}

#[tokio::test]
async fn a_load_that_began_before_a_change_is_not_answered_after_it() {
    let (cache, calls) = (cache(), AtomicI64::new(0));
    cache.listen_from(Timestamp::now());
    let load = || async {
        let version = calls.fetch_add(1, Ordering::SeqCst) + 1;
        if version == 1 {
            // The change comes while the old state is on its way.
            cache.invalidate(id(), 2, Timestamp::now()).await;
        }
        Ok::<_, Infallible>(Some(product(version)))
    };
    let read = cache.get_or_load(id(), load).await.expect("loads").expect("is there");
    assert_eq!(read.version, 2);
}

#[tokio::test]
async fn many_readers_cause_one_load() {
    let (cache, loads) = (cache(), AtomicUsize::new(0));
    cache.listen_from(Timestamp::now());
    let read = || {
        cache.get_or_load(id(), || async {
            loads.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, Infallible>(Some(product(1)))
        })
    };
    futures_util::future::join_all((0..50).map(|_| read())).await;
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn many_products_come_in_the_order_asked_for() {
    let cache = cache();
    cache.listen_from(Timestamp::now());
    let other = ProductId::new(Timestamp::UNIX_EPOCH, [8; 10]);
    let load = |ids: Vec<ProductId>| async move {
        assert_eq!(ids.len(), 2);
        Ok::<_, Infallible>(vec![product(1)])
    };
    let read = cache.get_or_load_many(&[other, id()], load).await.expect("loads");
    assert_eq!(read.iter().map(|product| product.id).collect::<Vec<_>>(), [id()]);
}

#[test]
fn every_text_of_a_product_has_its_weight() {
    let text = "x".repeat(2_000);
    let light = weight(&product(1));
    let mut product = product(1);
    product.images.push(domain::product::Image { url: text.clone(), alt: text.clone() });
    product.attributes.insert(text.clone(), text.clone());
    let variant_id = domain::ids::VariantId::new(Timestamp::UNIX_EPOCH, [1; 10]);
    let options = [(text.clone(), text.clone())].into();
    product.variants.push(domain::product::Variant { id: variant_id, sku: text, options, price: None });
    assert!(weight(&product) >= light + 7 * 2_000, "{} and {light}", weight(&product));
}

#[tokio::test]
async fn what_was_written_is_at_hand_until_something_newer_is_heard_of() {
    let (cache, at) = (cache(), Timestamp::UNIX_EPOCH);
    let version = async || cache.at_hand(id()).await.map(|product| product.version);
    cache.written(&product(2), cache.sight(), at).await;
    assert_eq!(version().await, None, "changes are not heard");

    cache.listen_from(Timestamp::now());
    cache.written(&product(2), cache.sight(), at).await;
    assert_eq!(version().await, Some(2));
    cache.invalidate_local(id(), 2).await;
    assert_eq!(version().await, Some(2), "its own change is heard of, too");
    cache.invalidate_local(id(), 3).await;
    assert_eq!(version().await, None);

    cache.written(&product(2), cache.sight(), at).await;
    assert_eq!(version().await, None, "older than what was heard of meanwhile");
    let sight = cache.sight();
    cache.bypass();
    cache.listen_from(Timestamp::now());
    cache.written(&product(4), sight, at).await;
    assert_eq!(version().await, None, "changes after it may have passed unheard");
}

#[tokio::test]
async fn a_write_hides_a_load_of_before_and_nothing_newer() {
    let (cache, at) = (cache(), Timestamp::UNIX_EPOCH);
    cache.listen_from(Timestamp::now());
    let load = || async {
        // The write comes while the old state is on its way.
        cache.written(&product(2), cache.sight(), at).await;
        Ok::<_, Infallible>(Some(product(1)))
    };
    cache.get_or_load(id(), load).await.expect("loads").expect("is there");
    assert_eq!(get(&cache, &AtomicI64::new(2), &AtomicUsize::new(0)).await, 2);

    let cache = self::cache();
    cache.listen_from(Timestamp::now());
    assert_eq!(get(&cache, &AtomicI64::new(3), &AtomicUsize::new(0)).await, 3);
    cache.written(&product(2), cache.sight(), at).await;
    assert_eq!(cache.at_hand(id()).await.map(|product| product.version), Some(3), "the answer was late");
}

#[tokio::test]
async fn a_minimum_never_falls() {
    let cache = cache();
    cache.invalidate_local(id(), 7).await;
    cache.invalidate_local(id(), 3).await;
    assert!(!cache.inner.is_new_enough(id(), 6).await);
    assert!(cache.inner.is_new_enough(id(), 7).await);
}
