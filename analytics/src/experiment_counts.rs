//! What shoppers did in an experiment: a pure function from behaviour events to counts. The definitions are in
//! `METRICS.md`.

use domain::behaviour::BehaviourKind;
use domain::experiment::{Arm, ArmCounts, Counts, Method, WATCHED_MINUTES};
use domain::ids::ExperimentId;
use jiff::Timestamp;
use polars::prelude::*;

use crate::lake::event;
use crate::reports::ReportError;
use crate::search_terms::{bought, of_kind};

/// How long a visit is watched, in microseconds.
const WATCHED_MICROS: i64 = WATCHED_MINUTES * 60 * 1_000_000;
/// When an event happened, and a visit was first answered in the experiment, in microseconds.
const AT: &str = "at";
const SEEN_AT: &str = "seen_at";
/// How many arms answered a visit.
const ARMS: &str = "arms";
const CONTROL: &str = "of_control";
const TREATMENT: &str = "of_treatment";

/// The counts of an experiment in these events, of visits that are not watched any more. Blocks the thread while it
/// computes.
pub fn experiment_counts(
    events: &LazyFrame,
    id: ExperimentId,
    method: Method,
    now: Timestamp,
) -> Result<Counts, ReportError> {
    let events = events.clone().with_column(col(event::OCCURRED_AT).cast(DataType::Int64).alias(AT));
    let is_in_it = || col(event::EXPERIMENT_ID).eq(lit(id.0.as_bytes().as_slice()));
    match method {
        Method::Split => {
            let told = events.clone().filter(is_in_it().and(col(event::ARM).is_not_null()));
            let arms = [col(event::ARM).first(), col(event::ARM).n_unique().alias(ARMS)];
            let visits = watched(&told, now, &arms)?;
            split(&of_visits(events, &visits)?, visits)
        }
        Method::Interleaved => {
            let visits = watched(&events.clone().filter(is_in_it()), now, &[])?;
            let done = of_visits(events, &visits)?;
            interleaved(&done, of_kind(&done, BehaviourKind::Click).filter(is_in_it()), visits)
        }
    }
}

/// Each visit by the arm that answered it.
fn split(done: &LazyFrame, visits: LazyFrame) -> Result<Counts, ReportError> {
    let mixed = height(visits.clone().filter(col(ARMS).gt(lit(1))))?;
    let visits = visits.filter(col(ARMS).eq(lit(1)));
    let clicks = of_kind(done, BehaviourKind::Click).filter(col(event::QUERY).is_not_null());
    let clicks = within(clicks, &visits);
    let visits_with =
        |rows: LazyFrame| visits.clone().semi_join(rows, col(event::SESSION_ID), col(event::SESSION_ID));
    let (clicked, sold) = (visits_with(clicks.clone()), visits_with(bought(done, clicks)));
    let of = |arm: Arm| {
        let count = |rows: &LazyFrame| height(rows.clone().filter(is_of(arm)));
        Ok::<_, ReportError>(ArmCounts {
            visits: count(&visits)?,
            successes: count(&clicked)?,
            sales: count(&sold)?,
        })
    };
    Ok(Counts { control: of(Arm::Control)?, treatment: of(Arm::Treatment)?, undecided: mixed })
}

/// Each visit by the arm of which it clicked more hits.
fn interleaved(done: &LazyFrame, clicks: LazyFrame, visits: LazyFrame) -> Result<Counts, ReportError> {
    let visit_count = height(visits.clone())?;
    // A hit that is clicked again is not liked more.
    let is_told = col(event::ARM).is_not_null().and(col(event::PRODUCT_ID).is_not_null());
    let clicks = within(clicks.filter(is_told), &visits)
        .group_by([col(event::SESSION_ID), col(event::PRODUCT_ID)])
        .agg([col(event::ARM).first()]);
    let sum = |arm: Arm, name: &str| is_of(arm).cast(DataType::Int64).sum().alias(name);
    let preferences = clicks
        .clone()
        .group_by([col(event::SESSION_ID)])
        .agg([sum(Arm::Control, CONTROL), sum(Arm::Treatment, TREATMENT)]);
    let sold = bought(done, clicks);
    let of = |arm: Arm, preferred: Expr| {
        let sold = sold.clone().filter(is_of(arm)).select([col(event::SESSION_ID)]);
        Ok::<_, ReportError>(ArmCounts {
            visits: visit_count,
            successes: height(preferences.clone().filter(preferred))?,
            sales: height(sold.unique(None, UniqueKeepStrategy::Any))?,
        })
    };
    Ok(Counts {
        control: of(Arm::Control, col(CONTROL).gt(col(TREATMENT)))?,
        treatment: of(Arm::Treatment, col(TREATMENT).gt(col(CONTROL)))?,
        undecided: height(preferences.clone().filter(col(CONTROL).eq(col(TREATMENT))))?,
    })
}

/// What the visits did beside searching, read once.
fn of_visits(events: LazyFrame, visits: &LazyFrame) -> Result<LazyFrame, ReportError> {
    let columns = [
        event::SESSION_ID,
        event::KIND,
        event::PRODUCT_ID,
        event::QUERY,
        event::EXPERIMENT_ID,
        event::ARM,
        AT,
    ];
    let done = events
        .filter(col(event::KIND).neq(lit(BehaviourKind::Search.name())))
        .select(columns.map(col))
        .semi_join(visits.clone(), col(event::SESSION_ID), col(event::SESSION_ID));
    Ok(done.collect()?.lazy())
}

/// The visits with a search among these events that were watched for as long as visits are, and what else is told of
/// them.
fn watched(events: &LazyFrame, now: Timestamp, more: &[Expr]) -> Result<LazyFrame, ReportError> {
    let visits = of_kind(events, BehaviourKind::Search)
        .group_by([col(event::SESSION_ID)])
        .agg([&[col(AT).min().alias(SEEN_AT)], more].concat())
        .filter(col(SEEN_AT).lt_eq(lit(now.as_microsecond() - WATCHED_MICROS)));
    Ok(visits.collect()?.lazy())
}

/// Those of the clicks that the visits made while they were watched.
fn within(clicks: LazyFrame, visits: &LazyFrame) -> LazyFrame {
    let visits = visits.clone().select([col(event::SESSION_ID), col(SEEN_AT)]);
    let since = col(AT) - col(SEEN_AT);
    clicks
        .inner_join(visits, col(event::SESSION_ID), col(event::SESSION_ID))
        .filter(since.clone().gt_eq(lit(0)).and(since.lt(lit(WATCHED_MICROS))))
}

fn is_of(arm: Arm) -> Expr {
    col(event::ARM).eq(lit(arm.name()))
}

fn height(rows: LazyFrame) -> Result<u64, ReportError> {
    Ok(u64::try_from(rows.collect()?.height()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
