//! Customers over the whole history: who came when, came back, and for how much.

use polars::prelude::*;

use super::derived::{DATE, DOCUMENT, IS_CREDIT, IS_SALE, MONTH};
use super::{ReportError, collect, count_if, sorted, with_month};
use crate::lake::column;

const FIRST: &str = "first_month";
const LAST: &str = "last_date";
const COHORT: &str = "cohort";
const MONTH_NUMBER: &str = "month_number";

/// What was bought and given back, by document and day: what every report on customers begins with. The customer is
/// null where nobody knows. `by_document` is of [`super::sales::by_document`].
pub fn purchases(by_document: &LazyFrame) -> LazyFrame {
    let wanted =
        [DOCUMENT, DATE, MONTH, column::CUSTOMER, column::CURRENCY, IS_SALE, "gross_revenue", "refunds"];
    with_month(by_document.clone().filter(col(IS_SALE).or(col(IS_CREDIT)))).select(wanted.map(col))
}

fn sales_of_customers(purchases: &LazyFrame) -> LazyFrame {
    purchases.clone().filter(col(IS_SALE).and(col(column::CUSTOMER).is_not_null()))
}

/// The customers whose first sale of all is in a day, its month and currency: a row each, for every currency of that
/// period. `period` is the day or the month.
pub fn first_sales(purchases: &LazyFrame, period: &str) -> PolarsResult<LazyFrame> {
    let first_of_all = col(period).min().over([col(column::CUSTOMER)])?;
    let firsts = sales_of_customers(purchases)
        .group_by([column::CUSTOMER, column::CURRENCY].map(col))
        .agg([col(period).min()])
        .filter(col(period).eq(first_of_all));
    Ok(firsts)
}

/// Customers by the month of their first sale and the months since in which they bought.
pub fn cohorts(purchases: &LazyFrame) -> PolarsResult<LazyFrame> {
    let months = sales_of_customers(purchases)
        .group_by([column::CUSTOMER, MONTH].map(col))
        .agg([])
        .with_column(col(MONTH).min().over([col(column::CUSTOMER)])?.alias(COHORT));
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

/// What each customer has bought and given back so far, by currency.
pub fn by_customer(purchases: &LazyFrame) -> LazyFrame {
    let known = purchases.clone().filter(col(column::CUSTOMER).is_not_null());
    known.group_by([column::CUSTOMER, column::CURRENCY].map(col)).agg([
        col(DOCUMENT).filter(col(IS_SALE)).n_unique().cast(DataType::Int64).alias("orders"),
        col("gross_revenue").sum(),
        col("refunds").sum(),
        col(MONTH).filter(col(IS_SALE)).min().alias(FIRST),
        col(DATE).filter(col(IS_SALE)).max().alias(LAST),
    ])
}

/// What the customers of each cohort have bought so far, by currency. `by_customer` is of [`by_customer`].
pub fn lifetime_value(by_customer: &LazyFrame) -> PolarsResult<LazyFrame> {
    let valued = by_customer
        .clone()
        .with_column(col(FIRST).min().over([col(column::CUSTOMER)])?.alias(COHORT))
        .filter(col(COHORT).is_not_null())
        .filter(col("orders").gt(lit(0i64)).or(col("refunds").neq(lit(0i64))))
        .group_by([COHORT, column::CURRENCY].map(col))
        .agg([
            count_if(col("orders").gt(lit(0i64)), "customers"),
            col("orders").sum(),
            col("gross_revenue").sum(),
            col("refunds").sum(),
        ]);
    Ok(sorted(valued, &[COHORT, column::CURRENCY]))
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
            col(column::CURRENCY),
            col(column::CUSTOMER),
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
