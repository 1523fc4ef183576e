//! The importer of catalogues: CSV with a column map, into MongoDB with an event for each product that changed.
//!
//! A product's id is made from its catalogue and its id there, so a second import finds what is there and changes
//! nothing.

pub mod batch;
pub mod column_map;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use domain::event::Cause;
use domain::field_error::FieldError;
use domain::ids::{ImportRunId, ProductId, VariantId};
use domain::product::Product;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::pg::import_runs::{self, ImportCounts};
use store::settings::{MongoSettings, PostgresSettings};
use uuid::Uuid;

use crate::input::records::{Record, Records, RowFault};
use crate::input::{Input, InputError};
use crate::products::batch::Outcome;
use crate::products::column_map::{BoundMap, ColumnMap, ColumnMapError};
use crate::refused_rows::{self, RefusedRows, RefusedRowsError, RefusedSummary};

/// Products written at once.
const BATCH_MAX: usize = 500;
/// Most products of one file: their ids are kept to find a repeat.
const PRODUCT_COUNT_MAX: usize = 5_000_000;
/// Namespace of the ids of imported products (RFC 9562, version 5).
const NAMESPACE: Uuid = Uuid::from_u128(0x4f2d_94a5_6b7e_5c0a_9d53_1c5e_8a70_32b1);

/// The format of a catalogue.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ProductFormat {
    /// Comma-separated with a header, plain or gzip.
    Csv,
}

/// `import products`
#[derive(Debug, Args)]
pub struct ImportProducts {
    /// Format of the file
    #[arg(long, value_enum)]
    pub format: ProductFormat,
    /// Column map (TOML; examples in ingest/maps)
    #[arg(long)]
    pub map: PathBuf,
    /// Where refused rows go [default: FILE's name with .refused.csv, in the current folder]
    #[arg(long)]
    pub refused: Option<PathBuf>,
    /// The file, plain or gzip
    pub file: PathBuf,
}

/// What an import did.
#[derive(Debug)]
pub struct ImportReport {
    /// Rows of the file, without the header and empty lines.
    pub rows_read: u64,
    /// What was refused, by reason.
    pub refused: RefusedSummary,
    /// Products that are new.
    pub added: u64,
    /// Products that were there and changed.
    pub changed: u64,
    /// Products that were there and are the same.
    pub unchanged: u64,
    /// Why the file could not be read to its end, if it could not.
    pub damage: Option<RowFault>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why an import could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The map does not fit.
    #[error(transparent)]
    Map(#[from] ColumnMapError),
    /// Refused rows have no place.
    #[error(transparent)]
    Refused(#[from] RefusedRowsError),
    /// A store is away or refuses.
    #[error("a store did not take the products")]
    Store(#[from] StoreError),
    /// Too many products.
    #[error("more than {PRODUCT_COUNT_MAX} products in one file")]
    TooMany,
}

/// The command: imports with a progress bar and prints a report.
pub async fn run(
    arguments: ImportProducts,
    postgres: &PostgresSettings,
    mongo: &MongoSettings,
) -> anyhow::Result<()> {
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{elapsed_precise} {wide_bar} {bytes}/{total_bytes} {msg}",
    )?);
    let mongo = Mongo::connect(mongo).await?;
    let report = import(&arguments, postgres, &mongo, |read, size, rows| {
        bar.set_length(size);
        bar.set_position(read);
        bar.set_message(format!("{rows} rows"));
    })
    .await;
    mongo.close().await;
    let report = report?;
    bar.finish_and_clear();
    println!("{} rows read in {:.1?}", report.rows_read, report.elapsed);
    println!("{} products added, {} changed, {} the same", report.added, report.changed, report.unchanged);
    println!("{} rows refused", report.refused.rows());
    for (reason, count) in &report.refused.by_reason {
        println!("  {count} {reason}");
    }
    if let Some(path) = &report.refused.path {
        println!("  see {}", path.display());
    }
    if let Some(damage) = &report.damage {
        anyhow::bail!("NOT READ TO ITS END: {damage}");
    }
    Ok(())
}

/// Imports a file. `progress` gets bytes read, the file's bytes, and rows.
pub async fn import(
    arguments: &ImportProducts,
    postgres: &PostgresSettings,
    mongo: &Mongo,
    progress: impl Fn(u64, u64, u64),
) -> Result<ImportReport, ImportError> {
    let ProductFormat::Csv = arguments.format;
    let started = Instant::now();
    let map = ColumnMap::read(&arguments.map)?;
    let mut records = Records::new(Input::open(&arguments.file)?)?;
    let map = map.bind(records.header())?;
    let path = arguments.refused.clone().unwrap_or_else(|| refused_rows::default_path(&arguments.file));
    let client = store::pg::direct::primary(postgres).await?;
    let run_id = ImportRunId::new(Timestamp::now(), rand::random());
    let file_name = arguments.file.file_name().unwrap_or_default().to_string_lossy();
    import_runs::begin(&client, run_id, "products", Some(&map.source), &file_name, Timestamp::now()).await?;
    let cause = Cause { actor: format!("import:{run_id}"), ..Cause::default() };
    let mut import = Import {
        mongo,
        map,
        cause,
        refused: RefusedRows::new(&path)?,
        seen: HashSet::new(),
        outcome: Outcome::default(),
        damage: None,
    };
    let rows_read = import.read(&mut records, progress).await?;
    let counts = ImportCounts {
        rows_read: rows_read.cast_signed(),
        rows_refused: import.refused.rows().cast_signed(),
        documents_added: import.outcome.added.cast_signed(),
        lines_added: 0,
    };
    import_runs::finish(&client, run_id, counts, Timestamp::now()).await?;
    let Outcome { added, changed, unchanged } = import.outcome;
    let damage = import.damage.take();
    let refused = import.refused.finish()?;
    Ok(ImportReport { rows_read, refused, added, changed, unchanged, damage, elapsed: started.elapsed() })
}

/// A row that became a product, with what the refused file needs of it.
pub(crate) struct Candidate {
    pub product: Product,
    pub line: u64,
    pub raw: Vec<u8>,
}

struct Import<'a> {
    mongo: &'a Mongo,
    map: BoundMap,
    cause: Cause,
    refused: RefusedRows,
    seen: HashSet<ProductId>,
    outcome: Outcome,
    damage: Option<RowFault>,
}

