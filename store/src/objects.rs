//! Objects such as pictures, by key: in a folder today, in a bucket later. An object never changes: its key is made
//! of its content, so the first copy is as good as any.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::error::StoreError;
use crate::settings::ObjectSettings;

/// Objects by key; cloning shares it.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
}

impl Objects {
    /// Opens the folder of the settings, which is made when it is missing.
    pub async fn open(settings: &ObjectSettings) -> Result<Self, StoreError> {
        tokio::fs::create_dir_all(&settings.folder).await.map_err(StoreError::unavailable)?;
        Self::of_folder(&settings.folder)
    }

    fn of_folder(folder: &Path) -> Result<Self, StoreError> {
        let store = LocalFileSystem::new_with_prefix(folder).map_err(store_error)?;
        Ok(Self { store: Arc::new(store) })
    }

    /// The object of that key; `None` as well for what can be no key, such as one with `..` in it.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let Some(key) = parsed(key) else { return Ok(None) };
        match self.store.get(&key).await {
            Ok(found) => found.bytes().await.map(Some).map_err(store_error),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(store_error(error)),
        }
    }

    /// Puts an object where none is. `false`: there is one already, and it stays.
    pub async fn put(&self, key: &str, content: Bytes) -> Result<bool, StoreError> {
        let key =
            parsed(key).ok_or_else(|| StoreError::Inconsistent(format!("{key:?} is no object's key")))?;
        let absent = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(&key, content.into(), absent).await {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(store_error(error)),
        }
    }
}

/// A key as it is: one that would be read as another is none.
fn parsed(key: &str) -> Option<Key> {
    Key::parse(key).ok().filter(|parsed| !key.is_empty() && parsed.as_ref() == key)
}

fn store_error(error: Error) -> StoreError {
    match error {
        error @ (Error::Generic { .. } | Error::JoinError { .. }) => StoreError::Unavailable(error.into()),
        error => StoreError::Driver(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_is_put_once_and_read_by_its_key() {
        let folder = std::env::temp_dir().join(format!("entrepot-objects-{}", uuid::Uuid::new_v4()));
        let objects = Objects::open(&ObjectSettings { folder: folder.clone() }).await.expect("a folder");
        assert_eq!(objects.get("a.svg").await.expect("asked"), None);
        assert!(objects.put("a.svg", Bytes::from_static(b"one")).await.expect("put"));
        assert!(!objects.put("a.svg", Bytes::from_static(b"two")).await.expect("refused"));
        assert_eq!(objects.get("a.svg").await.expect("asked"), Some(Bytes::from_static(b"one")));
        std::fs::write(folder.with_extension("secret"), "secret").expect("written");
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        for key in ["", "/a.svg", "a.svg/", "./a.svg", "x/../a.svg", &format!("../{name}.secret")] {
            assert_eq!(objects.get(key).await.expect("asked"), None, "{key}");
            assert!(objects.put(key, Bytes::new()).await.is_err(), "{key}");
        }
        std::fs::remove_dir_all(&folder).expect("removed");
        std::fs::remove_file(folder.with_extension("secret")).expect("removed");
    }
}
