//! The settings file: TOML, each value overridden by `ENTREPOT__SECTION__KEY` in the environment.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Prefix of the variables that override the file.
pub const VARIABLE_PREFIX: &str = "ENTREPOT";

/// Why a program has no settings. The message names the key; as a variable it is `ENTREPOT__SECTION__KEY`.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is missing, no TOML, or a value is missing or of another type.
    #[error("settings in {path}: {reason}")]
    Invalid {
        /// The file that was read.
        path: PathBuf,
        /// What is wrong, with the key.
        reason: String,
    },
}

/// Reads the part of the file that `T` asks for.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, SettingsError> {
    let variables = config::Environment::with_prefix(VARIABLE_PREFIX).prefix_separator("__").separator("__");
    config::Config::builder()
        .add_source(config::File::from(path).format(config::FileFormat::Toml))
        .add_source(variables)
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|error| SettingsError::Invalid { path: path.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Settings {
        api: Api,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Api {
        listen: std::net::SocketAddr,
    }

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).expect("written");
        path
    }

    #[test]
    fn a_section_is_read() {
        let path = file("good", "[api]\nlisten = \"127.0.0.1:8080\"\n[other]\nkey = 1\n");
        let settings: Settings = load(&path).expect("valid");
        assert_eq!(settings.api.listen.port(), 8080);
    }

    #[test]
    fn the_error_names_the_key() {
        let path = file("bad", "[api]\nlisten = 3\n");
        let error = load::<Settings>(&path).expect_err("invalid").to_string();
        assert!(error.contains("api.listen"), "{error}");
        assert!(load::<Settings>(Path::new("/nonexistent/x.toml")).is_err());
    }
}
