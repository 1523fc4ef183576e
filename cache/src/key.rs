//! Typed keys: a kind of key has one type of value, so a wrong read does not compile.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// A key of a shared tier.
pub trait CacheKey {
    /// The only type that is ever stored under it.
    type Value: Serialize + DeserializeOwned;
    /// Name and format version of the kind; a changed format is a new name.
    const KIND: &'static str;

    /// What tells this key from others of its kind.
    fn identity(&self) -> String;

    /// The key as servers see it: hashed, so that no input can forge another key or make it too long.
    fn wire_name(&self, prefix: &str) -> String {
        use std::fmt::Write;
        let digest = Sha256::digest(self.identity().as_bytes());
        let mut name = format!("{prefix}:{}:", Self::KIND);
        for byte in &digest[..20] {
            write!(name, "{byte:02x}").expect("a String takes every write");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Long(usize);

    impl CacheKey for Long {
        type Value = ();
        const KIND: &'static str = "long1";

        fn identity(&self) -> String {
            "\r\n x".repeat(self.0)
        }
    }

    #[test]
    fn a_key_is_short_and_plain() {
        let name = Long(1_000).wire_name(&"p".repeat(100));
        assert!(name.len() <= 250 && name.bytes().all(|byte| byte.is_ascii_graphic()), "{name}");
        assert_ne!(Long(1).wire_name("p"), Long(2).wire_name("p"));
    }
}
