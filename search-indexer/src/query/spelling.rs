//! Words that no product has, and what they are probably meant to be. A word that some product has is never touched.

use std::cmp::Reverse;

use serde_json::{Value, json};
use strsim::osa_distance;

use crate::mapping::SPELLING;

/// Shorter words are too like others.
const LENGTH_MIN: usize = 4;
/// From so many letters on two may be wrong.
const TWO_WRONG_FROM: usize = 8;
/// Words that are looked at for one that is unknown.
const OPTION_COUNT: u8 = 5;

pub(super) fn asked(text: &str) -> Value {
    json!({"spelling": {"text": text, "term": {
        "field": SPELLING,
        "suggest_mode": "missing",
        "size": OPTION_COUNT,
        "min_word_length": LENGTH_MIN,
        "max_edits": 2,
        "prefix_length": 1,
    }}})
}

/// The text with the words that are probably meant; `None` when every word is known, or nothing is like it.
pub(super) fn meant(text: &str, answered: &Value) -> Option<String> {
    let words = answered["spelling"].as_array()?;
    // The engine counts in its own letters.
    let letters: Vec<u16> = text.encode_utf16().collect();
    let mut is_changed = false;
    let mut meant = Vec::with_capacity(words.len());
    for word in words {
        let [offset, length] = ["offset", "length"].map(|name| word[name].as_u64());
        let start = usize::try_from(offset?).ok()?;
        let written = letters.get(start..start.checked_add(usize::try_from(length?).ok()?)?)?;
        let written = String::from_utf16(written).ok()?.to_lowercase();
        let options = word["options"].as_array().into_iter().flatten();
        let options = options.filter_map(|option| option["text"].as_str());
        let like = options.filter(|option| is_like(&written, option));
        // Among them are stems, which are shorter than the words.
        let better = like.min_by_key(|option| (osa_distance(&written, option), Reverse(option.len())));
        is_changed |= better.is_some();
        meant.push(better.map_or(written, str::to_owned));
    }
    is_changed.then(|| meant.join(" "))
}

/// Numbers are meant as they are written.
fn is_like(written: &str, other: &str) -> bool {
    let length = written.chars().count();
    let most = if length >= TWO_WRONG_FROM { 2 } else { 1 };
    length >= LENGTH_MIN
        && !written.chars().any(|letter| letter.is_ascii_digit())
        && osa_distance(written, other) <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the engine answers to a text: for each of its words what is like it.
    fn meant_by(text: &str, options: &[&[&str]]) -> Option<String> {
        let mut offset = 0;
        let words = text.split(' ').zip(options).map(|(word, options)| {
            let options: Vec<_> = options.iter().map(|option| json!({"text": option})).collect();
            let length = word.encode_utf16().count();
            let answered = json!({"text": "stem", "offset": offset, "length": length, "options": options});
            offset += length + 1;
            answered
        });
        let words: Vec<_> = words.collect();
        meant(text, &json!({"spelling": words}))
    }

    #[test]
    fn unknown_words_are_replaced_by_what_is_like_them() {
        let meant = |text: &str, options: &[&[&str]]| meant_by(text, options).unwrap_or_default();
        assert_eq!(meant("Navy jumpr", &[&[], &["jumpers", "jumper"]]), "navy jumper");
        assert_eq!(meant("cardgian", &[&["cardigan"]]), "cardigan", "two letters swapped");
        assert_eq!(meant("turtlenexx", &[&["turtleneck"]]), "turtleneck");
        assert_eq!(
            meant("👗 leggins", &[&[], &["leggin", "leggings"]]),
            "👗 leggings",
            "the engine's letters"
        );
    }

    #[test]
    fn a_word_that_is_like_nothing_stays() {
        assert_eq!(meant_by("navy shirt", &[&[], &[]]), None);
        assert_eq!(meant_by("iphone", &[&["phone", "siphons"]]).as_deref(), Some("phone"));
        assert_eq!(meant_by("dresz", &[&["drinks"]]), None, "more than one of five letters");
        assert_eq!(meant_by("501s", &[&["501a"]]), None, "a number");
        assert_eq!(meant_by("red", &[&["bed"]]), None, "three letters");
        assert_eq!(meant("red", &Value::Null), None);
        let beyond = json!({"spelling": [{"text": "red", "offset": 2, "length": u64::MAX, "options": []}]});
        assert_eq!(meant("red", &beyond), None);
    }
}
