//! What is searched for and what is typed: words of titles, each combination once.

use std::collections::HashSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

/// Tries for each request before there are no other ones.
const TRIES: usize = 50;
/// Most words of a search.
const WORD_COUNT_MAX: usize = 4;
/// Most letters of the last word that are typed.
const TYPED_MAX: usize = 5;

/// A request to the API, and what it makes of it for the engine.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Path and query.
    pub path: String,
    /// Requests to the engine, one after the other.
    pub bodies: Vec<EngineRequest>,
}

/// A request to the engine.
#[derive(Debug, Clone)]
pub struct EngineRequest {
    /// Path and query.
    pub path: String,
    /// Body.
    pub body: Value,
}

/// One to four words of a title, as a shopper says them.
pub fn searches(titles: &[String], wanted: usize, seed: u64) -> Vec<String> {
    different(titles, wanted, seed, |words, random| {
        let count = random.random_range(1..=words.len().min(WORD_COUNT_MAX));
        let first = random.random_range(0..=words.len() - count);
        words[first..first + count].join(" ")
    })
}

/// The beginning of a title's words, the last of them not yet whole.
pub fn suggestions(titles: &[String], wanted: usize, seed: u64) -> Vec<String> {
    different(titles, wanted, seed, |words, random| {
        let first = random.random_range(0..words.len());
        let last = random.random_range(first..words.len().min(first + 3));
        let typed = random.random_range(1..=TYPED_MAX);
        let begun: String = words[last].chars().take(typed).collect();
        [&words[first..last], &[begun.as_str()]].concat().join(" ")
    })
}

fn different(
    titles: &[String],
    wanted: usize,
    seed: u64,
    make: impl Fn(&[&str], &mut StdRng) -> String,
) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut known = HashSet::new();
    let mut made = Vec::new();
    for _ in 0..wanted * TRIES {
        if made.len() == wanted || titles.is_empty() {
            break;
        }
        let title = titles[random.random_range(0..titles.len())].to_lowercase();
        let words: Vec<_> = title.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        let text = make(&words, &mut random);
        if known.insert(text.clone()) {
            made.push(text);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_twice() {
        let titles = ["Red Shirt of Silk".to_owned(), "Blue Bag".to_owned()];
        for made in [searches(&titles, 12, 1), suggestions(&titles, 12, 1)] {
            assert!(made.len() >= 8, "{made:?}");
            assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
            assert!(made.iter().all(|text| !text.is_empty() && *text == text.to_lowercase()));
        }
        assert!(searches(&[], 5, 1).is_empty());
        assert_eq!(searches(&titles, 12, 7), searches(&titles, 12, 7));
    }
}
