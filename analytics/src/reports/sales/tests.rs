use domain::ids::OrderId;
use domain::order::{OrderKind, OrderStatus};
use jiff::Timestamp;
use jiff::civil::Date;
use proptest::prelude::*;
use rust_decimal::Decimal;
use store::pg::reports::Values;
use store::pg::sales_extract::SalesLine;

use super::*;
use crate::lake::Table;
use crate::publish;
use crate::reports::bought_together::Pairs;
use crate::reports::derived::MONTH;
use crate::reports::{self, customers};

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// A line of `number` at `at`; its kind is the one that importers give such a number.
fn line(number: &str, at: &str, quantity: i64, unit_price: &str) -> SalesLine {
    let at: Timestamp = at.parse().expect("a time");
    let mut random = [0; 10];
    random[..number.len()].copy_from_slice(number.as_bytes());
    SalesLine {
        order_id: OrderId::new(Timestamp::UNIX_EPOCH, random),
        refund_id: None,
        number: number.to_owned(),
        kind: domain::imported_order::kind_of(number),
        status: OrderStatus::Completed,
        customer: Some("17850".to_owned()),
        country: None,
        currency: "GBP".to_owned(),
        line_number: 1,
        occurred_at: at,
        sku: "85123A".to_owned(),
        product_id: None,
        quantity,
        unit_price: unit_price.parse().expect("a price"),
        discount_minor: 0,
    }
}

/// A row as it is published.
struct Day {
    date: Date,
    currency: String,
    counts: Vec<i64>,
    amounts: Vec<Decimal>,
}

impl Day {
    fn orders(&self) -> i64 {
        self.counts[0]
    }

    fn customers(&self) -> i64 {
        self.counts[2]
    }

    fn units(&self) -> i64 {
        self.counts[4]
    }

    fn gross(&self) -> String {
        self.amounts[0].to_string()
    }
}

fn report_in(time_zone: &str, lines: &[SalesLine]) -> Vec<Day> {
    let frame = crate::extract::frame(EPOCH, lines).expect("lines make a frame");
    let zone = reports::time_zone(time_zone).expect("a zone");
    let purchases = customers::purchases_in(customers::purchases(frame.clone().lazy()), &zone);
    let lines = reports::lines(frame.lazy(), &zone);
    let none = DataFrame::empty_with_schema(&Table::Documents.schema()).lazy();
    let by_document = by_document(&lines);
    let by_customer = customers::by_customer(&purchases).expect("computes");
    let firsts = customers::first_sales(&by_customer, DATE);
    let counted = periods(&by_document, &reports::documents(none, &zone), &firsts, DATE);
    let counted = reports::collect(counted).expect("computes");
    let report = store::pg::reports::find("daily-sales").expect("a report");
    let rows = publish::rows(report, &counted, 2).expect("fits");
    let day = |place: usize| {
        let mut day = Day { date: EPOCH, currency: String::new(), counts: vec![], amounts: vec![] };
        for values in &rows.columns {
            match values {
                Values::Dates(dates) => day.date = dates[place],
                Values::Texts(texts) => day.currency.clone_from(&texts[place]),
                Values::Counts(counts) => day.counts.push(counts[place]),
                Values::Amounts(amounts) => day.amounts.push(amounts[place]),
            }
        }
        day
    };
    (0..rows.count).map(day).collect()
}

/// Rows as `date currency orders cancelled customers units gross refunds raw rounded`.
fn rows(time_zone: &str, lines: &[SalesLine]) -> Vec<String> {
    let text = |day: Day| {
        let [orders, cancelled, customers, _, units] = day.counts[..] else { panic!("five counts") };
        let amounts = [0, 2, 5, 6].map(|place| day.amounts[place].to_string()).join(" ");
        format!("{} {} {orders} {cancelled} {customers} {units} {amounts}", day.date, day.currency)
    };
    report_in(time_zone, lines).into_iter().map(text).collect()
}

const NOON: &str = "2010-12-01T12:00:00Z";

#[test]
fn no_line_makes_no_row() {
    assert!(rows("UTC", &[]).is_empty());
}

#[test]
fn each_kind_of_line_counts_where_it_belongs() {
    let lines = [
        line("1", NOON, 6, "2.55"),
        line("1", NOON, 6, "2.55"),
        line("2", NOON, 1, "0.005"),
        line("3", NOON, 10, "0"),
        line("4", NOON, -5, "1.00"),
        line("C5", NOON, -2, "2.55"),
        line("A6", NOON, 1, "-100.00"),
    ];
    // 30.60 + 0.005 sold, 5.10 given back, 5.00 and 100.00 of adjustments.
    // The half penny is rounded up in the last sum.
    let row = "2010-12-01 GBP 2 1 1 13 30.605 -5.10 -79.495 25.51";
    assert_eq!(rows("UTC", &lines), [row]);
}

