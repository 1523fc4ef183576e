//! What somebody may be about to type, from what is known to be typed.

use std::collections::HashSet;

use crate::search_words::words;

/// Words of a text that can be typed first.
const START_COUNT_MAX: usize = 32;

/// Things whose texts begin, at any of their words, as something typed does; the weightiest first.
#[derive(Debug, Clone)]
pub struct Completions<T> {
    /// By weight, highest first.
    things: Vec<T>,
    /// The rest of each text from each of its words on, with the place of its thing; in order.
    starts: Vec<(String, u32)>,
}

impl<T> Default for Completions<T> {
    fn default() -> Self {
        Self { things: Vec::new(), starts: Vec::new() }
    }
}

impl<T> Completions<T> {
    /// Of things with their texts and weights; of two texts with the same words the weightier one is kept.
    pub fn of(weighted: impl IntoIterator<Item = (String, i64, T)>) -> Self {
        let mut weighted: Vec<_> = weighted.into_iter().collect();
        weighted.sort_by(|(one, weight, _), (other, than, _)| than.cmp(weight).then_with(|| one.cmp(other)));
        let mut known = HashSet::new();
        let (mut things, mut starts) = (Vec::new(), Vec::new());
        for (text, _, thing) in weighted {
            let words = words(&text);
            let is_new = !words.is_empty() && known.insert(words.join(" "));
            let Some(place) = u32::try_from(things.len()).ok().filter(|_| is_new) else { continue };
            let rests = (0..words.len().min(START_COUNT_MAX)).map(|first| (words[first..].join(" "), place));
            starts.extend(rests);
            things.push(thing);
        }
        starts.sort_unstable();
        Self { things, starts }
    }

    /// Those whose text begins with what is typed, at most `most`. Nothing typed begins nothing.
    pub fn find(&self, typed: &str, most: usize) -> Vec<&T> {
        let typed = words(typed).join(" ");
        if typed.is_empty() {
            return Vec::new();
        }
        let first = self.starts.partition_point(|(rest, _)| *rest < typed);
        let matching = self.starts[first..].iter().take_while(|(rest, _)| rest.starts_with(&typed));
        let mut places: Vec<u32> = matching.map(|(_, place)| *place).collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().take(most).map(|place| &self.things[place as usize]).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.things.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn completions() -> Completions<String> {
        let weighted =
            [("navy shirt", 5), ("Shirt dress", 9), ("shirts", 7), ("silk  Shirt", 5), ("Navy Shirt!", 4)];
        Completions::of(weighted.map(|(text, weight)| (text.to_owned(), weight, text.to_owned())))
    }

    #[test]
    fn any_word_may_be_the_one_that_is_typed() {
        let completions = completions();
        assert_eq!(completions.len(), 4);
        assert_eq!(completions.find("SHI", 9), ["Shirt dress", "shirts", "navy shirt", "silk  Shirt"]);
        assert_eq!(completions.find("shirt", 2), ["Shirt dress", "shirts"]);
        assert_eq!(completions.find("navy s", 9), ["navy shirt"]);
        assert_eq!(completions.find("shirt d", 9), ["Shirt dress"]);
        assert_eq!(completions.find(" - ", 9), [""; 0]);
        assert_eq!(completions.find("trousers", 9), [""; 0]);
        assert!(Completions::<String>::default().is_empty());
    }

    proptest! {
        #[test]
        fn they_are_those_that_a_look_at_every_text_finds(
            texts in proptest::collection::vec("[a-c]{1,2}( [a-c]{1,2}){0,3}", 0..30),
            typed in "[a-c]{1,2}( [a-c]{1,2})?",
        ) {
            let weighted = texts.iter().zip(0..).map(|(text, weight)| (text.clone(), weight, text.clone()));
            let completions = Completions::of(weighted);
            let found: HashSet<_> = completions.find(&typed, 100).into_iter().cloned().collect();
            let begins = |text: &&String| format!(" {text}").contains(&format!(" {typed}"));
            let expected: HashSet<_> = texts.iter().filter(begins).cloned().collect();
            prop_assert_eq!(found, expected);
        }
    }
}
