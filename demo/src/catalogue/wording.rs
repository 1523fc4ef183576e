//! Words as they are written.

/// Every word with a capital: `v-neck` is `V-Neck`, `UK 6` stays.
pub fn titled(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut previous = ' ';
    for character in text.chars() {
        let starts = matches!(previous, ' ' | '-' | '/');
        titled.push(if starts { character.to_ascii_uppercase() } else { character });
        previous = character;
    }
    titled
}

/// A text with a capital first letter.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// The text after `a` or `an`.
pub fn with_article(text: &str) -> String {
    let article = if text.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {text}")
}

/// Whether a garment is spoken of as `these`: trousers are, a dress is not.
pub fn is_plural(garment: &str) -> bool {
    garment.ends_with('s') && !garment.ends_with("ss")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_capitals() {
        assert_eq!(titled("v-neck midi dress"), "V-Neck Midi Dress");
        assert_eq!(titled("UK 6"), "UK 6");
        assert_eq!(sentence("linen dress"), "Linen dress");
        assert!(is_plural("wide-leg trousers") && !is_plural("midi dress"));
        assert_eq!([with_article("olive shirt"), with_article("shirt")], ["an olive shirt", "a shirt"]);
    }
}
