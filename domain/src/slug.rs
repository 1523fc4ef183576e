//! Slugs: the readable part of an address.

/// Longest slug, in bytes.
pub const LENGTH_MAX: usize = 120;

/// Lower-case ASCII letters and digits of `text`, everything else one hyphen; empty when nothing is left.
pub fn slugify(text: &str) -> String {
    let mut slug = String::with_capacity(text.len().min(LENGTH_MAX));
    for character in text.chars() {
        if slug.len() >= LENGTH_MAX {
            break;
        }
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// Whether a text has the form of a slug.
pub fn is_slug(text: &str) -> bool {
    !text.is_empty() && text.len() <= LENGTH_MAX && slugify(text) == text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_joined_by_one_hyphen() {
        assert_eq!(slugify("  Men's  Blue Shirt (2011) "), "men-s-blue-shirt-2011");
        assert_eq!(slugify("…"), "");
    }

    proptest! {
        #[test]
        fn a_slug_is_its_own_slug(text in ".{0,300}") {
            let slug = slugify(&text);
            prop_assert_eq!(slugify(&slug), slug.clone());
            prop_assert!(slug.is_empty() || is_slug(&slug));
        }
    }
}
