//! From a policy's text to a filter program: in a build script, when a daemon starts, and in tests.
//!
//! `language` reads one text, `inclusion` puts the texts together that include each other, `program` makes a filter of the
//! result, and `source` writes that as Rust. A daemon whose build script has called [`in_build_script`] loads constants and
//! carries no compiler.

mod inclusion;
mod language;
mod program;
mod source;

pub use inclusion::{PolicyCall, WholePolicy};
pub use language::Condition;

use crate::PolicyError;
use std::{env, fs, path::Path};

type Result<T> = std::result::Result<T, PolicyError>;

/// The architectures that a policy is compiled for, as Rust calls them. Another one has other system calls, and its C library
/// makes others; seccompiler knows no other either.
pub const ARCHITECTURES: [&str; 3] = ["x86_64", "aarch64", "riscv64"];

/// Whether a policy can be compiled for it.
///
/// # Errors
/// One sentence that a build ends with.
pub fn known(arch: &str) -> std::result::Result<(), String> {
    if ARCHITECTURES.contains(&arch) {
        return Ok(());
    }
    Err(format!(
        "policies of system calls are compiled for amd64, arm64 and riscv64 ({}), and not for {arch}: they are written and \
         compared for these, and a process would be killed at the first call that they do not know",
        ARCHITECTURES.join(", ")
    ))
}

/// Compiles the policies of these names, whose texts are in `directory` with the ending `.toml`, for the architecture that the
/// crate is built for. Writes `policies.rs` into `OUT_DIR`: a [`CompiledPolicy`](crate::CompiledPolicy) of each name in capitals,
/// which `include!(concat!(env!("OUT_DIR"), "/policies.rs"))` takes in.
///
/// A build with debug assertions names refused calls ([`Refusal::Names`](crate::Refusal)). A crate that has a feature
/// `log-violations`, and hands it on to this crate's, logs them where it is switched on.
///
/// # Errors
/// One sentence that the build ends with: `println!("cargo::error={why}")`.
pub fn in_build_script(directory: &str, names: &[&str]) -> std::result::Result<(), String> {
    println!("cargo::rerun-if-changed={directory}");
    let variable =
        |name: &str| env::var(name).map_err(|_| format!("{name} is not set: this is for build scripts alone"));
    let arch = variable("CARGO_CFG_TARGET_ARCH")?;
    known(&arch)?;
    let development = variable("PROFILE")? == "debug";
    let mismatch = Mismatch::of(env::var_os("CARGO_FEATURE_LOG_VIOLATIONS").is_some(), development);
    let library = |name: &str| fs::read_to_string(Path::new(directory).join(format!("{name}.toml"))).ok();
    let mut code = String::new();
    for name in names {
        let text = library(name).ok_or_else(|| format!("{directory}/{name}.toml cannot be read"))?;
        let source = WholePolicy::read(name, &text, &library)
            .and_then(|whole| source::rust(name, &whole, &arch, mismatch, development));
        code += &source.map_err(|error| error.to_string())?;
    }
    let file = Path::new(&variable("OUT_DIR")?).join("policies.rs");
    fs::write(&file, code).map_err(|error| format!("{}: {error}", file.display()))
}

/// What happens to a call that the policy does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The process ends (SECCOMP_RET_KILL_PROCESS).
    Kill,
    /// The process says which call it was, and ends (SECCOMP_RET_TRAP): for builds with debug assertions.
    Trap,
    /// It goes on and the kernel's log says which call it was (SECCOMP_RET_LOG): the feature `log-violations`.
    Log,
}

impl Mismatch {
    /// That of a build.
    #[must_use]
    pub fn of(logs: bool, development: bool) -> Self {
        match (logs, development) {
            (true, _) => Self::Log,
            (false, true) => Self::Trap,
            (false, false) => Self::Kill,
        }
    }
}

/// With debug assertions, the standard library asks at each close whether the descriptor is open, and tokio at each socket
/// that it is given whether it waits. A process that is built for development would end there; none that is distributed is.
const DEVELOPMENT: &str = "
[[syscall]]
name = 'fcntl'
reason = 'debug assertions: is a descriptor open when it is closed (F_GETFD), does a socket wait (F_GETFL)'
when = [[{ arg = 1, equals = 1, means = 'F_GETFD' }], [{ arg = 1, equals = 3, means = 'F_GETFL' }]]
";

#[cfg(test)]
mod tests {
    use super::{ARCHITECTURES, Mismatch, WholePolicy, known};
    use crate::{Filter, PolicyError};

    /// A policy that includes nothing.
    fn own(text: &str) -> Result<WholePolicy, PolicyError> {
        WholePolicy::read("own", text, &|_| None)
    }

    #[test]
    fn a_build_for_another_architecture_ends_with_a_sentence() {
        for arch in ARCHITECTURES {
            assert_eq!(known(arch), Ok(()));
        }
        for arch in ["s390x", "powerpc64", "arm", "x86", "loongarch64", ""] {
            let why = known(arch).unwrap_err();
            assert!(why.contains("amd64, arm64 and riscv64") && why.contains(&format!("not for {arch}")), "{why}");
        }
    }

    #[test]
    fn an_argument_has_a_number_or_an_address() {
        let compile = |argument: &str| {
            let text = format!(
                "[[syscall]]\nname = \"read\"\nreason = \"r\"\nwhen = [[{{ arg = 0, {argument}, means = \"m\" }}]]"
            );
            own(&text).and_then(|whole| whole.compile("x86_64", Mismatch::Kill, false)).map(|_| ())
        };
        assert!(compile("equals = 1").is_ok() && compile("address = \"how\"").is_ok());
        for wrong in ["equals = 1, address = \"how\"", "mask = 1", "mask = 1, address = \"how\"", "address = \"where\""]
        {
            assert!(compile(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_entry_without_a_reason_is_refused() {
        assert!(own("[[syscall]]\nname = \"read\"\nreason = \" \"").is_err());
        let error = Filter::from_toml("own", "[[syscall]]\nname = \"read\"\nreason = \"\"").unwrap_err();
        assert_eq!((error.policy.as_str(), error.syscall.as_deref()), ("own", Some("read")));
        assert!(Filter::from_toml("own", "[[syscall]]\nname = \"frobnicate\"\nreason = \"r\"").is_err());
    }

    #[test]
    fn the_entries_that_the_page_offers_are_taken() {
        let page = include_str!("../../POLICY.md");
        let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(blocks.len() > 1, "{blocks:?}");
        let serving =
            "[[syscall]]\nname = \"connect\"\nreason = \"r\"\n[[syscall]]\nname = \"setsockopt\"\nreason = \"r\"\n";
        let (include, alone): (Vec<&str>, Vec<&str>) = blocks.into_iter().partition(|block| block.contains("include"));
        for block in alone {
            Filter::from_toml("page", block).unwrap();
        }
        for block in include {
            let whole = WholePolicy::read("page", block, &|_| Some(serving.to_owned())).unwrap();
            let names: Vec<&str> = whole.calls.iter().map(|call| call.name.as_str()).collect();
            assert_eq!(names, ["connect", "getsockname"]);
            assert!(Filter::from_toml("page", block).is_err(), "it stands alone");
        }
    }
}
