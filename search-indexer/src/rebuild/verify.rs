//! The last look before the switch: window by window, both sides have the same products with the same hashes.
//!
//! The shop goes on meanwhile, so two counts taken one after the other would never be equal in a busy hour. A
//! window that is unequal is looked at product by product instead, past the searches, which are a moment
//! behind; what differs is written again, three times at most.

use std::pin::pin;

use domain::ids::ProductId;
use futures_util::stream::TryStreamExt;

use crate::checksum;
use crate::compare::{Comparer, Lines, Window, product_id};
use crate::count;
use crate::rebuild::scan::{PAGES_AT_ONCE, Scan};
use crate::rebuild::{Progress, RebuildError};

/// Products of a window.
const WINDOW_SIZE: u32 = 1_000;
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
    // The next window of the stores is read while the index is asked for this one.
    let sides = scan.pages(None, WINDOW_SIZE).map_ok(|page| sides(scan, comparer, page.window));
    let mut sides = pin!(sides.try_buffered(PAGES_AT_ONCE));
    while let Some(Sides { expected, unreadable, held }) = sides.try_next().await? {
        let checksum = expected.checksum();
        let products = expected.ids().count();
        let mut documents = held.ids().count();
        if checksum != held.checksum() {
            let settled = Box::pin(settle(scan, comparer, &expected, &held)).await?;
            verified.different += settled.different;
            if settled.left.is_empty() {
                documents = products;
            }
            left.extend(settled.left);
        }
        verified.unreadable += unreadable;
        verified.products += count::of(products);
        verified.documents += count::of(documents);
        report(Progress::Verified(verified.products));
        checksums.push_str(&checksum);
        if left.len() >= ENOUGH {
            break;
        }
    }
    if !left.is_empty() {
        let first = left.iter().take(NAMED_MAX).cloned().collect();
        return Err(RebuildError::NotEqual { count: left.len(), first });
    }
    verified.checksum = checksum::of(checksums.as_bytes());
    Ok(verified)
}

/// A window of both sides.
struct Sides {
    expected: Lines,
    unreadable: u64,
    held: Lines,
}

async fn sides(scan: &Scan<'_>, comparer: Comparer<'_>, window: Window) -> Result<Sides, RebuildError> {
    let held = scan.patiently(|| async { Ok(comparer.live(window.range).await?) }).await?;
    let unreadable = count::of(window.unreadable.len());
    Ok(Sides { expected: Lines::of(&window.documents), unreadable, held })
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
