//! The words of a text, as rules and synonyms compare them.

/// Letters and digits in lower case; apostrophes are dropped, everything else parts two words.
pub fn words(text: &str) -> Vec<String> {
    let is_part = |letter: char| letter.is_alphanumeric() || is_apostrophe(letter);
    text.split(|letter: char| !is_part(letter)).map(word).filter(|word| !word.is_empty()).collect()
}

fn word(part: &str) -> String {
    part.chars().filter(|letter| !is_apostrophe(*letter)).flat_map(char::to_lowercase).collect()
}

fn is_apostrophe(letter: char) -> bool {
    matches!(letter, '\'' | '\u{2019}')
}

/// Where `part` begins in `whole` as consecutive words; empty words are nowhere.
pub fn position(whole: &[String], part: &[String]) -> Option<usize> {
    if part.is_empty() {
        return None;
    }
    whole.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_lower_case_without_punctuation() {
        assert_eq!(words("  Men's T-Shirt, 16GB "), ["mens", "t", "shirt", "16gb"]);
        assert_eq!(words("ROBE D’ÉTÉ"), ["robe", "dété"]);
        assert!(words("*:* \u{1f600} '").is_empty());
    }

    #[test]
    fn words_are_found_as_a_phrase() {
        let whole = words("a red summer dress");
        assert_eq!(position(&whole, &words("summer dress")), Some(2));
        assert_eq!(position(&whole, &words("red dress")), None);
        assert_eq!(position(&whole, &[]), None);
        assert_eq!(position(&[], &words("red")), None);
    }

    proptest! {
        #[test]
        fn words_of_words_are_the_same(text in ".{0,200}") {
            let once = words(&text);
            prop_assert_eq!(words(&once.join(" ")), once);
        }
    }
}
