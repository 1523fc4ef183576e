//! Cursors: the place in a list, opaque, signed, and bound to the list with its filters.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

use crate::error_code::ErrorCode;
use crate::problem::Problem;

const SIGNATURE_LENGTH: usize = 16;
/// Longest cursor, in characters.
pub const LENGTH_MAX: usize = 1_000;

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cursor key is not 32 bytes in hexadecimal digits")]
pub struct InvalidCursorKey;

/// Signs cursors. The same for all processes of an API.
#[derive(Clone)]
pub struct CursorKey {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CursorKey")
    }
}

impl CursorKey {
    /// The key of 64 hexadecimal digits.
    pub fn from_hex(digits: &str) -> Result<Self, InvalidCursorKey> {
        let mut key = [0; 32];
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(InvalidCursorKey);
        }
        for (position, byte) in key.iter_mut().enumerate() {
            let pair = &digits[2 * position..2 * position + 2];
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidCursorKey)?;
        }
        let mac = Hmac::new_from_slice(&key).expect("HMAC takes a key of any length");
        Ok(Self { mac })
    }

    /// The cursor of a place in a list. `list` is the route with its filters.
    pub fn seal(&self, list: &str, place: &impl Serialize) -> String {
        let place = serde_json::to_vec(place).expect("plain data becomes JSON");
        let mut bytes = self.sign(list, &place).to_vec();
        bytes.extend(place);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place that a cursor of this list means.
    pub fn open<T: DeserializeOwned>(&self, list: &str, cursor: &str) -> Result<T, Problem> {
        self.verified(list, cursor).ok_or_else(|| {
            Problem::new(
                ErrorCode::InvalidCursor,
                "take the cursor from a page of the same list, with the same filters",
            )
        })
    }

    fn verified<T: DeserializeOwned>(&self, list: &str, cursor: &str) -> Option<T> {
        if cursor.len() > LENGTH_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (signature, place) = bytes.split_at_checked(SIGNATURE_LENGTH)?;
        self.over(list, place).verify_truncated_left(signature).ok()?;
        serde_json::from_slice(place).ok()
    }

    fn sign(&self, list: &str, place: &[u8]) -> [u8; SIGNATURE_LENGTH] {
        let full = self.over(list, place).finalize().into_bytes();
        std::array::from_fn(|position| full[position])
    }

    /// The length keeps list and place apart.
    fn over(&self, list: &str, place: &[u8]) -> Hmac<Sha256> {
        let length = u64::try_from(list.len()).expect("64 bits hold a length");
        self.mac.clone().chain_update(length.to_be_bytes()).chain_update(list).chain_update(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CursorKey {
        CursorKey::from_hex(&"a7".repeat(32)).expect("a key")
    }

    #[test]
    fn a_cursor_gives_back_its_place() {
        let cursor = key().seal("products?status=active", &(1, "x"));
        assert_eq!(
            key().open::<(i32, String)>("products?status=active", &cursor).expect("ours"),
            (1, "x".into())
        );
    }

    #[test]
    fn a_cursor_is_of_its_list_only() {
        let cursor = key().seal("products?status=active", &1);
        assert!(key().open::<i32>("products?status=draft", &cursor).is_err());
        let other = CursorKey::from_hex(&"a8".repeat(32)).expect("a key");
        assert!(other.open::<i32>("products?status=active", &cursor).is_err());
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let good = key().seal("l", &123_456);
        let mut changed = good.clone().into_bytes();
        changed[good.len() - 2] ^= 1;
        let changed = String::from_utf8(changed).expect("ASCII");
        for text in ["", "a", "%%%", "AAAA", &good[1..], &changed, &"A".repeat(5_000)] {
            assert!(key().open::<i32>("l", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_64_digits() {
        assert!(CursorKey::from_hex("").is_err());
        assert!(CursorKey::from_hex(&"g".repeat(64)).is_err());
        assert!(CursorKey::from_hex(&"é".repeat(32)).is_err());
    }
}
