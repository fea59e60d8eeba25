//! From a policy's text to a filter program. Runs when the crate is built and in tests, never in a gate.

use crate::address::placeholder;
use seccompiler::{BpfProgram, TargetArch, compile_from_json};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{error::Error, fmt::Write};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What happens to a call that the policy does not name.
#[derive(Clone, Copy)]
pub(crate) enum Mismatch {
    /// The process ends (SECCOMP_RET_KILL_PROCESS).
    #[allow(dead_code, reason = "the build makes one kind of program, the tests both")]
    Kill,
    /// It goes on and the kernel's log says which call it was (SECCOMP_RET_LOG): for development.
    #[allow(dead_code, reason = "the build makes one kind of program, the tests both")]
    Log,
}

/// A policy file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) syscall: Vec<Syscall>,
}

/// One entry of a policy file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Syscall {
    pub(crate) name: String,
    pub(crate) reason: String,
    /// Why a run with every kind of traffic may not see it.
    #[serde(default)]
    #[allow(dead_code, reason = "the tests of the workspace read it from the text")]
    rare: String,
    #[serde(default)]
    pub(crate) arch: Vec<String>,
    #[serde(default)]
    pub(crate) when: Vec<Vec<Argument>>,
}

/// One condition on an argument.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Argument {
    arg: u8,
    #[serde(default)]
    mask: Option<u64>,
    #[serde(default)]
    equals: Option<u64>,
    /// Where the process has put this before the filter closes ([`crate::address`]), in the place of `equals`.
    #[serde(default)]
    address: Option<String>,
    #[allow(dead_code, reason = "only the build needs it")]
    means: String,
}

impl Argument {
    /// As the compiler wants it.
    fn condition(&self) -> Result<Value> {
        let index = self.arg;
        Ok(match (self.mask, self.equals, &self.address) {
            (Some(mask), Some(value), None) => {
                json!({ "index": index, "type": "dword", "op": { "masked_eq": mask }, "val": value })
            }
            (None, Some(value), None) => json!({ "index": index, "type": "dword", "op": "eq", "val": value }),
            (None, None, Some(name)) => {
                let place = placeholder(name).ok_or_else(|| format!("no address is called `{name}`"))?;
                json!({ "index": index, "type": "qword", "op": "eq", "val": place })
            }
            _ => {
                return Err(
                    format!("argument {index} has either a number, with or without a mask, or an address").into()
                );
            }
        })
    }
}

impl File {
    /// Reads a policy and keeps what exists on `arch`.
    pub(crate) fn read(text: &str, arch: &str) -> Result<Self> {
        let mut file: Self = toml::from_str(text)?;
        file.syscall.retain(|entry| entry.arch.is_empty() || entry.arch.iter().any(|name| name == arch));
        for entry in &file.syscall {
            if entry.reason.trim().is_empty() {
                return Err(format!("`{}` has no reason", entry.name).into());
            }
        }
        Ok(file)
    }

    /// The filter program: what is named passes.
    pub(crate) fn compile(&self, arch: &str, mismatch: Mismatch) -> Result<BpfProgram> {
        let mut rules: Vec<Value> = Vec::new();
        for entry in &self.syscall {
            if entry.when.is_empty() {
                rules.push(json!({ "syscall": entry.name }));
            }
            for alternative in &entry.when {
                let conditions: Result<Vec<_>> = alternative.iter().map(Argument::condition).collect();
                let conditions = conditions.map_err(|error| format!("`{}`: {error}", entry.name))?;
                rules.push(json!({ "syscall": entry.name, "args": conditions }));
            }
        }
        let action = match mismatch {
            Mismatch::Kill => "kill_process",
            Mismatch::Log => "log",
        };
        let filter = json!({ "role": { "mismatch_action": action, "match_action": "allow", "filter": rules } });
        let mut programs = compile_from_json(filter.to_string().as_bytes(), TargetArch::try_from(arch)?)?;
        Ok(programs.remove("role").ok_or("no program came out")?)
    }
}

#[allow(dead_code, reason = "only the build needs it")]
/// Rust source with the program and its entries as constants.
pub(crate) fn rust_source(role: &str, text: &str, arch: &str, mismatch: Mismatch) -> Result<String> {
    let file = File::read(text, arch)?;
    let program = file.compile(arch, mismatch)?;
    let name = role.to_uppercase();
    let mut code = String::new();
    writeln!(code, "static {name}_PROGRAM: [sock_filter; {}] = [", program.len())?;
    for step in program {
        writeln!(code, "sock_filter {{ code: {}, jt: {}, jf: {}, k: {} }},", step.code, step.jt, step.jf, step.k)?;
    }
    writeln!(code, "];\nstatic {name}_ENTRIES: [Entry; {}] = [", file.syscall.len())?;
    for entry in &file.syscall {
        let alternatives = entry.when.iter().map(|alternative| {
            let words: Vec<&str> = alternative.iter().map(|argument| argument.means.as_str()).collect();
            words.join(" and ")
        });
        let when = alternatives.collect::<Vec<_>>().join(", or ");
        writeln!(code, "Entry {{ name: {:?}, reason: {:?}, when: {when:?} }},", entry.name, entry.reason)?;
    }
    writeln!(code, "];")?;
    Ok(code)
}
