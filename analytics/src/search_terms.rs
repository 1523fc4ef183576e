//! Search terms: a pure function from behaviour events to what each search led to. The definitions are in
//! `METRICS.md`.

use domain::behaviour::BehaviourKind;
use domain::ids::ProductId;
use domain::search_term::{self, SearchTerm, SearchTerms, TERM_COUNT_MAX, VISITORS_MIN};
use jiff::civil::Date;
use polars::prelude::*;
use uuid::Uuid;

use crate::lake::event;
use crate::reports::ReportError;

/// The words of a search as the report counts them.
pub(crate) const TERM: &str = "term";
/// Who searches: an account, or a visit without one.
pub(crate) const VISITOR: &str = "visitor";
/// What is searched for next in the same visit, if that is something else.
const NEXT: &str = "next_term";
/// Whether that is all of it, not one of its words.
const IS_WHOLE: &str = "is_whole";
/// In how many visits.
const NEXT_SESSIONS: &str = "next_sessions";
/// There when a result was clicked; and when it was bought.
const CLICKED: &str = "clicked";
const SOLD: &str = "sold";
/// What a click counts.
pub(crate) const WEIGHT: &str = "weight";
/// However far down a click was made, it counts no more than so many at the first place.
const WEIGHT_MAX: f64 = 20.0;
const WAITED_SHARE: f64 = 0.95;

/// The events and columns that this report reads, with the words as it counts them.
pub fn of_interest(events: LazyFrame) -> LazyFrame {
    let kinds =
        [BehaviourKind::Search, BehaviourKind::Click, BehaviourKind::CartAdd, BehaviourKind::Purchase];
    let is_kind = kinds.map(|kind| col(event::KIND).eq(lit(kind.name()))).into_iter().reduce(Expr::or);
    events.filter(is_kind.unwrap_or_else(|| lit(false))).select([
        col(event::SESSION_ID),
        // Who is signed in is one person in however many visits.
        coalesce(&[col(event::USER_ID), col(event::SESSION_ID)]).alias(VISITOR),
        col(event::OCCURRED_AT),
        col(event::ID),
        col(event::KIND),
        col(event::PRODUCT_ID),
        col(event::POSITION),
        col(event::RESULTS),
        col(event::WAITED_MS),
        col(event::QUERY).map(terms, |_, field| Ok(field.clone())).alias(TERM),
    ])
}

fn terms(queries: Column) -> PolarsResult<Column> {
    let queries = queries.str()?;
    let terms: StringChunked = queries.iter().map(|query| query.and_then(search_term::normal)).collect();
    Ok(terms.with_name(TERM.into()).into_column())
}

/// What was searched for in these events of `from` to `to`, which are those of [`of_interest`]. Blocks the thread while
/// it computes.
pub fn search_terms(events: &LazyFrame, from: Date, to: Date) -> Result<SearchTerms, ReportError> {
    let searches = joined(events).collect()?;
    let all = i64::try_from(searches.height()).unwrap_or(i64::MAX);
    let searches = searches.lazy();
    let frame = counts(searches.clone())
        .join(
            best_of(reformulations(searches)?, NEXT, NEXT_SESSIONS, IS_WHOLE),
            [col(TERM)],
            [col(TERM)],
            JoinArgs::new(JoinType::Left),
        )
        .join(
            best_of(corrected_clicks(events), event::PRODUCT_ID, WEIGHT, "clicks"),
            [col(TERM)],
            [col(TERM)],
            JoinArgs::new(JoinType::Left),
        )
        .sort_by_exprs(
            [col("searches"), col(TERM)],
            SortMultipleOptions::default().with_order_descending_multi([true, false]),
        )
        .collect()?;
    let terms: Result<_, PolarsError> = (0..frame.height()).map(|place| row(&frame, place)).collect();
    Ok(SearchTerms { from, to, searches: all, terms: terms? })
}

pub(crate) fn of_kind(events: &LazyFrame, kind: BehaviourKind) -> LazyFrame {
    events.clone().filter(col(event::KIND).eq(lit(kind.name())))
}

/// Clicks on results of known words.
fn clicks(events: &LazyFrame) -> LazyFrame {
    let is_told = col(TERM).is_not_null().and(col(event::PRODUCT_ID).is_not_null());
    of_kind(events, BehaviourKind::Click).filter(is_told)
}

