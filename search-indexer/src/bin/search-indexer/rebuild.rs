//! The verb `rebuild`: runs one, with its progress on standard output.

use anyhow::Context;
use jiff::Timestamp;
use search_indexer::index::new_name;
use search_indexer::mapping::Analysis;
use search_indexer::projection::Projection;
use search_indexer::rebuild::{self, Progress};
use tokio_util::sync::CancellationToken;

use crate::consume::name_random;

/// Products between two lines of progress.
const REPORT_EVERY: u64 = 5_000;

/// Fills a new index and switches to it. Told to stop, it leaves the index in use as it was.
pub async fn run(projection: &Projection, stop: &CancellationToken) -> anyhow::Result<()> {
    let name = new_name(projection.client.alias(), Timestamp::now(), name_random());
    println!("rebuild: filling {name}");
    let running = rebuild::run(projection, &name, Analysis::English, print_progress);
    let rebuilt = tokio::select! {
        rebuilt = running => rebuilt.context("the index in use is unchanged")?,
        () = stop.cancelled() => {
            anyhow::bail!("stopped; the index in use is unchanged, the next rebuild removes {name}")
        }
    };
    println!(
        "rebuild: {} holds {} products ({} were written again by the second scan); replaced {}",
        rebuilt.index,
        rebuilt.products,
        rebuilt.different,
        rebuilt.replaced.as_deref().unwrap_or("nothing"),
    );
    Ok(())
}

fn print_progress(progress: Progress) {
    match progress {
        Progress::Filled(products) if products % REPORT_EVERY == 0 => {
            println!("rebuild: {products} products written")
        }
        Progress::Compared { products, different } if products % REPORT_EVERY == 0 => {
            println!("rebuild: {products} products compared, {different} differed");
        }
        _ => {}
    }
}
