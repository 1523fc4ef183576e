//! What a run takes from the stores: one snapshot of one standby, and the catalogue, to the lake.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::ids::ProductId;
use domain::order::SHOP_CHANNEL;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use store::mongo::connection::Mongo;
use store::mongo::products;
use store::pg::channels::Channel;
use store::pg::direct;
use store::pg::lake_watermarks::{self, Watermark};
use store::pg::sales_extract::{self, LedgerDay, Snapshot};

use crate::count;
use crate::extract::{self, Extract, Extracted};
use crate::lake::{Lake, LakeError, Manifest, Table};
use crate::reports::ReportError;
use crate::run::{RunError, Scope, Stores};

/// How long a run waits for its standby to have what was committed when the run began.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(30);
/// What a day without any events is told by.
const GONE: &str = "gone";
/// Products that are read at once.
const PRODUCTS_AT_ONCE: i64 = 5_000;

/// What was taken.
#[derive(Debug)]
pub struct Extraction {
    /// The channel as it is.
    pub channel: Channel,
    /// Whether everything was taken.
    pub is_full: bool,
    /// Time of the snapshot.
    pub as_of: Timestamp,
    /// Every transaction below it is in it.
    pub watermark: Watermark,
    /// UTC days of orders that may be others than before.
    pub order_days: Vec<Date>,
    /// The same of accounts.
    pub user_days: Vec<Date>,
    /// The same of behaviour events, with what tells them from others.
    pub event_days: BTreeMap<Date, String>,
    /// Whether any stock has moved.
    pub has_moved: bool,
    /// What the ledger says of the dates of `order_days`, by zone.
    pub ledgers: Vec<Vec<LedgerDay>>,
    /// Days and lines.
    pub extracted: Extracted,
    /// Days that were damaged or missing.
    pub healed: u64,
    manifest: Manifest,
}

impl Extraction {
    /// Notes what the lake holds, once it is published.
    pub fn save(mut self, lake: &Lake, channel: &str) -> Result<(), LakeError> {
        self.manifest.ends_at(self.watermark);
        self.manifest.events.append(&mut self.event_days);
        self.manifest.events.retain(|_, fingerprint| fingerprint != GONE);
        lake.save_manifest(channel, &self.manifest)
    }

    /// Days whose behaviour could not be counted are looked at again by the next run.
    pub fn forget_events(&mut self, days: &[Date]) {
        for day in days {
            self.event_days.remove(day);
            self.manifest.events.remove(day);
        }
    }
}

/// Brings the lake up to what was committed when this began.
pub async fn extract(
    stores: &Stores,
    lake: &Lake,
    channel: &str,
    scope: Scope,
    primary: &direct::DirectClient,
) -> Result<Extraction, RunError> {
    let position = sales_extract::flushed_position(primary).await?;
    let mut standby = direct::standby(&stores.postgres).await?;
    sales_extract::wait_until_replayed(&standby, position, REPLAY_TIMEOUT).await?;
    let published = lake_watermarks::find(primary, channel).await?;
    let held =
        lake.manifest(channel)?.filter(|held| scope != Scope::Full && published == Some(held.watermark()));
    let is_full = held.is_none();
    let since = held.as_ref().map(Manifest::watermark);

    let snapshot = sales_extract::snapshot(&mut standby).await?;
    let known = snapshot.channel(channel).await?;
    let known = known.ok_or_else(|| RunError::UnknownChannel(channel.to_owned()))?;
    let mut manifest = held.unwrap_or_default();
    let extract = Extract { lake, channel, manifest: &mut manifest, extracted: Extracted::default() };
    let taken = take(&snapshot, extract, since, scope).await?;
    let ledgers = ledgers(&snapshot, &known, &taken.order_days).await?;
    let (as_of, watermark) = (snapshot.taken_at, snapshot.watermark);
    drop(snapshot);
    if channel == SHOP_CHANNEL {
        copy_products(stores, lake).await?;
    }
    let event_days = changed_events(lake, channel, &manifest, scope)?;
    let Taken { order_days, user_days, has_moved, extracted, healed } = taken;
    Ok(Extraction {
        channel: known,
        is_full,
        as_of,
        watermark,
        order_days,
        user_days,
        event_days,
        has_moved,
        ledgers,
        extracted,
        healed,
        manifest,
    })
}

struct Taken {
    order_days: Vec<Date>,
    user_days: Vec<Date>,
    has_moved: bool,
    extracted: Extracted,
    healed: u64,
}

