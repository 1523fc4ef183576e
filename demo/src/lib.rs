//! The demonstration shop: a clothing shop of any size, made from a seed.
//!
//! Two runs with the same seed, size and end are equal. It makes facts of `domain` and nothing else: what is not a
//! rule of the shop (taste, seasons, chance) is here, and the writing is `store`'s.

pub mod assortment;
pub mod behaviour;
pub mod calendar;
pub mod catalogue;
pub mod chance;
pub mod country;
pub mod customers;
pub mod orders;
pub mod promotions;
pub mod queries;
pub mod random;
pub mod returns;
pub mod reviews;
pub mod shop;
pub mod stock;
pub mod trade;
pub mod write;
