//! Of the visits that viewed a product, how many bought that same one.

use domain::behaviour::BehaviourKind;
use jiff::civil::Date;
use polars::prelude::*;
use uuid::Uuid;

use super::derived::{DATE, MONTH};
use super::funnel::is;
use super::{ReportError, collect, count_if, dated, day, id};
use crate::lake::{column, event};

/// Days between a purchase and the lines of its order, at most.
pub const REACH_DAYS: i32 = 7;

/// How many visits of a month viewed a product, put it into the cart, and bought it. A visit is of a day. `events` are
/// of [`super::funnel::events`], `ordered` of [`ordered`].
pub fn product_conversion(
    events: &LazyFrame,
    ordered: &LazyFrame,
    month: Date,
) -> Result<DataFrame, ReportError> {
    const IS_VIEW: &str = "is_view";
    const IS_CART: &str = "is_cart";
    const IS_PURCHASE: &str = "is_purchase";
    let step = [event::SESSION_ID, DATE, event::PRODUCT_ID].map(col);
    let is_step = is(BehaviourKind::View).or(is(BehaviourKind::CartAdd)).or(is(BehaviourKind::Purchase));
    let named = events.clone().filter(is_step.and(col(event::PRODUCT_ID).is_not_null()));
    let of = |flags: [Expr; 3]| step.iter().cloned().chain(flags).collect::<Vec<_>>();
    let steps = concat(
        [
            named.select(of([
                is(BehaviourKind::View).alias(IS_VIEW),
                is(BehaviourKind::CartAdd).alias(IS_CART),
                is(BehaviourKind::Purchase).alias(IS_PURCHASE),
            ])),
            ordered.clone().select(of([
                lit(false).alias(IS_VIEW),
                lit(false).alias(IS_CART),
                lit(true).alias(IS_PURCHASE),
            ])),
        ],
        UnionArgs::default(),
    )?;
    let counted = steps
        .group_by(step.clone())
        .agg([IS_VIEW, IS_CART, IS_PURCHASE].map(|step| col(step).any(true)))
        .filter(col(IS_VIEW))
        .group_by([col(event::PRODUCT_ID)])
        .agg([
            len().cast(DataType::Int64).alias("viewed"),
            count_if(col(IS_CART), "carted"),
            count_if(col(IS_PURCHASE), "purchased"),
        ])
        .with_column(day(month).alias(MONTH));
    let mut counted = collect(counted)?;
    let products: Vec<_> = counted.column(event::PRODUCT_ID)?.i128()?.iter().map(text).collect();
    counted.replace(event::PRODUCT_ID, Column::new(event::PRODUCT_ID.into(), products))?;
    counted.rename(event::PRODUCT_ID, "product".into())?;
    Ok(counted.sort(["product"], SortMultipleOptions::default())?)
}

/// The products of the orders that purchases name, by day and visit. `events` are of [`super::funnel::events`];
/// `lines`, as the lake has them, are those of [`REACH_DAYS`] around.
pub fn ordered(events: &LazyFrame, lines: LazyFrame, zone: &TimeZone) -> Result<LazyFrame, ReportError> {
    const LINE_DATE: &str = "line_date";
    let purchases = events
        .clone()
        .filter(is(BehaviourKind::Purchase).and(col(event::ORDER_ID).is_not_null()))
        .select([DATE, event::SESSION_ID, event::ORDER_ID].map(col));
    let known = lines.filter(col(column::REFUND_ID).is_null().and(col(column::PRODUCT_ID).is_not_null()));
    let bought = dated(known, column::OCCURRED_AT, zone).select([
        id(column::ORDER_ID),
        col(column::PRODUCT_ID),
        col(DATE).alias(LINE_DATE),
    ]);
    let days = |name: &str| col(name).cast(DataType::Int32);
    let distance = || days(LINE_DATE) - days(DATE);
    let joined = purchases
        .join(bought, [col(event::ORDER_ID)], [col(column::ORDER_ID)], JoinArgs::new(JoinType::Inner))
        .filter(distance().gt_eq(lit(-REACH_DAYS)).and(distance().lt_eq(lit(REACH_DAYS))))
        .select([DATE, event::SESSION_ID, column::PRODUCT_ID].map(col));
    let mut joined = collect(joined)?;
    let ids: Int128Chunked = joined.column(column::PRODUCT_ID)?.str()?.iter().map(number).collect();
    joined.replace(column::PRODUCT_ID, ids.with_name(column::PRODUCT_ID.into()).into_column())?;
    Ok(joined.lazy())
}

fn number(text: Option<&str>) -> Option<i128> {
    text.and_then(|text| Uuid::parse_str(text).ok()).map(|id| id.as_u128().cast_signed())
}

fn text(number: Option<i128>) -> String {
    number.map_or(String::new(), |number| Uuid::from_u128(number.cast_unsigned()).to_string())
}
