//! Query strings as typed values: every parameter is known, given once, and within its limits.

use std::collections::BTreeMap;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use domain::field_error::FieldError;
use futures_util::future::{Ready, ready};

use crate::problem::Problem;

/// Longest query string, in characters.
pub const LENGTH_MAX: usize = 2_000;
/// Items of a page when not said otherwise, and at most.
pub const LIMIT_DEFAULT: u16 = 20;
/// Most items of a page.
pub const LIMIT_MAX: u16 = 100;

/// A type that reads itself from a query string.
pub trait ReadQuery: Sized {
    /// Takes its parameters; what it leaves is refused.
    fn read(parameters: &mut Parameters) -> Self;
}

/// The query string of a request.
#[derive(Debug)]
pub struct FromQuery<T>(pub T);

/// Parameters not read yet, and what was wrong with those that were.
#[derive(Debug)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl<T: ReadQuery + 'static> FromRequest for FromQuery<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request).map(Self))
    }
}

/// Reads the query of a request.
pub fn read<T: ReadQuery>(request: &HttpRequest) -> Result<T, Problem> {
    parse(request.query_string())
}

fn parse<T: ReadQuery>(text: &str) -> Result<T, Problem> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(text)
        .map_err(|error| Problem::invalid_field("", "invalid", error.to_string()))?
        .into_inner();
    let mut parameters = Parameters { pairs, errors: Vec::new() };
    let value = T::read(&mut parameters);
    for (name, _) in std::mem::take(&mut parameters.pairs) {
        parameters.refuse(&name, "unknown_field", "there is no such parameter here");
    }
    if parameters.errors.is_empty() { Ok(value) } else { Err(Problem::invalid_fields(parameters.errors)) }
}

impl Parameters {
    /// A text of 1 to `length_max` characters.
    pub fn text(&mut self, name: &str, length_max: usize) -> Option<String> {
        let position = self.pairs.iter().position(|(candidate, _)| candidate == name)?;
        let (_, text) = self.pairs.remove(position);
        if self.pairs.iter().any(|(candidate, _)| candidate == name) {
            self.pairs.retain(|(candidate, _)| candidate != name);
            self.refuse(name, "duplicate", "give it once");
            return None;
        }
        if text.is_empty() || text.chars().count() > length_max || text.contains('\0') {
            self.refuse(name, "invalid", format!("1 to {length_max} characters"));
            return None;
        }
        Some(text)
    }

    /// Words of a person, without the space around them; none at all is no mistake.
    pub fn words(&mut self, name: &str, length_max: usize) -> Option<String> {
        let is_blank = |(candidate, text): &(String, String)| candidate == name && text.trim().is_empty();
        self.pairs.retain(|pair| !is_blank(pair));
        Some(self.text(name, length_max)?.trim().to_owned())
    }

    /// A value of another type; `expected` tells which.
    pub fn parsed<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let text = self.text(name, 200)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.refuse(name, "invalid", format!("expected {expected}"));
        }
        value
    }

    /// One of some words, by the value that each means.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name, 200)?;
        let chosen = choices.iter().find(|(word, _)| *word == text);
        if chosen.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.refuse(name, "invalid", format!("one of {}", words.join(", ")));
        }
        chosen.map(|(_, value)| *value)
    }

    /// `limit`, between 1 and [`LIMIT_MAX`].
    pub fn limit(&mut self) -> u16 {
        let expected = format!("a number from 1 to {LIMIT_MAX}");
        let limit = self.parsed("limit", &expected).unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            self.refuse("limit", "out_of_range", expected);
        }
        limit
    }

    /// `cursor`
    pub fn cursor(&mut self) -> Option<String> {
        self.text("cursor", crate::cursor::LENGTH_MAX)
    }

    /// Every parameter that begins with a prefix, by the rest of its name.
    pub fn prefixed(&mut self, prefix: &str, length_max: usize) -> BTreeMap<String, String> {
        let names: Vec<_> = self
            .pairs
            .iter()
            .filter_map(|(name, _)| name.strip_prefix(prefix).map(|rest| (name.clone(), rest.to_owned())))
            .collect();
        names.into_iter().filter_map(|(name, rest)| Some((rest, self.text(&name, length_max)?))).collect()
    }

    /// Notes that a parameter is wrong.
    pub fn refuse(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.errors.push(FieldError::new(format!("/{name}"), code, detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Example {
        limit: u16,
        shown: Option<bool>,
        attributes: BTreeMap<String, String>,
    }

    impl ReadQuery for Example {
        fn read(parameters: &mut Parameters) -> Self {
            Self {
                limit: parameters.limit(),
                shown: parameters.choice("shown", &[("true", true), ("false", false)]),
                attributes: parameters.prefixed("attr.", 10),
            }
        }
    }

    fn refused(text: &str) -> String {
        parse::<Example>(text).expect_err("a problem").to_string()
    }

    #[test]
    fn parameters_are_read() {
        let expected = Example {
            limit: 5,
            shown: Some(true),
            attributes: BTreeMap::from([("colour".into(), "navy blue".into())]),
        };
        assert_eq!(parse::<Example>("limit=5&shown=true&attr.colour=navy+blue").expect("valid"), expected);
        assert_eq!(parse::<Example>("").expect("valid").limit, LIMIT_DEFAULT);
    }

    #[test]
    fn what_is_not_known_or_not_right_is_refused() {
        assert!(refused("color=red").contains("/color"));
        assert!(refused("limit=0").contains("1 to 100"));
        assert!(refused("limit=101").contains("1 to 100"));
        assert!(refused("limit=-1").contains("1 to 100"));
        assert!(refused("limit=5&limit=6").contains("once"));
        assert!(refused("shown=maybe").contains("true, false"));
        assert!(refused("attr.colour=").contains("1 to 10"));
        assert!(refused("limit=x&offset=3").contains("2 fields"));
    }
}
