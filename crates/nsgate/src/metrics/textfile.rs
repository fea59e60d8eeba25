//! Writes the page to a file for node_exporter's textfile collector. It replaces the old file at once.

use super::socket::absent;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Writes `text` to `path`, by way of a new file beside it.
///
/// # Errors
/// In words.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::read_dir(directory).map_err(|error| absent(directory, &error))?;
    // A rename would replace anything, also /dev/stdout and /dev/null.
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(format!(
            "{}: this is no plain file, and is not replaced. Without --textfile the page goes to standard output",
            path.display()
        ));
    }
    let name = path.file_name().ok_or_else(|| format!("{}: not the name of a file", path.display()))?;
    let mut new = std::ffi::OsString::from(".");
    new.push(name);
    new.push(format!(".{}", std::process::id()));
    let new = path.with_file_name(new);
    let mut options = OpenOptions::new();
    // Follow no link and overwrite no file.
    let file = options.write(true).create_new(true).mode(0o644).open(&new);
    let mut file = file.map_err(|error| failed(&new, error))?;
    let done = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&new, path));
    done.map_err(|error| {
        let _ = fs::remove_file(&new);
        failed(path, error)
    })
}
