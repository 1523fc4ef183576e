//! How deep and how long a body may be, checked before anything is built from it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Levels of objects and arrays.
pub const DEPTH_MAX: usize = 32;
/// Items of one array.
pub const ITEM_COUNT_MAX: usize = 1_000;

/// What is wrong with a body as JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonLimitError {
    /// Not JSON.
    #[error("{0}")]
    Malformed(serde_json::Error),
    /// Too deep or too long.
    #[error("{0}")]
    TooComplex(serde_json::Error),
}

/// Reads the whole body once without keeping it.
pub fn check(body: &[u8]) -> Result<(), JsonLimitError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    Level(0).deserialize(&mut deserializer).and_then(|()| deserializer.end()).map_err(|error| {
        match error.classify() {
            serde_json::error::Category::Data => JsonLimitError::TooComplex(error),
            _ => JsonLimitError::Malformed(error),
        }
    })
}

#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn below<E: Error>(self) -> Result<Self, E> {
        if self.0 >= DEPTH_MAX {
            return Err(E::custom(format_args!("at most {DEPTH_MAX} levels")));
        }
        Ok(Self(self.0 + 1))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let below = self.below()?;
        let mut count = 0;
        while items.next_element_seed(below)?.is_some() {
            count += 1;
            if count > ITEM_COUNT_MAX {
                return Err(A::Error::custom(format_args!("at most {ITEM_COUNT_MAX} items in an array")));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let below = self.below()?;
        while members.next_key_seed(below)?.is_some() {
            members.next_value_seed(below)?;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_length_have_a_limit() {
        let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(matches!(check(nested(DEPTH_MAX + 1).as_bytes()), Err(JsonLimitError::TooComplex(_))));
        assert!(check(nested(100_000).as_bytes()).is_err());
        let long = |count| format!("{{\"a\": [{}]}}", vec!["1"; count].join(","));
        assert!(check(long(ITEM_COUNT_MAX).as_bytes()).is_ok());
        assert!(matches!(check(long(ITEM_COUNT_MAX + 1).as_bytes()), Err(JsonLimitError::TooComplex(_))));
    }

    #[test]
    fn what_is_no_json_is_told_apart() {
        for text in ["", "{", "{\"a\": }", "1 2", "\u{1}"] {
            assert!(matches!(check(text.as_bytes()), Err(JsonLimitError::Malformed(_))), "{text}");
        }
    }
}
