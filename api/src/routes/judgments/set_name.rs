//! The name of a set in a path.

use domain::judgment::CLICKS;

use crate::problem::Problem;

const LENGTH_MAX: usize = 60;

/// A name that a set can have; there is no other set.
pub(super) fn read(name: &str) -> Result<&str, Problem> {
    let is_letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_name = name.len() <= LENGTH_MAX
        && name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|letter| is_letter(letter) || letter == b'-');
    if is_name { Ok(name) } else { Err(Problem::not_found("set of judgments")) }
}

/// A set that people may change.
pub(super) fn read_own(name: &str) -> Result<&str, Problem> {
    let name = read(name)?;
    if name == CLICKS {
        return Err(Problem::invalid_field("/set", "reserved", "this set is counted from clicks"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_small_letters_digits_and_hyphens() {
        for name in ["house", "2026-autumn", "a"] {
            assert!(read(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "House", "a_b", "é", &"a".repeat(61)] {
            assert!(read(name).is_err(), "{name}");
        }
        assert!(read("clicks").is_ok() && read_own("clicks").is_err());
    }
}
