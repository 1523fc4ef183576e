//! What a run publishes: every report of a channel, in one transaction with the watermark.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;
use process::error_chain;
use store::pg::direct::DirectClient;
use store::pg::reports::{self, Replaced, Rows};
use store::pg::sales_extract::LedgerDay;
use store::pg::transaction::Transaction;
use store::pg::{lake_watermarks, transaction};

use crate::count::{CountError, Counted, Counting, by_month, dates_of};
use crate::lake::Lake;
use crate::reconcile;
use crate::reports::product_conversion::REACH_DAYS;
use crate::run::RunError;
use crate::snapshot::Extraction;

/// What was published.
#[derive(Debug, Default)]
pub struct Published {
    /// Dates that were counted, in every zone.
    pub dates: u64,
    /// Rows that came of them.
    pub rows: u64,
    /// Days whose report and ledger differ.
    pub differences: u64,
    /// Months of behaviour that could not be counted, and why.
    pub left_out: Vec<String>,
    /// Days of them: the next run looks at them again.
    pub events_left: Vec<Date>,
}

/// Counts what an extraction touches and publishes it. Everybody sees the old reports until all are there.
pub async fn publish(
    primary: &mut DirectClient,
    lake: &Lake,
    extraction: &Extraction,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Published, RunError> {
    transaction::run_direct(primary, "publish_reports", async |transaction| {
        let mut published = Published::default();
        let code = &extraction.channel.code;
        if extraction.is_full {
            reports::retain_zones(transaction, code, &extraction.channel.zones()).await?;
        }
        for (zone, ledger) in extraction.channel.zones().into_iter().zip(&extraction.ledgers) {
            tell(&format!("counts the days of {zone}"));
            let (of_lake, channel, time_zone) = (lake.clone(), code.clone(), zone.to_owned());
            let counting = blocking(move || Counting::new(&of_lake, &channel, &time_zone)).await?;
            let time_zone = zone.to_owned();
            let mut zone =
                Zone { transaction, extraction, counting, time_zone, published: &mut published, tell };
            zone.publish(ledger).await?;
        }
        lake_watermarks::save(transaction, code, extraction.watermark, extraction.as_of).await?;
        Ok(published)
    })
    .await
}

/// The reports of one zone.
struct Zone<'a> {
    transaction: &'a Transaction<'a>,
    extraction: &'a Extraction,
    counting: Counting,
    time_zone: String,
    published: &'a mut Published,
    tell: &'a (dyn Fn(&str) + Sync),
}

/// A report with its rows.
struct Ready {
    counted: Counted,
    rows: Rows,
}

