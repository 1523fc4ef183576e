//! The history of prices as it is stored.

use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use secrecy::ExposeSecret;

use crate::Scope;

/// Every price that any variant ever had, in minor units, oldest first.
pub async fn history(scope: &Scope) -> Vec<i64> {
    let client = mongodb::Client::with_uri_str(scope.mongo.url.expose_secret()).await.expect("a client");
    let changes = client.database(&scope.mongo.database).collection::<Document>("price_changes");
    let found = changes.find(doc! {}).sort(doc! {"changed_at": 1}).await.expect("a cursor");
    let found: Vec<_> = found.try_collect().await.expect("documents");
    let prices = found.iter().flat_map(|change| change.get_array("prices").expect("prices"));
    let amount =
        |price: &Bson| price.as_document().expect("a price").get_i64("amount_minor").expect("an amount");
    prices.map(amount).collect()
}
