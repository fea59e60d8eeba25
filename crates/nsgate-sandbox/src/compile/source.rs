//! Rust source with a filter program, and what it permits, as constants.

use super::{Mismatch, Result, Whole};

/// A program for this architecture, and a table of the calls for every one: policy, line, architectures, name, arguments and
/// reason, with a tab between them. It is one text: a process that never looks at it pays no memory for pointers.
#[allow(dead_code, reason = "only the build needs it")]
pub(crate) fn rust(role: &str, whole: &Whole, arch: &str, mismatch: Mismatch, development: bool) -> Result<String> {
    let program = whole.compile(arch, mismatch, development)?;
    let name = role.to_uppercase();
    let mut code = format!("static {name}_PROGRAM: [sock_filter; {}] = [\n", program.len());
    for step in program {
        code += &format!("sock_filter {{ code: {}, jt: {}, jf: {}, k: {} }},\n", step.code, step.jt, step.jf, step.k);
    }
    let number = whole.calls.iter().filter(|call| call.is_on(arch)).count();
    code += &format!("];\nconst {name}_CALLS: usize = {number};\n");
    Ok(code + &format!("static {name}_TABLE: &str = {:?};\n", table(whole)))
}

fn table(whole: &Whole) -> String {
    let lines = whole.calls.iter().map(|call| {
        let (line, arch, when) = (call.line, call.arch.join(","), call.in_words());
        format!("{}\t{line}\t{arch}\t{}\t{when}\t{}\n", call.policy, call.name, call.reason)
    });
    lines.collect()
}