#[test]
fn discounts_and_refunds_of_the_shop_count_to_the_minor_unit() {
    let sold = |number, discount_minor| SalesLine {
        kind: OrderKind::Sale,
        discount_minor,
        ..line(number, NOON, 3, "16.66")
    };
    // Two refunds of one order are two documents; what is taken back is net of the discount's share.
    let refund = |byte, quantity, discount_minor| SalesLine {
        kind: OrderKind::Credit,
        refund_id: Some(domain::ids::RefundId::new(Timestamp::UNIX_EPOCH, [byte; 10])),
        discount_minor,
        ..line("S1", NOON, quantity, "16.66")
    };
    let lines = [sold("S1", 499), sold("S2", 0), refund(1, -1, -166), refund(2, -2, -333), refund(2, 0, 0)];
    // 2 x 49.98 - 4.99 sold; 16.66 - 1.66 and 33.32 - 3.33 given back: all of S1.
    let row = "2010-12-01 GBP 2 2 1 6 94.97 -44.99 49.98 49.98";
    assert_eq!(rows("UTC", &lines), [row]);
    let yen = SalesLine { currency: "JPY".to_owned(), ..sold("S3", 7) };
    assert_eq!(report_in("UTC", &[yen])[0].gross(), "42.98");
}

#[test]
fn a_gift_by_promotion_is_an_order_without_revenue() {
    let given = SalesLine { discount_minor: 4998, ..line("1", NOON, 3, "16.66") };
    assert_eq!(rows("UTC", &[given]), ["2010-12-01 GBP 1 0 1 3 0.00 0.00 0.00 0.00"]);
}

#[test]
fn blank_customers_are_not_counted() {
    let blank = SalesLine { customer: None, ..line("1", NOON, 1, "1") };
    let other = SalesLine { customer: Some("12345".to_owned()), ..line("2", NOON, 1, "1") };
    assert_eq!(report_in("UTC", std::slice::from_ref(&blank))[0].customers(), 0);
    assert_eq!(
        report_in("UTC", &[blank, other, line("3", NOON, 1, "1"), line("4", NOON, 1, "1")])[0].customers(),
        2
    );
}

#[test]
fn currencies_are_not_mixed() {
    let euro = SalesLine { currency: "EUR".to_owned(), ..line("2", NOON, 1, "3") };
    let rows = rows("UTC", &[line("1", NOON, 1, "1"), euro]);
    assert_eq!(rows.iter().map(|row| &row[11..14]).collect::<Vec<_>>(), ["EUR", "GBP"]);
}

#[test]
fn an_order_that_is_not_paid_does_not_count() {
    let unpaid = |status| SalesLine { status, ..line("1", NOON, 1, "1") };
    assert!(rows("UTC", &[unpaid(OrderStatus::PendingPayment), unpaid(OrderStatus::Cancelled)]).is_empty());
    assert_eq!(report_in("UTC", &[unpaid(OrderStatus::Paid)])[0].orders(), 1);
}

#[test]
fn days_are_those_of_the_zone_also_when_clocks_change() {
    let dates = |zone: &str, times: &[&str]| -> Vec<String> {
        let lines: Vec<_> = times.iter().map(|at| line("1", at, 1, "1")).collect();
        report_in(zone, &lines).iter().map(|row| format!("{} {}", row.date, row.units())).collect()
    };
    // London goes forward on 2011-03-27 at 01:00 UTC and back on 2011-10-30 at 01:00 UTC.
    let spring =
        ["2011-03-26T23:59:59Z", "2011-03-27T00:00:00Z", "2011-03-27T22:59:59Z", "2011-03-27T23:00:00Z"];
    assert_eq!(dates("Europe/London", &spring), ["2011-03-26 1", "2011-03-27 2", "2011-03-28 1"]);
    let autumn =
        ["2011-10-29T22:59:59Z", "2011-10-29T23:00:00Z", "2011-10-30T23:59:59Z", "2011-10-31T00:00:00Z"];
    assert_eq!(dates("Europe/London", &autumn), ["2011-10-29 1", "2011-10-30 2", "2011-10-31 1"]);
    assert_eq!(dates("Pacific/Auckland", &["2011-01-01T11:00:00Z"]), ["2011-01-02 1"]);
    assert_eq!(dates("America/New_York", &["2011-01-01T04:59:59Z"]), ["2010-12-31 1"]);
}

