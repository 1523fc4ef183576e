//! Whoever merges the lake must own what is in it, also what an administrator has brought in.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

/// Gives a new file or folder to the owner of the folder that it is in. Only an administrator can; what somebody else
/// makes stays theirs.
pub(crate) fn inherit(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let (made, above) = (fs::metadata(path)?, fs::metadata(folder)?);
    if (made.uid(), made.gid()) == (above.uid(), above.gid()) {
        return Ok(());
    }
    // Not every disk has owners, and not everybody may give away.
    let _ = chown(path, Some(above.uid()), Some(above.gid()));
    Ok(())
}

/// Makes a folder and those above it that are missing, each of them its parent's owner's.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folder(above)?;
    }
    match fs::create_dir(folder) {
        // Another process was first.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| inherit(folder)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_belongs_to_the_owner_of_the_lake() {
        const OTHER: u32 = 12_345;
        let root = std::env::temp_dir().join(format!("entrepot-ownership-{}", std::process::id()));
        fs::create_dir_all(&root).expect("made");
        let is_administrator = chown(&root, Some(OTHER), Some(OTHER)).is_ok();
        let folder = root.join("behaviour/channel=clicks");
        make_folder(&folder).expect("made");
        make_folder(&folder).expect("there");
        let file = folder.join("file");
        fs::write(&file, "").expect("written");
        inherit(&file).expect("given");
        let owner = |path: &Path| fs::metadata(path).expect("there").uid();
        let expected = if is_administrator { OTHER } else { owner(&root) };
        assert_eq!([root.join("behaviour"), folder, file].map(|path| owner(&path)), [expected; 3]);
        fs::remove_dir_all(&root).expect("removed");
    }
}