/// Every search, with what came next, whether a result of it was clicked, and whether one was bought.
fn joined(events: &LazyFrame) -> LazyFrame {
    let is_next = col(event::SESSION_ID).shift(lit(-1)).eq(col(event::SESSION_ID));
    let next = col(TERM).shift(lit(-1));
    let other = when(is_next.and(next.clone().neq(col(TERM)))).then(next).otherwise(lit(NULL));
    let visit_and_term = [col(event::SESSION_ID), col(TERM)];
    let flag = |frame: LazyFrame, name: &str| {
        let pairs = frame.select(visit_and_term.clone()).unique(None, UniqueKeepStrategy::Any);
        pairs.with_column(lit(true).alias(name))
    };
    let join = |left: LazyFrame, right: LazyFrame| {
        left.join(right, visit_and_term.clone(), visit_and_term.clone(), JoinArgs::new(JoinType::Left))
    };
    let searches = of_kind(events, BehaviourKind::Search)
        .filter(col(TERM).is_not_null())
        .sort([event::SESSION_ID, event::OCCURRED_AT, event::ID], SortMultipleOptions::default())
        .with_column(other.alias(NEXT));
    join(join(searches, flag(clicks(events), CLICKED)), flag(bought(events, clicks(events)), SOLD))
}

/// Those of the clicks whose product was put into the cart in a visit that bought.
pub(crate) fn bought(events: &LazyFrame, clicks: LazyFrame) -> LazyFrame {
    let product_of_visit = [col(event::SESSION_ID), col(event::PRODUCT_ID)];
    let carts = of_kind(events, BehaviourKind::CartAdd);
    let purchases = of_kind(events, BehaviourKind::Purchase);
    clicks.join(carts, product_of_visit.clone(), product_of_visit, JoinArgs::new(JoinType::Semi)).semi_join(
        purchases,
        col(event::SESSION_ID),
        col(event::SESSION_ID),
    )
}

fn is_reformulated() -> Expr {
    col(CLICKED).is_null().and(col(NEXT).is_not_null())
}

fn counts(searches: LazyFrame) -> LazyFrame {
    let sum = |of: Expr, name: &str| of.cast(DataType::Int64).sum().alias(name);
    let visits = |of: Expr, name: &str| of.n_unique().cast(DataType::Int64).alias(name);
    searches
        .group_by([col(TERM)])
        .agg([
            len().cast(DataType::Int64).alias("searches"),
            visits(col(event::SESSION_ID), "sessions"),
            visits(col(VISITOR), "visitors"),
            sum(col(event::RESULTS).is_not_null(), "counted"),
            sum(col(event::RESULTS).eq(lit(0)).fill_null(lit(false)), "without_results"),
            sum(col(CLICKED).is_not_null(), CLICKED),
            sum(is_reformulated(), "reformulated"),
            visits(col(event::SESSION_ID).filter(col(SOLD).is_not_null()), "sales"),
            col(event::WAITED_MS)
                .quantile(lit(WAITED_SHARE), QuantileMethod::Equiprobable)
                .cast(DataType::Int64),
        ])
        .filter(col("visitors").gt_eq(lit(VISITORS_MIN)))
        .sort_by_exprs(
            [col("searches"), col(TERM)],
            SortMultipleOptions::default().with_order_descending_multi([true, false]),
        )
        .limit(u32::try_from(TERM_COUNT_MAX).unwrap_or(u32::MAX))
}

/// In how many visits each term was given up for which other one, and for which of the other one's words that it does
/// not have itself: who says `sweater` and then `red jumper` or `wool jumper` means a jumper.
fn reformulations(searches: LazyFrame) -> PolarsResult<LazyFrame> {
    let given_up = searches.filter(is_reformulated());
    let whole = given_up.clone().with_column(lit(1).alias(IS_WHOLE));
    let of_next = words_of(given_up.clone().with_column(lit(0).alias(IS_WHOLE)), NEXT, NEXT);
    let of_term = words_of(given_up.select([col(TERM)]).unique(None, UniqueKeepStrategy::Any), TERM, NEXT);
    let pair = [col(TERM), col(NEXT)];
    let others = of_next.join(of_term, pair.clone(), pair.clone(), JoinArgs::new(JoinType::Anti));
    let counted = concat([whole, others], UnionArgs::default())?
        .group_by(pair)
        .agg([
            col(IS_WHOLE).max(),
            col(event::SESSION_ID).n_unique().cast(DataType::Int64).alias(NEXT_SESSIONS),
            col(VISITOR).n_unique().cast(DataType::Int64).alias("visitors"),
        ])
        .filter(col("visitors").gt_eq(lit(VISITORS_MIN)));
    Ok(counted)
}

