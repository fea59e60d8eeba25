//! `cargo xtask dist --check`: everything twice, in two directories whose names have different lengths, and every file
//! compared bit by bit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nsgate_tests::program::target;

use super::{all, packages};

/// Makes everything twice; the first is left in `target/dist/packages`.
pub(crate) fn check() -> Result<(), String> {
    all(&target().join("dist/work"), &packages())?;
    let again = target().join("dist/once-more-in-a-directory-with-a-longer-name");
    all(&again.join("work"), &again.join("packages"))?;
    let compared = same(&packages(), &again.join("packages"))?;
    fs::remove_dir_all(&again).map_err(|e| format!("{}: {e}", again.display()))?;
    println!("{compared} files, built twice, are the same bit for bit");
    Ok(())
}

/// How many files both directories hold.
///
/// # Errors
/// The first file that differs.
pub(crate) fn same(one: &Path, other: &Path) -> Result<usize, String> {
    let (first, second) = (contents(one)?, contents(other)?);
    if first.keys().ne(second.keys()) {
        return Err(format!("other files: {:?} and {:?}", first.keys(), second.keys()));
    }
    // From the end: SHA256SUMS differs if another file does, and is the first.
    match first.iter().rfind(|(name, bytes)| second.get(*name) != Some(bytes)) {
        Some((name, _)) => Err(format!(
            "{} is not what it was the first time: {} and {}",
            name.display(),
            one.join(name).display(),
            other.join(name).display()
        )),
        None if first.is_empty() => Err(format!("{} is empty", one.display())),
        None => Ok(first.len()),
    }
}

fn contents(directory: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, String> {
    let entries = fs::read_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok((PathBuf::from(path.file_name().unwrap_or_default()), bytes))
    };
    entries.flatten().map(|entry| read(entry.path())).collect()
}
