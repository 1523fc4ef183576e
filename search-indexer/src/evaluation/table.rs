//! An evaluation as people read it.

use std::fmt::Write;

use super::comparison::Comparison;
use super::scores::Summary;
use super::{Evaluation, QueryScores};

/// Queries that are shown, the worst first.
const WORST_COUNT: usize = 20;
/// Columns of a query's words.
const WORDS_WIDTH: usize = 44;

/// One line a ranking: its name and its means.
pub fn summaries(rows: &[(&str, Summary)]) -> String {
    let mut text = format!(
        "{:<28} {:>7} {:>8} {:>8} {:>10} {:>7}\n",
        "ranking", "queries", "nDCG@10", "MRR", "recall@100", "empty"
    );
    for (name, summary) in rows {
        let Summary { queries, ndcg, mrr, recall, zero_result_rate } = summary;
        let empty = zero_result_rate * 100.0;
        line(
            &mut text,
            format_args!("{name:<28} {queries:>7} {ndcg:>8.4} {mrr:>8.4} {recall:>10.4} {empty:>6.1}%"),
        );
    }
    text
}

/// The difference, its significance and the queries that changed most.
pub fn comparison(compared: &Comparison) -> String {
    let mut text = String::new();
    let Comparison { ndcg_change: change, p_value: chance, better, worse, equal, named, .. } = compared;
    let percent = compared.ndcg_relative_change * 100.0;
    line(
        &mut text,
        format_args!(
            "nDCG@10 {change:+.4} ({percent:+.1} %), p = {chance:.4}; {better} better, {worse} worse, {equal} equal"
        ),
    );
    for change in named {
        let words = shortened(&change.query);
        line(
            &mut text,
            format_args!(
                "  {words:<WORDS_WIDTH$} {:.3} -> {:.3} ({:+.3})",
                change.before,
                change.after,
                change.difference()
            ),
        );
    }
    text
}

/// The queries that are answered worst.
pub fn worst(evaluation: &Evaluation) -> String {
    let mut queries: Vec<&QueryScores> = evaluation.queries.iter().collect();
    queries.sort_by(|left, right| left.scores.ndcg.total_cmp(&right.scores.ndcg));
    queries.truncate(WORST_COUNT);
    let mut text = format!("{:<WORDS_WIDTH$} {:>8} {:>8} {:>10}\n", "worst", "nDCG@10", "RR", "recall@100");
    for QueryScores { query, scores } in queries {
        let words = shortened(query);
        let empty = if scores.is_empty { "  nothing found" } else { "" };
        line(
            &mut text,
            format_args!(
                "{words:<WORDS_WIDTH$} {:>8.4} {:>8.4} {:>10.4}{empty}",
                scores.ndcg, scores.reciprocal_rank, scores.recall
            ),
        );
    }
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string takes every text");
    text.push('\n');
}

/// Words of a file may hold anything: nothing that a terminal obeys is printed.
fn shortened(words: &str) -> String {
    words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(WORDS_WIDTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::scores::Scores;

    fn scored(query: &str, ndcg: f64) -> QueryScores {
        let scores = Scores { ndcg, reciprocal_rank: ndcg, recall: ndcg, is_empty: ndcg == 0.0 };
        QueryScores { query: query.to_owned(), scores }
    }

    #[test]
    fn a_table_has_a_line_a_ranking() {
        let evaluation = Evaluation::of(vec![scored("belt", 1.0), scored("bag", 0.0)]);
        let text = summaries(&[("the shop's", evaluation.summary), ("plain", evaluation.summary)]);
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.contains("the shop's                         2   0.5000   0.5000     0.5000   50.0%"),
            "{text}"
        );
    }

    #[test]
    fn the_worst_comes_first_and_obeys_no_terminal() {
        let text = worst(&Evaluation::of(vec![scored("belt", 0.75), scored("\u{1b}[2Jbag", 0.0)]));
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].starts_with(" [2Jbag") && lines[1].ends_with("nothing found"), "{text}");
        assert!(lines[2].starts_with("belt"), "{text}");
    }

    #[test]
    fn a_comparison_names_what_changed() {
        let before = Evaluation::of(vec![scored("belt", 0.5), scored("bag", 0.5)]);
        let after = Evaluation::of(vec![scored("belt", 0.5), scored("bag", 1.0)]);
        let text = comparison(&Comparison::of(&before, &after, 1));
        assert!(text.starts_with("nDCG@10 +0.2500 (+50.0 %), p = "), "{text}");
        assert!(text.contains("1 better, 0 worse, 1 equal"), "{text}");
        assert!(text.contains("bag") && !text.contains("belt"), "{text}");
    }
}
