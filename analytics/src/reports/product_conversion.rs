//! Of the visits that viewed a product, how many bought that same one.

use domain::behaviour::BehaviourKind;
use jiff::civil::Date;
use polars::prelude::*;
use uuid::Uuid;

use super::derived::{DATE, MONTH};
use super::funnel::is;
use super::{ReportError, count_if, day};
use crate::lake::{column, event};

/// How many visits of a day viewed a product, put it into the cart, and bought it. `events` are of one day, `ordered`
/// of [`ordered`].
pub fn of_day(events: &LazyFrame, ordered: &LazyFrame) -> PolarsResult<DataFrame> {
    const IS_VIEW: &str = "is_view";
    const IS_CART: &str = "is_cart";
    const IS_PURCHASE: &str = "is_purchase";
    let step = [event::SESSION_ID, event::PRODUCT_ID];
    let is_step = is(BehaviourKind::View).or(is(BehaviourKind::CartAdd)).or(is(BehaviourKind::Purchase));
    let named = events.clone().filter(is_step.and(col(event::PRODUCT_ID).is_not_null()));
    let steps = concat(
        [
            named.select([
                col(event::SESSION_ID),
                col(event::PRODUCT_ID),
                is(BehaviourKind::View).alias(IS_VIEW),
                is(BehaviourKind::CartAdd).alias(IS_CART),
                is(BehaviourKind::Purchase).alias(IS_PURCHASE),
            ]),
            ordered.clone().select([
                col(event::SESSION_ID),
                col(event::PRODUCT_ID),
                lit(false).alias(IS_VIEW),
                lit(false).alias(IS_CART),
                lit(true).alias(IS_PURCHASE),
            ]),
        ],
        UnionArgs::default(),
    )?;
    steps
        .group_by(step.map(col))
        .agg([IS_VIEW, IS_CART, IS_PURCHASE].map(|step| col(step).any(true)))
        .filter(col(IS_VIEW))
        .group_by([col(event::PRODUCT_ID)])
        .agg([
            len().cast(DataType::Int64).alias("viewed"),
            count_if(col(IS_CART), "carted"),
            count_if(col(IS_PURCHASE), "purchased"),
        ])
        .collect()
}

/// The days of a month together. `days` are of [`of_day`].
pub fn of_month(days: Vec<DataFrame>, month: Date) -> Result<DataFrame, ReportError> {
    let days: Vec<_> = days.into_iter().map(IntoLazy::lazy).collect();
    let sums = ["viewed", "carted", "purchased"].map(|name| col(name).sum());
    let mut counted = concat(days, UnionArgs::default())?
        .group_by([col(event::PRODUCT_ID)])
        .agg(sums)
        .sort([event::PRODUCT_ID], SortMultipleOptions::default())
        .with_column(day(month).alias(MONTH))
        .collect()?;
    let products: Vec<_> = counted.column(event::PRODUCT_ID)?.binary()?.iter().map(text).collect();
    counted.replace(event::PRODUCT_ID, Column::new(event::PRODUCT_ID.into(), products))?;
    counted.rename(event::PRODUCT_ID, "product".into())?;
    Ok(counted)
}

/// The products of the orders that purchases name, by day and visit. `events` are of [`super::funnel::events`];
/// `lines`, as the lake has them, are of those orders.
pub fn ordered(events: &LazyFrame, lines: &LazyFrame) -> Result<LazyFrame, ReportError> {
    let purchases = events
        .clone()
        .filter(is(BehaviourKind::Purchase).and(col(event::ORDER_ID).is_not_null()))
        .select([DATE, event::SESSION_ID, event::ORDER_ID].map(col));
    let bought = lines
        .clone()
        .filter(col(column::REFUND_ID).is_null().and(col(column::PRODUCT_ID).is_not_null()))
        .select([column::ORDER_ID, column::PRODUCT_ID].map(col));
    let mut joined = purchases
        .join(bought, [col(event::ORDER_ID)], [col(column::ORDER_ID)], JoinArgs::new(JoinType::Inner))
        .select([DATE, event::SESSION_ID, column::PRODUCT_ID].map(col))
        .collect()?;
    let ids: BinaryChunked = joined.column(column::PRODUCT_ID)?.str()?.iter().map(bytes).collect();
    joined.replace(column::PRODUCT_ID, ids.with_name(column::PRODUCT_ID.into()).into_column())?;
    Ok(joined.lazy())
}

fn bytes(text: Option<&str>) -> Option<[u8; 16]> {
    text.and_then(|text| Uuid::parse_str(text).ok()).map(Uuid::into_bytes)
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.and_then(|bytes| Uuid::from_slice(bytes).ok()).map_or(String::new(), |id| id.to_string())
}
