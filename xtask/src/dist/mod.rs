//! `cargo xtask dist`: what distributions and operators install, into `target/dist/packages/`.
//!
//! The sources go into a tarball together with every dependency and with what is generated. From that tarball, and without a
//! network, the distributions' own tools build: dpkg-buildpackage(1) programs and packages, rpmbuild(8) packages of the same
//! programs. Each file is the same bit for bit at any place and any time: its times
//! are those of the last commit, names are sorted, paths of the build are not in the programs.

mod bill;
pub(crate) mod completion;
mod contents;
mod deb;
pub(crate) mod debian;
mod manual;
mod manual_of_files;
mod pages;
pub(crate) mod proof;
mod release;
mod rpm;
mod source;
mod sums;
mod third_party;
mod twice;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nsgate_tests::program::target;

use crate::tools;
use nsgate_tests::table::seconds;
pub(crate) use release::Release;

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// Everything twice, in different directories, compared bit by bit
    #[arg(long)]
    check: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Manual pages, completions and notices of third parties, as the tarball has them
    Pages { directory: PathBuf },
}

/// Does what the words say.
pub(crate) fn run(wish: &Wish) -> Result<(), String> {
    match &wish.part {
        Some(Part::Pages { directory }) => pages::write_to(&Release::read()?, directory),
        None if wish.check => twice::check(),
        None => all(&target().join("dist/work"), &packages()).map(drop),
    }
}

/// Where the results are.
pub(crate) fn packages() -> PathBuf {
    target().join("dist/packages")
}

/// Makes everything below `work`, which is emptied first, and puts the results into `into`.
fn all(work: &Path, into: &Path) -> Result<Vec<PathBuf>, String> {
    let release = Release::read()?;
    for tool in [tools::DPKG_DEV, tools::DEBHELPER, tools::RPM, tools::CHECKPOLICY, tools::SEMODULE] {
        tool.ensure()?;
    }
    for line in source::uncommitted() {
        println!("in no commit, and not in the history of what is made: {line}");
    }
    empty(work)?;
    empty(into)?;
    let mut steps = Steps::default();
    let vendor = steps.took("dependencies", source::vendor)?;
    let tarball = steps.took("source", || source::tarball(&release, Some(&vendor), work, into))?;
    let built = built();
    if let Some(programs) = &built {
        println!(
            "NSGATE_PROGRAMS: packed are the programs in {}, and none is built from the tarball",
            programs.display()
        );
    }
    let wish = deb::Wish { release: &release, tarball: &tarball, programs: built.as_deref() };
    let programs = steps.took("programs and Debian packages", || deb::build(wish, work, into))?;
    steps.took("RPM packages", || rpm::build(wish, &programs, work, into))?;
    bill::write_to(&release, into)?;
    let mut made = sums::write(into)?;
    made.sort();
    for path in &made {
        let size = fs::metadata(path).map_or(0, |meta| meta.len() / 1024);
        println!("{} ({size} KiB)", path.display());
    }
    Ok(made)
}

/// Programs that are built already, if the caller names them as `debian/rules` takes them: to try a change of the packages alone.
fn built() -> Option<PathBuf> {
    std::env::var_os("NSGATE_PROGRAMS").filter(|place| !place.is_empty()).map(PathBuf::from)
}

/// The packages of programs that are built already.
pub(crate) fn pack(
    release: &Release,
    vendor: Option<&Path>,
    programs: &Path,
    work: &Path,
    into: &Path,
) -> Result<(), String> {
    empty(work)?;
    empty(into)?;
    let tarball = source::tarball(release, vendor, work, into)?;
    let wish = deb::Wish { release, tarball: &tarball, programs: Some(programs) };
    deb::build(wish, work, into)?;
    rpm::build(wish, programs, work, into)?;
    bill::write_to(release, into)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use nsgate_tests::program::workspace;

    fn text(name: &str) -> String {
        fs::read_to_string(workspace().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The text after a word at the beginning of a line.
    fn said(text: &str, word: &str) -> String {
        let line = text.lines().find_map(|line| line.strip_prefix(word));
        line.unwrap_or_else(|| panic!("no line begins with {word}")).trim().trim_matches('"').to_owned()
    }

    const SPEC: &str = "xtask/packaging/rpm/nsgate.spec";

    #[test]
    fn packages_have_the_version_and_the_address_of_the_manifests() {
        let (manifest, spec, control) = (text("Cargo.toml"), text(SPEC), text("debian/control"));
        let version = said(&manifest, "version = ");
        assert_eq!(said(&spec, "Version:"), version);
        assert!(said(&text("debian/changelog"), "nsgate (").starts_with(&format!("{version}-1) ")));
        assert!(spec.contains(&format!(" - {version}-1\n")), "the changelog of the specification");
        let address = said(&manifest, "homepage = ");
        assert_eq!([said(&spec, "URL:"), said(&control, "Homepage:")], [address.clone(), address]);
        let rust = said(&manifest, "rust-version = ");
        assert!(spec.contains(&format!("rust >= {rust}")) && control.contains(&format!("rustc (>= {rust})")));
    }

    #[test]
    fn packages_are_for_the_architectures_that_have_policies() {
        let set = |words: &str| words.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
        let code = text("crates/nsgate-sandbox/src/compile/program.rs");
        let list = said(&code, "pub const ARCHITECTURES: [&str; 3] = ");
        let known = set(&list.replace(['[', ']', '"', ',', ';'], " "));
        assert_eq!(set(&said(&text(SPEC), "ExclusiveArch:")), known);
        let of_debian = |arch: &str| match arch {
            "x86_64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            other => other.to_owned(),
        };
        let control = text("debian/control");
        let lines: Vec<&str> = control.lines().filter_map(|line| line.strip_prefix("Architecture:")).collect();
        assert_eq!(lines.len(), control.matches("\nPackage: ").count());
        for line in lines {
            assert_eq!(set(line), known.iter().map(|arch| of_debian(arch)).collect());
        }
        for arch in known {
            let target = format!("\"{}", if arch == "riscv64" { "riscv64gc" } else { &arch });
            assert!(text("deny.toml").contains(&format!("{target}-unknown-linux-gnu\"")), "deny.toml: {arch}");
        }
    }
}
