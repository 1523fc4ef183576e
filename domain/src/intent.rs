//! What a search is about: categories and attributes of the catalogue that its words name.

use std::collections::HashMap;

use crate::category::Category;
use crate::search_words::words;
use crate::tuning::condition::is_within;
use crate::tuning::selector::Selector;

/// Words that are looked at.
const WORD_COUNT_MAX: usize = 20;
/// Longest name, in words.
const NAME_WORD_COUNT_MAX: usize = 4;
/// Shorter names are parts of words more often than not.
const NAME_LENGTH_MIN: usize = 2;
/// Most things that one name stands for: a name of everything names nothing.
const MEANING_COUNT_MAX: usize = 20;

/// The names that a catalogue gives to its categories and to the values of its attributes.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary(HashMap<String, Meanings>);

/// What a name stands for.
#[derive(Debug, Clone, Default)]
struct Meanings {
    categories: Vec<String>,
    attributes: Vec<(String, String)>,
}

/// What a search is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    /// Paths of categories: one of them is meant.
    pub categories: Vec<String>,
    /// For each name of a value the attributes, with it, that have such a value: one of them is meant.
    pub attributes: Vec<Vec<(String, String)>>,
}

impl Vocabulary {
    /// The names of these categories and of what they define.
    pub fn of(categories: &[Category]) -> Self {
        let mut names: HashMap<String, Meanings> = HashMap::new();
        let mut add = |name: &str, add: &dyn Fn(&mut Meanings)| {
            let said = said(&words(name));
            if said.chars().count() >= NAME_LENGTH_MIN {
                add(names.entry(said).or_default());
            }
        };
        for category in categories {
            for name in category.name.split(['&', ',', '/']) {
                add(name, &|meanings| meanings.categories.push(category.path.clone()));
            }
            for attribute in &category.attributes {
                for value in &attribute.values {
                    let pair = (attribute.name.clone(), value.clone());
                    add(value, &|meanings| {
                        if !meanings.attributes.contains(&pair) {
                            meanings.attributes.push(pair.clone());
                        }
                    });
                }
            }
        }
        names.retain(|_, meanings| {
            meanings.categories.len() <= MEANING_COUNT_MAX && meanings.attributes.len() <= MEANING_COUNT_MAX
        });
        Self(names)
    }

    /// What these words are about: the longest names first, from left to right.
    pub fn intent(&self, words: &[String]) -> Intent {
        let (mut named, mut attributes) = (Vec::new(), Vec::new());
        let mut rest = &words[..words.len().min(WORD_COUNT_MAX)];
        while !rest.is_empty() {
            let longest = rest.len().min(NAME_WORD_COUNT_MAX);
            let found =
                (1..=longest).rev().find_map(|count| Some((count, self.0.get(&said(&rest[..count]))?)));
            if let Some((_, Meanings { categories, attributes: pairs })) = found {
                named.extend(Some(categories).filter(|categories| !categories.is_empty()));
                // Who says it twice means it once.
                let is_new = !pairs.is_empty() && !attributes.contains(pairs);
                attributes.extend(is_new.then(|| pairs.clone()));
            }
            rest = &rest[found.map_or(1, |(count, _)| count)..];
        }
        Intent { categories: meant(&named), attributes }
    }
}

impl Intent {
    /// Whether nothing of the catalogue is named.
    pub fn is_empty(&self) -> bool {
        self.categories.is_empty() && self.attributes.is_empty()
    }

    /// What products are to be: of each of these one.
    pub fn selectors(&self) -> Vec<Vec<Selector>> {
        let of_category = |category: &String| Selector::Category { category: category.clone() };
        let of_pair = |(name, value): &(String, String)| Selector::Attribute {
            name: name.clone(),
            value: value.clone(),
        };
        let categories = Some(self.categories.iter().map(of_category).collect::<Vec<_>>());
        let attributes = self.attributes.iter().map(|pairs| pairs.iter().map(of_pair).collect());
        categories.into_iter().filter(|categories| !categories.is_empty()).chain(attributes).collect()
    }
}

