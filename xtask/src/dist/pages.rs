//! `cargo xtask dist pages DIR`: what is generated and installed, as `make install` takes it and as the tarball has it in `pages/`.

use std::fs;
use std::path::Path;

use super::{Release, completion, empty, make, manual, source, third_party};

/// Writes manual pages, completions and the notices of third parties below `into`, which is emptied first.
pub(crate) fn write_to(release: &Release, into: &Path) -> Result<(), String> {
    empty(into)?;
    for page in manual::pages(release)? {
        write(&into.join("man").join(page.file()), page.text.as_bytes())?;
    }
    for (path, text) in completion::scripts() {
        write(&into.join(path), text.as_bytes())?;
    }
    write(&into.join("THIRD-PARTY"), third_party::notices(release, &source::vendor()?)?.as_bytes())
}

/// Writes a file, and the directories above it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    make(path.parent().unwrap_or(path))?;
    fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))
}
