//! `cargo xtask dist`: what distributions and operators install, into `target/dist/packages/`.
//!
//! The sources go into a tarball together with every dependency, the programs are built from that tarball without a
//! network, and the packages from the programs. Each file is the same bit for bit wherever and whenever it is made: times
//! are those of the last commit, names are sorted, paths of the build are not in the programs.

mod bill;
mod compile;
pub(crate) mod completion;
mod deb;
pub(crate) mod debian;
mod files;
mod manual;
mod manual_of_files;
pub(crate) mod proof;
mod release;
mod rpm;
mod rpm_proof;
mod source;
mod sums;
mod twice;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nsgate_tests::program::{dist, target};

use crate::terminal::seconds;
use crate::tools;
pub(crate) use files::Package;
pub(crate) use release::Release;

const USAGE: &str = "\
cargo xtask dist                 everything, into target/dist/packages/
cargo xtask dist --check         everything twice, in different directories, and compare every file
cargo xtask dist stage DIR       the files of each package below DIR/NAME, for packagers";

/// Does what the words say.
pub(crate) fn run(words: &[String]) -> Result<(), String> {
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => all(&target().join("dist/work"), &packages()).map(drop),
        ["--check"] => twice::check(),
        ["stage", directory] => stage(Path::new(directory)),
        _ => Err(format!("these words are not understood; there are:\n{USAGE}")),
    }
}

/// Where the results are.
pub(crate) fn packages() -> PathBuf {
    target().join("dist/packages")
}

/// Makes everything below `work`, which is emptied first, and puts the results into `into`.
fn all(work: &Path, into: &Path) -> Result<Vec<PathBuf>, String> {
    let release = Release::read()?;
    tools::DPKG_DEV.ensure()?;
    tools::RPM.ensure()?;
    empty(work)?;
    empty(into)?;
    let mut steps = Steps::default();
    let vendor = steps.took("dependencies", source::vendor)?;
    let tarball = steps.took("source", || source::tarball(&release, &vendor, work, into))?;
    let programs = steps.took("programs", || compile::from(&tarball, &release, work))?;
    steps.took("packages", || pack(&release, &programs, work, into))?;
    let mut made = sums::write(into)?;
    made.sort();
    for path in &made {
        let size = fs::metadata(path).map_or(0, |meta| meta.len() / 1024);
        println!("{} ({size} KiB)", path.display());
    }
    Ok(made)
}

/// The packages of programs that are built already, and the bill of what is in them.
pub(crate) fn pack(release: &Release, programs: &Path, work: &Path, into: &Path) -> Result<(), String> {
    let tree = work.join("tree");
    for package in Package::ALL {
        let root = tree.join(package.name());
        files::install(package, release, programs, &root)?;
        deb::build(package, release, &root, work, into)?;
        rpm::build(package, release, &root, work, into)?;
    }
    bill::write_to(release, into)
}

/// The files of the packages from `target/dist/bin`, where `cargo xtask build` puts the programs.
fn stage(directory: &Path) -> Result<(), String> {
    let release = Release::read()?;
    for package in Package::ALL {
        let root = directory.join(package.name());
        files::install(package, &release, &dist(), &root)?;
        println!("{}", root.display());
    }
    Ok(())
}

/// An empty directory.
fn empty(directory: &Path) -> Result<(), String> {
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    }
    make(directory)
}

fn make(directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))
}

/// Says what is done and how long it took.
#[derive(Default)]
struct Steps(usize);

impl Steps {
    fn took<T>(&mut self, what: &str, step: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        self.0 += 1;
        println!("{}. {what} …", self.0);
        let began = Instant::now();
        let made = step()?;
        println!("   {}", seconds(began.elapsed()));
        Ok(made)
    }
}
