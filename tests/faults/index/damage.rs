//! Documents that were deleted or overwritten past the shop: found and mended by the running comparer, without a
//! rebuild.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use domain::ids::ProductId;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use store::mongo::products;

use super::engine::{Damage, Held};
use super::{Stage, outcome, quiet};

/// Documents that are damaged; a tenth of a smaller catalogue.
const DOCUMENTS_MAX: usize = 1_000;
const SHARE: usize = 10;
/// How soon all have to be right again.
const GOAL: Duration = Duration::from_secs(300);
/// How long that is waited for.
const DEADLINE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(2);
/// Products of one read, and most of all.
const PAGE_SIZE: usize = 1_000;
const PRODUCTS_MAX: usize = 1_000_000;
/// Documents that are named when they stay as they are.
const NAMED_MAX: usize = 5;
/// What no product is called.
const TITLE: &str = "Damaged past the shop";

/// What does not hold; the figures are set as they become known.
pub async fn run(stage: &Stage<'_>, seed: u64, figures: &mut outcome::Damage) -> anyhow::Result<Vec<String>> {
    let work = Box::pin(damage_and_wait(stage, seed, figures));
    stage.stop.run_until_cancelled(work).await.context("stopped")?
}

async fn damage_and_wait(
    stage: &Stage<'_>,
    seed: u64,
    figures: &mut outcome::Damage,
) -> anyhow::Result<Vec<String>> {
    quiet(stage.shop, &[]).await.context("before the damage")?;
    let in_use = stage.engine.in_use().await?;
    let before = present(stage, &chosen(&all_ids(stage).await?, seed)).await?;
    ensure!(!before.is_empty(), "the shop has fewer than {SHARE} products: ./dev seed makes some");
    figures.documents = before.len() as u64;
    let began = Instant::now();
    let damages: Vec<_> = before.iter().enumerate().map(|(number, held)| damage(number, held)).collect();
    stage.engine.damage(&in_use, &damages).await?;
    let mut left = before;
    while !left.is_empty() && began.elapsed() < DEADLINE {
        tokio::time::sleep(PAUSE).await;
        left = still_damaged(stage, left).await?;
    }
    let took = began.elapsed();
    figures.seconds = left.is_empty().then_some(took.as_secs_f64());
    let mut violations = Vec::new();
    violations.extend(late(&left, took));
    if stage.engine.in_use().await? != in_use {
        violations.push("another index is in use: what mended the documents is not known".to_owned());
    }
    Ok(violations)
}

async fn all_ids(stage: &Stage<'_>) -> anyhow::Result<Vec<ProductId>> {
    let mut ids = Vec::new();
    loop {
        let page = products::scan_ids(&stage.shop.mongo, ids.last().copied(), PAGE_SIZE).await?;
        ids.extend_from_slice(&page);
        ensure!(ids.len() <= PRODUCTS_MAX, "the shop has more than {PRODUCTS_MAX} products");
        if page.len() < PAGE_SIZE {
            return Ok(ids);
        }
    }
}

/// The same for the same seed and products.
fn chosen(ids: &[ProductId], seed: u64) -> Vec<ProductId> {
    let count = (ids.len() / SHARE).min(DOCUMENTS_MAX);
    ids.sample(&mut StdRng::seed_from_u64(seed), count).copied().collect()
}

/// A document before it was damaged.
type Before = (ProductId, Held);

async fn present(stage: &Stage<'_>, ids: &[ProductId]) -> anyhow::Result<Vec<Before>> {
    let held = stage.engine.held(ids).await?;
    let known = |(id, held): (&ProductId, Option<Held>)| {
        let held = held.with_context(|| format!("the index has no product {id}: ./dev search repair"))?;
        anyhow::Ok((*id, held))
    };
    ids.iter().zip(held).map(known).collect()
}

fn damage(number: usize, (id, held): &Before) -> (ProductId, i64, Damage) {
    let damage = if number.is_multiple_of(2) {
        Damage::Deleted
    } else {
        Damage::Overwritten(overwritten(&held.source))
    };
    (*id, held.version, damage)
}

