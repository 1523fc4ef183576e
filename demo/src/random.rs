//! Chance from a seed: every thing made has a stream of its own, so that one more product leaves the others alone.

use domain::ids::uuid_v7;
use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

/// The stream of the `index`-th thing of a kind.
pub fn stream(seed: u64, kind: &str, index: u64) -> SmallRng {
    // FNV-1a over the kind, then a multiplication that spreads neighbouring numbers (SplitMix64's constant).
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in kind.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    SmallRng::seed_from_u64(seed ^ hash ^ index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// An id of that millisecond with random bytes of the stream.
pub fn id(at: Timestamp, stream: &mut impl Rng) -> Uuid {
    let mut random = [0; 10];
    stream.fill_bytes(&mut random);
    uuid_v7(at, random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_repeatable_and_their_own() {
        let first = |seed, kind, index| stream(seed, kind, index).next_u64();
        assert_eq!(first(1, "order", 7), first(1, "order", 7));
        let others = [first(2, "order", 7), first(1, "product", 7), first(1, "order", 8)];
        assert!(others.iter().all(|other| *other != first(1, "order", 7)));
    }
}
