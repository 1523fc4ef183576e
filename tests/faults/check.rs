//! What has to hold once the shop is quiet again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use domain::ids::ProductId;
use domain::product::Product;
use jiff::Timestamp;
use store::mongo::audit::event_versions;
use store::pg::audit::{CHECKS, prepare, run};

use crate::load::{Change, Log, Probe};
use crate::recorder::{Recorded, violations};
use crate::shop::{Shop, StockVersions};

/// The invariants of PostgreSQL that events and stock are part of.
const INVARIANTS: [&str; 5] = [
    "events_are_sent",
    "versions_are_gapless",
    "stock_equals_ledger",
    "ledger_runs_on",
    "availability_is_the_stock",
];

/// What a run knows of the time before its load.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    /// When the load began; the recorder was bound then.
    pub since: Timestamp,
    /// Dead letters there were.
    pub dead_letters: u64,
}

/// Everything that does not hold, in words.
pub async fn check(
    shop: &Shop,
    probes: &[Probe],
    before: Before,
    log: &Log,
    recorded: &[Recorded],
) -> anyhow::Result<Vec<String>> {
    let products = shop.products(probes).await?;
    let mut broken = log.refused.clone();
    broken.extend(idle(log));
    broken.extend(absent(&products, probes));
    broken.extend(lost_changes(&products, &log.changes));
    broken.extend(wrong_adjustments(&shop.reasons(probes).await?, log));
    broken.extend(broken_invariants(shop).await?);
    broken.extend(untold_stock(&shop.stock_versions(probes).await?));
    broken.extend(broken_product_events(shop, &products).await?);
    let expected = shop.events_since(before.since).await?;
    broken.extend(unrecorded_changes(&expected, &log.changes));
    broken.extend(violations(&expected, recorded));
    broken.extend(shop.unequal_documents(&products).await?);
    let dead = shop.dead_letters().await?.saturating_sub(before.dead_letters);
    if dead > 0 {
        broken.push(format!("{dead} dead letters that were not there before"));
    }
    Ok(broken)
}

/// A run in which nothing was acknowledged shows nothing.
fn idle(log: &Log) -> Vec<String> {
    [("change of a product", log.changes.is_empty()), ("adjustment", log.adjusted.is_empty())]
        .into_iter()
        .filter(|(_, is_idle)| *is_idle)
        .map(|(what, _)| format!("no {what} was acknowledged"))
        .collect()
}

/// Nobody deletes the probes.
fn absent(products: &[Product], probes: &[Probe]) -> Vec<String> {
    let present: HashSet<ProductId> = products.iter().map(|product| product.id).collect();
    let absent = probes.iter().filter(|probe| !present.contains(&probe.product));
    absent.map(|probe| format!("product {} is not there", probe.product)).collect()
}

/// That versions have no gap does not show that the last ones have an event, or that there is any.
fn untold_stock(levels: &[StockVersions]) -> Vec<String> {
    let untold = levels.iter().filter(|level| level.stored != level.newest_event);
    untold
        .map(|StockVersions { level, stored, newest_event }| {
            format!("stock {level}: version {stored}, newest event {newest_event}")
        })
        .collect()
}

/// Versions count changes, so one that was acknowledged twice, or is above the present one, was lost once.
pub fn lost_changes(products: &[Product], changes: &[Change]) -> Vec<String> {
    let present: HashMap<ProductId, &Product> =
        products.iter().map(|product| (product.id, product)).collect();
    let mut acknowledged = HashSet::new();
    let mut lost = Vec::new();
    for Change { product, version, title } in changes {
        if !acknowledged.insert((product, version)) {
            lost.push(format!("product {product}: version {version} was acknowledged twice"));
        }
        match present.get(product) {
            None => lost.push(format!("product {product} is gone")),
            Some(stored) if stored.version < *version => {
                lost.push(format!(
                    "product {product}: version {version} was acknowledged, {} is there",
                    stored.version
                ));
            }
            Some(stored) if stored.version == *version && stored.title != *title => {
                lost.push(format!(
                    "product {product}: version {version} is another one than was acknowledged"
                ));
            }
            Some(_) => {}
        }
    }
    lost
}

/// An acknowledged adjustment is in the ledger once, one of unknown outcome at most once.
fn wrong_adjustments(reasons: &HashMap<String, i64>, log: &Log) -> Vec<String> {
    let count = |reason: &String| reasons.get(reason).copied().unwrap_or(0);
    let acknowledged = log.adjusted.iter().filter(|reason| count(reason) != 1);
    let unknown = log.unknown.iter().filter(|reason| count(reason) > 1);
    acknowledged
        .chain(unknown)
        .map(|reason| format!("{reason}: {} times in the ledger", count(reason)))
        .collect()
}