/// With another title and price, and the hash that it had: only who looks at what it holds can find it.
fn overwritten(source: &Value) -> Value {
    let mut source = source.clone();
    let price_minor = source["price_minor_min"].as_i64().unwrap_or(0);
    source["price_minor_min"] = json!(price_minor + 1);
    source["title"] = json!(TITLE);
    source
}

async fn still_damaged(stage: &Stage<'_>, left: Vec<Before>) -> anyhow::Result<Vec<Before>> {
    let ids: Vec<ProductId> = left.iter().map(|(id, _)| *id).collect();
    let held = stage.engine.held(&ids).await?;
    let both = left.into_iter().zip(held);
    Ok(both.filter(|((_, before), now)| !is_mended(before, now.as_ref())).map(|(before, _)| before).collect())
}

/// What was sold lately is counted anew once a day, whatever else happens.
fn is_mended(before: &Held, now: Option<&Held>) -> bool {
    let lasting = |held: &Held| {
        let mut source = held.source.clone();
        for name in ["popularity", "content_hash"] {
            source.as_object_mut().and_then(|fields| fields.remove(name));
        }
        source
    };
    now.is_some_and(|now| lasting(now) == lasting(before))
}

fn late(left: &[Before], took: Duration) -> Option<String> {
    if left.is_empty() {
        let is_late = took > GOAL;
        return is_late.then(|| format!("mended after {:.1} s: more than {GOAL:?}", took.as_secs_f64()));
    }
    let named: Vec<String> = left.iter().take(NAMED_MAX).map(|(id, _)| id.to_string()).collect();
    Some(format!(
        "{} documents were not mended within {DEADLINE:?} (./dev search repair mends them): {}",
        left.len(),
        named.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jiff::Timestamp;

    use super::*;

    fn id(number: u16) -> ProductId {
        let mut random = [0; 10];
        random[8..].copy_from_slice(&number.to_be_bytes());
        ProductId::new(Timestamp::UNIX_EPOCH, random)
    }

    fn held() -> Held {
        let source = json!({"title": "Shirt", "price_minor_min": 100, "popularity": 3, "content_hash": "a"});
        Held { version: 7, source }
    }

    #[test]
    fn a_seed_chooses_the_same_products_again() {
        let ids: Vec<ProductId> = (0..20_000).map(id).collect();
        let first = chosen(&ids, 7);
        assert_eq!(first, chosen(&ids, 7));
        assert_ne!(first, chosen(&ids, 8));
        assert_eq!(first.iter().collect::<HashSet<_>>().len(), DOCUMENTS_MAX);
        assert_eq!(chosen(&ids[..50], 7).len(), 5);
        assert!(chosen(&ids[..9], 7).is_empty());
    }

    #[test]
    fn one_half_is_deleted_and_one_overwritten() {
        let before = (id(1), held());
        assert_eq!(damage(0, &before), (id(1), 7, Damage::Deleted));
        let (_, version, Damage::Overwritten(source)) = damage(1, &before) else { panic!("overwritten") };
        assert_eq!((version, &source["title"], &source["price_minor_min"]), (7, &json!(TITLE), &json!(101)));
        assert_eq!(source["content_hash"], "a");
    }

    #[test]
    fn only_what_it_was_is_mended() {
        let before = held();
        let now = |name: &str, value: Value| {
            let mut now = held();
            now.source[name] = value;
            is_mended(&before, Some(&now))
        };
        assert!(!is_mended(&before, None) && !now("title", json!(TITLE)) && !now("stranger", json!(1)));
        assert!(
            now("title", json!("Shirt")) && now("popularity", json!(4)) && now("content_hash", json!("b"))
        );
    }

    #[test]
    fn what_is_late_or_left_is_a_violation() {
        assert_eq!(late(&[], GOAL), None);
        assert!(late(&[], GOAL + Duration::from_secs(1)).is_some());
        assert!(late(&[(id(1), held())], Duration::ZERO).is_some_and(|text| text.contains("1 documents")));
    }
}