#[test]
fn sums_beyond_64_bits_are_exact() {
    let lines: Vec<_> = (0..20).map(|_| line("1", NOON, 1_000_000_000_000, "1")).collect();
    let row = &report_in("UTC", &lines)[0];
    assert_eq!(row.gross(), "20000000000000.00");
    assert_eq!(row.units(), 20_000_000_000_000);
    let refunds: Vec<_> = (0..20).map(|_| line("C1", NOON, -1_000_000_000_000, "1")).collect();
    assert_eq!(report_in("UTC", &refunds)[0].amounts[2].to_string(), "-20000000000000.00");
}

#[test]
fn a_line_that_does_not_fit_is_named() {
    let unfit = crate::extract::frame(EPOCH, &[line("7", NOON, i64::MAX, "2")]).expect_err("does not fit");
    assert_eq!(unfit.to_string(), "line 1 of order \"7\" does not fit the lake");
}

#[test]
fn an_unknown_zone_is_an_error() {
    assert!(reports::time_zone("Mars/Olympus").is_err());
}

/// Lines of a few documents, products and days, such as an importer or the shop writes them.
fn any_line() -> impl Strategy<Value = SalesLine> {
    let number = prop_oneof!["[1-9]", "C[1-9]", "A[1-9]"];
    let at = 0..4i64 * 24 * 60;
    (number, at, -3..9i64, 0..2_000i64, 0..3u8).prop_map(|(number, minute, quantity, price, what)| {
        let at = Timestamp::from_second(1_300_000_000 + 60 * minute).expect("a time");
        // A document is of one customer and in one currency.
        let last = number.bytes().last().unwrap_or_default();
        SalesLine {
            customer: (last % 4 > 0).then(|| format!("customer {}", last % 4)),
            sku: format!("sku {what}"),
            currency: if last % 5 == 0 { "JPY" } else { "GBP" }.to_owned(),
            unit_price: Decimal::new(price, 3),
            ..line(&number, &at.to_string(), quantity, "0")
        }
    })
}

/// Every report of lines that are in these frames, as text.
fn all_of(frames: Vec<DataFrame>) -> Vec<String> {
    let zone = reports::time_zone("Europe/London").expect("a zone");
    let frames = frames.into_iter().map(IntoLazy::lazy).collect::<Vec<_>>();
    let lines = concat(frames, UnionArgs::default()).expect("one shape");
    let purchases = customers::purchases_in(customers::purchases(lines.clone()), &zone);
    let lines = reports::lines(lines, &zone);
    let none = DataFrame::empty_with_schema(&Table::Documents.schema()).lazy();
    let documents = reports::documents(none, &zone);
    let by_document = by_document(&lines);
    let by_customer = customers::by_customer(&purchases).expect("computes");
    let firsts = |period| customers::first_sales(&by_customer, period);
    let recency = reports::collect(customers::recency(&purchases, &by_customer)).expect("computes");
    let mut pairs = Pairs::default();
    pairs.add(&lines).expect("computes");
    let rfm = customers::rfm(&recency).expect("computes");
    let frames = [
        periods(&by_document, &documents, &firsts(DATE), DATE),
        periods(&by_document, &documents, &firsts(MONTH), MONTH),
        products(&lines),
        countries(&by_document),
        customers::cohorts(&purchases, &by_customer).expect("computes"),
        customers::lifetime_value(&by_customer),
        rfm.lazy(),
        pairs.top(10).expect("computes").lazy(),
    ];
    let text = |frame: LazyFrame| {
        let frame = reports::collect(frame).expect("computes");
        let columns = frame
            .columns()
            .iter()
            .map(|column| format!("{:?}", column.as_materialized_series().iter().collect::<Vec<_>>()));
        columns.collect::<Vec<_>>().join(" ")
    };
    frames.into_iter().map(text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A report says the same of the same lines, however they are cut into files and whichever comes first.
    #[test]
    fn no_report_depends_on_files_or_their_order(
        lines in prop::collection::vec(any_line(), 1..60),
        cut in 0..60usize,
        seed in any::<u64>(),
    ) {
        let frame = |lines: &[SalesLine]| crate::extract::frame(EPOCH, lines).expect("a frame");
        let whole = all_of(vec![frame(&lines)]);
        let mut others = lines.clone();
        others.rotate_left(usize::try_from(seed % 60).expect("small") % lines.len());
        if seed % 2 == 0 {
            others.reverse();
        }
        let (one, two) = others.split_at(cut.min(others.len()));
        prop_assert_eq!(all_of(vec![frame(one), frame(two)]), whole);
    }
}
