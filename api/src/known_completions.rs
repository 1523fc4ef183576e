//! What shoppers may be about to type, and what their words may name, this process' copy: what is searched for most,
//! and the categories. Read anew every minute; while a store is away the last ones go on.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::category::Category;
use domain::completions::Completions;
use domain::intent::Vocabulary;
use domain::order::SHOP_CHANNEL;
use domain::product::category_lineage;
use process::error_chain;
use store::error::StoreError;
use store::mongo::categories;
use store::pg::search_terms;
use tokio_util::sync::CancellationToken;

use crate::app_state::AppState;

const PERIOD: Duration = Duration::from_secs(60);
/// Longest wait for the stores.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most searches that are known.
const TERM_COUNT_MAX: i64 = 20_000;

/// What is known.
#[derive(Debug, Default)]
pub struct KnownCompletions {
    /// Another one each time that they were read.
    pub reading: u64,
    /// What is searched for, most frequent first.
    pub queries: Completions<String>,
    /// Categories, those higher up first.
    pub categories: Completions<KnownCategory>,
    /// What the words of a search may name.
    pub vocabulary: Vocabulary,
}

/// A category, with the names of those that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCategory {
    /// Its path.
    pub path: String,
    /// Names from the root down to its own.
    pub names: Vec<String>,
}

/// The copy.
#[derive(Debug, Default)]
pub struct KnownCompletionsCell(RwLock<Arc<KnownCompletions>>);

impl KnownCompletionsCell {
    /// What this process knows.
    pub fn get(&self) -> Arc<KnownCompletions> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, known: KnownCompletions) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(KnownCompletions { reading: held.reading + 1, ..known });
    }
}

/// Reads them at once and then every minute, until told to stop.
pub async fn follow(state: Arc<AppState>, stop: CancellationToken) {
    loop {
        match tokio::time::timeout(TIMEOUT, read(&state)).await {
            Ok(Ok(known)) => state.completions.put(known),
            Ok(Err(error)) => {
                tracing::warn!(
                    error = error_chain::text(&error),
                    "completions are not read: the last ones are used"
                );
            }
            Err(_) => tracing::warn!("completions are not read in time: the last ones are used"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn read(state: &AppState) -> Result<KnownCompletions, StoreError> {
    // From the primary: a process that has just begun knows what was counted a moment ago.
    let client = state.pools.write().await?;
    let terms = search_terms::popular(&**client, SHOP_CHANNEL, TERM_COUNT_MAX).await?;
    drop(client);
    let categories = categories::list(&state.mongo, None, categories::KNOWN_COUNT_MAX).await?;
    Ok(KnownCompletions {
        reading: 0,
        queries: Completions::of(terms.into_iter().map(|(term, searches)| (term.clone(), searches, term))),
        categories: Completions::of(known_categories(&categories)),
        vocabulary: Vocabulary::of(&categories),
    })
}

/// Each with all its names as text; one further down weighs less.
fn known_categories(categories: &[Category]) -> Vec<(String, i64, KnownCategory)> {
    let names: HashMap<&str, &str> =
        categories.iter().map(|category| (category.path.as_str(), category.name.as_str())).collect();
    let known = |category: &Category| {
        let lineage = category_lineage(&category.path);
        let names: Vec<_> =
            lineage.filter_map(|path| names.get(path)).map(|name| (*name).to_owned()).collect();
        let depth = i64::try_from(names.len()).unwrap_or(i64::MAX);
        (names.join(" "), -depth, KnownCategory { path: category.path.clone(), names })
    };
    categories.iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use domain::ids::CategoryId;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_category_is_found_by_its_name_and_by_those_above_it() {
        let category = |path: &str, name: &str| Category {
            id: CategoryId::new(Timestamp::UNIX_EPOCH, [0; 10]),
            path: path.to_owned(),
            name: name.to_owned(),
            parent_id: None,
            position: 0,
            attributes: Vec::new(),
            version: 1,
        };
        let categories = [
            category("men", "Men"),
            category("men/jeans", "Jeans"),
            category("women", "Women"),
            category("women/jeans", "Jeans"),
        ];
        let completions = Completions::of(known_categories(&categories));
        let paths = |typed: &str| {
            let found = completions.find(typed, 9);
            found.iter().map(|category| category.path.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(paths("jea"), ["men/jeans", "women/jeans"]);
        assert_eq!(paths("women"), ["women", "women/jeans"]);
        assert_eq!(paths("women j"), ["women/jeans"]);
    }
}
