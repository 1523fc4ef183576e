//! What embedding can fail at.

use std::path::{Path, PathBuf};

use crate::BATCH_MAX;

/// An error with its whole chain.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why there are no vectors.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// A file of the model is not there or cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of the model is broken, or asks for what is not known here.
    #[error("cannot use {}: {reason}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is another model than the one that was asked for.
    #[error("{} has the SHA-256 {found}, not {expected}", path.display())]
    Other {
        /// Which file.
        path: PathBuf,
        /// As asked for.
        expected: String,
        /// As it is.
        found: String,
    },
    /// The model wants other inputs than token ids and their mask.
    #[error("the model's inputs are not understood: {0}")]
    Inputs(String),
    /// The model gives something else than a vector for each token.
    #[error("the model's output is not understood: {0}")]
    Output(String),
    /// More texts than are embedded at once.
    #[error("{0} texts at once are too many, the most is {BATCH_MAX}")]
    TooManyTexts(usize),
    /// The model cannot compute with these tokens: most often, the tokenizer belongs to another model.
    #[error("the model cannot be run")]
    Run(#[source] BoxError),
}

impl EmbedError {
    pub(crate) fn unusable(path: &Path, reason: &(impl ToString + ?Sized)) -> Self {
        Self::Unusable { path: path.to_owned(), reason: reason.to_string() }
    }
}
