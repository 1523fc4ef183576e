//! Writing the demonstration shop into the stores: which one is to be made, what is there already, and its parts in
//! the order in which they may refer to each other.

use std::path::PathBuf;
use std::sync::Arc;

use domain::event::Cause;
use domain::ids::{EventId, ImportRunId};
use domain::judgment::Judgment;
use domain::promotion::Promotion;
use domain::review::Review;
use jiff::Timestamp;
use lake::behaviour::LakeError;
use serde::Deserialize;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::mongo::{categories, products};
use store::objects::Objects;
use store::pg::advisory_lock::{self, Right};
use store::pg::bulk::seed::{self, Beginning, Ending, SeedRecord};
use store::pg::bulk::users::UserRows;
use store::pg::direct::{self, DirectClient};
use store::settings::{MongoSettings, ObjectSettings, PostgresSettings};
use uuid::Uuid;

use crate::customers::Customers;
use crate::random::{id, stream};
use crate::shop::{Catalogue, Size};
use crate::trade::NoTrade;
use crate::{catalogue, customers, promotions, queries, reviews, stock};

mod catalogue_writer;
mod command;
mod history;
mod report;

pub use command::{Seed, run};
pub use report::{Progress, Report, Written};

/// Most orders of a shop.
pub const ORDERS_MAX: u32 = 20_000_000;
/// The version of the makers: one more whenever the same arguments would make another shop, or write it so that what an
/// older version began cannot be gone on with.
const GENERATOR: i32 = 3;
/// Who makes the shop, in events and import runs.
const ACTOR: &str = "system:demo";

/// Where the shop is written.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// `development`, or what else the stores are for.
    pub environment: String,
    /// PostgreSQL.
    pub postgres: PostgresSettings,
    /// MongoDB.
    pub mongo: MongoSettings,
    /// Pictures.
    pub objects: ObjectSettings,
    /// Behaviour events.
    pub lake: LakeSettings,
}

/// The lake of Parquet files.
#[derive(Debug, Clone, Deserialize)]
pub struct LakeSettings {
    /// Its folder.
    pub path: PathBuf,
}

/// Which shop is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Orders.
    pub orders: u32,
    /// Products; `None`: as many as such a shop has.
    pub products: Option<u32>,
    /// Behaviour events, about; `None`: as many as such a shop has.
    pub events: Option<u32>,
    /// What all chance comes from.
    pub seed: u32,
    /// What its history leads up to; `None`: the hour that has begun.
    pub end: Option<Timestamp>,
    /// Do nothing where a shop is already, whichever it is; go on with one that was not finished.
    pub if_empty: bool,
}

/// What came of it.
#[derive(Debug)]
pub enum Seeded {
    /// The shop was made now, or the rest of it.
    Now(SeedRecord, Report),
    /// It was there, whole.
    Before(SeedRecord),
    /// Another shop is there, and only an empty one was to be filled.
    NotEmpty,
}

