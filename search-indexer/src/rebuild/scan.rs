//! The scan over all products, which writes every document.

use std::num::NonZeroU32;
use std::pin::pin;
use std::time::Duration;

use domain::ids::ProductId;
use futures_util::stream::{self, Stream, TryStreamExt};
use store::error::StoreError;
use store::pg::advisory_lock;
use store::pg::direct::DirectClient;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::bulk::{self, ItemResult};
use crate::compare::{Ids, Window};
use crate::document::ProductDocument;
use crate::error::SearchError;
use crate::pace::Pace;
use crate::projection::{Projection, ProjectionError, within_deadline};
use crate::rebuild::place::Place;
use crate::rebuild::{Progress, RebuildError};

/// Products read and written at a time; fewer when a second may have fewer.
const PAGE_SIZE: u32 = 500;
/// Pages that are read at once, and as many that are written or compared meanwhile.
pub(super) const PAGES_AT_ONCE: usize = 2;
/// Products between two places that are kept.
const KEEP_EVERY: u64 = 5_000;
/// Tries of one page while a store or the engine is away, and the wait between them.
const ATTEMPT_COUNT_MAX: u32 = 12;
const ATTEMPT_PAUSE: Duration = Duration::from_secs(5);

/// A rebuild that reads products.
pub(super) struct Scan<'a> {
    pub(super) projection: &'a Projection,
    /// Has the right to rebuild.
    pub(super) lock: &'a DirectClient,
    pub(super) stop: &'a CancellationToken,
    /// The index that is filled.
    pub(super) name: &'a str,
    pub(super) rate: Option<NonZeroU32>,
}

/// One page, with the ticket that was taken before it was read.
pub(super) struct Page {
    ticket: i64,
    pub(super) window: Window,
}

impl Scan<'_> {
    /// Writes every document after a place, and moves the place, which is kept when it is stopped.
    pub(super) async fn fill(
        &self,
        place: &mut Place,
        report: &mut impl FnMut(Progress),
    ) -> Result<(), RebuildError> {
        let filled = self.fill_pages(place, report).await;
        if matches!(filled, Err(RebuildError::Stopped)) {
            self.keep(place).await;
        }
        filled
    }

    /// Keeps the place. Without it a rebuild that is resumed only does more than it has to.
    pub(super) async fn keep(&self, place: &Place) {
        if let Err(error) = place.save(&self.projection.client, self.name).await {
            tracing::warn!(%error, "what was done since the last place is done again when it is resumed");
        }
    }

    /// Pages are written side by side, and the next ones are read meanwhile; the place follows their order.
    async fn fill_pages(
        &self,
        place: &mut Place,
        report: &mut impl FnMut(Progress),
    ) -> Result<(), RebuildError> {
        let mut kept = place.products;
        let written =
            self.pages(place.after, PAGE_SIZE).map_ok(|page| self.written(page)).try_buffered(PAGES_AT_ONCE);
        let mut written = pin!(written);
        while let Some(Window { read, end, .. }) = written.try_next().await? {
            place.products += read;
            place.after = end.or(place.after);
            report(Progress::Filled(place.products));
            if place.products - kept >= KEEP_EVERY {
                self.keep(place).await;
                kept = place.products;
            }
        }
        Ok(())
    }

    /// Every page of at most `size` products after one, not faster than is asked for; in order, though some are read
    /// at once.
    pub(super) fn pages(
        &self,
        after: Option<ProductId>,
        size: u32,
    ) -> impl Stream<Item = Result<Page, RebuildError>> {
        self.ids(after, size).map_ok(|ids| self.read(ids)).try_buffered(PAGES_AT_ONCE)
    }

    fn ids(&self, after: Option<ProductId>, size: u32) -> impl Stream<Item = Result<Ids, RebuildError>> {
        let (pace, clock) = (Pace::per_second(self.rate), Instant::now());
        let size = self.rate.map_or(size, |rate| rate.get().min(size));
        let size = usize::try_from(size).expect("a page is small");
        stream::try_unfold(Some((after, pace)), move |next| async move {
            let Some((after, mut pace)) = next else { return Ok(None) };
            self.pause(pace.pause(clock.elapsed())).await?;
            let began_at = clock.elapsed();
            let ids = self.patiently(|| Ids::scan(self.projection, after, size)).await?;
            pace.took(ids.count(), began_at);
            let next = ids.range.last.map(|last| (Some(last), pace));
            Ok(Some((ids, next)))
        })
    }

    /// In a task of its own: decoding products and building documents takes a whole processor.
    async fn read(&self, ids: Ids) -> Result<Page, RebuildError> {
        self.patiently(|| {
            let page = read_page(self.projection.clone(), ids.clone()).in_current_span();
            let page = AbortOnDropHandle::new(tokio::spawn(page));
            async { page.await.unwrap_or_else(|ended| Err(not_ended(ended).into())) }
        })
        .await
    }

    async fn written(&self, page: Page) -> Result<Window, RebuildError> {
        self.patiently(|| self.write(&page)).await?;
        Ok(page.window)
    }

    async fn write(&self, Page { ticket, window }: &Page) -> Result<(), ProjectionError> {
        let client = &self.projection.client;
        let results = bulk::index(client, &client.next_alias(), *ticket, &window.documents).await?;
        for (document, result) in window.documents.iter().zip(results) {
            check(document, result)?;
        }
        Ok(())
    }

    /// Waits before a page; fails when it is told to stop, or when the right is lost.
    async fn pause(&self, pause: Duration) -> Result<(), RebuildError> {
        if self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Err(RebuildError::Stopped);
        }
        Ok(advisory_lock::check_held(self.lock).await?)
    }

    /// Does work again and again while a store or the engine is away.
    pub(super) async fn patiently<T, F>(&self, mut work: impl FnMut() -> F) -> Result<T, RebuildError>
    where
        F: Future<Output = Result<T, ProjectionError>>,
    {
        let mut attempts = 1;
        loop {
            match within_deadline(Box::pin(work())).await {
                Err(error) if error.is_unavailable() && attempts < ATTEMPT_COUNT_MAX => {
                    tracing::warn!(%error, attempts, "the rebuild waits");
                    if self.stop.run_until_cancelled(tokio::time::sleep(ATTEMPT_PAUSE)).await.is_none() {
                        return Err(RebuildError::Stopped);
                    }
                    attempts += 1;
                }
                other => return Ok(other?),
            }
        }
    }
}

async fn read_page(projection: Projection, ids: Ids) -> Result<Page, ProjectionError> {
    let ticket = projection.ticket().await?;
    Ok(Page { ticket, window: Window::read(&projection, &ids).await? })
}

/// A page that panicked panics here, too; one that was dropped was so because the program ends.
fn not_ended(ended: JoinError) -> StoreError {
    match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(dropped) => StoreError::unavailable(dropped),
    }
}

fn check(document: &ProductDocument, result: ItemResult) -> Result<(), SearchError> {
    match result {
        ItemResult::Indexed | ItemResult::Superseded => Ok(()),
        ItemResult::Retryable(reason) => Err(SearchError::unavailable(reason)),
        ItemResult::Refused(reason) => {
            let reason = format!("product {}: {reason}", document.product_id);
            Err(SearchError::Refused { status: 400, reason })
        }
    }
}