async fn broken_invariants(shop: &Shop) -> anyhow::Result<Vec<String>> {
    let primary = shop.primary().await?;
    prepare(&primary, Duration::ZERO).await?;
    let mut broken = Vec::new();
    for check in CHECKS.iter().filter(|check| INVARIANTS.contains(&check.name)) {
        let found = run(&primary, check).await?;
        if found.violations > 0 {
            broken.push(format!(
                "{}: {} rows, such as {}",
                found.name,
                found.violations,
                found.samples.join(", ")
            ));
        }
    }
    Ok(broken)
}

/// The same of MongoDB's outbox.
async fn broken_product_events(shop: &Shop, products: &[Product]) -> anyhow::Result<Vec<String>> {
    let ids: Vec<ProductId> = products.iter().map(|product| product.id).collect();
    let kept = event_versions(&shop.mongo, &ids).await?;
    let mut broken = Vec::new();
    for product in products {
        match kept.get(&product.id) {
            None => broken.push(format!("product {}: no event is kept", product.id)),
            Some(versions) => {
                if versions.last - versions.first + 1 != versions.count {
                    broken.push(format!("product {}: its versions have a gap: {versions:?}", product.id));
                }
                if versions.last != product.version {
                    let (last, version) = (versions.last, product.version);
                    broken.push(format!("product {}: version {version}, newest event {last}", product.id));
                }
            }
        }
    }
    let unsent = store::mongo::outbox::backlog(&shop.mongo).await?;
    if unsent > 0 {
        broken.push(format!("{unsent} events of products are not sent"));
    }
    Ok(broken)
}

/// No fact without its event.
fn unrecorded_changes(events: &[Recorded], changes: &[Change]) -> Vec<String> {
    let known: HashSet<(&str, i64)> =
        events.iter().map(|event| (event.subject.as_str(), event.version)).collect();
    let mut missing = Vec::new();
    for Change { product, version, .. } in changes {
        let subject = format!("product/{product}");
        if !known.contains(&(subject.as_str(), *version)) {
            missing.push(format!("{subject}: version {version} has no event"));
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(product: &Product, version: i64, title: &str) -> Change {
        Change { product: product.id, version, title: title.to_owned() }
    }

    #[test]
    fn a_change_is_lost_when_its_version_is_not_its_own() {
        let product = Product { version: 3, ..support::shop::product("third") };
        let (second, third) = (change(&product, 2, "second"), change(&product, 3, "third"));
        let products = [product.clone()];
        assert!(lost_changes(&products, &[second.clone(), third.clone()]).is_empty());
        assert_eq!(lost_changes(&products, &[second.clone(), second]).len(), 1);
        assert_eq!(lost_changes(&products, &[change(&product, 4, "fourth")]).len(), 1);
        assert_eq!(lost_changes(&products, &[change(&product, 3, "other")]).len(), 1);
        assert_eq!(lost_changes(&[], &[third]).len(), 1);
    }

    #[test]
    fn an_adjustment_is_done_once() {
        let text = |text: &str| text.to_owned();
        let reasons = HashMap::from([(text("a"), 1), (text("b"), 2), (text("c"), 1), (text("d"), 2)]);
        let log = Log {
            adjusted: vec![text("a"), text("b"), text("missing")],
            unknown: vec![text("c"), text("d"), text("never")],
            ..Log::default()
        };
        let wrong = wrong_adjustments(&reasons, &log);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
    }

    #[test]
    fn a_run_without_load_shows_nothing() {
        let product = support::shop::product("first");
        assert_eq!(idle(&Log::default()).len(), 2);
        let changes = vec![change(&product, 2, "second")];
        assert_eq!(idle(&Log { changes: changes.clone(), ..Log::default() }).len(), 1);
        assert!(idle(&Log { changes, adjusted: vec!["a".to_owned()], ..Log::default() }).is_empty());
    }

    #[test]
    fn stock_has_its_newest_event() {
        let level =
            |stored, newest_event| StockVersions { level: "a/leeds".to_owned(), stored, newest_event };
        assert!(untold_stock(&[level(3, 3)]).is_empty());
        assert_eq!(untold_stock(&[level(3, 3), level(4, 3), level(1, 0)]).len(), 2);
    }

    #[test]
    fn a_change_has_its_event() {
        let product = support::shop::product("first");
        let changes = [change(&product, 1, "first"), change(&product, 2, "second")];
        let subject = format!("product/{}", product.id);
        let events = [Recorded { id: "1".to_owned(), subject, version: 1 }];
        assert_eq!(unrecorded_changes(&events, &changes).len(), 1);
    }

    #[test]
    fn the_invariants_are_known() {
        for name in INVARIANTS {
            assert!(CHECKS.iter().any(|check| check.name == name), "{name}");
        }
    }
}