/// Why there is no whole shop.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// Two at once.
    #[error("another seed is under way")]
    Busy,
    /// A shop has one history.
    #[error(
        "a demonstration shop of {} orders and {} products with seed {} until {} is here already{}: \
         `./dev reset` removes it, and everything else",
        .0.orders, size(.0).products, .0.seed, .0.end,
        if .0.finished_at.is_some() { "" } else { ", not finished (the same arguments go on with it)" }
    )]
    OtherShop(SeedRecord),
    /// Somebody else's orders.
    #[error(
        "the shop has orders that are not of a demonstration: `./dev reset` removes them, and everything else"
    )]
    OtherOrders,
    /// Somebody else's catalogue.
    #[error(
        "the shop has products or categories that are not of a demonstration: `./dev reset` removes them, and \
         everything else"
    )]
    OtherProducts,
    /// The makers have changed since it was begun.
    #[error(
        "an unfinished demonstration shop is here that another version began, and this one would make another: \
         `./dev reset` removes it, and everything else"
    )]
    OtherGenerator,
    /// The makers.
    #[error(transparent)]
    NoTrade(#[from] NoTrade),
    /// PostgreSQL, MongoDB or the objects. What is in stays: the same command goes on.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lake. What is in stays: the same command goes on.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A thread of a maker panicked.
    #[error("a maker failed")]
    Maker(#[from] tokio::task::JoinError),
    /// A writer went away before its rows were made.
    #[error("the makers were stopped: the same command goes on")]
    Stopped,
}

/// Makes the shop, or the rest of it. Killed at any moment and called again, it ends with the same shop.
pub async fn seed(settings: &Settings, wanted: Wanted, progress: &Progress) -> Result<Seeded, SeedError> {
    let mut client = direct::primary(&settings.postgres).await?;
    if !advisory_lock::take(&client, Right::SeedShop).await? {
        return Err(SeedError::Busy);
    }
    let mongo = Mongo::connect(&settings.mongo).await?;
    // Boxed: what every phase keeps would make the futures of all callers large.
    let seeded = Box::pin(with_stores(settings, wanted, progress, &mut client, &mongo)).await;
    mongo.close().await;
    seeded
}

async fn with_stores(
    settings: &Settings,
    wanted: Wanted,
    progress: &Progress,
    client: &mut DirectClient,
    mongo: &Mongo,
) -> Result<Seeded, SeedError> {
    let known = seed::find(client).await?;
    let record = match known {
        Some(record) if record.finished_at.is_some() && (wanted.if_empty || is_same(&record, wanted)) => {
            return Ok(Seeded::Before(record));
        }
        Some(record) if wanted.if_empty || is_same(&record, wanted) => {
            if record.generator != GENERATOR {
                return Err(SeedError::OtherGenerator);
            }
            progress.go_on(record.orders.unsigned_abs());
            record
        }
        Some(record) => return Err(SeedError::OtherShop(record)),
        None if seed::has_orders(client).await? => {
            return if wanted.if_empty { Ok(Seeded::NotEmpty) } else { Err(SeedError::OtherOrders) };
        }
        None if has_catalogue(mongo).await? => {
            return if wanted.if_empty { Ok(Seeded::NotEmpty) } else { Err(SeedError::OtherProducts) };
        }
        None => new_record(wanted, Timestamp::now()),
    };
    let shop = Shop { settings, mongo, record, size: size(&record), progress };
    let report = shop.make(client, known.is_some()).await?;
    Ok(Seeded::Now(record, report))
}

async fn has_catalogue(mongo: &Mongo) -> Result<bool, StoreError> {
    let has_products = !products::scan(mongo, None, 1).await?.is_empty();
    Ok(has_products || !categories::list(mongo, None, 1).await?.is_empty())
}

/// Whether it is the shop that is asked for; without an end any end is.
fn is_same(record: &SeedRecord, wanted: Wanted) -> bool {
    size(record) == wanted_size(wanted, wanted.end.unwrap_or(record.end))
}

fn new_record(wanted: Wanted, now: Timestamp) -> SeedRecord {
    let end = wanted.end.unwrap_or_else(|| {
        let hour = now.as_second() - now.as_second().rem_euclid(3_600);
        Timestamp::from_second(hour).expect("an hour that has begun")
    });
    let size = wanted_size(wanted, end);
    SeedRecord {
        seed: wanted.seed.into(),
        orders: size.orders.into(),
        products: Some(size.products.into()),
        events: size.events.into(),
        end,
        run: ImportRunId(id(end, &mut stream(size.seed, "run", size.orders.into()))),
        generator: GENERATOR,
        finished_at: None,
    }
}

fn wanted_size(wanted: Wanted, end: Timestamp) -> Size {
    let size = Size::of_orders(wanted.orders, wanted.seed.into(), end);
    let (products, events) = (wanted.products.unwrap_or(size.products), wanted.events.unwrap_or(size.events));
    Size { products, events, ..size }
}

fn size(record: &SeedRecord) -> Size {
    let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    let size = Size::of_orders(count(record.orders), record.seed.unsigned_abs(), record.end);
    Size { products: record.products.map_or(size.products, count), events: count(record.events), ..size }
}

/// What is made before the first day.
struct Made {
    catalogue: Arc<Catalogue>,
    customers: Customers,
    promotions: Vec<Promotion>,
    judgments: Arc<Vec<Judgment>>,
}

impl Made {
    fn new(size: &Size) -> Self {
        let catalogue = catalogue::make(size);
        let judgments = Arc::new(queries::judgments(size, &catalogue));
        let (customers, promotions) = (customers::make(size), promotions::make(size));
        Self { catalogue: Arc::new(catalogue), customers, promotions, judgments }
    }
}

/// A shop that is being made.
struct Shop<'a> {
    settings: &'a Settings,
    mongo: &'a Mongo,
    record: SeedRecord,
    size: Size,
    progress: &'a Progress,
}

