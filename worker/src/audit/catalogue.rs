//! Products against their categories, reviews, prices and events: all of them MongoDB's.

use std::collections::HashMap;
use std::time::Duration;

use domain::category::Category;
use domain::ids::{CategoryId, ProductId, VariantId};
use domain::product::Product;
use domain::review::RatingCounts;
use store::error::StoreError;
use store::mongo::audit::{EventVersions, event_versions, late_events, newest_prices, rating_counts};
use store::mongo::connection::Mongo;
use store::mongo::{categories, products};
use store::pg::audit::Finding;

use super::Tally;

/// Most categories of a tree.
const CATEGORIES_MAX: i64 = 20_000;
const BATCH: i64 = 500;

struct Tallies {
    category: Tally,
    rating: Tally,
    price: Tally,
    gapless: Tally,
    version: Tally,
}

pub(super) async fn check(mongo: &Mongo, unsent_after: Duration) -> Result<Vec<Finding>, StoreError> {
    let tree = categories::list(mongo, None, CATEGORIES_MAX).await?;
    let parents = check_tree(&tree);
    let paths: HashMap<_, _> = tree.iter().map(|category| (category.path.as_str(), category.id)).collect();
    let mut tallies = Tallies::new();
    let mut after = None;
    loop {
        let batch = products::scan(mongo, after, BATCH).await?;
        let Some(last) = batch.last() else { break };
        after = Some(last.id);
        tallies.count(mongo, &batch, &paths).await?;
    }
    let Tallies { category, rating, price, gapless, version } = tallies;
    let ended = [category, rating, price, gapless, version].map(Tally::end);
    let late = check_late(mongo, unsent_after).await?;
    Ok([parents].into_iter().chain(ended).chain([late]).collect())
}

/// Parents exist, and a path is its parent's with one slug more: so there is no circle.
fn check_tree(tree: &[Category]) -> Finding {
    let mut tally = Tally::new("categories_are_a_tree", "parent exists, path = its path + one slug");
    let by_id: HashMap<CategoryId, &Category> = tree.iter().map(|category| (category.id, category)).collect();
    for category in tree {
        let above = category.path.rsplit_once('/').map(|(above, _)| above);
        let parent = category.parent_id.map(|parent| by_id.get(&parent));
        let holds = match parent {
            None => above.is_none(),
            Some(parent) => parent.is_some_and(|parent| above == Some(parent.path.as_str())),
        };
        tally.count(holds, || category.path.clone());
    }
    tally.end()
}

impl Tallies {
    fn new() -> Self {
        Self {
            category: Tally::new("category_exists", "category of a product of ours is in the tree"),
            rating: Tally::new("rating_is_the_mean", "rating of a product of ours = its approved reviews"),
            price: Tally::new("price_is_the_newest", "price of a variant = newest of its history"),
            gapless: Tally::new(
                "product_versions_are_gapless",
                "events of a product: versions without a gap",
            ),
            version: Tally::new("product_is_its_newest_event", "version of a product = its newest event's"),
        }
    }

    fn hold(&self) -> bool {
        let Self { category, rating, price, gapless, version } = self;
        [category, rating, price, gapless, version].iter().all(|tally| tally.finding.violations == 0)
    }

    /// A product that changes between two questions seems broken: it is asked for once more before it counts as that.
    async fn count(
        &mut self,
        mongo: &Mongo,
        batch: &[Product],
        paths: &HashMap<&str, CategoryId>,
    ) -> Result<(), StoreError> {
        let ids: Vec<_> = batch.iter().map(|product| product.id).collect();
        let beside = Beside::read(mongo, &ids).await?;
        let mut doubtful = Vec::new();
        for product in batch {
            let mut alone = Self::new();
            alone.add(product, &beside, paths);
            if alone.hold() {
                self.add(product, &beside, paths);
            } else {
                doubtful.push(product.id);
            }
        }
        if doubtful.is_empty() {
            return Ok(());
        }
        let again = products::find_many(mongo, &doubtful).await?;
        let beside = Beside::read(mongo, &doubtful).await?;
        again.iter().for_each(|product| self.add(product, &beside, paths));
        Ok(())
    }

    fn add(&mut self, product: &Product, beside: &Beside, paths: &HashMap<&str, CategoryId>) {
        let key = || product.id.to_string();
        // Imported products bring paths and ratings of their own.
        if product.source.is_none() && !paths.is_empty() {
            let is_known = product.category.as_deref().is_none_or(|path| paths.contains_key(path));
            self.category.count(is_known, key);
            let counts = beside.ratings.get(&product.id).copied().unwrap_or_default();
            let is_mean =
                product.rating.average == counts.mean() && u64::from(product.rating.count) == counts.total();
            self.rating.count(is_mean, key);
        }
        for variant in &product.variants {
            // Without a price it cannot be bought; its history ends there.
            if let (Some(price), Some(newest)) = (variant.price, beside.prices.get(&variant.id)) {
                self.price.count(price.amount_minor == *newest, || variant.sku.clone());
            }
        }
        if let Some(kept) = beside.events.get(&product.id) {
            self.gapless.count(kept.last - kept.first + 1 == kept.count, key);
            self.version.count(kept.last == product.version, key);
        }
    }
}

/// What other collections say of products.
struct Beside {
    ratings: HashMap<ProductId, RatingCounts>,
    prices: HashMap<VariantId, i64>,
    events: HashMap<ProductId, EventVersions>,
}

impl Beside {
    async fn read(mongo: &Mongo, ids: &[ProductId]) -> Result<Self, StoreError> {
        Ok(Self {
            ratings: rating_counts(mongo, ids).await?,
            prices: newest_prices(mongo, ids).await?,
            events: event_versions(mongo, ids).await?,
        })
    }
}

async fn check_late(mongo: &Mongo, unsent_after: Duration) -> Result<Finding, StoreError> {
    let tally = Tally::new("product_events_are_sent", "events of products: sent in time");
    let (rows, violations, samples) = late_events(mongo, unsent_after).await?;
    Ok(Finding { rows, violations, samples, ..tally.end() })
}
