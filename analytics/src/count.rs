//! What a run counts: the reports of the days that changed, month by month, and those of the whole history.
//!
//! A month is what is held in memory; of the whole history only what the reports on customers need. Blocks the thread.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::ToSpan;
use jiff::civil::Date;
use polars::prelude::*;
use store::pg::reports::{self as published, Report, Rows};

use crate::lake::{Kept, Lake, LakeError, Table, column, event};
use crate::publish;
use crate::quality::{self, Finding};
use crate::reports::bought_together::{PAIR_COUNT_MAX, Pairs};
use crate::reports::derived::{DATE, DOCUMENT, IS_CREDIT, IS_SALE, MONTH, PRODUCT};
use crate::reports::{
    self, ReportError, customers, funnel, hourly_orders, inventory_turnover, payment_success,
    product_conversion, promotion_cost, sales, users,
};

/// Why nothing can be counted.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The lake cannot be read.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A number cannot be computed.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The lake holds what cannot be.
    #[error("the lake is not sound: {0}")]
    Unsound(Finding),
}

impl From<PolarsError> for CountError {
    fn from(error: PolarsError) -> Self {
        Self::Report(error.into())
    }
}

/// A report that was counted.
#[derive(Debug)]
pub struct Counted {
    /// Which.
    pub report: &'static Report,
    /// The days, or first days of months, that the rows replace; `None`: all.
    pub days: Option<Vec<Date>>,
    /// What comes in their place: integers.
    pub frame: DataFrame,
    /// How long it took, without what other reports are counted of as well.
    pub elapsed: Duration,
}

impl Counted {
    /// The rows as they are published, their amounts with at least so many digits after the point.
    pub fn rows(&self, price_scale: u32) -> Result<Rows, ReportError> {
        publish::rows(self.report, &self.frame, price_scale)
    }
}

/// One channel in one time zone.
#[derive(Clone)]
pub struct Counting {
    lake: Lake,
    channel: String,
    time_zone: String,
    zone: TimeZone,
    /// First days of months in which each customer came first, by day and by month.
    firsts: [LazyFrame; 2],
    purchases: LazyFrame,
    by_customer: LazyFrame,
    order_days: Vec<Date>,
    event_days: Vec<Date>,
    ancestry: LazyFrame,
}

impl Counting {
    /// Reads what every month needs of the history. `time_zone` is the IANA name of the zone whose calendar days are
    /// counted.
    pub fn new(lake: &Lake, channel: &str, time_zone: &str) -> Result<Self, CountError> {
        let zone = reports::time_zone(time_zone)?;
        let mut order_days: BTreeSet<Date> = BTreeSet::new();
        for table in Table::OF_ORDERS.into_iter().chain([Table::Users]) {
            order_days.extend(lake.days(table, channel)?);
        }
        let order_days: Vec<_> = order_days.into_iter().collect();
        let days = lake.days(Table::Lines, channel)?;
        let purchases = lake.kept(Kept::Purchases, channel, &days, |lines| {
            Ok::<_, CountError>(reports::collect(customers::purchases(lines))?)
        })?;
        let purchases = reports::collect(customers::purchases_in(purchases, &zone))?.lazy();
        let by_customer = reports::collect(customers::by_customer(&purchases)?)?.lazy();
        let firsts =
            |period| reports::collect(customers::first_sales(&by_customer, period)).map(IntoLazy::lazy);
        let products = reports::collect(lake.products(channel)?)?;
        Ok(Self {
            firsts: [firsts(DATE)?, firsts(MONTH)?],
            ancestry: sales::ancestry(&products)?.lazy(),
            event_days: lake.event_days(channel)?,
            lake: lake.clone(),
            channel: channel.to_owned(),
            time_zone: time_zone.to_owned(),
            zone,
            purchases,
            by_customer,
            order_days,
        })
    }

