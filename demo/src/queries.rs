//! Judged queries: the words of shoppers, with grades that follow from how the products were made.
//!
//! A query is put together from what one product is, so that there is always a product that answers it. All products
//! are graded; kept are the best, and a few that do not answer at all.

use std::collections::BTreeSet;

use domain::judgment::Judgment;
use domain::product::ProductStatus;
use rand::{Rng, RngExt};

use crate::random;
use crate::shop::{Catalogue, DemoProduct, Size};
use asked::Asked;

mod asked;
mod phrase;

/// Who judged.
pub const JUDGE: &str = "construction";
/// Most products with a grade that are kept for a query.
pub const GRADED_MAX: usize = 1_000;
/// Products of grade 0 that are kept for a query.
pub const UNRELATED_COUNT: usize = 20;
/// Products tried for one query before the next form of query is taken.
const TRIES: u32 = 200;

/// A query and what it asks for.
#[derive(Debug, Clone)]
struct Query {
    words: String,
    asked: Asked,
}

/// What shoppers also call a garment, and its page does not.
pub fn other_words(garment: &str) -> &'static [&'static str] {
    phrase::synonyms(garment)
}

/// The judgments of `size.queries` queries, fewer when the products do not give so many different ones. By query, and
/// within a query by product.
pub fn judgments(size: &Size, catalogue: &Catalogue) -> Vec<Judgment> {
    let on_sale = catalogue.products.iter().filter(|made| made.product.status == ProductStatus::Active);
    let on_sale: Vec<_> = on_sale.collect();
    let queries = queries(size, &on_sale);
    queries.iter().enumerate().flat_map(|(index, query)| judge(size, query, index as u64, &on_sale)).collect()
}

fn queries(size: &Size, products: &[&DemoProduct]) -> Vec<Query> {
    let mut said = BTreeSet::new();
    let mut queries = Vec::new();
    if products.is_empty() {
        return queries;
    }
    for index in 0..size.queries {
        let mut stream = random::stream(size.seed, "query", u64::from(index));
        for attempt in 0..TRIES {
            let product = products[stream.random_range(0..products.len())];
            // Half of the tries for the form whose turn it is, then any other.
            let form = if attempt < TRIES / 2 { index } else { stream.next_u32() };
            let Some(query) = phrase::query(form, product, &mut stream) else { continue };
            if said.insert(meaning(&query.words)) {
                queries.push(query);
                break;
            }
        }
    }
    queries
}

/// The words without what only differs in writing: two such queries would count twice.
fn meaning(words: &str) -> String {
    words.replace('\'', "").replace("ladies", "womens").replace("childrens", "kids")
}

fn judge(size: &Size, query: &Query, index: u64, products: &[&DemoProduct]) -> Vec<Judgment> {
    let mut graded = Vec::new();
    let mut unrelated = Vec::new();
    for (position, made) in products.iter().enumerate() {
        match query.asked.grade(made) {
            0 => unrelated.push(position),
            grade => graded.push((position, grade)),
        }
    }
    graded.sort_by_key(|(position, grade)| (std::cmp::Reverse(*grade), *position));
    graded.truncate(GRADED_MAX);
    let mut stream = random::stream(size.seed, "unrelated", index);
    for _ in 0..UNRELATED_COUNT.min(unrelated.len()) {
        let position = unrelated.swap_remove(stream.random_range(0..unrelated.len()));
        graded.push((position, 0));
    }
    graded.sort_unstable();
    let judgment = |(position, grade): (usize, u8)| Judgment {
        query: query.words.clone(),
        product_id: products[position].product.id,
        grade,
        judge: JUDGE.to_owned(),
        judged_at: size.end,
    };
    graded.into_iter().map(judgment).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::judgment::GRADE_MAX;

    use super::*;
    use crate::catalogue;

    fn size(products: u32) -> Size {
        let size = Size::of_orders(100_000, 5, "2026-11-21T09:00:00Z".parse().unwrap());
        Size { products, ..size }
    }

    #[test]
    fn every_query_has_an_answer_and_something_that_is_none() {
        let size = size(10_000);
        let catalogue = catalogue::make(&size);
        let judgments = judgments(&size, &catalogue);
        let mut grades: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
        for judgment in &judgments {
            assert!(judgment.grade <= GRADE_MAX && !judgment.query.trim().is_empty());
            grades.entry(&judgment.query).or_default()[usize::from(judgment.grade)] += 1;
        }
        assert_eq!(grades.len(), 200);
        for (query, counts) in &grades {
            assert!(counts[3] > 0, "{query}: nothing answers it");
            assert!(counts[1] + counts[2] + counts[3] <= GRADED_MAX, "{query}: {counts:?}");
            assert!(counts[0] == UNRELATED_COUNT, "{query}: {counts:?}");
            // What is left out answers no better than a little.
            assert!(counts[2] + counts[3] < GRADED_MAX, "{query}: {counts:?}");
        }
        let pairs: BTreeSet<_> =
            judgments.iter().map(|judgment| (&judgment.query, judgment.product_id)).collect();
        assert_eq!(pairs.len(), judgments.len(), "a product is judged once");
        let active: BTreeSet<_> = catalogue
            .products
            .iter()
            .filter(|made| made.product.status == ProductStatus::Active)
            .map(|made| made.product.id)
            .collect();
        assert!(judgments.iter().all(|judgment| active.contains(&judgment.product_id)));
        assert_eq!(judgments, super::judgments(&size, &catalogue), "two runs are equal");
    }

    #[test]
    fn a_small_shop_has_queries_too() {
        let size = size(20);
        let judgments = judgments(&size, &catalogue::make(&size));
        assert!(judgments.iter().any(|judgment| judgment.grade == GRADE_MAX));
        let none = Size { queries: 0, ..size };
        assert!(super::judgments(&none, &catalogue::make(&none)).is_empty());
        let empty = Catalogue { categories: Vec::new(), products: Vec::new() };
        assert!(super::judgments(&size, &empty).is_empty());
    }
}
