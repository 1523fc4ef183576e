//! A new index from the stores, filled beside the one in use.
//!
//! # What is guaranteed
//! The shop goes on while it runs. When the alias is switched, in one step, the new index holds every product
//! as it was when its last event was consumed, or newer: consumers write to both indexes from before the scan
//! begins ([`crate::projection`] says why none is missed), tickets keep the newest, and before the switch both
//! sides are compared window by window: what differs is written again until they have the same products with
//! the same hashes. A change whose event is still in the queue comes with its event. A document that the engine
//! refuses stops the rebuild before the switch; a product that cannot be read is left out. What the new index
//! did not take after its window was verified is found by the pass of the repair that follows.
//!
//! # When it ends before the switch
//! The index in use is untouched. Stopped, killed, or left alone by a store or the engine, the new index stays
//! and consumers go on writing to it: the rebuild can be resumed, or abandoned. When a document was refused or
//! stays different, the new index is removed; one that nobody resumes is removed after a day. The index that was
//! replaced is kept, to go back to ([`crate::rollback`]); older ones go. One rebuild of an alias runs at a
//! time: it holds a lock of PostgreSQL.

mod place;
mod scan;
mod verify;

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::error::StoreError;
use store::mongo::catalogue_size;
use store::pg::advisory_lock::{self, Right};
use store::pg::direct::{self, DirectClient};
use store::settings::PostgresSettings;
use tokio_util::sync::CancellationToken;

use crate::client::SearchClient;
use crate::error::SearchError;
use crate::index;
use crate::mapping::Analysis;
use crate::projection::{Projection, ProjectionError};
use crate::rollback::put_in_use;
use place::{Phase, Place};
use scan::Scan;

pub use verify::Verified;

/// Tries to take the right, and the pause between: a connection that was closed has it for a moment still.
const LOCK_TRY_COUNT: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(200);
/// How long an index that a rebuild left is kept, from the beginning of its first rebuild.
const LEFT_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Name of the new index, when it is a new one.
    pub name: &'a str,
    /// Its analysis.
    pub analysis: Analysis,
    /// Most products of a second; `None`: as fast as it goes.
    pub rate: Option<NonZeroU32>,
    /// Go on with the index that an earlier rebuild left, if it has the same mapping.
    pub resume: bool,
}

impl<'a> Plan<'a> {
    /// A new index of that name, as fast as it goes.
    pub fn new(name: &'a str, analysis: Analysis) -> Self {
        Self { name, analysis, rate: None, resume: false }
    }
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It begins, or goes on.
    Begun {
        /// The index that is filled.
        index: String,
        /// Products that an earlier rebuild had written to it.
        filled: u64,
        /// Products there are, about.
        of: u64,
    },
    /// Products written so far.
    Filled(u64),
    /// Products verified so far.
    Verified(u64),
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The index now in use.
    pub index: String,
    /// The index that was in use, if any: the previous one now.
    pub replaced: Option<String>,
    /// Products that the scan wrote.
    pub products: u64,
    /// What was found before the switch.
    pub verified: Verified,
}

/// Why the index in use is the one it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// One at a time.
    #[error("another rebuild, rollback or retirement of {0} is under way")]
    Busy(String),
    /// The program was told to stop.
    #[error("stopped")]
    Stopped,
    /// Documents that were written again and again are not what the stores say.
    #[error("{count} documents stay different from the stores: {}", .first.join(", "))]
    NotEqual {
        /// How many.
        count: usize,
        /// The first of them.
        first: Vec<String>,
    },
    /// There is nothing to go back to.
    #[error("{0} has no index of before")]
    NoPrevious(String),
    /// What could be gone back to would refuse the documents of today.
    #[error("{index} lacks the fields {}", .fields.join(", "))]
    LacksFields {
        /// The index.
        index: String,
        /// What it lacks.
        fields: Vec<String>,
    },
    /// A store or the engine is away for too long, or refuses a product.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
}