    /// How many customers came first on each day, by currency.
    pub fn new_customers(&self) -> Result<Vec<(Date, String, i64)>, CountError> {
        let keys = [DATE, column::CURRENCY];
        let counted = self.firsts[0].clone().group_by(keys.map(col)).agg([len().alias("new_customers")]);
        let counted = reports::collect(counted)?;
        let rows = counted.column(DATE)?.cast(&DataType::Int32)?;
        let currencies = counted.column(column::CURRENCY)?.str()?;
        let counts = counted.column("new_customers")?.cast(&DataType::Int64)?;
        let days = rows.i32()?.iter().map(Option::unwrap_or_default);
        let all = days.zip(currencies.iter()).zip(counts.i64()?.iter());
        Ok(all
            .map(|((days, currency), count)| {
                let date = reports::date_of(days);
                (date, currency.unwrap_or_default().to_owned(), count.unwrap_or_default())
            })
            .collect())
    }

    /// The reports on orders of those dates, all of one month, oldest first.
    pub fn orders(&self, dates: &[Date]) -> Result<Vec<Counted>, CountError> {
        let Some(month) = month_of(dates) else { return Ok(Vec::new()) };
        let days = around(&self.order_days, month);
        let scanned = |table| self.lake.scan(table, &self.channel, &days);
        let (lines, documents) = (scanned(Table::Lines)?, scanned(Table::Documents)?);
        if let Some(finding) = quality::check(&lines, &documents)? {
            return Err(CountError::Unsound(finding));
        }
        let lines = reports::collect(self.lines(lines, month))?.lazy();
        let by_document = reports::collect(sales::by_document(&lines))?.lazy();
        let documents =
            reports::collect(reports::between(reports::documents(documents, &self.zone), month))?.lazy();
        let payments = payment_success::payments(scanned(Table::Payments)?, &self.zone);
        let months = [month.0];
        let [first_days, first_months] = &self.firsts;
        Ok(vec![
            self.counted("daily-sales", dates, sales::periods(&by_document, &documents, first_days, DATE))?,
            self.counted(
                "monthly-sales",
                &months,
                sales::periods(&by_document, &documents, first_months, MONTH),
            )?,
            self.counted("product-sales", dates, sales::products(&lines))?,
            self.counted("country-sales", dates, sales::countries(&by_document))?,
            self.counted("category-sales", dates, sales::categories(&lines, &self.ancestry))?,
            self.counted("payment-success", dates, payment_success::payment_success(&payments))?,
            self.counted("hourly-orders", dates, hourly_orders::hourly_orders(&documents, &self.zone))?,
        ])
    }

    /// The reports on behaviour of those dates, all of one month, oldest first.
    pub fn behaviour(&self, dates: &[Date]) -> Result<Vec<Counted>, CountError> {
        let Some(month) = month_of(dates) else { return Ok(Vec::new()) };
        let events = self.events(month)?;
        let days = around(&self.order_days, month);
        let lines = self.lines(self.lake.scan(Table::Lines, &self.channel, &days)?, month);
        let reached = near(&self.order_days, month, 1 + product_conversion::REACH_DAYS);
        let ordered = self.lake.scan(Table::Lines, &self.channel, &reached)?;
        let accounts = self.lake.scan(Table::Users, &self.channel, &days)?;
        let events = events.lazy();
        let of_dates = events.clone().filter(is_one_of(DATE, dates)?);
        let visits = funnel::visits(&of_dates)?;
        Ok(vec![
            self.counted("users", dates, users::users(accounts, &of_dates, &lines, &self.zone))?,
            self.counted("funnel", dates, funnel::funnel(&visits))?,
            self.counted("search-to-sale", dates, funnel::search_to_sale(&visits))?,
            computed("product-conversion", Some(&[month.0]), || {
                let ordered = product_conversion::ordered(&events, ordered, &self.zone)?;
                Ok(product_conversion::product_conversion(&events, &ordered, month.0)?)
            })?,
        ])
    }

