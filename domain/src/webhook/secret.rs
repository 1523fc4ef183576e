//! The secret that an endpoint shares with us, and the signature that it makes, after Standard Webhooks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::ids::EventId;

/// What a secret begins with as text.
const PREFIX: &str = "whsec_";
/// Bytes of a secret.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;
/// Bytes of one of ours.
pub const LENGTH: usize = 32;

/// Why a text is no secret. It does not repeat the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not whsec_ and the Base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

/// A secret. It shows itself only when asked for its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

impl Secret {
    /// A new secret from random bytes.
    pub fn new(random: [u8; LENGTH]) -> Self {
        Self(random.to_vec())
    }

    /// Reads `whsec_…`.
    pub fn from_text(text: &str) -> Result<Self, InvalidSecret> {
        let bytes = text.strip_prefix(PREFIX).and_then(|digits| STANDARD.decode(digits).ok());
        bytes.filter(|bytes| LENGTHS.contains(&bytes.len())).map(Self).ok_or(InvalidSecret)
    }

    /// `whsec_…`: for its owner and for the store.
    pub fn to_text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// `v1,` and the Base64 of the HMAC-SHA256 of id, time in seconds and body, with dots between them.
    pub fn sign(&self, id: EventId, at: Timestamp, body: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        let mac = mac.chain_update(format!("{id}.{}.", at.as_second())).chain_update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The signatures of every secret that holds, as one header.
pub fn signatures(secrets: &[Secret], id: EventId, at: Timestamp, body: &str) -> String {
    let signatures: Vec<_> = secrets.iter().map(|secret| secret.sign(id, at, body)).collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_secret_survives_as_text(random: [u8; LENGTH]) {
            let secret = Secret::new(random);
            prop_assert_eq!(Secret::from_text(&secret.to_text()), Ok(secret));
        }

        #[test]
        fn another_secret_body_or_time_signs_otherwise(first: [u8; LENGTH], second: [u8; LENGTH], body: String) {
            prop_assume!(first != second);
            let (id, at) = (EventId(uuid::Uuid::nil()), Timestamp::UNIX_EPOCH);
            let signature = Secret::new(first).sign(id, at, &body);
            prop_assert_ne!(&signature, &Secret::new(second).sign(id, at, &body));
            prop_assert_ne!(&signature, &Secret::new(first).sign(id, at, &format!("{body} ")));
            let later = Timestamp::from_second(1).expect("in range");
            prop_assert_ne!(&signature, &Secret::new(first).sign(id, later, &body));
        }
    }

    #[test]
    fn a_text_that_is_no_secret_is_refused_and_not_repeated() {
        for text in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%%"] {
            assert_eq!(Secret::from_text(text), Err(InvalidSecret), "{text}");
        }
        assert_eq!(format!("{:?}", Secret::new([7; LENGTH])), "Secret");
    }

    #[test]
    fn while_a_secret_is_rotated_both_sign() {
        let secrets = [Secret::new([1; LENGTH]), Secret::new([2; LENGTH])];
        let both = signatures(&secrets, EventId(uuid::Uuid::nil()), Timestamp::UNIX_EPOCH, "{}");
        let parts: Vec<_> = both.split(' ').collect();
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|part| part.starts_with("v1,") && part.len() == 3 + 44));
    }
}