async fn take(
    snapshot: &Snapshot<'_>,
    mut extract: Extract<'_>,
    since: Option<Watermark>,
    scope: Scope,
) -> Result<Taken, RunError> {
    let (lake, channel) = (extract.lake, extract.channel);
    let mut healed = BTreeSet::new();
    let mut damaged = |extract: &mut Extract<'_>, table| {
        let days = lake.damaged_days(extract.manifest, table, channel);
        healed.extend(days.iter().copied());
        days
    };
    let mut order_days: BTreeSet<_> = snapshot.changed_days(channel, since).await?.into_iter().collect();
    for table in Table::OF_ORDERS {
        order_days.extend(damaged(&mut extract, table));
    }
    order_days.extend(days_of(scope));
    let order_days: Vec<_> = order_days.into_iter().collect();
    for table in Table::OF_ORDERS {
        extract.write_days(snapshot, table, &order_days).await?;
        if since.is_none() {
            retain(&mut extract, table, &order_days)?;
        }
    }
    let (mut user_days, mut moved) = (BTreeSet::new(), Vec::new());
    if channel == SHOP_CHANNEL {
        user_days.extend(snapshot.changed_user_days(since).await?);
        user_days.extend(damaged(&mut extract, Table::Users));
        extract.write_days(snapshot, Table::Users, &user_days.iter().copied().collect::<Vec<_>>()).await?;
        if since.is_none() {
            retain(&mut extract, Table::Users, &user_days.iter().copied().collect::<Vec<_>>())?;
        }
        let damaged: BTreeSet<_> = damaged(&mut extract, Table::Movements).into_iter().collect();
        let held = extract.manifest.of(Table::Movements).clone();
        let is_other = |(day, count): &(Date, i64)| {
            damaged.contains(day) || held.get(day).is_none_or(|note| i64::try_from(note.rows) != Ok(*count))
        };
        let all = snapshot.movement_days().await?;
        let days: Vec<_> = all.iter().map(|(day, _)| *day).collect();
        moved = all.into_iter().filter(is_other).map(|(day, _)| day).collect();
        extract.write_days(snapshot, Table::Movements, &moved).await?;
        retain(&mut extract, Table::Movements, &days)?;
    }
    Ok(Taken {
        order_days,
        user_days: user_days.into_iter().collect(),
        has_moved: !moved.is_empty(),
        extracted: extract.extracted,
        healed: healed.len() as u64,
    })
}

/// Removes the days of a table that are not among `days` (sorted): what another database left.
fn retain(extract: &mut Extract<'_>, table: Table, days: &[Date]) -> Result<(), RunError> {
    for day in extract.lake.days(table, extract.channel)? {
        if days.binary_search(&day).is_err() {
            extract.remove(table, day)?;
        }
    }
    Ok(())
}

fn days_of(scope: Scope) -> Vec<Date> {
    let Scope::Dates(from, to) = scope else { return Vec::new() };
    from.series(1.day()).take_while(|day| *day <= to).collect()
}

/// What the ledger says of the dates that those days can have changed, by zone.
async fn ledgers(
    snapshot: &Snapshot<'_>,
    channel: &Channel,
    days: &[Date],
) -> Result<Vec<Vec<LedgerDay>>, RunError> {
    let mut ledgers = Vec::new();
    for zone in channel.zones() {
        let dates = count::dates_of(days, zone);
        let mut ledger = Vec::new();
        for month in count::by_month(&dates) {
            if let (Some(first), Some(last)) = (month.first(), month.last()) {
                ledger.extend(snapshot.ledger(&channel.code, zone, (*first, *last)).await?);
            }
        }
        ledgers.push(ledger);
    }
    Ok(ledgers)
}

/// The catalogue as it is now.
async fn copy_products(stores: &Stores, lake: &Lake) -> Result<(), RunError> {
    let mongo = Mongo::connect(&stores.mongo).await?;
    let mut all: Vec<(ProductId, String, Option<String>)> = Vec::new();
    loop {
        let page = products::scan(&mongo, all.last().map(|(id, _, _)| *id), PRODUCTS_AT_ONCE).await?;
        let is_last = page.is_empty();
        all.extend(page.into_iter().map(|product| (product.id, product.title, product.category)));
        if is_last {
            break;
        }
    }
    let mut frame = extract::products(&all).map_err(ReportError::Frame)?;
    Ok(lake.write_products(SHOP_CHANNEL, &mut frame)?)
}

/// The UTC days whose behaviour events may be others than those that were counted.
fn changed_events(
    lake: &Lake,
    channel: &str,
    manifest: &Manifest,
    scope: Scope,
) -> Result<BTreeMap<Date, String>, RunError> {
    let mut changed = BTreeMap::new();
    let asked = days_of(scope);
    // Days that are gone are counted too: they have nothing any more.
    for day in manifest.events.keys() {
        changed.insert(*day, GONE.to_owned());
    }
    for day in lake.event_days(channel)? {
        let fingerprint = lake.event_fingerprint(channel, day)?;
        if asked.contains(&day) || manifest.events.get(&day) != Some(&fingerprint) {
            changed.insert(day, fingerprint);
        } else {
            changed.remove(&day);
        }
    }
    Ok(changed)
}
