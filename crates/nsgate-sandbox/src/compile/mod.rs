//! From a policy's text to a filter program: in a build script, when a daemon starts, and in tests.
//!
//! `language` reads one text, `inclusion` puts the texts together that include each other, `program` makes a filter of the
//! result, `source` writes that as Rust, and `build_script` does all of it. A daemon whose build script has called [`in_build_script`] loads constants and
//! carries no compiler.

mod build_script;
mod inclusion;
mod language;
mod program;
mod source;

pub use build_script::in_build_script;
pub use inclusion::{PolicyCall, WholePolicy};
pub use language::Condition;
pub use program::{ARCHITECTURES, Mismatch, known};

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
