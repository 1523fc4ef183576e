//! `./dev search evaluate FILE`: the table of a judged evaluation.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use domain::intent::Vocabulary;
use search_indexer::evaluation::comparison::Comparison;
use search_indexer::evaluation::resolve::Resolved;
use search_indexer::evaluation::{self, JudgedQuery, judged_file, resolve, table};
use search_indexer::projection::Projection;
use search_indexer::query::{Ranking, SearchRequest};
use search_indexer::tuned::Said;
use store::mongo::categories;
use store::pg::judgments;

/// Of the random orders that tell chance: the same figures for the same answers.
const SEED: u64 = 1;

#[derive(Args)]
pub(crate) struct Evaluate {
    /// CSV with the columns query, product_id and gain (or grade).
    #[arg(required_unless_present = "set", conflicts_with = "set")]
    file: Option<PathBuf>,
    /// A set of judgments that the shop keeps, such as `demo`.
    #[arg(long, conflicts_with = "source")]
    set: Option<String>,
    /// The catalogue whose ids the file has: the `source` of the column map that it was imported with.
    #[arg(long)]
    source: Option<String>,
    /// The figures as JSON, each query with its own.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(projection: &Projection, arguments: &Evaluate) -> anyhow::Result<()> {
    let resolved = judged(projection, arguments).await?;
    let tree = categories::list(&projection.mongo, None, categories::KNOWN_COUNT_MAX).await?;
    let vocabulary = Vocabulary::of(&tree);
    let request = |said: Said<'_>, ranking| SearchRequest {
        text: said.typed.map(str::to_owned),
        intent: vocabulary.intent(&said.meant()),
        ranking,
        ..SearchRequest::default()
    };
    let evaluated = async |ranking| {
        evaluation::run(&projection.client, &resolved.queries, |said| request(said, ranking)).await
    };
    let (plain, shop) = (evaluated(Ranking::Plain).await?, evaluated(Ranking::Shop).await?);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&shop)?);
        return Ok(());
    }
    println!("{}", table::worst(&shop));
    println!("{}", table::summaries(&[("plain BM25, stems", plain.summary), ("the shop's", shop.summary)]));
    print!("{}", table::comparison(&Comparison::of(&plain, &shop, SEED)));
    if resolved.unknown > 0 {
        println!("{} of {} products are not in the shop", resolved.unknown, resolved.named);
    }
    let unanswerable = resolved.queries.len() - shop.queries.len();
    if unanswerable > 0 {
        println!("{unanswerable} queries were left out: no product has a gain for them");
    }
    Ok(())
}

async fn judged(projection: &Projection, arguments: &Evaluate) -> anyhow::Result<Resolved> {
    if let Some(set) = &arguments.set {
        let judgments = judgments::of_set(&**projection.pools.read().await?, set).await?;
        anyhow::ensure!(!judgments.is_empty(), "there is no set of judgments {set:?}");
        return Ok(Resolved { queries: JudgedQuery::of(&judgments), named: 0, unknown: 0 });
    }
    let path = arguments.file.as_deref().context("a file or a set is needed")?;
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    let file = judged_file::read(file).with_context(|| format!("{name} is no list of judgments"))?;
    let resolved = resolve::run(&projection.mongo, &file, arguments.source.as_deref()).await?;
    let Resolved { named, unknown, .. } = resolved;
    anyhow::ensure!(unknown < named, "the shop has none of the {named} products that {name} names");
    Ok(resolved)
}