/// A row for each word of a column, which is put into another.
fn words_of(rows: LazyFrame, of: &str, into: &str) -> LazyFrame {
    let options = ExplodeOptions { empty_as_null: true, keep_nulls: true };
    rows.with_column(col(of).str().split(lit(" ")).alias(into)).explode(cols([into]), options)
}

/// What each product's clicks count for each term, those of a visit on a product once; of products that enough visitors
/// clicked. That a result is seen at all is taken to be as likely, against the
/// first place, as clicks at its place are (Joachims and others, 2017): a click there counts the inverse.
pub(crate) fn corrected_clicks(events: &LazyFrame) -> LazyFrame {
    let clicks = clicks(events)
        .group_by([col(event::SESSION_ID), col(TERM), col(event::PRODUCT_ID)])
        .agg([col(event::POSITION).min().fill_null(lit(1)), col(VISITOR).first()]);
    let at_place = clicks
        .clone()
        .group_by([col(event::POSITION)])
        .agg([len().cast(DataType::Float64).alias("at_place")]);
    let weight = col("at_place").max() / col("at_place");
    let weight = when(weight.clone().gt(lit(WEIGHT_MAX))).then(lit(WEIGHT_MAX)).otherwise(weight);
    let weights = at_place.with_column(weight.alias(WEIGHT));
    clicks
        .left_join(weights, col(event::POSITION), col(event::POSITION))
        .group_by([col(TERM), col(event::PRODUCT_ID)])
        .agg([
            col(WEIGHT).sum(),
            len().cast(DataType::Int64).alias("clicks"),
            col(VISITOR).n_unique().cast(DataType::Int64).alias("visitors"),
        ])
        .filter(col("visitors").gt_eq(lit(VISITORS_MIN)))
}

/// Of each term the row with the highest `by`, then with the highest `or`; of equal ones the first in the order of
/// `what`.
fn best_of(rows: LazyFrame, what: &str, by: &str, or: &str) -> LazyFrame {
    let order = SortMultipleOptions::default().with_order_descending_multi([false, true, true, false]);
    let sorted = rows.sort([TERM, by, or, what], order);
    sorted.group_by_stable([col(TERM)]).agg([col(what).first(), col(by).first()])
}

fn row(frame: &DataFrame, place: usize) -> PolarsResult<SearchTerm> {
    let number = |name: &str| PolarsResult::Ok(frame.column(name)?.i64()?.get(place));
    let text = |name: &str| PolarsResult::Ok(frame.column(name)?.str()?.get(place).map(str::to_owned));
    let count = |name: &str| PolarsResult::Ok(number(name)?.unwrap_or_default());
    Ok(SearchTerm {
        term: text(TERM)?.unwrap_or_default(),
        searches: count("searches")?,
        sessions: count("sessions")?,
        visitors: count("visitors")?,
        counted: count("counted")?,
        without_results: count("without_results")?,
        clicked: count(CLICKED)?,
        reformulated: count("reformulated")?,
        reformulated_to: text(NEXT)?,
        reformulated_to_sessions: count(NEXT_SESSIONS)?,
        top_product: product(frame, place)?,
        sales: count("sales")?,
        waited_ms_p95: number(event::WAITED_MS)?,
    })
}

pub(crate) fn product(frame: &DataFrame, place: usize) -> PolarsResult<Option<ProductId>> {
    let bytes = frame.column(event::PRODUCT_ID)?.binary()?.get(place);
    let id = bytes.map(Uuid::from_slice).transpose();
    let id = id.map_err(|error| polars_err!(ComputeError: "an id of a product: {error}"))?;
    Ok(id.map(ProductId))
}

#[cfg(test)]
mod tests;