impl Zone<'_> {
    async fn publish(&mut self, ledger: &[LedgerDay]) -> Result<(), RunError> {
        let covered = dates_of(&self.extraction.order_days, &self.time_zone);
        let dates = self.dates_of_orders(&covered).await?;
        if self.extraction.is_full {
            for report in reports::all().iter().filter(|report| report.is_of_orders) {
                self.clear(report).await?;
            }
        }
        for month in by_month(&dates) {
            let of_month = month.to_vec();
            (self.tell)(&format!("counts the sales of {}", month[0].strftime("%Y-%m")));
            self.published.dates += month.len() as u64;
            let ready = self.count(move |counting| counting.orders(&of_month)).await?;
            self.replace_all(&ready).await?;
            if let Some(daily) = ready.iter().find(|ready| ready.counted.report.name == "daily-sales") {
                self.reconcile(&daily.counted, ledger, &covered).await?;
            }
        }
        self.publish_behaviour().await?;
        let has_orders = self.extraction.is_full || !self.extraction.order_days.is_empty();
        if has_orders || self.extraction.has_moved {
            (self.tell)("counts customers and stock");
            let zone = jiff::tz::TimeZone::get(&self.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
            let until = self.extraction.as_of.to_zoned(zone).date().saturating_sub(1.day());
            let ready = self.count(move |counting| counting.history(until)).await?;
            self.replace_all(&ready).await?;
        }
        if self.extraction.is_full {
            (self.tell)("counts what is bought together");
            let ready = self.count(Counting::together).await?;
            self.replace_all(&ready).await?;
        }
        Ok(())
    }

    /// The dates of the days that changed, and those on which other customers came first than was published.
    async fn dates_of_orders(&self, covered: &[Date]) -> Result<Vec<Date>, RunError> {
        let mut dates: BTreeSet<_> = covered.iter().copied().collect();
        if !self.extraction.is_full && !dates.is_empty() {
            let (channel, zone) = (&self.extraction.channel.code, &self.time_zone);
            let before = reports::new_customers(self.transaction, channel, zone).await?;
            let before: BTreeMap<_, _> =
                before.into_iter().map(|(date, code, count)| ((date, code), count)).collect();
            let counting = self.counting.clone();
            let now = blocking(move || counting.new_customers()).await?;
            let now: BTreeMap<_, _> =
                now.into_iter().map(|(date, code, count)| ((date, code), count)).collect();
            let count = |of: &BTreeMap<_, i64>, key| of.get(key).copied().unwrap_or_default();
            let others =
                before.keys().chain(now.keys()).filter(|key| count(&before, key) != count(&now, key));
            dates.extend(others.map(|(date, _)| *date));
        }
        Ok(dates.into_iter().collect())
    }

    /// A month that cannot be counted keeps its last report.
    async fn publish_behaviour(&mut self) -> Result<(), RunError> {
        let Extraction { event_days, user_days, order_days, .. } = self.extraction;
        // Orders tell what a purchase was of, and who bought.
        let reached = order_days
            .iter()
            .flat_map(|day| (-REACH_DAYS..=REACH_DAYS).map(|offset| day.saturating_add(offset.days())));
        let days: BTreeSet<_> = event_days.keys().chain(user_days).copied().chain(reached).collect();
        let dates = dates_of(&days.into_iter().collect::<Vec<_>>(), &self.time_zone);
        for month in by_month(&dates) {
            let of_month = month.to_vec();
            (self.tell)(&format!("counts the visits of {}", month[0].strftime("%Y-%m")));
            match self.count(move |counting| counting.behaviour(&of_month)).await {
                Ok(ready) => self.replace_all(&ready).await?,
                Err(RunError::Count(error)) => {
                    let error = error_chain::text(&error);
                    let text = format!("behaviour of {}: {error}", month[0].strftime("%Y-%m"));
                    tracing::error!(error, "behaviour cannot be counted");
                    self.published.left_out.push(text);
                    self.published.events_left.extend(dates_of(month, "anywhere"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn reconcile(
        &mut self,
        daily_sales: &Counted,
        ledger: &[LedgerDay],
        covered: &[Date],
    ) -> Result<(), RunError> {
        let mut sides = reconcile::sides(daily_sales, ledger)?;
        sides.retain(|(date, _), _| covered.binary_search(date).is_ok());
        self.published.differences += reconcile::differences(&sides);
        let report = reports::find("reconciliation").expect("a report of the catalogue");
        let days = daily_sales.days.iter().flatten().copied();
        let days: Vec<_> = days.filter(|date| covered.binary_search(date).is_ok()).collect();
        let rows = reconcile::rows(&sides);
        let of = (self.extraction.channel.code.as_str(), self.time_zone.as_str());
        Ok(reports::replace(self.transaction, report, of, Replaced::Days(&days), &rows).await?)
    }

    async fn count(
        &self,
        work: impl FnOnce(&Counting) -> Result<Vec<Counted>, CountError> + Send + 'static,
    ) -> Result<Vec<Ready>, RunError> {
        let (counting, price_scale) = (self.counting.clone(), self.extraction.channel.price_scale);
        blocking(move || {
            let ready = |counted: Counted| Ok(Ready { rows: counted.rows(price_scale)?, counted });
            work(&counting)?.into_iter().map(ready).collect()
        })
        .await
    }

    async fn replace_all(&mut self, ready: &[Ready]) -> Result<(), RunError> {
        for Ready { counted, rows } in ready {
            let replaced = counted.days.as_deref().map_or(Replaced::All, Replaced::Days);
            let of = (self.extraction.channel.code.as_str(), self.time_zone.as_str());
            reports::replace(self.transaction, counted.report, of, replaced, rows).await?;
            self.published.rows += rows.count as u64;
        }
        Ok(())
    }

    async fn clear(&mut self, report: &reports::Report) -> Result<(), RunError> {
        let of = (self.extraction.channel.code.as_str(), self.time_zone.as_str());
        Ok(reports::clear(self.transaction, report, of).await?)
    }
}

/// polars computes in threads of its own and waits for them.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CountError> + Send + 'static,
) -> Result<T, RunError> {
    tokio::task::spawn_blocking(work).await.map_err(RunError::Counter)?.map_err(RunError::Count)
}