impl Shop<'_> {
    async fn make(&self, client: &mut DirectClient, is_begun: bool) -> Result<Report, SeedError> {
        let size = self.size;
        let making = self.progress.begin("catalogue and customers, made");
        let made = tokio::task::spawn_blocking(move || Made::new(&size)).await?;
        making.end(made.catalogue.products.len() + made.customers.all().len());
        if !is_begun {
            self.begin(client, &made).await?;
        }
        let (catalogue, judgments) = (Arc::clone(&made.catalogue), Arc::clone(&made.judgments));
        let objects = Objects::open(&self.settings.objects).await?;
        let (traded, ()) = tokio::try_join!(
            history::write(self, made),
            catalogue_writer::write_before(self, &catalogue, &objects),
        )?;
        let (catalogue, reviews) = rated(catalogue, traded.reviews).await?;
        catalogue_writer::write_after(self, &catalogue, &reviews).await?;
        let ending = self.progress.begin("stock levels and judgments");
        let written = Ending {
            levels: &traded.levels,
            judgments: &judgments,
            event: EventId(Uuid::now_v7()),
            cause: self.cause(),
        };
        seed::finish(client, &self.record, written, Timestamp::now()).await?;
        ending.end(traded.levels.len() + judgments.len());
        let counting = self.progress.begin("statistics for the planner");
        seed::analyze(client).await?;
        counting.end(0);
        Ok(self.progress.report())
    }

    async fn begin(&self, client: &mut DirectClient, made: &Made) -> Result<(), SeedError> {
        let Made { customers, promotions, .. } = made;
        let begun = self.progress.begin("customers and promotions");
        let mut users = UserRows::default();
        customers.all().iter().for_each(|customer| users.push(customer.id));
        let rows = customers.all().len() + promotions.len();
        let warehouses = stock::warehouses();
        let beginning = Beginning { users, warehouses: &warehouses, promotions };
        seed::begin(client, &self.record, beginning, Timestamp::now()).await?;
        begun.end(rows);
        Ok(())
    }

    fn cause(&self) -> Cause {
        Cause { actor: ACTOR.to_owned(), request_id: None, traceparent: None }
    }
}

/// The catalogue with what the reviews say of its products.
async fn rated(
    catalogue: Arc<Catalogue>,
    reviews: Vec<Review>,
) -> Result<(Catalogue, Vec<Review>), SeedError> {
    let rated = tokio::task::spawn_blocking(move || {
        let mut catalogue = Arc::unwrap_or_clone(catalogue);
        reviews::rate(&mut catalogue, &reviews);
        (catalogue, reviews)
    });
    Ok(rated.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted =
        Wanted { orders: 5_000, products: None, events: None, seed: 7, end: None, if_empty: false };

    #[test]
    fn the_same_numbers_make_the_same_shop() {
        let record = new_record(WANTED, "2026-11-21T09:30:00Z".parse().unwrap());
        assert_eq!((record.products, record.events), (Some(500), 150_000));
        assert!(is_same(&record, WANTED) && is_same(&record, Wanted { products: Some(500), ..WANTED }));
        for other in [
            Wanted { orders: 5_001, ..WANTED },
            Wanted { products: Some(501), ..WANTED },
            Wanted { events: Some(1), ..WANTED },
            Wanted { seed: 8, ..WANTED },
            Wanted { end: Some("2026-11-21T09:30:00Z".parse().unwrap()), ..WANTED },
        ] {
            assert!(!is_same(&record, other), "{other:?}");
        }
    }

    #[test]
    fn a_number_of_products_that_was_not_kept_is_in_proportion() {
        let record = new_record(WANTED, "2026-11-21T09:30:00Z".parse().unwrap());
        let older = SeedRecord { products: None, ..record };
        assert_eq!(size(&older), size(&record));
        let many = new_record(Wanted { products: Some(100_000), ..WANTED }, record.end);
        assert_eq!((size(&many).products, size(&many).orders), (100_000, 5_000));
    }
}
