//! The days of the history: made on threads of their own, written month by month.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::judgment::Judgment;
use domain::order::SHOP_CHANNEL;
use domain::promotion::Promotion;
use domain::review::Review;
use domain::stock::StockLevel;
use jiff::Timestamp;
use jiff::civil::Date;
use store::pg::bulk::ledger::MovementRows;
use store::pg::bulk::month::{Load, MonthRows, load};
use store::pg::bulk::orders::OrderRows;
use store::pg::bulk::seed::{self, Part};
use store::pg::direct::{self, DirectClient};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::report::Progress;
use super::{Made, SeedError, Shop};
use crate::assortment::Assortment;
use crate::behaviour::Behaviour;
use crate::calendar::{days, midnight};
use crate::customers::Customers;
use crate::reviews::Reviews;
use crate::shop::{Catalogue, Size};
use crate::trade::{Day, Trade};

/// Lines or movements that are sent at once.
const BATCH_ROWS: u64 = 20_000;
/// Batches that wait for a connection, and days that wait for their events.
const WAITING_MAX: usize = 4;

/// What is known after the last day.
pub(super) struct Traded {
    /// What lies in the warehouses.
    pub(super) levels: Vec<StockLevel>,
    /// What customers say.
    pub(super) reviews: Vec<Review>,
}

/// What the makers of days read.
struct Makers {
    size: Size,
    catalogue: Arc<Catalogue>,
    customers: Customers,
    promotions: Vec<Promotion>,
    judgments: Arc<Vec<Judgment>>,
}

/// Makes and writes every day that is not in yet.
pub(super) async fn write(shop: &Shop<'_>, made: Made) -> Result<Traded, SeedError> {
    let postgres = &shop.settings.postgres;
    let (mut orders, mut ledger, behaviour) =
        tokio::try_join!(direct::primary(postgres), direct::primary(postgres), direct::primary(postgres))?;
    let (order_feed, order_rows) = feed(&orders, Part::Orders).await?;
    let (ledger_feed, ledger_rows) = feed(&ledger, Part::Ledger).await?;
    let behaviour_until = seed::until(&behaviour, Part::Behaviour).await?;
    let (day_sender, day_receiver) = channel::<Day>(WAITING_MAX);
    let (done_sender, done) = channel(WAITING_MAX);
    let Made { catalogue, customers, promotions, judgments } = made;
    let makers = Arc::new(Makers { size: shop.size, catalogue, customers, promotions, judgments });
    let feeds = Feeds { orders: order_feed, ledger: ledger_feed, days: day_sender, run: shop.record.run };
    let (traders, watchers) = (Arc::clone(&makers), makers);
    let progress = shop.progress.clone();
    let trading = tokio::task::spawn_blocking(move || trade(&traders, feeds, &progress));
    let events = EventWriter {
        lake: lake::behaviour::Writer::new(&shop.settings.lake.path, SHOP_CHANNEL),
        until: behaviour_until,
        progress: shop.progress.clone(),
    };
    let watching = tokio::task::spawn_blocking(move || watch(&watchers, day_receiver, &events, &done_sender));
    let written = tokio::try_join!(
        load_all(&mut orders, order_rows, shop.progress, "orders with all that belongs to them"),
        load_all(&mut ledger, ledger_rows, shop.progress, "ledger of the stock"),
        advance_behaviour(&behaviour, done),
        joined(watching),
    );
    // A writer's channel ends when the maker fails, and the maker stops when a writer does: the first cause counts.
    match (joined(trading).await, written) {
        (Ok(traded), Ok(_)) => Ok(traded),
        (Err(SeedError::Stopped) | Ok(_), Err(error)) | (Err(error), _) => Err(error),
    }
}

async fn joined<T>(thread: tokio::task::JoinHandle<Result<T, SeedError>>) -> Result<T, SeedError> {
    thread.await?
}

/// What comes in of a part, and how far it has come already.
struct Feed<R> {
    rows: Sender<Load<R>>,
    until: Option<Timestamp>,
}

impl<R> Feed<R> {
    /// Whether everything that began before `at` is in.
    fn has(&self, at: Timestamp) -> bool {
        self.until.is_some_and(|until| at < until)
    }

    fn send(&self, load: Load<R>) -> Result<(), SeedError> {
        self.rows.blocking_send(load).map_err(|_| SeedError::Stopped)
    }

    fn end_month(&self, until: Timestamp) -> Result<(), SeedError> {
        if self.until.is_some_and(|known| until <= known) {
            Ok(())
        } else {
            self.send(Load::MonthEnds(until))
        }
    }
}

async fn feed<R: MonthRows>(
    client: &DirectClient,
    part: Part,
) -> Result<(Feed<R>, Receiver<Load<R>>), SeedError> {
    let until = seed::until(client, part).await?;
    let (rows, receiver) = channel(WAITING_MAX);
    Ok((Feed { rows, until }, receiver))
}

