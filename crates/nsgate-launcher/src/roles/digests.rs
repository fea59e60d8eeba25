//! Each filter's digest in a list (`policy/digests.txt`), so that a change of a policy shows which filters it changes.

use super::role::Role;
use nsgate_sandbox::compile::{ARCHITECTURES, Mismatch, WholePolicy};
use nsgate_sandbox::reexports::seccompiler::sock_filter;
use sha2::{Digest, Sha256};

const KEPT: &str = include_str!("../../policy/digests.txt");

/// The first 16 hexadecimal digits of SHA-256 over every instruction, and how many there are.
fn digest(program: &[sock_filter]) -> String {
    let mut hash = Sha256::new();
    for step in program {
        hash.update(step.code.to_le_bytes());
        hash.update([step.jt, step.jf]);
        hash.update(step.k.to_le_bytes());
    }
    let digits: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{digits} {}", program.len())
}

/// The text of that policy.
fn text(name: &str) -> Option<String> {
    std::fs::read_to_string(format!("{}/policy/{name}.toml", env!("CARGO_MANIFEST_DIR"))).ok()
}

/// A line for each filter that can be built: a release kills, a development build names the call, `log-violations` logs it.
fn listed() -> String {
    let builds = [("kill", Mismatch::Kill, false), ("trap", Mismatch::Trap, true), ("log", Mismatch::Log, true)];
    let mut lines = String::new();
    for role in Role::ALL {
        let whole = WholePolicy::read(role.name(), &text(role.name()).unwrap(), &text).unwrap();
        for arch in ARCHITECTURES {
            for (build, mismatch, development) in builds {
                let program = whole.compile(arch, mismatch, development).unwrap();
                lines += &format!("{} {arch} {build} {}\n", role.name(), digest(&program));
            }
        }
    }
    lines
}

#[test]
fn a_change_of_a_filter_is_a_line_in_a_diff() {
    let listed = listed();
    let kept: String = KEPT.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    assert!(kept == listed, "a filter is another one; if it should be, policy/digests.txt goes on with:\n{listed}");
}
