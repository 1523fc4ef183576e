//! What is known of English beyond the engine's own analysis: which words carry no meaning, and where the name of a
//! thing ends.

/// Words that say nothing of what is looked for (the list that Lucene ships).
const STOP_WORDS: [&str; 33] = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no",
    "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to",
    "was", "will", "with",
];
/// Words that begin what a thing is for, made of or comes with.
const PREPOSITIONS: [&str; 10] = ["for", "with", "without", "by", "from", "in", "of", "to", "on", "at"];
/// Words that part a title's thing from the next.
const CONJUNCTIONS: [&str; 2] = ["and", "or"];
/// `set of six …`: the thing follows.
const COLLECTIONS: [&str; 6] = ["set", "pack", "pair", "lot", "box", "case"];
const NUMBERS: [&str; 5] = ["two", "three", "four", "five", "six"];

/// Whether the word says nothing of what is looked for.
pub fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(&word)
}

/// The words that name the thing in a title: the last two before what only describes it (a comma, a dash, `for …`),
/// with the last one, which says most, twice. `Acme Pro Memory Card for Cameras, Black` is a `Memory Card Card`.
pub fn title_head(title: &str) -> String {
    let mut named: Vec<&str> = Vec::new();
    for token in tokens(title) {
        match token {
            Token::Break if named.len() >= 2 => break,
            Token::Word(word) if is_name(word) => named.push(word),
            Token::Break | Token::Word(_) => {}
        }
    }
    let named = &named[named.len().saturating_sub(2)..];
    let words: Vec<&str> = named.iter().chain(named.last()).copied().collect();
    words.join(" ")
}

/// The word that names the thing in a query: the last one that says something before a preposition.
pub fn query_head(words: &[String]) -> Option<&String> {
    let is_end = |(place, word): (usize, &String)| place > 0 && PREPOSITIONS.contains(&word.as_str());
    let end = words.iter().enumerate().position(is_end).unwrap_or(words.len());
    let says_something = |word: &&String| !is_stop_word(word);
    words[..end].iter().rev().find(says_something).or_else(|| words.iter().rev().find(says_something))
}

enum Token<'a> {
    Word(&'a str),
    Break,
}

fn tokens(title: &str) -> impl Iterator<Item = Token<'_>> {
    let title = without_collection(title);
    title.split_whitespace().flat_map(|piece| {
        let is_part = |letter: char| matches!(letter, ',' | ';' | ':' | '(' | '[' | '|' | '/' | '&' | '+');
        let lower = piece.to_lowercase();
        let is_word_break = PREPOSITIONS.contains(&lower.as_str()) || CONJUNCTIONS.contains(&lower.as_str());
        let is_dash = piece.chars().all(|letter| matches!(letter, '-' | '\u{2013}' | '\u{2014}'));
        let mut tokens = Vec::new();
        if is_word_break || is_dash {
            tokens.push(Token::Break);
        } else {
            for (place, part) in piece.split(is_part).enumerate() {
                if place > 0 {
                    tokens.push(Token::Break);
                }
                let word = part.trim_matches(|letter: char| !letter.is_alphanumeric());
                if !word.is_empty() {
                    tokens.push(Token::Word(word));
                }
            }
        }
        tokens
    })
}

/// The title after `Set of 6`.
fn without_collection(title: &str) -> &str {
    let mut pieces = title.splitn(4, ' ');
    let mut next = || pieces.next().unwrap_or_default();
    let (first, second, third) = (next(), next(), next());
    if !COLLECTIONS.contains(&first.to_lowercase().as_str()) || !second.eq_ignore_ascii_case("of") {
        return title;
    }
    let is_number = third.chars().all(|letter| letter.is_ascii_digit())
        || NUMBERS.contains(&third.to_lowercase().as_str());
    let taken = first.len() + second.len() + 2 + if is_number { third.len() + 1 } else { 0 };
    title.get(taken..).unwrap_or_default()
}

/// Model numbers and single letters name nothing.
fn is_name(word: &str) -> bool {
    word.chars().nth(1).is_some() && !word.chars().any(|letter| letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use domain::search_words::words;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_title_names_a_thing() {
        for (title, head) in [
            ("Acme Pro Memory Card for Cameras, Black", "Memory Card Card"),
            ("Larkenmere linen midi dress \u{2013} navy", "midi dress dress"),
            ("Belt", "Belt Belt"),
            ("Case for iPhone 6", "Case iPhone iPhone"),
            ("Set of 6 Wine Glasses (Clear)", "Wine Glasses Glasses"),
            ("Set of Wine Glasses", "Wine Glasses Glasses"),
            ("Men's T-Shirt/Polo", "Men's T-Shirt T-Shirt"),
            ("", ""),
            ("Set of", ""),
            ("\u{1f600} 16GB", ""),
        ] {
            assert_eq!(title_head(title), head, "{title}");
        }
    }

    #[test]
    fn a_query_names_a_thing() {
        let head = |text| query_head(&words(text)).cloned().unwrap_or_default();
        assert_eq!(head("red summer dress"), "dress");
        assert_eq!(head("case for a phone"), "case");
        assert_eq!(head("for the dog"), "dog");
        assert_eq!(head("the"), "");
        assert_eq!(head(""), "");
    }

    proptest! {
        #[test]
        fn any_title_has_at_most_three_words(title in ".{0,200}") {
            prop_assert!(title_head(&title).split_whitespace().count() <= 3);
        }
    }
}
