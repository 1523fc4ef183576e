//! What people search for, what that finds, and which of the results they take.

use std::collections::HashMap;

use domain::ids::ProductId;
use domain::judgment::{GRADE_MAX, Judgment};
use rand::{Rng, RngExt};

use crate::assortment::{Assortment, Item};
use crate::{chance, queries};

/// Share of the searches with words that are judged, where the product has some: assumed.
const JUDGED: f64 = 0.6;
/// Share of the searches for a garment that has other words which use one of those, and find nothing: assumed.
const OTHER_WORDS: f64 = 0.15;
/// Usual wait for results, in milliseconds, and the share of searches that take ten times as long: assumed.
const WAIT_MS: f64 = 60.0;
const SLOW: f64 = 0.01;
/// From this grade on a product is what the words mean.
const GRADE_MIN: u8 = 2;
/// Results that are looked at.
const POSITION_MAX: f64 = 48.0;

/// The words that lead to each product.
#[derive(Debug)]
pub struct Searches {
    texts: Vec<String>,
    /// By product of the assortment: the place of a text, and whether the product answers it exactly.
    of_item: Vec<Vec<(u32, bool)>>,
    /// How many products answer each text.
    found_by_text: Vec<u32>,
    /// How many products of each garment there are.
    found_by_garment: HashMap<&'static str, u32>,
}

/// A search that finds something.
#[derive(Debug)]
pub struct Words {
    /// What is typed.
    pub text: String,
    /// Whether the product that is looked for is exactly what the words mean.
    pub is_exact: bool,
    /// Products that are found.
    pub results: u32,
}

impl Searches {
    /// The words of the judged queries; `places` are those of the products in the assortment.
    pub fn new(
        assortment: &Assortment<'_>,
        judgments: &[Judgment],
        places: &HashMap<ProductId, u32>,
    ) -> Self {
        let mut texts: Vec<_> = judgments.iter().map(|judgment| judgment.query.clone()).collect();
        texts.sort_unstable();
        texts.dedup();
        let mut of_item = vec![Vec::new(); assortment.items().len()];
        let mut found_by_text = vec![0; texts.len()];
        for judgment in judgments.iter().filter(|judgment| judgment.grade >= GRADE_MIN) {
            let found = places.get(&judgment.product_id).zip(texts.binary_search(&judgment.query).ok());
            if let Some((place, text)) = found {
                of_item[*place as usize].push((text as u32, judgment.grade == GRADE_MAX));
                found_by_text[text] += 1;
            }
        }
        let mut found_by_garment = HashMap::new();
        for item in assortment.items() {
            *found_by_garment.entry(item.product.traits.garment).or_default() += 1;
        }
        Self { texts, of_item, found_by_text, found_by_garment }
    }

    /// Words that lead to a product.
    pub fn words(&self, place: u32, item: &Item<'_>, stream: &mut impl Rng) -> Words {
        let judged = &self.of_item[place as usize];
        if !judged.is_empty() && stream.random_bool(JUDGED) {
            let (text, is_exact) = judged[stream.random_range(0..judged.len())];
            let text = text as usize;
            return Words { text: self.texts[text].clone(), is_exact, results: self.found_by_text[text] };
        }
        let traits = &item.product.traits;
        let colour = traits.colours.first().copied().unwrap_or_default();
        let before = [traits.department, traits.material, colour, traits.occasion, traits.brand, ""];
        let before = before[stream.random_range(0..before.len())];
        let mut words = String::with_capacity(before.len() + 1 + traits.garment.len());
        words.push_str(before);
        if !before.is_empty() {
            words.push(' ');
        }
        words.push_str(traits.garment);
        let results = self.found_by_garment.get(traits.garment).copied().unwrap_or(0);
        Words { text: words, is_exact: false, results }
    }
}

/// Now and then: words for the product that no product has.
pub fn missing_words(item: &Item<'_>, stream: &mut impl Rng) -> Option<&'static str> {
    let others = queries::other_words(item.product.traits.garment);
    let is_tried = !others.is_empty() && stream.random_bool(OTHER_WORDS);
    is_tried.then(|| others[stream.random_range(0..others.len())])
}

/// How long results take, in milliseconds.
pub fn wait_ms(stream: &mut impl Rng) -> u32 {
    let slower = if stream.random_bool(SLOW) { 10.0 } else { 1.0 };
    (WAIT_MS * slower * chance::factor(0.5, stream)) as u32
}

/// Place of the result that is taken, from 1: each is taken in inverse proportion to its place, and what answers the
/// words exactly is found higher up. That results are taken by place as much as by worth is shown by Joachims and
/// others (2005) and Craswell and others (2008); the figures are assumed.
pub fn position(is_exact: bool, stream: &mut impl Rng) -> u16 {
    let draw: f64 = stream.random();
    let place = if is_exact { draw * draw } else { draw };
    POSITION_MAX.powf(place) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    #[test]
    fn the_first_results_are_taken_most() {
        let mut stream = stream(1, "position", 0);
        let mut count = |is_exact, most| {
            let positions = (0..10_000).map(|_| position(is_exact, &mut stream));
            let (mut near, mut all) = (0, 0);
            for position in positions {
                assert!((1..=48).contains(&position));
                all += 1;
                near += usize::from(position <= most);
            }
            f64::from(near as u32) / f64::from(all)
        };
        let (first, first_exact) = (count(false, 1), count(true, 1));
        assert!((0.15..0.21).contains(&first), "{first}");
        assert!(first_exact > 2.0 * first, "{first_exact}");
        assert!(count(false, 10) > 0.5);
    }
}