/// The most special categories that fit all that is named: `women` and `jumpers` is `women/jumpers`. Names that fit no
/// category together mean none.
fn meant(named: &[&Vec<String>]) -> Vec<String> {
    let all = || named.iter().flat_map(|paths| paths.iter());
    let fits = |path: &&String| named.iter().all(|paths| paths.iter().any(|above| is_within(path, above)));
    let mut meant: Vec<String> = all().filter(fits).cloned().collect();
    meant.sort_unstable();
    meant.dedup();
    let kept = meant.clone();
    meant.retain(|path| !kept.iter().any(|below| below != path && is_within(below, path)));
    meant
}

/// Words without the endings of plurals, so that `dress` says `Dresses`.
fn said(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| singular(word)).collect();
    words.join(" ")
}

fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 2) {
        return format!("{stem}y");
    }
    let is_hissed = ["sses", "shes", "ches", "xes"].iter().any(|ending| word.ends_with(ending));
    if is_hissed {
        return word[..word.len() - 2].to_owned();
    }
    let is_plural =
        word.len() > 3 && word.ends_with('s') && !["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    (if is_plural { &word[..word.len() - 1] } else { word }).to_owned()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::category::AttributeDefinition;
    use crate::ids::CategoryId;

    fn category(path: &str, name: &str, attributes: &[(&str, &[&str])]) -> Category {
        let define = |(name, values): &(&str, &[&str])| AttributeDefinition {
            name: (*name).to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        Category {
            id: CategoryId::new(Timestamp::UNIX_EPOCH, [0; 10]),
            path: path.to_owned(),
            name: name.to_owned(),
            parent_id: None,
            position: 0,
            attributes: attributes.iter().map(define).collect(),
            version: 1,
        }
    }

    fn intent(text: &str) -> Intent {
        let colours: (&str, &[&str]) = ("colour", &["Navy", "Navy Blue", "Orange"]);
        let vocabulary = Vocabulary::of(&[
            category("men", "Men", &[]),
            category("men/jumpers", "Jumpers", &[colours]),
            category("women", "Women", &[]),
            category("women/jumpers", "Jumpers", &[colours, ("scent", &["Orange"])]),
            category("women/dresses", "Dresses & Gowns", &[]),
            category("women/accessories", "Accessories", &[]),
            category("women/dresses/maxi", "Maxi dresses", &[("size", &["M"])]),
        ]);
        vocabulary.intent(&words(text))
    }

    fn categories(text: &str) -> Vec<String> {
        intent(text).categories
    }

    fn pairs(text: &str) -> Vec<Vec<String>> {
        let named = |pairs: &Vec<(String, String)>| {
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        intent(text).attributes.iter().map(named).collect()
    }

    #[test]
    fn categories_are_named_in_either_number_and_within_each_other() {
        assert_eq!(categories("a warm jumper"), ["men/jumpers", "women/jumpers"]);
        assert_eq!(categories("women's jumpers"), ["women/jumpers"]);
        assert_eq!(categories("jumpers for women"), ["women/jumpers"]);
        assert_eq!(categories("dress"), ["women/dresses"]);
        assert_eq!(categories("ball gown"), ["women/dresses"]);
        assert_eq!(categories("accessory"), ["women/accessories"]);
        assert_eq!(categories("red maxi dress"), ["women/dresses/maxi"]);
        assert_eq!(categories("men dress"), Vec::<String>::new(), "there is no such");
        assert_eq!(categories("teapot"), Vec::<String>::new());
    }

    #[test]
    fn the_longest_value_is_meant() {
        assert_eq!(pairs("navy blue jumper"), [["colour=Navy Blue"]]);
        assert_eq!(pairs("navy jumper"), [["colour=Navy"]]);
        assert_eq!(pairs("navy navy jumper in navy"), [["colour=Navy"]]);
        assert_eq!(pairs(&format!("{}navy", "jumper ".repeat(20))), Vec::<Vec<String>>::new());
        assert_eq!(pairs("orange"), [["colour=Orange", "scent=Orange"]]);
        assert_eq!(pairs("dress m"), Vec::<Vec<String>>::new(), "one letter says nothing");
    }

    #[test]
    fn of_each_name_one_thing_is_meant() {
        let selectors = intent("navy women's jumper").selectors();
        let category = Selector::Category { category: "women/jumpers".to_owned() };
        let colour = Selector::Attribute { name: "colour".to_owned(), value: "Navy".to_owned() };
        assert_eq!(selectors, [vec![category], vec![colour]]);
        assert!(intent("teapot").is_empty() && intent("teapot").selectors().is_empty());
    }
}
