//! Visits, from the first view to the purchase.

use domain::behaviour::BehaviourKind;
use polars::prelude::*;

use super::derived::DATE;
use super::{ReportError, collect, count_if, dated, id, sorted};
use crate::lake::event;

/// When, in microseconds.
const AT: &str = "at";
const VIEW: &str = "first_view";
const CART: &str = "first_cart";
const CHECKOUT: &str = "last_checkout";
const PURCHASE: &str = "last_purchase";
const SEARCH: &str = "first_search";
const SEARCHES: &str = "searches";
const CLICKS: &str = "clicks";
/// The first cart that is not before the first view.
const CART_AFTER_VIEW: &str = "cart_after_view";

/// Behaviour events with their days.
pub fn events(events: LazyFrame, zone: &TimeZone) -> LazyFrame {
    let ids = [event::SESSION_ID, event::USER_ID, event::PRODUCT_ID, event::ORDER_ID].map(id);
    dated(events, event::OCCURRED_AT, zone)
        .with_column(col(event::OCCURRED_AT).cast(DataType::Int64).alias(AT))
        .with_columns(ids)
}

/// Whether an event is of that kind.
pub fn is(kind: BehaviourKind) -> Expr {
    col(event::KIND).eq(lit(kind.name()))
}

/// The visits: a row for each session and day, with the times of its steps.
pub fn visits(events: &LazyFrame) -> Result<DataFrame, ReportError> {
    let at = |kind| when(is(kind)).then(col(AT)).otherwise(lit(NULL));
    let visit = [event::SESSION_ID, DATE].map(col);
    let visits = events.clone().group_by(visit.clone()).agg([
        at(BehaviourKind::View).min().alias(VIEW),
        at(BehaviourKind::CartAdd).min().alias(CART),
        at(BehaviourKind::Checkout).max().alias(CHECKOUT),
        at(BehaviourKind::Purchase).max().alias(PURCHASE),
        at(BehaviourKind::Search).min().alias(SEARCH),
        count_if(is(BehaviourKind::Search), SEARCHES),
        count_if(is(BehaviourKind::Click), CLICKS),
    ]);
    let visits = collect(visits)?;
    let viewed = visits.clone().lazy().filter(col(VIEW).is_not_null().and(col(CART).is_not_null()));
    let inner = JoinArgs::new(JoinType::Inner);
    let carts = events
        .clone()
        .filter(is(BehaviourKind::CartAdd))
        .select([event::SESSION_ID, DATE, AT].map(col))
        .join(viewed.select([event::SESSION_ID, DATE, VIEW].map(col)), visit.clone(), visit.clone(), inner)
        .filter(col(AT).gt_eq(col(VIEW)))
        .group_by(visit.clone())
        .agg([col(AT).min().alias(CART_AFTER_VIEW)]);
    let with_carts = visits.lazy().join(carts, visit.clone(), visit, JoinArgs::new(JoinType::Left));
    Ok(collect(with_carts)?)
}

/// How far visits came, by day.
pub fn funnel(visits: &DataFrame) -> LazyFrame {
    let has = |step: &str| col(step).is_not_null();
    let viewed_carted = || has(VIEW).and(has(CART));
    // A comparison with a missing time is null, and counts for nothing.
    let counted = visits.clone().lazy().group_by([col(DATE)]).agg([
        len().cast(DataType::Int64).alias("visits"),
        count_if(has(VIEW), "viewed"),
        count_if(has(CART), "carted"),
        count_if(has(PURCHASE), "purchased"),
        count_if(has(CART).and(has(PURCHASE).not()), "abandoned"),
        count_if(viewed_carted(), "viewed_carted"),
        count_if(viewed_carted().and(has(CHECKOUT)), "viewed_carted_checked_out"),
        count_if(viewed_carted().and(has(PURCHASE)), "viewed_carted_purchased"),
        count_if(has(CART_AFTER_VIEW), "strict_carted"),
        count_if(col(CHECKOUT).gt_eq(col(CART_AFTER_VIEW)), "strict_checked_out"),
        count_if(col(PURCHASE).gt_eq(col(CART_AFTER_VIEW)), "strict_purchased"),
    ]);
    sorted(counted, &[DATE])
}

/// How many searches led to a click and to a purchase, by day.
pub fn search_to_sale(visits: &DataFrame) -> LazyFrame {
    let searched = || col(SEARCH).is_not_null();
    let counted = visits.clone().lazy().filter(searched()).group_by([col(DATE)]).agg([
        col(SEARCHES).sum(),
        len().cast(DataType::Int64).alias("visits_searched"),
        count_if(col(CLICKS).gt(lit(0i64)), "visits_clicked"),
        count_if(col(PURCHASE).gt_eq(col(SEARCH)), "visits_purchased"),
    ]);
    sorted(counted, &[DATE])
}
