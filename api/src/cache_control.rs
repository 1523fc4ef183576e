//! What browsers and shared caches may do with answers that anybody may ask for.
//!
//! Nothing tells a shared cache yet that a product has changed, so it may hold an answer for seconds only.

use actix_web::http::header::{self, HeaderName, HeaderValue};

use crate::authorized::Anyone;

/// For products: what this process itself answers is true at once.
pub const PRODUCTS: &str = "public, max-age=0, s-maxage=5";
/// For search results, which have up to a second of their own until they show a change.
pub const SEARCHES: &str = "public, max-age=0, s-maxage=1";
/// What a shared cache can drop answers by.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// Who has signed in may see more than others: no shared cache holds it, and a browser asks each time.
pub const PRIVATE: &str = "private, no-cache";

/// The headers of an answer: public ones are for those who did not sign in.
pub fn headers(caller: &Anyone, public: &'static str) -> [(HeaderName, HeaderValue); 2] {
    let control = if caller.0.is_none() { public } else { PRIVATE };
    [
        (header::CACHE_CONTROL, HeaderValue::from_static(control)),
        (header::VARY, HeaderValue::from_static("authorization")),
    ]
}