impl RebuildError {
    /// Whether the new index is kept to be resumed.
    pub fn keeps_the_index(&self) -> bool {
        match self {
            Self::Stopped => true,
            Self::Projection(error) => error.is_unavailable(),
            Self::Busy(_) | Self::NotEqual { .. } | Self::NoPrevious(_) | Self::LacksFields { .. } => false,
        }
    }
}

impl From<SearchError> for RebuildError {
    fn from(error: SearchError) -> Self {
        Self::Projection(error.into())
    }
}

impl From<StoreError> for RebuildError {
    fn from(error: StoreError) -> Self {
        Self::Projection(error.into())
    }
}

/// Fills a new index, or the one that was left, and puts it in use. Stops between two pages when it is told to.
pub async fn run(
    projection: &Projection,
    postgres: &PostgresSettings,
    plan: Plan<'_>,
    stop: &CancellationToken,
    mut report: impl FnMut(Progress),
) -> Result<Rebuilt, RebuildError> {
    let client = &projection.client;
    let lock = hold(client, postgres).await?;
    let before = index::aliases(client).await?;
    let left = match before.next.as_deref() {
        Some(left) => to_resume(client, left, plan).await?,
        None => None,
    };
    let (name, place) = match left {
        Some((name, place)) => (name, Some(place)),
        None => (plan.name.to_owned(), None),
    };
    let scan = Scan { projection, lock: &lock, stop, name: &name, rate: plan.rate };
    let rebuilt = match Box::pin(fill_and_switch(&scan, plan.analysis, place, &mut report)).await {
        Ok(rebuilt) => rebuilt,
        Err(error) => {
            if !error.keeps_the_index() {
                remove_unused(client, &name).await;
            }
            return Err(error);
        }
    };
    let kept = [Some(name.as_str()), rebuilt.replaced.as_deref()];
    for old in before.all.iter().filter(|old| !kept.contains(&Some(old.as_str()))) {
        if let Err(error) = index::delete(client, old).await {
            tracing::warn!(index = old, %error, "an old index stays until the next rebuild");
        }
    }
    Ok(rebuilt)
}

/// Removes the index that a stopped rebuild left; its name, if there is one.
pub async fn abandon(
    projection: &Projection,
    postgres: &PostgresSettings,
) -> Result<Option<String>, RebuildError> {
    let client = &projection.client;
    let _lock = hold(client, postgres).await?;
    let left = index::aliases(client).await?.next;
    if let Some(left) = &left {
        remove(client, left).await?;
    }
    Ok(left)
}

/// Removes the index that a rebuild left when it was begun a day ago, or cannot be gone on with; its name, if it went.
pub async fn abandon_old(
    projection: &Projection,
    postgres: &PostgresSettings,
    now: Timestamp,
) -> Result<Option<String>, RebuildError> {
    let client = &projection.client;
    if old_left(client, now).await?.is_none() {
        return Ok(None);
    }
    let _lock = hold(client, postgres).await?;
    // A rebuild may have ended or begun before the lock was had.
    let left = old_left(client, now).await?;
    if let Some(left) = &left {
        remove(client, left).await?;
    }
    Ok(left)
}

async fn old_left(client: &SearchClient, now: Timestamp) -> Result<Option<String>, SearchError> {
    let Some(left) = index::aliases(client).await?.next else {
        return Ok(None);
    };
    let place = Place::read(client, &left).await?;
    let is_old = place.is_none_or(|place| now.duration_since(place.started_at) >= LEFT_KEPT);
    Ok(is_old.then_some(left))
}

