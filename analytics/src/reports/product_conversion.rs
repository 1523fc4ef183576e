//! Of the visits that viewed a product, how many bought that same one.

use domain::behaviour::BehaviourKind;
use polars::prelude::*;
use uuid::Uuid;

use super::derived::{DATE, MONTH};
use super::funnel::is;
use super::{ReportError, count_if};
use crate::lake::{column, event};

const CARTED: &str = "carted";
const PURCHASED: &str = "purchased";

/// Visits by month and product. `events` are of [`super::funnel::events`]; `lines`, as the lake has them, are of the
/// orders that the purchases name.
pub fn product_conversion(events: &LazyFrame, lines: &LazyFrame) -> Result<DataFrame, ReportError> {
    let step = [MONTH, DATE, event::SESSION_ID, event::PRODUCT_ID];
    let named = |kind| {
        let named = events.clone().filter(is(kind).and(col(event::PRODUCT_ID).is_not_null()));
        named.select(step.map(col))
    };
    let purchases = concat([named(BehaviourKind::Purchase), ordered(events, lines)?], UnionArgs::default())?;
    let flagged = |steps: LazyFrame, flag: &str| {
        steps.group_by(step.map(col)).agg([]).with_column(lit(true).alias(flag))
    };
    let left = || JoinArgs::new(JoinType::Left);
    let counted = named(BehaviourKind::View)
        .group_by(step.map(col))
        .agg([])
        .join(flagged(named(BehaviourKind::CartAdd), CARTED), step.map(col), step.map(col), left())
        .join(flagged(purchases, PURCHASED), step.map(col), step.map(col), left())
        .group_by([MONTH, event::PRODUCT_ID].map(col))
        .agg([
            len().cast(DataType::Int64).alias("viewed"),
            count_if(col(CARTED), CARTED),
            count_if(col(PURCHASED), PURCHASED),
        ])
        .sort([MONTH, event::PRODUCT_ID], SortMultipleOptions::default())
        .collect()?;
    let products: Vec<_> = counted.column(event::PRODUCT_ID)?.binary()?.iter().map(text).collect();
    let mut named = counted;
    named.replace(event::PRODUCT_ID, Column::new(event::PRODUCT_ID.into(), products))?;
    named.rename(event::PRODUCT_ID, "product".into())?;
    Ok(named)
}

/// The products of the orders that purchases name.
fn ordered(events: &LazyFrame, lines: &LazyFrame) -> Result<LazyFrame, ReportError> {
    let purchases = events
        .clone()
        .filter(is(BehaviourKind::Purchase).and(col(event::ORDER_ID).is_not_null()))
        .select([MONTH, DATE, event::SESSION_ID, event::ORDER_ID].map(col));
    let bought = lines
        .clone()
        .filter(col(column::REFUND_ID).is_null().and(col(column::PRODUCT_ID).is_not_null()))
        .select([column::ORDER_ID, column::PRODUCT_ID].map(col));
    let mut joined = purchases
        .join(bought, [col(event::ORDER_ID)], [col(column::ORDER_ID)], JoinArgs::new(JoinType::Inner))
        .select([MONTH, DATE, event::SESSION_ID, column::PRODUCT_ID].map(col))
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
