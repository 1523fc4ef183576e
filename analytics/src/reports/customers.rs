//! Customers over the whole history: who came when, came back, and for how much.

use polars::prelude::*;

use super::derived::{DATE, DOCUMENT, IS_CREDIT, IS_SALE, MONTH};
use super::{ReportError, collect, count_if, counted_lines, dated, sorted, sum_if};
use crate::lake::column;

/// A customer in a currency, as a number: it is grouped faster.
const BUYER: &str = "buyer";
/// Day of the first sale in a currency.
const FIRST: &str = "first_date";
/// Day of the first sale of all.
const FIRST_OF_ALL: &str = "first_of_all";
const LAST: &str = "last_date";
const COHORT: &str = "cohort";
const MONTH_NUMBER: &str = "month_number";

/// What was bought and given back, by document and time: what every report on customers begins with, in every time
/// zone. The customer is null where nobody knows. `lines` as the lake has them.
pub fn purchases(lines: LazyFrame) -> LazyFrame {
    let name = DataType::from_categories(Categories::global());
    counted_lines(lines)
        .filter(col(IS_SALE).or(col(IS_CREDIT)))
        .group_by([DOCUMENT, column::OCCURRED_AT].map(col))
        .agg([
            col(column::CUSTOMER).first(),
            col(column::CURRENCY).first(),
            col(IS_SALE).any(true),
            sum_if(col(column::AMOUNT_MICROS), col(IS_SALE), "gross_revenue"),
            sum_if(col(column::AMOUNT_MICROS), col(IS_CREDIT), "refunds"),
        ])
        .with_columns([column::CUSTOMER, column::CURRENCY].map(|of| col(of).cast(name.clone())))
}

/// [`purchases`] with their days.
pub fn purchases_in(purchases: LazyFrame, zone: &TimeZone) -> LazyFrame {
    let number = |name: &str| col(name).to_physical().cast(DataType::UInt64);
    let buyer = number(column::CUSTOMER) * lit(1u64 << 32) + number(column::CURRENCY);
    let shown = [DOCUMENT, DATE, column::CUSTOMER, column::CURRENCY, IS_SALE, "gross_revenue", "refunds"];
    dated(purchases, column::OCCURRED_AT, zone)
        .select(shown.map(col).into_iter().chain([buyer.alias(BUYER)]).collect::<Vec<_>>())
}

fn sales_of_customers(purchases: &LazyFrame) -> LazyFrame {
    purchases.clone().filter(col(IS_SALE).and(col(column::CUSTOMER).is_not_null()))
}

/// What each customer has bought and given back so far, by currency. `purchases` are of [`purchases_in`].
pub fn by_customer(purchases: &LazyFrame) -> PolarsResult<LazyFrame> {
    let known = purchases.clone().filter(col(column::CUSTOMER).is_not_null());
    let of_sale = |name: &str| when(col(IS_SALE)).then(col(name)).otherwise(lit(NULL));
    let summed = known.group_by([col(BUYER)]).agg([
        col(column::CUSTOMER).first(),
        col(column::CURRENCY).first(),
        of_sale(DOCUMENT).drop_nulls().n_unique().cast(DataType::Int64).alias("orders"),
        col("gross_revenue").sum(),
        col("refunds").sum(),
        of_sale(DATE).min().alias(FIRST),
        of_sale(DATE).max().alias(LAST),
    ]);
    Ok(summed.with_column(col(FIRST).min().over([col(column::CUSTOMER)])?.alias(FIRST_OF_ALL)))
}

fn month_of(day: &str, name: &str) -> Expr {
    col(day).dt().truncate(lit("1mo")).alias(name)
}

/// The customers whose first sale of all is in a day, its month and currency: a row each, for every currency of that
/// period. `period` is the day or the month; `by_customer` is of [`by_customer`].
pub fn first_sales(by_customer: &LazyFrame, period: &str) -> LazyFrame {
    let of = |day: &str| if period == MONTH { month_of(day, period) } else { col(day).alias(period) };
    let customers = by_customer.clone().filter(of(FIRST).eq(of(FIRST_OF_ALL)));
    customers.select([col(column::CURRENCY).cast(DataType::String), of(FIRST)])
}

/// Customers by the month of their first sale and the months since in which they bought. Both are of
/// [`purchases_in`] and [`by_customer`].
pub fn cohorts(purchases: &LazyFrame, by_customer: &LazyFrame) -> PolarsResult<LazyFrame> {
    let customer = || [col(column::CUSTOMER)];
    let cohorts = by_customer.clone().group_by(customer()).agg([month_of(FIRST_OF_ALL, COHORT).first()]);
    let months = sales_of_customers(purchases)
        .group_by([col(column::CUSTOMER), month_of(DATE, MONTH)])
        .agg([])
        .join(cohorts, customer(), customer(), JoinArgs::new(JoinType::Inner));
    let number = |month: &str| {
        col(month).dt().year().cast(DataType::Int64) * lit(12i64)
            + col(month).dt().month().cast(DataType::Int64)
    };
    let counted = months
        .with_column((number(MONTH) - number(COHORT)).alias(MONTH_NUMBER))
        .group_by([COHORT, MONTH_NUMBER].map(col))
        .agg([len().cast(DataType::Int64).alias("customers")])
        .with_column(col("customers").max().over([col(COHORT)])?.alias("cohort_customers"));
    let shown = [COHORT, MONTH_NUMBER, "customers", "cohort_customers"].map(col);
    Ok(sorted(counted, &[COHORT, MONTH_NUMBER]).select(shown))
}