impl Import<'_> {
    async fn read(
        &mut self,
        records: &mut Records,
        progress: impl Fn(u64, u64, u64),
    ) -> Result<u64, ImportError> {
        let (size, position) = (records.size_bytes(), records.read_bytes());
        let mut rows = 0;
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while let Some(record) = records.read()? {
            rows += 1;
            match record {
                Record::Broken { line, fault, raw } => {
                    if fault.ends_the_file() {
                        self.damage = Some(fault.clone());
                    }
                    self.refused.refuse(line, fault.kind(), &fault.to_string(), raw)?;
                }
                Record::Row { line, fields, raw } => match self.candidate(fields) {
                    Ok(product) => batch.push(Candidate { product, line, raw: raw.to_vec() }),
                    Err((kind, reason)) => self.refused.refuse(line, kind, &reason, raw)?,
                },
            }
            if batch.len() == BATCH_MAX {
                self.write(std::mem::take(&mut batch)).await?;
                progress(position.get(), size, rows);
            }
        }
        self.write(batch).await?;
        progress(position.get(), size, rows);
        Ok(rows)
    }

    fn candidate(&mut self, fields: &[String]) -> Result<Product, (&'static str, String)> {
        let told = |errors: &[FieldError]| {
            let reasons: Vec<_> =
                errors.iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect();
            (errors.first().map_or("invalid", |error| error.code), reasons.join("; "))
        };
        let (external_id, draft) = self.map.draft(fields).map_err(|error| told(&[error]))?;
        let id =
            ProductId(Uuid::new_v5(&NAMESPACE, format!("{}\n{external_id}", self.map.source).as_bytes()));
        let variant = |position: usize| VariantId(Uuid::new_v5(&id.0, position.to_string().as_bytes()));
        let product = draft.into_product(id, Timestamp::now(), variant).map_err(|errors| told(&errors))?;
        if !self.seen.insert(id) {
            return Err(("repeated id", format!("the id {external_id:?} is in the file already")));
        }
        Ok(Product { source: Some(self.map.source.clone()), external_id: Some(external_id), ..product })
    }

    async fn write(&mut self, candidates: Vec<Candidate>) -> Result<(), ImportError> {
        if self.seen.len() > PRODUCT_COUNT_MAX {
            return Err(ImportError::TooMany);
        }
        let outcome = batch::write(self.mongo, &self.map, candidates, &self.cause, &mut self.refused).await?;
        self.outcome.add(outcome);
        Ok(())
    }
}
