//! The demonstration shop: a clothing shop of any size, made from a seed.
//!
//! Two runs with the same seed, size and end are equal. It makes facts of `domain` and nothing else: what is not a
//! rule of the shop (taste, seasons, chance) is here, and the writing is `store`'s.

pub mod random;
pub mod shop;