    /// The reports on customers, over the whole history, and on stock up to a day.
    pub fn history(&self, until: Date) -> Result<Vec<Counted>, CountError> {
        let (purchases, by_customer) = (&self.purchases, &self.by_customer);
        Ok(vec![
            computed("cohorts", None, || Ok(reports::collect(customers::cohorts(purchases, by_customer)?)?))?,
            computed("lifetime-value", None, || {
                Ok(reports::collect(customers::lifetime_value(by_customer))?)
            })?,
            computed("rfm", None, || {
                let recency = reports::collect(customers::recency(purchases, by_customer))?;
                Ok(customers::rfm(&recency)?)
            })?,
            computed("inventory-turnover", None, || self.inventory_turnover(until))?,
        ])
    }

    fn inventory_turnover(&self, until: Date) -> Result<DataFrame, CountError> {
        let days = self.lake.days(Table::Movements, &self.channel)?;
        // Of a month that ends two days before the first one, no zone has a movement on it.
        let day_before = inventory_turnover::first_day(until).saturating_sub(1.day());
        let (before, others): (Vec<_>, Vec<_>) =
            days.into_iter().partition(|day| day.last_of_month() < day_before);
        let before = self.lake.kept(Kept::Stock, &self.channel, &before, |movements| {
            Ok::<_, CountError>(reports::collect(inventory_turnover::stock(movements))?)
        })?;
        let movements = self.lake.scan(Table::Movements, &self.channel, &others)?;
        let turnover = inventory_turnover::inventory_turnover(before, movements, &self.zone, until)?;
        Ok(reports::collect(turnover)?)
    }

    /// The reports that look at every order together, month by month.
    pub fn together(&self) -> Result<Vec<Counted>, CountError> {
        let scan = |table| self.lake.scan(table, &self.channel, &self.order_days);
        if let Some(finding) = quality::check_references(&scan(Table::Lines)?, &scan(Table::Documents)?)? {
            return Err(CountError::Unsound(finding));
        }
        let months = months_of(&self.order_days);
        let lines = |month| {
            let days = around(&self.order_days, month);
            self.lake.scan(Table::Lines, &self.channel, &days).map(|lines| self.lines(lines, month))
        };
        let bought = computed("bought-together", None, || {
            let mut pairs = Pairs::default();
            months.iter().try_for_each(|month| pairs.add(&lines(*month)?).map_err(CountError::from))?;
            Ok(pairs.top(PAIR_COUNT_MAX)?)
        })?;
        if months.is_empty() {
            return Ok(vec![bought]);
        }
        let promotions = computed("promotion-cost", None, || {
            let days = months.iter().map(|month| {
                let documents =
                    self.lake.scan(Table::Documents, &self.channel, &around(&self.order_days, *month))?;
                let documents = reports::between(reports::documents(documents, &self.zone), *month);
                let days = promotion_cost::promotion_days(&documents, &lines(*month)?);
                Ok::<_, CountError>(reports::collect(days)?.lazy())
            });
            let days = concat(days.collect::<Result<Vec<_>, _>>()?, UnionArgs::default())?;
            Ok(reports::collect(promotion_cost::promotion_cost(&days))?)
        })?;
        Ok(vec![bought, promotions])
    }

    /// The dates in the zone that rows of those UTC days can be of.
    pub fn dates_of(&self, days: &[Date]) -> Vec<Date> {
        dates_of(days, &self.time_zone)
    }

    /// Counted lines of a month, with the columns that reports ask for.
    fn lines(&self, lines: LazyFrame, month: (Date, Date)) -> LazyFrame {
        let wanted = [
            DATE,
            DOCUMENT,
            PRODUCT,
            IS_SALE,
            IS_CREDIT,
            column::ORDER_ID,
            column::PRODUCT_ID,
            column::CUSTOMER,
            column::COUNTRY,
            column::CURRENCY,
            column::QUANTITY,
            column::AMOUNT_MICROS,
            column::DISCOUNT_MICROS,
        ];
        reports::between(reports::lines(lines, &self.zone), month).select(wanted.map(col))
    }

