//! Rust source with a compiled policy.

use super::{inclusion::WholePolicy, program::Mismatch};
use crate::{PolicyError, Result};

/// A program for this architecture, and a table of the calls for every one: policy, line, architectures, name, arguments and
/// reason, with a tab between them. The table is one text: a process that never looks at it pays no memory for pointers.
pub(super) fn rust(
    name: &str,
    whole: &WholePolicy,
    arch: &str,
    mismatch: Mismatch,
    development: bool,
) -> Result<String, PolicyError> {
    let number = whole.calls.iter().filter(|call| call.is_on(arch)).count();
    let steps = whole.compile(arch, mismatch, development)?.into_iter().map(|step| {
        let (code, jt, jf, k) = (step.code, step.jt, step.jf, step.k);
        format!(
            "::nsgate_sandbox::reexports::seccompiler::sock_filter {{ code: {code}, jt: {jt}, jf: {jf}, k: {k} }},\n"
        )
    });
    let constant = format!("static {}: ::nsgate_sandbox::CompiledPolicy", name.to_uppercase());
    let program: String = steps.collect();
    Ok(format!(
        "{constant} = ::nsgate_sandbox::CompiledPolicy::new({name:?}, {number}, &[\n{program}], {:?});\n",
        table(whole)
    ))
}

fn table(whole: &WholePolicy) -> String {
    let lines = whole.calls.iter().map(|call| {
        let (line, arch, when) = (call.line, call.arch.join(","), call.in_words());
        format!("{}\t{line}\t{arch}\t{}\t{when}\t{}\n", call.policy, call.name, call.reason)
    });
    lines.collect()
}
