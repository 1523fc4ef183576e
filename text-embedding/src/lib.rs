//! Texts as vectors: texts that mean the same have vectors that point the same way.
//!
//! The search asks only [`TextEmbedder`]; [`OnnxEmbedder`] is a sentence model of the BERT family on this machine's
//! disk. Never fetches a model, never knows what the texts are about.

mod error;
mod folder;
mod onnx;
mod pooling;
mod word_piece;

pub use error::{BoxError, EmbedError};
pub use onnx::OnnxEmbedder;

/// Most texts that are embedded at once.
pub const BATCH_MAX: usize = 64;
/// Most tokens of a text that are looked at, with the two that every model adds.
pub const TOKENS_MAX: u16 = 256;

/// What makes vectors of texts.
pub trait TextEmbedder: Send + Sync {
    /// How many numbers a vector has.
    fn dimension(&self) -> usize;

    /// What tells its vectors from those of others, in hexadecimal digits.
    fn identity(&self) -> &str;

    /// The vectors of up to [`BATCH_MAX`] texts, in their order, each of length 1. What follows the first
    /// [`TOKENS_MAX`] tokens of a text is not looked at. It computes for a long time: asynchronous callers spawn it as
    /// blocking.
    ///
    /// # Errors
    /// When there are too many texts, or when the model cannot make vectors of them.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError>;
}
