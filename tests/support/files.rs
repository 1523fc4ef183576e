//! Folders and data of tests.

use std::path::{Path, PathBuf};

/// A new empty folder, under the system's temporary one.
pub fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("entrepot-test-{}-{}", name, uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&path).expect("a folder can be made");
    path
}

/// The checkout.
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in the checkout")
}

/// A file of the real data that is not part of the project: in `ENTREPOT_DATA`, or in `../shared/data` beside the
/// checkout. `None` where there is none.
pub fn data(relative: &str) -> Option<PathBuf> {
    let root =
        std::env::var_os("ENTREPOT_DATA").map_or_else(|| checkout().join("../shared/data"), PathBuf::from);
    Some(root.join(relative)).filter(|path| path.exists())
}
