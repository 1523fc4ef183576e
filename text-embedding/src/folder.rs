//! The folder of a model, laid out as models are published.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::TOKENS_MAX;
use crate::error::EmbedError;

/// Where the files of a model are.
#[derive(Debug)]
pub(crate) struct ModelFolder {
    root: PathBuf,
}

/// `sentence_bert_config.json`: how long a text may be.
#[derive(Debug, Deserialize)]
struct Lengths {
    max_seq_length: Option<u16>,
}

/// `1_Pooling/config.json`: what of the tokens' vectors is the text's.
#[derive(Debug, Deserialize)]
struct Pooling {
    pooling_mode_mean_tokens: bool,
}

impl ModelFolder {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn model(&self) -> PathBuf {
        self.root.join("model.onnx")
    }

    pub(crate) fn tokenizer(&self) -> PathBuf {
        self.root.join("tokenizer.json")
    }

    /// Refuses another model than the one with the checksum.
    pub(crate) fn check_model(&self, expected: &str) -> Result<(), EmbedError> {
        let path = self.model();
        let content = fs::read(&path).map_err(|source| unreadable(&path, source))?;
        let found = hexadecimal(&Sha256::digest(content));
        if found.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        Err(EmbedError::Other { path, expected: expected.to_owned(), found })
    }

    /// Of all that a vector depends on.
    pub(crate) fn identity(&self, model: &str, max_tokens: u16) -> Result<String, EmbedError> {
        let mut hash = Sha256::new_with_prefix(model.to_lowercase());
        hash.update(text(&self.tokenizer())?);
        hash.update(max_tokens.to_be_bytes());
        Ok(hexadecimal(&hash.finalize()))
    }

    /// Most tokens of a text: what the model was made for, up to our own limit.
    pub(crate) fn max_tokens(&self) -> Result<u16, EmbedError> {
        let path = self.root.join("sentence_bert_config.json");
        let lengths: Option<Lengths> = optional_json(&path)?;
        let wanted = lengths.and_then(|lengths| lengths.max_seq_length).unwrap_or(TOKENS_MAX);
        if wanted < 3 {
            return Err(EmbedError::unusable(&path, "max_seq_length leaves no place for a word"));
        }
        Ok(wanted.min(TOKENS_MAX))
    }

    /// Refuses a model whose texts' vectors are something else than the mean of their tokens' vectors.
    pub(crate) fn check_pooling(&self) -> Result<(), EmbedError> {
        let path = self.root.join("1_Pooling").join("config.json");
        let pooling: Option<Pooling> = optional_json(&path)?;
        if pooling.is_none_or(|pooling| pooling.pooling_mode_mean_tokens) {
            return Ok(());
        }
        Err(EmbedError::unusable(&path, "only the mean of the tokens is known here"))
    }
}

/// The text of a file that must be there.
pub(crate) fn text(path: &Path) -> Result<String, EmbedError> {
    fs::read_to_string(path).map_err(|source| unreadable(path, source))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unreadable(path: &Path, source: std::io::Error) -> EmbedError {
    EmbedError::Unreadable { path: path.to_owned(), source }
}

fn optional_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EmbedError> {
    let text = match text(path) {
        Err(EmbedError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(None);
        }
        read => read?,
    };
    serde_json::from_str(&text).map(Some).map_err(|error| EmbedError::unusable(path, &error))
}
