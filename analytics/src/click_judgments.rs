//! Judgments from clicks: a pure function from behaviour events to how well products answer what was searched for. The
//! definitions are in `METRICS.md`.

use domain::judgment::{CLICKS, Judgment};
use jiff::Timestamp;
use polars::prelude::*;

use crate::lake::event;
use crate::reports::ReportError;
use crate::search_terms::{self, TERM, WEIGHT};

/// Most terms that are judged, those with most clicks.
pub const TERM_COUNT_MAX: u32 = 200;
/// Fewer clicks say nothing of a term.
const CLICK_COUNT_MIN: i64 = 20;
/// From which share of what the best product's clicks count a product has which grade.
const GRADES: [(f64, u8); 3] = [(0.6, 3), (0.3, 2), (0.1, 1)];
/// How many clicks a term has.
const CLICK_COUNT: &str = "clicks";
/// What the best product's clicks count.
const BEST: &str = "best";

/// The judgments, by query and product. `events` are those of [`search_terms::of_interest`]. Blocks the thread while it
/// computes.
pub fn click_judgments(events: &LazyFrame, at: Timestamp) -> Result<Vec<Judgment>, ReportError> {
    let clicks = search_terms::corrected_clicks(events);
    let descending = SortMultipleOptions::default().with_order_descending_multi([true, false]);
    let terms = clicks
        .clone()
        .group_by([col(TERM)])
        .agg([col(CLICK_COUNT).sum(), col(WEIGHT).max().alias(BEST)])
        .filter(col(CLICK_COUNT).gt_eq(lit(CLICK_COUNT_MIN)))
        .sort_by_exprs([col(CLICK_COUNT), col(TERM)], descending)
        .limit(TERM_COUNT_MAX)
        .select([col(TERM), col(BEST)]);
    let frame = clicks
        .inner_join(terms, col(TERM), col(TERM))
        .sort([TERM, event::PRODUCT_ID], SortMultipleOptions::default())
        .collect()?;
    let judged: Result<Vec<_>, PolarsError> =
        (0..frame.height()).map(|place| judgment(&frame, place, at)).collect();
    Ok(judged?.into_iter().flatten().collect())
}

fn judgment(frame: &DataFrame, place: usize, at: Timestamp) -> PolarsResult<Option<Judgment>> {
    let number = |name: &str| PolarsResult::Ok(frame.column(name)?.f64()?.get(place).unwrap_or_default());
    let share = number(WEIGHT)? / number(BEST)?;
    let grade = GRADES.into_iter().find(|(least, _)| share >= *least).map_or(0, |(_, grade)| grade);
    let query = frame.column(TERM)?.str()?.get(place).unwrap_or_default().to_owned();
    let product_id = search_terms::product(frame, place)?;
    let of = |product_id| Judgment { query, product_id, grade, judge: CLICKS.to_owned(), judged_at: at };
    Ok(product_id.map(of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search_terms::VISITOR;

    /// Clicks on the words `scarf`: product, place, in how many visits.
    fn judged(clicks: &[(u8, i32, u8)]) -> Vec<(u8, u8)> {
        let each: Vec<_> = clicks
            .iter()
            .flat_map(|(product, position, visits)| {
                (0..*visits).map(move |visit| (vec![*product; 16], *position, vec![visit, *product, 0]))
            })
            .collect();
        let binary = |values: Vec<Vec<u8>>| -> Series {
            BinaryChunked::from_iter_values("".into(), values.into_iter()).into_series()
        };
        let frame = df!(
            event::SESSION_ID => binary(each.iter().map(|click| click.2.clone()).collect()),
            VISITOR => binary(each.iter().map(|click| click.2.clone()).collect()),
            event::KIND => vec!["click"; each.len()],
            TERM => vec!["scarf"; each.len()],
            event::PRODUCT_ID => binary(each.iter().map(|click| click.0.clone()).collect()),
            event::POSITION => each.iter().map(|click| click.1).collect::<Vec<_>>(),
        );
        let judged = click_judgments(&frame.expect("a frame").lazy(), Timestamp::UNIX_EPOCH);
        let grade = |judgment: &Judgment| (judgment.product_id.0.as_bytes()[0], judgment.grade);
        judged.expect("computed").iter().map(grade).collect()
    }

    #[test]
    fn a_click_further_down_counts_more() {
        // Twenty of thirty clicks are made at the first place: at the fifth one counts two.
        assert_eq!(judged(&[(1, 1, 20), (2, 5, 10)]), [(1, 3), (2, 3)]);
        assert_eq!(judged(&[(1, 1, 20), (2, 1, 10), (3, 1, 3)]), [(1, 3), (2, 2), (3, 1)]);
    }

    #[test]
    fn few_clicks_say_nothing() {
        assert_eq!(judged(&[(1, 1, 12)]), []);
        assert_eq!(judged(&[(1, 1, 30), (2, 1, 2)]), [(1, 3)]);
    }
}
