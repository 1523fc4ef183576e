//! The last look before the switch: window by window, both sides have the same products with the same hashes.
//!
//! The shop goes on meanwhile, so two counts taken one after the other would never be equal in a busy hour. A
//! window that is unequal is looked at product by product instead, past the searches, which are a moment
//! behind; what differs is written again, three times at most.

use std::time::Instant;

use domain::ids::ProductId;

use crate::checksum;
use crate::compare::{Comparer, IdRange, Lines, Window, product_id};
use crate::count;
use crate::pace::Pace;
use crate::rebuild::scan::Scan;
use crate::rebuild::{Progress, RebuildError};

/// Products of a window.
const WINDOW_SIZE: usize = 1_000;
/// Ids that are named when it is refused.
const NAMED_MAX: usize = 10;
/// So many documents that stay different are enough to refuse it.
const ENOUGH: usize = 1_000;

/// What a new index was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Products of the stores that can be read.
    pub products: u64,
    /// Documents that searches see, once what differed was right.
    pub documents: u64,
    /// Documents that differed and were written again.
    pub different: u64,
    /// Products of the stores that cannot be read: the new index has none of them, or what it had.
    pub unreadable: u64,
    /// SHA-256 over the checksums of all windows: two indexes of the same facts have the same.
    pub checksum: String,
}

pub(super) async fn run(
    scan: &Scan<'_>,
    report: &mut impl FnMut(Progress),
) -> Result<Verified, RebuildError> {
    let comparer = Comparer { projection: scan.projection, index: scan.name };
    let mut verified =
        Verified { products: 0, documents: 0, different: 0, unreadable: 0, checksum: String::new() };
    let (mut checksums, mut left) = (String::new(), Vec::new());
    let (mut pace, clock) = (Pace::per_second(scan.rate), Instant::now());
    let mut next = Some(read(scan, None).await?);
    while let Some(Expected { range, lines, unreadable }) = next {
        scan.pause(pace.pause(clock.elapsed())).await?;
        let began_at = clock.elapsed();
        let held = scan.patiently(|| async move { Ok(comparer.live(range).await?) });
        let (held, read) = tokio::try_join!(held, read_after(scan, range))?;
        let checksum = lines.checksum();
        let products = lines.ids().count();
        let mut documents = held.ids().count();
        if checksum != held.checksum() {
            let settled = Box::pin(settle(scan, comparer, &lines, &held)).await?;
            verified.different += settled.different;
            if settled.left.is_empty() {
                documents = products;
            }
            left.extend(settled.left);
        }
        pace.took(count::of(products), began_at);
        verified.unreadable += unreadable;
        verified.products += count::of(products);
        verified.documents += count::of(documents);
        report(Progress::Verified(verified.products));
        checksums.push_str(&checksum);
        if !left.is_empty() && (read.is_none() || left.len() >= ENOUGH) {
            let first = left.iter().take(NAMED_MAX).cloned().collect();
            return Err(RebuildError::NotEqual { count: left.len(), first });
        }
        next = read;
    }
    verified.checksum = checksum::of(checksums.as_bytes());
    Ok(verified)
}

/// What the stores say of a window.
struct Expected {
    range: IdRange,
    lines: Lines,
    unreadable: u64,
}

async fn read(scan: &Scan<'_>, after: Option<ProductId>) -> Result<Expected, RebuildError> {
    let window = scan.patiently(|| Window::read(scan.projection, after, WINDOW_SIZE)).await?;
    let unreadable = count::of(window.unreadable.len());
    Ok(Expected { range: window.range, lines: Lines::of(&window.documents), unreadable })
}

/// The next window, while the index is asked for this one.
async fn read_after(scan: &Scan<'_>, range: IdRange) -> Result<Option<Expected>, RebuildError> {
    match range.last {
        Some(last) => read(scan, Some(last)).await.map(Some),
        None => Ok(None),
    }
}

/// What became of a window that is unequal.
struct Settled {
    /// Products whose documents were written again.
    different: u64,
    /// Ids that are not what the stores say still.
    left: Vec<String>,
}

async fn settle(
    scan: &Scan<'_>,
    comparer: Comparer<'_>,
    expected: &Lines,
    held: &Lines,
) -> Result<Settled, RebuildError> {
    let unequal = expected.unequal(held);
    let ids: Vec<ProductId> = unequal.iter().filter_map(|id| product_id(id)).collect();
    let foreign = unequal.iter().filter(|id| product_id(id).is_none()).map(|id| (*id).to_owned());
    let mut left: Vec<String> = foreign.collect();
    let different = scan.patiently(|| comparer.different(&ids)).await?;
    let written = count::of(different.len());
    let still = scan.patiently(|| comparer.mend(different.clone())).await?;
    left.extend(still.iter().map(ToString::to_string));
    Ok(Settled { different: written, left })
}
