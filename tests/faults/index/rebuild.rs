//! A rebuild while products change and shoppers search through three API processes: no search fails or is empty, and
//! every acknowledged change is in the new index.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bson::{Document, doc};
use domain::ids::ProductId;
use store::mongo::products;
use support::figures::Figures;
use support::listening;
use support::running::Client;
use tokio::process::Command;

use super::changes::{self, Changes};
use super::outcome::Rebuild;
use super::probes::{self, Probe};
use super::searches::{self, Searches};
use super::{Stage, quiet};
use crate::check;

/// How long changes and searches go on before and after the rebuild.
const AROUND: Duration = Duration::from_secs(2);
/// How long the rebuild may take.
const REBUILD_DEADLINE: Duration = Duration::from_secs(1_800);
/// Less of the changes that were due, and the rebuild was not under the load that it should be.
const RATE_PERCENT_MIN: f64 = 90.0;
/// What is shown of what a rebuild that failed has said, in characters.
const SAID_MAX: usize = 1_000;

/// What does not hold; the figures are set as they become known.
pub async fn run(stage: &Stage<'_>, figures: &mut Rebuild) -> anyhow::Result<Vec<String>> {
    let word = probes::word();
    let made = probes::make(&stage.client, &word).await;
    let ids: Vec<ProductId> = made.iter().flatten().map(|probe| probe.id).collect();
    let work = Box::pin(with_probes(stage, made, &word, figures));
    let done = stage.stop.run_until_cancelled(work).await;
    // Also when something failed: the shop keeps nothing of the run.
    let removed = probes::remove(&stage.client, &ids).await;
    if done.is_none() {
        abandon(stage.settings).await?;
    }
    let violations = done.context("stopped")??;
    removed?;
    Ok(violations)
}

async fn with_probes(
    stage: &Stage<'_>,
    made: Vec<anyhow::Result<Probe>>,
    word: &str,
    figures: &mut Rebuild,
) -> anyhow::Result<Vec<String>> {
    let probes = made.into_iter().collect::<anyhow::Result<Vec<Probe>>>()?;
    let ids: Vec<ProductId> = probes.iter().map(|probe| probe.id).collect();
    // One after the other, so that both do not find the same free port.
    let second = listening::raised_api(stage.settings).await?;
    let third = listening::raised_api(stage.settings).await?;
    let clients = [stage.client.clone(), stage.client.at(&second.url()), stage.client.at(&third.url())];
    quiet(stage.shop, &ids).await.context("before the rebuild")?;
    stage.engine.refresh().await?;
    let before = stage.engine.in_use().await?;
    let (rebuilt, changes, searches) = under_load(stage, &clients, probes, word, figures).await?;
    let mut violations = Vec::new();
    violations.extend(rebuilt.err().map(|error| format!("{error:#}")));
    violations.extend(slow(&changes));
    violations.extend(bad(&searches));
    if let Err(error) = quiet(stage.shop, &ids).await {
        violations.push(format!("{error:#}"));
    }
    let found = products::find_many(&stage.shop.mongo, &ids).await?;
    let mut lost = check::lost_changes(&found, &changes.acknowledged);
    lost.extend(stage.shop.unequal_documents(&found).await?);
    figures.lost_changes = lost.len() as u64;
    violations.extend(lost);
    if stage.engine.in_use().await? == before {
        violations.push(format!("{before} is in use still"));
    }
    violations.extend(other_count(stage).await?);
    Ok(violations)
}

/// The rebuild's own end, and what became of changes and searches meanwhile.
async fn under_load(
    stage: &Stage<'_>,
    clients: &[Client],
    probes: Vec<Probe>,
    word: &str,
    figures: &mut Rebuild,
) -> anyhow::Result<(anyhow::Result<()>, changes::Log, searches::Log)> {
    let searches = Searches::start(clients, word).await?;
    let changes = Changes::start(clients, probes, word);
    tokio::time::sleep(AROUND).await;
    let began = Instant::now();
    let rebuilt = rebuild(stage).await;
    figures.seconds = Some(began.elapsed().as_secs_f64());
    tokio::time::sleep(AROUND).await;
    let (changes, searches) = (changes.end().await?, searches.end().await?);
    figures.changes = changes.acknowledged.len() as u64;
    figures.change_rate = changes.rate();
    figures.failed_changes = changes.failed;
    figures.skipped_changes = changes.skipped;
    figures.searches = searches.took.len() as u64 + searches.failed;
    figures.failed_searches = searches.failed;
    figures.empty_searches = searches.empty;
    if !searches.took.is_empty() {
        let took = Figures::new(searches.took.clone());
        let ms = |percent| took.percentile(percent).as_secs_f64() * 1_000.0;
        (figures.search_p50_ms, figures.search_p99_ms) = (ms(50), ms(99));
    }
    Ok((rebuilt, changes, searches))
}