    fn events(&self, month: (Date, Date)) -> Result<DataFrame, CountError> {
        let days = around(&self.event_days, month);
        let events = match self.lake.scan_events(&self.channel, &days)? {
            Some(events) => events,
            None => self.lake.no_events(),
        };
        let wanted =
            [DATE, "at", event::SESSION_ID, event::USER_ID, event::KIND, event::PRODUCT_ID, event::ORDER_ID];
        let events = reports::between(funnel::events(events, &self.zone), month).select(wanted.map(col));
        Ok(reports::collect(events)?)
    }

    /// The rows of those days.
    fn counted(&self, name: &str, days: &[Date], rows: LazyFrame) -> Result<Counted, CountError> {
        let report = published::find(name).expect("a report of the catalogue");
        let day = report.day().expect("a report by day or month");
        let rows = rows.filter(is_one_of(day, days)?);
        computed(name, Some(days), || Ok(reports::collect(rows)?))
    }
}

fn is_one_of(column: &str, days: &[Date]) -> PolarsResult<Expr> {
    let days = days.iter().map(|day| reports::days_since_epoch(*day)).collect::<Vec<_>>();
    let days = Series::new("days".into(), days).cast(&DataType::Date)?;
    Ok(col(column).is_in(lit(days).implode(true), false))
}

/// A report with how long it took.
fn computed(
    name: &str,
    days: Option<&[Date]>,
    compute: impl FnOnce() -> Result<DataFrame, CountError>,
) -> Result<Counted, CountError> {
    let report = published::find(name).expect("a report of the catalogue");
    let started = Instant::now();
    let frame = compute()?;
    let days = days.map(<[Date]>::to_vec);
    Ok(Counted { report, days, frame, elapsed: started.elapsed() })
}

/// The dates in a zone that rows of those UTC days can be of: a zone's midnight is less than a day away from UTC's.
pub fn dates_of(days: &[Date], time_zone: &str) -> Vec<Date> {
    let reach = if matches!(time_zone, "UTC" | "Etc/UTC") { 0 } else { 1 };
    let near = |day: &Date| {
        let day = *day;
        (-reach..=reach).map(move |offset: i32| day.saturating_add(offset.days()))
    };
    days.iter().flat_map(near).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Dates by month, oldest first.
pub fn by_month(dates: &[Date]) -> impl Iterator<Item = &[Date]> {
    dates.chunk_by(|one, next| one.first_of_month() == next.first_of_month())
}

fn month_of(dates: &[Date]) -> Option<(Date, Date)> {
    dates.first().map(|date| (date.first_of_month(), date.last_of_month()))
}

/// Every month that these UTC days reach into.
fn months_of(days: &[Date]) -> Vec<(Date, Date)> {
    let dates = dates_of(days, "everywhere");
    by_month(&dates).filter_map(month_of).collect()
}

/// Those of the UTC days that a month of any zone has rows of.
fn around(days: &[Date], month: (Date, Date)) -> Vec<Date> {
    near(days, month, 1)
}

/// Those of the UTC days that are in a month, or so many days from it.
fn near(days: &[Date], (first, last): (Date, Date), reach: i32) -> Vec<Date> {
    let (first, last) = (first.saturating_sub(reach.days()), last.saturating_add(reach.days()));
    days.iter().copied().filter(|day| (first..=last).contains(day)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn another_zone_reaches_into_the_neighbouring_days() {
        let days = [date(2011, 1, 1), date(2011, 1, 3)];
        assert_eq!(dates_of(&days, "UTC"), days);
        let dates = dates_of(&days, "Pacific/Auckland");
        let around: Vec<Date> =
            (0..5).map(|offset| date(2010, 12, 31).saturating_add(offset.days())).collect();
        assert_eq!(dates, around);
        let months: Vec<_> = by_month(&dates).map(<[Date]>::len).collect();
        assert_eq!(months, [1, 4]);
    }
}
