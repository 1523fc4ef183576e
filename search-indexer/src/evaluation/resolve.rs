//! Which products a file of judgments means: it names them by our ids, or by those of the catalogue they came from.

use std::collections::{BTreeSet, HashMap};

use domain::ids::ProductId;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::mongo::external_ids;

use super::JudgedQuery;
use super::judged_file::JudgedFile;

/// The queries with our products.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Each query; a product that is not in the shop is still there to be found, so its gain is missed.
    pub queries: Vec<JudgedQuery>,
    /// Products that the file names.
    pub named: usize,
    /// Those of them that the shop does not have.
    pub unknown: usize,
}

/// Why it cannot be told which products are meant.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Two catalogues have products of these ids.
    #[error("several catalogues have such products: choose one of {0:?} with --source")]
    Ambiguous(Vec<String>),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds the products. Without a `source` the file may name those of one catalogue only.
pub async fn run(mongo: &Mongo, file: &JudgedFile, source: Option<&str>) -> Result<Resolved, ResolveError> {
    let names: BTreeSet<&str> = file.values().flat_map(|gains| gains.keys().map(String::as_str)).collect();
    let own = |name: &&str| name.parse::<ProductId>().ok();
    let mut known: HashMap<&str, ProductId> =
        names.iter().filter_map(|name| own(name).map(|id| (*name, id))).collect();
    let foreign: Vec<&str> = names.iter().filter(|name| own(name).is_none()).copied().collect();
    let sources = match source {
        Some(source) => vec![source.to_owned()],
        None if foreign.is_empty() => Vec::new(),
        None => external_ids::sources(mongo).await?,
    };
    let mut answering = Vec::new();
    for source in sources {
        let found = external_ids::find(mongo, &source, &foreign).await?;
        if found.is_empty() {
            continue;
        }
        answering.push(source);
        for product in &found {
            let name = names.get(product.external_id.as_str());
            known.extend(name.copied().zip(product.product_id()));
        }
    }
    if answering.len() > 1 {
        return Err(ResolveError::Ambiguous(answering));
    }
    let unknown = names.iter().filter(|name| !known.contains_key(*name)).count();
    let queries = file.iter().map(|(text, gains)| judged(text, gains, &known)).collect();
    Ok(Resolved { queries, named: names.len(), unknown })
}

fn judged(text: &str, gains: &HashMap<String, f64>, known: &HashMap<&str, ProductId>) -> JudgedQuery {
    let missing = |name: &str| ProductId(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()));
    let gain = |(name, gain): (&String, &f64)| {
        (known.get(name.as_str()).copied().unwrap_or_else(|| missing(name)), *gain)
    };
    JudgedQuery { text: text.to_owned(), gains: gains.iter().map(gain).collect() }
}