/// What the customers of each cohort have bought so far, by currency. `by_customer` is of [`by_customer`].
pub fn lifetime_value(by_customer: &LazyFrame) -> LazyFrame {
    let valued = by_customer
        .clone()
        .with_columns([month_of(FIRST_OF_ALL, COHORT), col(column::CURRENCY).cast(DataType::String)])
        .filter(col(COHORT).is_not_null())
        .filter(col("orders").gt(lit(0i64)).or(col("refunds").neq(lit(0i64))))
        .group_by([COHORT, column::CURRENCY].map(col))
        .agg([
            count_if(col("orders").gt(lit(0i64)), "customers"),
            col("orders").sum(),
            col("gross_revenue").sum(),
            col("refunds").sum(),
        ]);
    sorted(valued, &[COHORT, column::CURRENCY])
}

/// How recently, how often and for how much each customer with a sale bought, by currency; before the scores.
/// `by_customer` is of [`by_customer`].
pub fn recency(purchases: &LazyFrame, by_customer: &LazyFrame) -> LazyFrame {
    // A sale without a customer is a day of the channel as well.
    let end = purchases.clone().filter(col(IS_SALE)).select([col(DATE).max().alias("end")]);
    let days = |name: &str| col(name).cast(DataType::Int32).cast(DataType::Int64);
    let valued = by_customer
        .clone()
        .filter(col("orders").gt(lit(0i64)))
        .with_column(lit(true).alias("all"))
        .left_join(end.with_column(lit(true).alias("all")), col("all"), col("all"))
        .select([
            col(column::CURRENCY).cast(DataType::String),
            col(column::CUSTOMER).cast(DataType::String),
            (days("end") + lit(1i64) - days(LAST)).alias("recency_days"),
            col("orders").alias("frequency"),
            col("gross_revenue").alias("monetary"),
        ]);
    sorted(valued, &[column::CURRENCY, column::CUSTOMER])
}

/// Customers by their scores: fifths of the customers of a currency. `recency` is collected from [`recency`].
pub fn rfm(recency: &DataFrame) -> Result<DataFrame, ReportError> {
    let height = recency.height();
    let currencies = recency.column(column::CURRENCY)?.str()?;
    let number = |name: &str| -> PolarsResult<Vec<i64>> {
        Ok(recency.column(name)?.i64()?.iter().map(Option::unwrap_or_default).collect())
    };
    let (recencies, frequencies) = (number("recency_days")?, number("frequency")?);
    let amounts = recency.column("monetary")?.cast(&DataType::Int128)?;
    let monetary: Vec<i128> = amounts.i128()?.iter().map(Option::unwrap_or_default).collect();
    let mut scores = [vec![0i64; height], vec![0i64; height], vec![0i64; height]];
    let mut first = 0;
    while first < height {
        let currency = currencies.get(first);
        let last = (first..height).find(|place| currencies.get(*place) != currency).unwrap_or(height);
        // Rows are by customer, and these sorts are stable: ties stay so.
        let mut places: Vec<usize> = (first..last).collect();
        places.sort_by_key(|place| std::cmp::Reverse(recencies[*place]));
        give(&mut scores[0], &places);
        places.sort_unstable();
        places.sort_by_key(|place| frequencies[*place]);
        give(&mut scores[1], &places);
        places.sort_unstable();
        places.sort_by_key(|place| monetary[*place]);
        give(&mut scores[2], &places);
        first = last;
    }
    let [r, f, m] = scores;
    let keys = [column::CURRENCY, "r_score", "f_score", "m_score"];
    let with_scores = recency.clone().lazy().with_columns([
        lit(Series::new("r_score".into(), r)),
        lit(Series::new("f_score".into(), f)),
        lit(Series::new("m_score".into(), m)),
    ]);
    let counted = with_scores.group_by(keys.map(col)).agg([
        len().cast(DataType::Int64).alias("customers"),
        col("frequency").sum().alias("orders"),
        col("monetary").sum().alias("gross_revenue"),
    ]);
    Ok(collect(sorted(counted, &keys))?)
}

/// Fifths of those places, from the worst.
fn give(scores: &mut [i64], places: &[usize]) {
    for (rank, place) in places.iter().enumerate() {
        scores[*place] = 1 + (5 * rank / places.len()) as i64;
    }
}
