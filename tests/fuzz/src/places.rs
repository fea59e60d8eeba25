//! Where inputs are kept: `tests/fuzz/corpus/TARGET` and `tests/fuzz/findings/TARGET`.

use crate::Target;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The directories of one target.
#[derive(Clone, Debug)]
pub struct Places {
    /// Inputs that reach something.
    pub corpus: PathBuf,
    /// Inputs of a session that has not ended: an interrupted one leaves the corpus as it was, and the next goes on.
    pub fresh: PathBuf,
    /// Inputs that broke a promise.
    pub findings: PathBuf,
    /// The input that is being run, for the process that survives it.
    pub running: PathBuf,
}

impl Places {
    /// Those of `target` in this repository. Temporary files are beside the program.
    pub fn of(target: &Target) -> Places {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = std::env::current_exe().unwrap_or_default();
        Places {
            corpus: here.join("corpus").join(target.name),
            fresh: program.with_file_name(format!("{}.fresh", target.name)),
            findings: here.join("findings").join(target.name),
            running: program.with_file_name(format!("{}.running", target.name)),
        }
    }
}

/// The files of a directory by name, none if there is no such directory.
///
/// # Errors
/// Which file cannot be read.
pub fn read_all(directory: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", directory.display())),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let read = |path: PathBuf| match fs::read(&path) {
        Ok(bytes) => Ok((path, bytes)),
        Err(error) => Err(format!("{}: {error}", path.display())),
    };
    paths.into_iter().map(read).collect()
}

/// Writes `bytes` under their hash.
///
/// # Errors
/// Why it cannot be written.
pub fn keep(directory: &Path, bytes: &[u8]) -> Result<PathBuf, String> {
    let path = directory.join(hash(bytes));
    let written = fs::create_dir_all(directory).and_then(|()| fs::write(&path, bytes));
    written.map(|()| path.clone()).map_err(|error| format!("{}: {error}", path.display()))
}

/// The name of an input: FNV-1a, 64 bits.
pub fn hash(bytes: &[u8]) -> String {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// Whether the engine gave a file its name. An input with a name that a person gave stays.
pub fn is_hash(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
