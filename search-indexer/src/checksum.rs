//! SHA-256 as text.

use sha2::{Digest, Sha256};

/// 64 hexadecimal digits.
pub(crate) fn of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
