//! Why the API does not start. A server that is down is no reason.

use cache::error::CacheError;
use search_indexer::error::SearchError;
use store::error::StoreError;

use crate::cursor::InvalidCursorKey;
use crate::rate_limit::InvalidPolicy;

/// Settings that cannot be used, or an address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Development tokens would open a production API.
    #[error("development_tokens are set in production")]
    DevelopmentTokens,
    /// A store's settings.
    #[error("the settings of a store")]
    Store(#[from] StoreError),
    /// A cache's settings.
    #[error("the settings of a cache")]
    Cache(#[from] CacheError),
    /// The search engine's settings.
    #[error("the settings of the search engine")]
    Search(#[from] SearchError),
    /// `api.rate_limit`
    #[error("the settings of the rate limit")]
    RateLimit(#[from] InvalidPolicy),
    /// `api.cursor_key`
    #[error("api.cursor_key")]
    CursorKey(#[from] InvalidCursorKey),
    /// The listener.
    #[error("the address cannot be listened on")]
    Listen(#[from] std::io::Error),
}
