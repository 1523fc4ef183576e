//! What orders, stock, judgments and reviews say of each other across the two stores.

use std::collections::HashSet;
use std::pin::pin;

use futures_util::{Stream, StreamExt};
use store::error::StoreError;
use store::mongo::audit::{VerifiedReview, deleted, variants_by_sku, verified_reviews};
use store::mongo::connection::Mongo;
use store::mongo::products;
use store::pg::audit::{
    Finding, ReviewedPurchase, SoldVariant, judged_products, missing_purchases, sold_variants,
    stocked_variants,
};
use store::pg::direct::DirectClient;

use super::Tally;

const BATCH: usize = 1_000;

pub(super) async fn check(client: &DirectClient, mongo: &Mongo) -> Result<Vec<Finding>, StoreError> {
    let sold = Tally::new(
        "sold_variant_exists",
        "product, variant and SKU of an order's line are or were the catalogue's",
    );
    let sold = check_variants(sold, sold_variants(client).await?, mongo).await?;
    let stocked =
        Tally::new("stocked_variant_exists", "variant and SKU of a stock level are or were the catalogue's");
    let stocked = check_variants(stocked, stocked_variants(client).await?, mongo).await?;
    Ok(vec![sold, stocked, check_judged(client, mongo).await?, check_reviews(client, mongo).await?])
}

async fn check_variants(
    mut tally: Tally,
    variants: impl Stream<Item = Result<SoldVariant, StoreError>>,
    mongo: &Mongo,
) -> Result<Finding, StoreError> {
    let mut batches = pin!(variants.chunks(BATCH));
    while let Some(batch) = batches.next().await {
        let batch: Vec<_> = batch.into_iter().collect::<Result<_, _>>()?;
        let skus: Vec<_> = batch.iter().map(|variant| variant.sku.as_str()).collect();
        let known = variants_by_sku(mongo, &skus).await?;
        for variant in &batch {
            let holds = known.get(&variant.sku).into_iter().flatten().any(|(product, id)| {
                *id == variant.variant_id && variant.product_id.is_none_or(|sold| sold == *product)
            });
            tally.count(holds, || variant.sku.clone());
        }
    }
    Ok(tally.end())
}

async fn check_judged(client: &DirectClient, mongo: &Mongo) -> Result<Finding, StoreError> {
    let mut tally = Tally::new("judged_product_exists", "product of a judgment is or was in the catalogue");
    for batch in judged_products(client).await?.chunks(BATCH) {
        let found = products::find_many(mongo, batch).await?;
        let mut known: HashSet<_> = found.iter().map(|product| product.id).collect();
        known.extend(deleted(mongo, batch).await?);
        batch.iter().for_each(|id| tally.count(known.contains(id), || id.to_string()));
    }
    Ok(tally.end())
}

async fn check_reviews(client: &DirectClient, mongo: &Mongo) -> Result<Finding, StoreError> {
    let mut tally = Tally::new(
        "verified_review_was_bought",
        "paid order of a verified review has its customer and product",
    );
    let mut after = None;
    loop {
        let batch = verified_reviews(mongo, after, BATCH as i64).await?;
        let Some(last) = batch.last() else { break };
        after = Some(last.id);
        let claimed: Vec<_> = batch.iter().map(claim).collect();
        let missing: HashSet<_> = missing_purchases(client, &claimed).await?.into_iter().collect();
        batch
            .iter()
            .for_each(|review| tally.count(!missing.contains(&review.id.0), || review.id.to_string()));
    }
    Ok(tally.end())
}

fn claim(review: &VerifiedReview) -> ReviewedPurchase {
    ReviewedPurchase {
        review_id: review.id.0,
        order_id: review.order_id.0,
        user_id: review.user_id.0,
        product_id: review.product_id.0,
    }
}