struct Feeds {
    orders: Feed<OrderRows>,
    ledger: Feed<MovementRows>,
    days: Sender<Day>,
    run: domain::ids::ImportRunId,
}

/// The first moment of a day's month, UTC.
fn month_of(date: Date) -> Timestamp {
    midnight(date.first_of_month())
}

/// Makes the days and hands their rows on.
fn trade(makers: &Makers, feeds: Feeds, progress: &Progress) -> Result<Traded, SeedError> {
    let Makers { size, catalogue, customers, promotions, .. } = makers;
    let assortment = Assortment::new(size, catalogue);
    let mut reviews = Reviews::new(size, catalogue);
    let mut trade = Trade::new(size, &assortment, customers, promotions)?;
    let (mut orders, mut movements) = (OrderRows::new(feeds.run), MovementRows::default());
    let mut month = month_of(days(size).next().unwrap_or_default());
    for day in &mut trade {
        let begins = month_of(day.date);
        if begins != month {
            flush(&feeds, month, &mut orders, &mut movements, 0)?;
            feeds.orders.end_month(begins)?;
            feeds.ledger.end_month(begins)?;
            month = begins;
        }
        day.orders.iter().for_each(|order| reviews.observe(order));
        let at = midnight(day.date);
        if !feeds.orders.has(at) {
            day.orders.iter().for_each(|order| orders.push(order));
        }
        if !feeds.ledger.has(at) {
            day.movements.iter().for_each(|movement| movements.push(movement));
        }
        progress.add_day(day.orders.len());
        feeds.days.blocking_send(day).map_err(|_| SeedError::Stopped)?;
        flush(&feeds, month, &mut orders, &mut movements, BATCH_ROWS)?;
    }
    flush(&feeds, month, &mut orders, &mut movements, 0)?;
    feeds.orders.end_month(size.end)?;
    feeds.ledger.end_month(size.end)?;
    Ok(Traded { levels: trade.into_stock(), reviews: reviews.finish() })
}

/// Sends what is more than so many rows.
fn flush(
    feeds: &Feeds,
    month: Timestamp,
    orders: &mut OrderRows,
    movements: &mut MovementRows,
    more_than: u64,
) -> Result<(), SeedError> {
    if orders.line_count() > more_than {
        feeds.orders.send(Load::Rows(month, std::mem::replace(orders, OrderRows::new(feeds.run))))?;
    }
    if movements.row_count() > more_than {
        feeds.ledger.send(Load::Rows(month, std::mem::take(movements)))?;
    }
    Ok(())
}

async fn load_all<R: MonthRows>(
    client: &mut DirectClient,
    mut rows: Receiver<Load<R>>,
    progress: &Progress,
    what: &'static str,
) -> Result<(), SeedError> {
    let loading = progress.begin(what);
    let (mut count, mut busy) = (0, Duration::ZERO);
    while let Some(loaded) = load(client, &mut rows).await? {
        count += loaded.rows;
        busy += loaded.busy;
    }
    loading.end_busy(usize::try_from(count).unwrap_or(usize::MAX), busy);
    Ok(())
}

struct EventWriter {
    lake: lake::behaviour::Writer,
    until: Option<Timestamp>,
    progress: Progress,
}

/// Makes the events of each day and puts them into the lake; says from time to time how far it is.
fn watch(
    makers: &Makers,
    mut waiting: Receiver<Day>,
    events: &EventWriter,
    done: &Sender<Timestamp>,
) -> Result<(), SeedError> {
    let Makers { size, catalogue, customers, judgments, .. } = makers;
    let assortment = Assortment::new(size, catalogue);
    let behaviour = Behaviour::new(size, &assortment, customers, judgments);
    let writing = events.progress.begin("behaviour events in the lake");
    let (mut count, mut busy) = (0, Duration::ZERO);
    let (mut month, mut last) = (None, None);
    while let Some(day) = waiting.blocking_recv() {
        let begins = month_of(day.date);
        last = Some(day.date);
        if events.until.is_some_and(|until| midnight(day.date) < until) {
            continue;
        }
        if month.replace(begins).is_some_and(|before| before != begins) {
            done.blocking_send(begins).map_err(|_| SeedError::Stopped)?;
        }
        let started = Instant::now();
        let of_day = behaviour.of_day(day.date, &day.orders);
        count += of_day.len();
        events.lake.write_day(day.date, &of_day)?;
        busy += started.elapsed();
    }
    // The channel also ends when the maker of the days fails: then days are missing.
    if last != days(size).last() {
        return Err(SeedError::Stopped);
    }
    done.blocking_send(size.end).map_err(|_| SeedError::Stopped)?;
    writing.end_busy(count, busy);
    Ok(())
}

async fn advance_behaviour(client: &DirectClient, mut done: Receiver<Timestamp>) -> Result<(), SeedError> {
    while let Some(until) = done.recv().await {
        seed::advance(client, Part::Behaviour, until).await?;
    }
    Ok(())
}
