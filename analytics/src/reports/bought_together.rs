//! Pairs of products that were bought together.

use std::collections::HashMap;

use polars::prelude::*;

use super::derived::{DOCUMENT, IS_SALE, PRODUCT};
use super::{ReportError, collect};

/// Pairs that are published.
pub const PAIR_COUNT_MAX: usize = 1_000;
/// Products of a document that is looked at: whoever buys everything says nothing of any two.
const PRODUCT_COUNT_MAX: usize = 1_000;

/// How many documents have both products of a pair. Products are numbered as they come, so a pair takes eight bytes.
#[derive(Debug, Default)]
pub struct Pairs {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
    counts: HashMap<(u32, u32), i64>,
}

impl Pairs {
    /// Adds the documents of these lines, which are of [`super::lines`]. Documents of earlier calls are others.
    pub fn add(&mut self, lines: &LazyFrame) -> Result<(), ReportError> {
        let bought = lines
            .clone()
            .filter(col(IS_SALE))
            .group_by([DOCUMENT, PRODUCT].map(col))
            .agg([])
            .sort([DOCUMENT], SortMultipleOptions::default());
        let bought = collect(bought)?;
        let documents = bought.column(DOCUMENT)?.i128()?;
        let products = bought.column(PRODUCT)?.str()?;
        let (mut open, mut numbers) = (None, Vec::new());
        for (document, product) in documents.iter().zip(products.iter()) {
            if document != open {
                self.count(&mut numbers);
                open = document;
            }
            numbers.extend(product.map(|product| self.number(product)));
        }
        self.count(&mut numbers);
        Ok(())
    }

    fn number(&mut self, product: &str) -> u32 {
        if let Some(number) = self.numbers.get(product) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).expect("fewer than four billion products");
        self.numbers.insert(product.to_owned(), number);
        self.names.push(product.to_owned());
        number
    }

    fn count(&mut self, numbers: &mut Vec<u32>) {
        if numbers.len() <= PRODUCT_COUNT_MAX {
            numbers.sort_unstable();
            for (place, one) in numbers.iter().enumerate() {
                for other in &numbers[place + 1..] {
                    *self.counts.entry((*one, *other)).or_default() += 1;
                }
            }
        }
        numbers.clear();
    }

    /// The pairs of most documents, at most so many: two products, the first by bytes first, and how many. Most
    /// first, then by product.
    pub fn top(&self, limit: usize) -> Result<DataFrame, ReportError> {
        let mut counts: Vec<i64> = self.counts.values().copied().collect();
        // Ties at the end are decided by names: only pairs that may be among the first are named.
        let least = if counts.len() > limit {
            let place = counts.len() - limit;
            *counts.select_nth_unstable(place).1
        } else {
            0
        };
        let named = self.counts.iter().filter(|(_, count)| **count >= least).map(|((one, other), count)| {
            let (one, other) = (&self.names[*one as usize], &self.names[*other as usize]);
            if one < other { (one, other, *count) } else { (other, one, *count) }
        });
        let mut pairs: Vec<_> = named.collect();
        pairs.sort_unstable_by_key(|(one, other, count)| (std::cmp::Reverse(*count), *one, *other));
        pairs.truncate(limit);
        let firsts: Vec<_> = pairs.iter().map(|(one, _, _)| one.as_str()).collect();
        let others: Vec<_> = pairs.iter().map(|(_, other, _)| other.as_str()).collect();
        let counts: Vec<_> = pairs.iter().map(|(_, _, count)| *count).collect();
        Ok(DataFrame::new(
            pairs.len(),
            vec![
                Column::new("product_a".into(), firsts),
                Column::new("product_b".into(), others),
                Column::new("orders".into(), counts),
            ],
        )?)
    }
}