/// The program, as `./dev search rebuild` runs it. What it leaves when it fails nobody needs.
async fn rebuild(stage: &Stage<'_>) -> anyhow::Result<()> {
    let rate = stage.rate.map(|rate| format!("--rate={rate}"));
    let words: Vec<&str> = std::iter::once("rebuild").chain(rate.as_deref()).collect();
    let rebuilt = search_indexer(stage.settings, &words).await;
    if rebuilt.is_err() {
        abandon(stage.settings).await?;
    }
    rebuilt
}

/// Removes the index that a rebuild left; there need not be one.
async fn abandon(settings: &Path) -> anyhow::Result<()> {
    search_indexer(settings, &["rebuild", "--abandon"]).await
}

async fn search_indexer(settings: &Path, words: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::current_exe()?.with_file_name("search-indexer"));
    command.arg("--settings").arg(settings).args(words).env("RUST_LOG", "warn");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let ended = tokio::time::timeout(REBUILD_DEADLINE, output).await;
    let output = ended
        .with_context(|| format!("the rebuild did not end within {REBUILD_DEADLINE:?}"))?
        .context("run the search-indexer beside this program")?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "the rebuild failed, {}: {}", output.status, end(&said));
    Ok(())
}

fn end(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let skipped = said.chars().count().saturating_sub(SAID_MAX);
    said.trim_end().chars().skip(skipped).collect()
}

fn slow(changes: &changes::Log) -> Option<String> {
    let due = f64::from(changes::RATE);
    (changes.rate() * 100.0 < due * RATE_PERCENT_MIN)
        .then(|| format!("only {:.1} of {due} changes a second were acknowledged", changes.rate()))
}

fn bad(searches: &searches::Log) -> Vec<String> {
    let mut bad = searches.failures.clone();
    if searches.took.is_empty() {
        bad.push("no search was answered".to_owned());
    }
    for (count, what) in [(searches.failed, "failed"), (searches.empty, "were empty")] {
        if count > 0 {
            bad.push(format!("{count} searches {what}"));
        }
    }
    bad
}

/// Every product of the store has its document, and nothing else has one.
async fn other_count(stage: &Stage<'_>) -> anyhow::Result<Option<String>> {
    let shown = stage.engine.count().await?;
    let stored = stage.shop.database.collection::<Document>("products").count_documents(doc! {}).await?;
    Ok((shown != stored).then(|| format!("the index shows {shown} documents of {stored} products")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Change;

    #[test]
    fn too_few_changes_are_a_violation() {
        let product = support::shop::product("Fault probe").id;
        let log = |count: i64| changes::Log {
            acknowledged: (0..count)
                .map(|version| Change { product, version, title: String::new() })
                .collect(),
            lasted: Duration::from_secs(1),
            ..changes::Log::default()
        };
        assert_eq!(slow(&log(180)), None);
        assert!(slow(&log(179)).is_some_and(|text| text.contains("179.0 of 200")));
    }

    #[test]
    fn every_kind_of_bad_search_is_a_violation() {
        let good = || searches::Log { took: vec![Duration::from_millis(5)], ..searches::Log::default() };
        assert!(bad(&good()).is_empty());
        assert_eq!(bad(&searches::Log { empty: 2, ..good() }), ["2 searches were empty"]);
        assert_eq!(bad(&searches::Log { failed: 1, ..good() }), ["1 searches failed"]);
        assert_eq!(bad(&searches::Log::default()), ["no search was answered"]);
    }

    #[test]
    fn the_end_of_what_was_said_is_shown() {
        assert_eq!(end(b"verified\nrefused\n"), "verified\nrefused");
        let long = "é".repeat(SAID_MAX + 5);
        assert_eq!(end(long.as_bytes()).chars().count(), SAID_MAX);
    }
}