/// The right to change what the alias points at, as long as the connection is kept.
pub(crate) async fn hold(
    client: &SearchClient,
    postgres: &PostgresSettings,
) -> Result<DirectClient, RebuildError> {
    let lock = direct::primary(postgres).await?;
    for _ in 0..LOCK_TRY_COUNT {
        if advisory_lock::take(&lock, Right::RebuildIndex(client.alias())).await? {
            return Ok(lock);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(RebuildError::Busy(client.alias().to_owned()))
}

/// The index that was left, with its place, when it may be gone on with; otherwise it is removed.
async fn to_resume(
    client: &SearchClient,
    left: &str,
    plan: Plan<'_>,
) -> Result<Option<(String, Place)>, SearchError> {
    if plan.resume
        && let Some(place) = Place::read(client, left).await?
        && place.mapping == place::mapping_hash(plan.analysis, client.vectors())
    {
        return Ok(Some((left.to_owned(), place)));
    }
    index::delete(client, left).await?;
    Ok(None)
}

async fn fill_and_switch(
    scan: &Scan<'_>,
    analysis: Analysis,
    place: Option<Place>,
    report: &mut impl FnMut(Progress),
) -> Result<Rebuilt, RebuildError> {
    let (client, name) = (&scan.projection.client, scan.name);
    let mut place = match place {
        Some(place) => place,
        None => begin(client, name, analysis).await?,
    };
    let of = catalogue_size::estimate(&scan.projection.mongo).await?;
    report(Progress::Begun { index: name.to_owned(), filled: place.products, of });
    if place.phase == Phase::Fill {
        scan.fill(&mut place, report).await?;
        place.phase = Phase::Verify;
        scan.keep(&place).await;
    }
    scan.patiently(|| refresh(client, name)).await?;
    let verified = Box::pin(verify::run(scan, report)).await?;
    // Another rebuild may have begun since the lock was lost, and removed this index.
    advisory_lock::check_held(scan.lock).await?;
    let replaced = put_in_use(client, name).await?;
    Ok(Rebuilt { index: name.to_owned(), replaced, products: place.products, verified })
}

async fn refresh(client: &SearchClient, name: &str) -> Result<(), ProjectionError> {
    Ok(index::refresh(client, name).await?)
}

/// Makes the new index. From then on consumers write to it. When that fails nothing is left of it.
async fn begin(client: &SearchClient, name: &str, analysis: Analysis) -> Result<Place, SearchError> {
    let place = Place::first(place::mapping_hash(analysis, client.vectors()), Timestamp::now());
    match make(client, name, analysis, &place).await {
        Ok(()) => Ok(place),
        Err(error) => {
            remove_unused(client, name).await;
            Err(error)
        }
    }
}

async fn make(
    client: &SearchClient,
    name: &str,
    analysis: Analysis,
    place: &Place,
) -> Result<(), SearchError> {
    index::create(client, name, analysis).await?;
    place.save(client, name).await?;
    index::begin_filling(client, name).await
}

/// Removes the new index when it is certain that it is not, and will not be, the one in use. What it cannot
/// remove the next rebuild does.
async fn remove_unused(client: &SearchClient, name: &str) {
    if let Err(error) = remove(client, name).await {
        tracing::warn!(index = name, %error, "the new index is left over");
    }
}

/// Until the filling has ended, a switch whose answer was lost could still come.
async fn remove(client: &SearchClient, name: &str) -> Result<(), SearchError> {
    index::end_filling(client, name).await?;
    if index::aliases(client).await?.current.as_deref() == Some(name) {
        tracing::warn!(index = name, "the new index is in use");
        return Ok(());
    }
    index::delete(client, name).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_keeps_the_index() {
        assert!(RebuildError::Stopped.keeps_the_index());
        assert!(RebuildError::from(SearchError::unavailable("down")).keeps_the_index());
        let refused = SearchError::Refused { status: 400, reason: "bad field".to_owned() };
        assert!(!RebuildError::from(refused).keeps_the_index());
        let not_equal = RebuildError::NotEqual { count: 2, first: vec!["a".to_owned(), "b".to_owned()] };
        assert!(!not_equal.keeps_the_index());
        assert_eq!(not_equal.to_string(), "2 documents stay different from the stores: a, b");
    }
}
